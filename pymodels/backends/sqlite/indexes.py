"""Expression indexes: kind, value, key, of a model's own records alone.

`(rank, value, ..., key) WHERE membership`: SQLite then drops the terms of
membership from a query that has them, and counts from the index alone. Only
builtin functions stand in it, so that any program may write the table.
"""

import json
import sqlite3
from dataclasses import replace
from hashlib import sha256

from pymodels.backends._sql.predicates import compile_predicate
from pymodels.backends._sql.terms import Columns, inlined, is_pushable, place, rank_of
from pymodels.backends.sqlite.file import File
from pymodels.errors import DuplicateKey, Unsupported
from pymodels.indexes import BoundIndex
from pymodels.law.predicates import Predicate, spelled, terms_of
from pymodels.law.values import KEY, Kind


def members_sql(membership: Predicate, columns: Columns) -> str:
    """Give membership as an index can have it: no parameters, builtins only."""
    plain = replace(columns, usual=(), foreign=False)
    found = []
    for term in terms_of(membership):
        sql = compile_predicate(term, plain)
        if sql is not None and sql.exact and "pm_" not in sql.text:
            found.append(inlined(sql))
    return " AND ".join(found)


def index_terms(index: BoundIndex, columns: Columns) -> list[str]:
    """Give the expressions to index, with their directions."""
    columns = replace(columns, foreign=False)  # as the lean form spells them
    terms: list[str] = []
    for order in index.orders:
        direction = " DESC" if order.descending else ""
        if order.path == KEY:
            terms.append(columns.key + direction)
            continue
        at = place(columns, order.path, order.declared)
        terms += [rank_of(at.type, at.mark) + direction, at.value + direction]
    if not index.unique and index.orders[-1].path != KEY:
        last = " DESC" if index.orders[-1].descending else ""
        terms.append(columns.key + last)
    return terms


def index_sql(table: str, index: BoundIndex, columns: Columns) -> str:
    """Give what follows the name in CREATE INDEX."""
    name = '"' + table.replace('"', '""') + '"'
    members = members_sql(index.membership, columns)
    where = f" WHERE {members}" if members else ""
    return f"ON {name} ({', '.join(index_terms(index, columns))}){where}"


def index_prefix(table: str, index: BoundIndex) -> str:
    """Give the part of an index's name that stays when its expression changes."""
    names = "_".join(
        ("desc_" if order.descending else "") + spelled(order.path)
        for order in index.orders
    )
    kind = "unique" if index.unique else "index"
    # The names alone do not tell: "a_b" is not ("a", "b").
    asked = [(order.path, order.descending) for order in index.orders]
    what = _digest(repr((index.model, asked)))[:6]
    return f"{table}__{index.model}__{names}__{kind}_{what}_"


def index_name(table: str, index: BoundIndex, columns: Columns) -> str:
    """Name an index after what it indexes and a hash of how."""
    digest = _digest(index_sql(table, index, columns))[:12]
    return index_prefix(table, index) + digest


def _digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()


def create_index(file: File, table: str, index: BoundIndex, columns: Columns) -> str:
    """Make an index unless it is there, and drop what an older version made."""
    check_indexable(index, table)
    name = index_name(table, index, columns)
    kind = "UNIQUE INDEX" if index.unique else "INDEX"
    if name in index_names(file, table):
        return name
    sql = f"CREATE {kind} IF NOT EXISTS {_quoted(name)} "
    sql += index_sql(table, index, columns)
    try:
        with file.writing() as writer:
            writer.execute(sql)
            prefix = index_prefix(table, index)
            for old in _names(writer, table):
                if old.startswith(prefix) and old != name:
                    writer.execute(f"DROP INDEX {_quoted(old)}")
            writer.execute("PRAGMA analysis_limit=400")
            writer.execute(f"ANALYZE {_quoted(table)}")
    except DuplicateKey as error:
        keys = duplicates(file, table, index, columns)
        raise DuplicateKey(
            f"{index} cannot be unique: the records {', '.join(map(repr, keys))} hold "
            "the same value"
        ) from error.__cause__
    return name


def check_indexable(index: BoundIndex, table: str) -> None:
    """Refuse what cannot be indexed exactly."""
    for order in index.orders:
        if not all(map(is_pushable, order.path)):
            raise Unsupported(
                f"{index} in {table}: a name with quotes, backslashes or control "
                "characters cannot be indexed"
            )
        declared = order.declared
        if index.unique and declared and "Decimal" in declared.name.split(" or "):
            raise Unsupported(
                f"{index}: Decimals that are equal may be spelled differently, so "
                "this cannot be unique here"
            )
        if index.unique and declared and declared.kinds & {Kind.LIST, Kind.MAP}:
            raise Unsupported(f"{index}: lists and maps cannot be unique here")


def duplicates(
    file: File, table: str, index: BoundIndex, columns: Columns
) -> list[str]:
    """Find the keys of some records that stand in the way of a unique index."""
    values = [
        place(columns, order.path, order.declared).value for order in index.orders
    ]
    members = members_sql(index.membership, columns)
    where = " AND ".join([f"{value} IS NOT NULL" for value in values])
    where += f" AND {members}" if members else ""
    terms = ", ".join(
        term.removesuffix(" DESC") for term in index_terms(index, columns)
    )
    row = file.one(
        f"SELECT json_group_array({columns.key}) FROM {_quoted(table)} WHERE {where} "
        f"GROUP BY {terms} HAVING count(*) > 1 LIMIT 1"
    )
    return list(json.loads(row[0]))[:10] if row else []


def index_names(file: File, table: str) -> list[str]:
    """Give the names of all the indexes that were made on a table by SQL."""
    return [row[0] for row in file.read(_LISTED, (table,))]


_LISTED = (
    "SELECT name FROM sqlite_schema WHERE type='index' "
    "AND tbl_name=? COLLATE NOCASE AND sql IS NOT NULL ORDER BY name"
)


def _names(writer: sqlite3.Connection, table: str) -> list[str]:
    return [row[0] for row in writer.execute(_LISTED, (table,)).fetchall()]


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
