"""What is assumed of a table when a query is compiled, and checked when it runs.

A statement that *trusts* the notes of kinds uses indexes and few guards; it is exact
where no row is foreign. A *guarded* one is exact for any table. Which of the two is
needed was seen by the model's last query, so a condition is compiled once. What was
seen is looked at again in the read transaction of each statement; if it has changed,
the statement is compiled anew.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from sqlite3 import Connection
from typing import NamedTuple

from pymodels.backend import (
    BoundIndex,
    Instance,
    Kind,
    Path,
    Predicate,
    codec_of,
    is_model,
    predicates,
    terms_of,
)
from pymodels.backends._sql.predicates import compile_predicate, compile_range
from pymodels.backends._sql.terms import NEVER, Sql, inlined
from pymodels.backends._sql.values import RANKS, Columns
from pymodels.backends.sqlite.indexes import index_name, leading_term, members_sql
from pymodels.backends.sqlite.table import (
    HAS_DECIMAL,
    HAS_FOREIGN,
    Table,
    decimal_index,
)

MOST_PARAMETERS = 10_000


@dataclass(frozen=True, slots=True, eq=False)
class Assumed:
    """What a statement assumes of the table: its columns, and membership in SQL.

    ``members`` are the terms of membership by identity, None where Python must look.
    ``hints`` are conditions that are always true and lead to an index of the members.
    """

    columns: Columns
    members: Mapping[int, Sql | None]
    hints: tuple[Sql, ...] = ()

    def compile(self, predicate: Predicate) -> Sql | None:
        """Turn a term of a query into SQL, None where Python must look."""
        if id(predicate) in self.members:
            return self.members[id(predicate)]
        return compile_predicate(predicate, self.columns)

    def conditions(self, terms: Sequence["Term"]) -> list[Sql]:
        """Give the SQL of terms, compiled anew where something else was assumed."""
        found: list[Sql] = []
        low: Predicate | None = None
        for predicate, sql, assumed in terms:
            if assumed is not self:
                sql = self.compile(predicate) or NEVER
            if low is not None and (
                between := compile_range(low, predicate, self.columns)
            ):
                found[-1] = between
            else:
                found.append(sql)
            low = (
                predicate if isinstance(predicate, predicates.GreaterOrEqual) else None
            )
        return found


class Term(NamedTuple):
    """A condition in SQL, and what it assumes of the table."""

    predicate: Predicate
    sql: Sql
    assumed: Assumed


Seen = tuple[int, ...]
"""Whether there are foreign rows, and Decimals: anywhere, and at indexed paths."""


class ModelFacts:
    """What statements about one model's records assume of the table."""

    def __init__(
        self, table: Table, model: type[Instance], names: frozenset[str]
    ) -> None:
        self._table = table
        self._membership = terms_of(codec_of(model).membership)
        self._ids = list(map(id, self._membership))
        self._indexes = _usable(table, model, names)
        finds = {
            index.orders[0].path: _decimal_at(index, table)
            for index in self._indexes
            if index.orders[0].declared
            and Kind.NUMBER in index.orders[0].declared.kinds
        }
        self._paths: tuple[Path, ...] = tuple(finds)
        self._question = _question(table, names, finds.values())
        self._found: dict[Seen, Assumed] = {}
        # A table of ours is what it mostly is; a wrong guess costs one compilation.
        self.assumed = self._given((int(not table.is_ours), 0) + (0,) * len(finds))

    def check(self, connection: Connection) -> Assumed:
        """Give what is true of the table now: the same object if nothing changed."""
        seen = connection.execute(self._question).fetchone()
        self.assumed = self._given(seen)
        return self.assumed

    def _given(self, seen: Seen) -> Assumed:
        found = self._found.get(seen)
        if found is None:
            found = self._found[seen] = self._made(*seen)
        return found

    def _made(self, foreign: int, decimals: int, *at_paths: int) -> Assumed:
        columns = replace(self._table.columns, foreign=bool(foreign))
        if foreign or not self._indexes:
            # A foreign text may be read as a Decimal.
            columns = replace(columns, decimals=bool(foreign or decimals))
            members = [compile_predicate(term, columns) for term in self._membership]
            return Assumed(columns, dict(zip(self._ids, members, strict=True)))
        # As the indexes have it, so that they are used.
        found = [compile_predicate(term, columns) for term in self._membership]
        members = [sql and Sql(inlined(sql), (), sql.exact) for sql in found]
        ranked = {order.path for index in self._indexes for order in index.orders}
        pairs = zip(self._paths, at_paths, strict=True)
        columns = replace(
            columns,
            decimals=bool(decimals),
            ranked=frozenset(ranked),
            without_decimals=frozenset(path for path, has_any in pairs if not has_any),
        )
        hint = Sql(f"{leading_term(self._indexes[0], self._table)}>=0")
        return Assumed(columns, dict(zip(self._ids, members, strict=True)), (hint,))


class TableFacts:
    """What is assumed of one table, for each model that looks at it."""

    def __init__(self, table: Table, names: Iterable[str]) -> None:
        self._table = table
        self._models: dict[object, ModelFacts] = {}
        self.set_indexes(names)
        # Of queries that skip invalid records: what is not JSON is nobody's record.
        body = table.columns.body
        body = f"CASE WHEN json_valid({body}) THEN {body} END"
        self._unreadable = Assumed(replace(table.columns, body=body), {})

    def set_indexes(self, names: Iterable[str]) -> None:
        """Note which indexes the table has."""
        self._names = frozenset(names)
        self._models.clear()

    def _of(self, model: type[Instance]) -> ModelFacts:
        codec = model.__pymodels_codec__
        found = self._models.get(codec)
        if found is None:
            found = self._models[codec] = ModelFacts(self._table, model, self._names)
        return found

    def assumed(self, model: type[Instance], skips_invalid: bool) -> Assumed:
        """Give what a query of a model assumes before it runs."""
        return self._unreadable if skips_invalid else self._of(model).assumed

    def check(
        self, model: type[Instance], skips_invalid: bool, connection: Connection
    ) -> Assumed:
        """Give what is true now: the same object if what was assumed still is."""
        if skips_invalid:
            return self._unreadable
        return self._of(model).check(connection)

    def compile(
        self, predicate: Predicate, model: type[Instance], skips_invalid: bool
    ) -> Term | None:
        """Turn a term of a query into SQL, None where Python must look."""
        assumed = self.assumed(model, skips_invalid)
        sql = assumed.compile(predicate)
        if sql is None or len(sql.parameters) > MOST_PARAMETERS:
            return None
        return Term(predicate, sql, assumed)


def _usable(
    table: Table, model: type[Instance], names: frozenset[str]
) -> tuple[BoundIndex, ...]:
    """Find the indexes of a model and its parents that the table has."""
    return tuple(
        index
        for cls in model.__mro__
        if is_model(cls)
        for index in codec_of(cls).indexes
        if index_name(index, table) in names
    )


def _question(table: Table, names: frozenset[str], finds: Iterable[str]) -> str:
    """Give the SELECT of what is seen: one row of 0 and 1."""
    exists = f"EXISTS(SELECT 1 FROM {table.source} WHERE "
    kinds = table.columns.kinds
    parts = [f"{exists}{HAS_FOREIGN.format(kinds=kinds)})", "1"]
    if decimal_index(table.name) in names:
        parts[1] = f"{exists}{HAS_DECIMAL.format(kinds=kinds)})"
    # Without any Decimal there is none at an indexed path.
    parts += [f"{parts[1]} AND {exists}{find})" for find in finds]
    return f"SELECT {','.join(parts)}"


def _decimal_at(index: BoundIndex, table: Table) -> str:
    """Give a condition that finds a Decimal at the first path of an index."""
    is_decimal = f"{leading_term(index, table)}={RANKS['decimal']}"
    members = members_sql(index, table)
    return f"{is_decimal} AND {members}" if members else is_decimal
