"""Queries as SELECT, DELETE and UPDATE statements over one table."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from pymodels import json_body
from pymodels.backends._sql import compile_predicate, native
from pymodels.backends._sql_order import order_by
from pymodels.backends._sql_patch import Patch, can_patch, reads_back
from pymodels.backends._sql_terms import (
    ALWAYS,
    Columns,
    Sql,
    is_pushable,
    joined,
    json_path,
)
from pymodels.changes import Changes
from pymodels.plan import Native, Order, Pushed, Row
from pymodels.predicates import Predicate
from pymodels.query import BaseQuery, M
from pymodels.shapes import Shape
from pymodels.values import KEY, Path

if TYPE_CHECKING:
    from pymodels.backends.sqlite.storage import Storage


class Query(BaseQuery[M]):
    """A SELECT over one table."""

    storage: "Storage"

    @property
    def columns(self) -> Columns:
        """The table's columns, and the notes this model's records carry most."""
        return self.storage.columns_for(self.model)

    def compile(self, predicate: Predicate) -> Native | None:
        """Say a predicate in SQL."""
        return native(compile_predicate(predicate, self.columns))

    def can_sort(self, order: tuple[Order, ...]) -> bool:
        """Sort natively where each field's type has one kind."""
        return order_by(order, self.columns) is not None

    def _where(self, pushed: Pushed) -> Sql:
        where = joined(" AND ", pushed.natives) or ALWAYS
        return Sql(f" WHERE {where.text}" if pushed.natives else "", where.parameters)

    def _tail(self, pushed: Pushed, ordered: bool = True) -> Sql:
        """Give WHERE, ORDER BY and LIMIT."""
        where = self._where(pushed)
        order = order_by(pushed.order, self.columns) if ordered else ""
        text = where.text + (order or "")
        if not pushed.start and pushed.stop is None:
            return Sql(text, where.parameters)
        limit = -1 if pushed.stop is None else pushed.stop - pushed.start
        return Sql(f"{text} LIMIT ? OFFSET ?", (*where.parameters, limit, pushed.start))

    def run(self, pushed: Pushed) -> Iterator[Row]:
        """Yield the rows of a SELECT."""
        tail = self._tail(pushed)
        return self.storage.read(self.storage.select + tail.text, tail.parameters)

    def count_pushed(self, pushed: Pushed) -> int:
        """Count in the database; an order changes nothing."""
        tail = self._tail(pushed, ordered=False)
        sql = f"SELECT count(*) FROM {self.storage.name}{tail.text}"
        if pushed.start or pushed.stop is not None:
            sql = f"SELECT count(*) FROM (SELECT 1 FROM {self.storage.name}{tail.text})"
        return int(self.storage.file.one(sql, tail.parameters)[0])

    def _chosen(self, pushed: Pushed) -> Sql:
        """Give the WHERE of a statement that writes, slices included."""
        if not pushed.start and pushed.stop is None:
            return self._where(pushed)
        key, tail = self.columns.key, self._tail(pushed)
        inner = f"SELECT {key} FROM {self.storage.name}{tail.text}"
        return Sql(f" WHERE {key} IN ({inner})", tail.parameters)

    def discard_pushed(self, pushed: Pushed) -> int:
        """Remove in one statement."""
        where = self._chosen(pushed)
        sql = f"DELETE FROM {self.storage.name}{where.text}"
        return self.storage.file.write(sql, where.parameters)

    def patch_pushed(self, pushed: Pushed, changes: Changes) -> int | None:
        """Change in one statement, unless a foreign row would need a note."""
        if not can_patch(changes) or not reads_back(changes):
            return None
        where, patch = self._chosen(pushed), Patch(changes, self.columns)
        sql = f"UPDATE {self.storage.name} SET {patch.assignments}{where.text}"
        return self.storage.file.write(sql, patch.parameters + where.parameters)

    def distinct_pushed(self, pushed: Pushed, path: Path) -> Iterator[Any] | None:
        """Let the database drop repeated values before they are decoded."""
        if path == KEY or not all(map(is_pushable, path)):
            return None
        if pushed.start or pushed.stop is not None:
            return None
        columns, at = self.columns, json_path(path)
        where = self._where(pushed)
        sql = (
            f"SELECT DISTINCT {columns.body}->{at}, {columns.kinds}->{at}, "
            f"{columns.kinds} IS NULL FROM {self.storage.name}{where.text}"
        )
        shape = self.model.__pymodels_codec__.shape
        for name in path:
            shape = shape.stored_member(name) or Shape()
        found = self.storage.read(sql, where.parameters)
        return (
            _decoded(body, None if is_foreign else kinds or "null", shape)
            for body, kinds, is_foreign in found
            if body is not None
        )

    def describe(self, pushed: Pushed) -> str:
        """Show the statement, with its parameters."""
        tail = self._tail(pushed)
        return f"{self.storage.select}{tail.text}\nwith {list(tail.parameters)!r}"


def _decoded(body: str, kinds: str | None, shape: Shape) -> Any:
    note = None if kinds is None else f'{{"value":{kinds}}}'
    record = json_body.decode("", f'{{"value":{body}}}', note)
    value = record["value"]
    return value if kinds is not None else json_body.read_declared(value, shape)
