"""Queries as SELECT, DELETE and UPDATE statements over one table.

A statement comes in two forms. The *full* one is exact for any table. The *lean*
one uses indexes and fewer guards; it is exact where no row is foreign, which is
probed in the same read transaction.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pymodels.backend import M, codec_of
from pymodels.backends._sql.order import order_by
from pymodels.backends._sql.patch import assignments, can_patch
from pymodels.backends._sql.predicates import compile_predicate, compile_terms, native
from pymodels.backends._sql.terms import (
    ALWAYS,
    Columns,
    Sql,
    is_pushable,
    joined,
    path_expression,
)
from pymodels.backends.sqlite.file import Probe
from pymodels.law import json_body
from pymodels.law.changes import Changes
from pymodels.law.predicates import (
    Equal,
    Everything,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
    Predicate,
    StartsWith,
    comparisons,
    terms_of,
)
from pymodels.law.shapes import Shape
from pymodels.law.values import KEY, Path
from pymodels.querying.plan import Native, Order, Pushed, Row
from pymodels.querying.query import BaseQuery

if TYPE_CHECKING:
    from pymodels.backends.sqlite.storage import Storage


class Query(BaseQuery[M]):
    """A SELECT over one table."""

    storage: "Storage"

    @property
    def columns(self) -> Columns:
        """The table's columns, and the notes this model's records carry most."""
        found = self.storage.known.full(self.model)
        if not self._skips_invalid:
            return found
        # What is no JSON is nobody's record.
        body = f"CASE WHEN json_valid({found.body}) THEN {found.body} END"
        return replace(found, body=body)

    def compile(self, predicate: Predicate) -> Native | None:
        """Say a predicate in SQL."""
        members = self.storage.known.full_members(self.model)
        if id(predicate) in members and not self._skips_invalid:
            return members[id(predicate)]
        return native(compile_predicate(predicate, self.columns))

    def can_sort(self, order: tuple[Order, ...]) -> bool:
        """Sort natively where each field's type has one kind."""
        return order_by(order, self.columns) is not None

    def _known(self, pushed: Pushed, probe: Probe) -> Columns:
        """Find out what the table holds, as far as this query cares."""
        if self._skips_invalid:
            return self.columns
        used = {node.path for node in comparisons(pushed.predicate)}
        used |= {order.path for order in pushed.order}
        found = self.storage.known.columns(self.model, used, probe)
        if not found.ranked:
            return found
        return replace(found, fixed=_fixed(pushed), constant=_constant(pushed))

    def _where(self, pushed: Pushed, columns: Columns) -> Sql:
        if isinstance(pushed.predicate, Everything):
            return Sql("")
        if columns.foreign:
            found = joined(" AND ", pushed.natives) or ALWAYS
            return Sql(f" WHERE {found.text}", found.parameters)
        members = self.storage.known.lean_members(self.model, columns)
        parts = compile_terms(terms_of(pushed.predicate), columns, members)
        where = joined(" AND ", parts) or ALWAYS
        return Sql(f" WHERE {where.text}", where.parameters)

    def _tail(self, pushed: Pushed, columns: Columns, ordered: bool = True) -> Sql:
        """Give WHERE, ORDER BY and LIMIT."""
        where = self._where(pushed, columns)
        order = order_by(pushed.order, columns) if ordered else ""
        text = where.text + (order or "")
        if not pushed.start and pushed.stop is None:
            return Sql(text, where.parameters)
        limit = -1 if pushed.stop is None else pushed.stop - pushed.start
        return Sql(f"{text} LIMIT ? OFFSET ?", (*where.parameters, limit, pushed.start))

    def _selected(self, pushed: Pushed, probe: Probe) -> Sql:
        tail = self._tail(pushed, self._known(pushed, probe))
        return Sql(self.storage.table.select + tail.text, tail.parameters)

    def run(self, pushed: Pushed) -> Iterator[Row]:
        """Yield the rows of a SELECT."""
        return self.storage.file.read(lambda probe: self._selected(pushed, probe))

    def count_pushed(self, pushed: Pushed) -> int:
        """Count in the database; an order changes nothing."""
        name = self.storage.table.source

        def counted(probe: Probe) -> Sql:
            columns = self._known(pushed, probe)
            tail = self._tail(pushed, columns, ordered=False)
            members = self.storage.known.full_members(self.model)
            hint = self.storage.known.index_hint(self.model, columns)
            if hint and all(id(t) in members for t in terms_of(pushed.predicate)):
                text = tail.text.replace(" WHERE ", f" WHERE {hint} AND ", 1)
                tail = Sql(text, tail.parameters)
            if not pushed.start and pushed.stop is None:
                return Sql(f"SELECT count(*) FROM {name}{tail.text}", tail.parameters)
            inner = f"SELECT 1 FROM {name}{tail.text}"
            return Sql(f"SELECT count(*) FROM ({inner})", tail.parameters)

        return int(self.storage.file.one(counted)[0])

    def _chosen(self, pushed: Pushed, probe: Probe) -> Sql:
        """Give the WHERE of a statement that writes, slices included."""
        columns = self._known(pushed, probe)
        if not pushed.start and pushed.stop is None:
            return self._where(pushed, columns)
        tail = self._tail(pushed, columns)
        inner = f"SELECT {columns.key} FROM {self.storage.table.source}{tail.text}"
        return Sql(f" WHERE {columns.key} IN ({inner})", tail.parameters)

    def discard_pushed(self, pushed: Pushed) -> int:
        """Remove in one statement."""
        with self.storage.file.writing() as writer:
            where = self._chosen(pushed, _prober(writer))
            sql = f"DELETE FROM {self.storage.table.source}{where.text}"
            return int(writer.execute(sql, where.parameters).rowcount)

    def patch_pushed(self, pushed: Pushed, changes: Changes) -> int | None:
        """Change in one statement, unless a foreign row would need a note."""
        if not can_patch(changes) or not json_body.reads_back(changes):
            return None
        patch = assignments(changes, self.columns)
        with self.storage.file.writing() as writer:
            where = self._chosen(pushed, _prober(writer))
            sql = f"UPDATE {self.storage.table.source} SET {patch.text}"
            sql += where.text
            parameters = patch.parameters + where.parameters
            return int(writer.execute(sql, parameters).rowcount)

    def distinct_pushed(self, pushed: Pushed, path: Path) -> Iterator[Any] | None:
        """Let the database drop repeated values before they are decoded."""
        if path == KEY or not all(map(is_pushable, path)):
            return None
        if pushed.start or pushed.stop is not None:
            return None
        full, at = self.columns, path_expression(self.columns, path)

        def selected(probe: Probe) -> Sql:
            where = self._where(pushed, self._known(pushed, probe))
            text = (
                f"SELECT DISTINCT {full.body}->({at}), {full.kinds}->({at}), "
                f"{full.kinds} IS NULL FROM {self.storage.table.source}{where.text}"
            )
            return Sql(text, where.parameters)

        shape = codec_of(self.model).shape
        for name in path:
            shape = shape.stored_member(name) or Shape()
        return (
            _decoded(body, None if is_foreign else kinds or "null", shape)
            for body, kinds, is_foreign in self.storage.file.read(selected)
            if body is not None
        )

    def describe(self, pushed: Pushed) -> str:
        """Show the statement, with its parameters, and how SQLite will run it."""
        found: list[Sql] = []

        def explained(probe: Probe) -> Sql:
            found.append(self._selected(pushed, probe))
            return Sql(f"EXPLAIN QUERY PLAN {found[0].text}", found[0].parameters)

        steps = [row[3] for row in self.storage.file.read(explained)]
        return "\n".join([found[0].text, f"with {list(found[0].parameters)!r}", *steps])


_OF_ONE_KIND = (Less, LessOrEqual, Greater, GreaterOrEqual, StartsWith)


def _fixed(pushed: Pushed) -> frozenset[Path]:
    """Find the paths where a condition admits values of one kind only."""
    terms = terms_of(pushed.predicate)
    return frozenset(term.path for term in terms if isinstance(term, _OF_ONE_KIND))


def _constant(pushed: Pushed) -> frozenset[Path]:
    """Find the paths where all that a condition admits is equal."""
    terms = terms_of(pushed.predicate)
    return frozenset(
        term.path for term in terms if isinstance(term, Equal) and not term.caseless
    )


def _prober(connection: Any) -> Probe:
    return lambda text: connection.execute(text).fetchone() is not None


def _decoded(body: str, kinds: str | None, shape: Shape) -> Any:
    note = None if kinds is None else f'{{"value":{kinds}}}'
    record = json_body.decode("", f'{{"value":{body}}}', note)
    value = record["value"]
    return value if kinds is not None else json_body.read_declared(value, shape)
