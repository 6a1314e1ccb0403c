"""Expression indexes: kind, value, key, of a model's own records alone.

`(rank, value, ..., key) WHERE membership`: SQLite then drops the terms of
membership from a query that has them, and counts from the index alone. Only
builtin functions stand in it, so that any program may write the table.
"""

import json
from dataclasses import replace
from hashlib import sha256

from pymodels.backend import KEY, BoundIndex, Kind, errors, spelled, terms_of
from pymodels.backends._sql.predicates import compile_predicate
from pymodels.backends._sql.terms import inlined
from pymodels.backends._sql.values import can_spell, value_at
from pymodels.backends.sqlite.file import File
from pymodels.backends.sqlite.table import Table, quoted


def members_sql(index: BoundIndex, table: Table) -> str:
    """Give membership as an index can have it: no parameters, builtins only."""
    trusted = replace(table.columns, foreign=False)
    found = []
    for term in terms_of(index.membership):
        sql = compile_predicate(term, trusted)
        if sql is not None and sql.exact and "pm_" not in sql.text:
            found.append(inlined(sql))
    return " AND ".join(found)


def index_terms(index: BoundIndex, table: Table) -> list[str]:
    """Give the expressions to index, as a trusting query spells them."""
    paths = frozenset(order.path for order in index.orders)
    trusted = replace(table.columns, foreign=False, ranked=paths)
    terms: list[str] = []
    for order in index.orders:
        direction = " DESC" if order.descending else ""
        if order.path == KEY:
            terms.append(trusted.key + direction)
        elif at := value_at(trusted, order.path, order.declared):
            terms += [at.rank + direction, at.value + direction]
    if not index.unique and KEY not in paths:
        terms.append(trusted.key + direction)
    return terms


def leading_term(index: BoundIndex, table: Table) -> str:
    """Give the expression that an index begins with: a rank, or the key."""
    return index_terms(index, table)[0].removesuffix(" DESC")


def index_sql(index: BoundIndex, table: Table) -> str:
    """Give what follows the name in CREATE INDEX."""
    members = members_sql(index, table)
    where = f" WHERE {members}" if members else ""
    return f"ON {table.source} ({', '.join(index_terms(index, table))}){where}"


def index_prefix(index: BoundIndex, table: Table) -> str:
    """Give the part of an index's name that stays when its expression changes."""
    names = "_".join(
        ("desc_" if order.descending else "") + spelled(order.path)
        for order in index.orders
    )
    kind = "unique" if index.unique else "index"
    # The names alone do not tell: "a_b" is not ("a", "b").
    asked = [(order.path, order.descending) for order in index.orders]
    what = _digest(repr((index.model, asked)))[:6]
    return f"{table.name}__{index.model}__{names}__{kind}_{what}_"


def index_name(index: BoundIndex, table: Table) -> str:
    """Name an index after what it indexes and a hash of how."""
    return index_prefix(index, table) + _digest(index_sql(index, table))[:12]


def _digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()


def create_index(file: File, index: BoundIndex, table: Table) -> str:
    """Make an index unless it is there, and drop what an older version made."""
    check_indexable(index, table)
    name, there = index_name(index, table), index_names(file, table)
    if name in there:
        return name
    kind, prefix = "UNIQUE " if index.unique else "", index_prefix(index, table)
    made = f"CREATE {kind}INDEX IF NOT EXISTS {quoted(name)} {index_sql(index, table)}"
    try:
        with file.writing() as writer:
            writer.execute(made)
            for old in there:
                if old.startswith(prefix):
                    writer.execute(f"DROP INDEX IF EXISTS {quoted(old)}")
            writer.execute("PRAGMA analysis_limit=400")
            writer.execute(f"ANALYZE {table.source}")
    except errors.DuplicateKey as error:
        keys = duplicates(file, index, table)
        raise errors.DuplicateKey(
            f"{index} cannot be unique: the records {', '.join(map(repr, keys))} hold "
            "the same value"
        ) from error.__cause__
    return name


def check_indexable(index: BoundIndex, table: Table) -> None:
    """Refuse what cannot be indexed exactly."""
    for order in index.orders:
        if not can_spell(order.path):
            raise errors.Unsupported(
                f"{index} in {table.name}: a name with quotes, backslashes or control "
                "characters cannot be indexed"
            )
        declared = order.declared
        if index.unique and declared and "Decimal" in declared.name.split(" or "):
            raise errors.Unsupported(
                f"{index}: Decimals that are equal may be spelled differently, so "
                "this cannot be unique here"
            )
        if index.unique and declared and declared.kinds & {Kind.LIST, Kind.MAP}:
            raise errors.Unsupported(f"{index}: lists and maps cannot be unique here")


def duplicates(file: File, index: BoundIndex, table: Table) -> list[str]:
    """Find the keys of some records that stand in the way of a unique index."""
    terms = [term.removesuffix(" DESC") for term in index_terms(index, table)]
    where = [f"{term} IS NOT NULL" for term in terms]
    where += filter(None, [members_sql(index, table)])
    row = file.one(
        f"SELECT json_group_array({table.columns.key}) FROM {table.source} "
        f"WHERE {' AND '.join(where)} GROUP BY {', '.join(terms)} "
        "HAVING count(*) > 1 LIMIT 1"
    )
    return list(json.loads(row[0]))[:10] if row else []


def index_names(file: File, table: Table) -> list[str]:
    """Give the names of all the indexes that were made on a table by SQL."""
    listed = (
        "SELECT name FROM sqlite_schema WHERE type='index' "
        "AND tbl_name=? COLLATE NOCASE AND sql IS NOT NULL ORDER BY name"
    )
    return [row[0] for row in file.read(listed, (table.name,))]
