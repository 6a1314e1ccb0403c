"""Queries as SELECT, DELETE and UPDATE statements over one table."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from sqlite3 import Connection
from typing import TYPE_CHECKING, Any

from pymodels.backend import (
    ANYTHING,
    KEY,
    BaseQuery,
    Changes,
    M,
    Native,
    Order,
    Path,
    Predicate,
    Pushed,
    Row,
    Shape,
    codec_of,
    json_body,
)
from pymodels.backends._sql.order import order_by
from pymodels.backends._sql.patch import assignments, can_patch
from pymodels.backends._sql.terms import Sql
from pymodels.backends._sql.values import can_spell, json_path, path_expression

if TYPE_CHECKING:
    from pymodels.backends.sqlite.storage import Storage


class Query(BaseQuery[M]):
    """A SELECT over one table."""

    storage: "Storage"

    def compile(self, predicate: Predicate) -> Native | None:
        """Say a predicate in SQL, as the table was last seen."""
        facts = self.storage.facts
        term = facts.compile(predicate, self.model, self._skips_invalid)
        return None if term is None else Native(term, term.sql.exact)

    def can_sort(self, order: tuple[Order, ...]) -> bool:
        """Sort natively where each field's type has one kind."""
        assumed = self.storage.facts.assumed(self.model, self._skips_invalid)
        return order_by(order, assumed.columns) is not None

    def _statement(
        self,
        head: str,
        pushed: Pushed,
        connection: Connection,
        *,
        is_count: bool = False,
    ) -> Sql:
        """Add WHERE, ORDER BY and LIMIT to a head, as the table is now."""
        facts = self.storage.facts
        assumed = facts.check(self.model, self._skips_invalid, connection)
        found = assumed.conditions(pushed.natives)
        if is_count and len(found) == len(assumed.members):
            # All of a model: nothing else leads the planner to an index.
            found += assumed.hints
        where = " AND ".join([sql.text for sql in found])
        parameters = [value for sql in found for value in sql.parameters]
        text = f"{head} WHERE {where}" if where else head
        text += order_by(pushed.order, assumed.columns, pushed.predicate) or ""
        if pushed.start or pushed.stop is not None:
            text += " LIMIT ? OFFSET ?"
            limit = -1 if pushed.stop is None else pushed.stop - pushed.start
            parameters += [limit, pushed.start]
        return Sql(text, tuple(parameters))

    def run(self, pushed: Pushed) -> Iterator[Row]:
        """Yield the rows of a SELECT."""
        head = self.storage.table.select
        return self.storage.file.read(partial(self._statement, head, pushed))

    def count_pushed(self, pushed: Pushed) -> int:
        """Count in the database; an order changes nothing."""
        head = f"SELECT 1 FROM {self.storage.table.source}"
        whole = replace(pushed, order=())

        def counted(connection: Connection) -> Sql:
            inner = self._statement(head, whole, connection, is_count=True)
            return Sql(f"SELECT count(*) FROM ({inner.text})", inner.parameters)

        return int(self.storage.file.one(counted)[0])

    def _write(self, head: str, bound: tuple[Any, ...], pushed: Pushed) -> int:
        """Run a statement that writes, of a slice by the keys in it."""
        table = self.storage.table
        with self.storage.file.writing() as writer:
            if _is_sliced(pushed):
                keys = f"SELECT {table.columns.key} FROM {table.source}"
                inner = self._statement(keys, pushed, writer)
                text = f"{head} WHERE {table.columns.key} IN ({inner.text})"
                sql = Sql(text, inner.parameters)
            else:
                sql = self._statement(head, pushed, writer)
            return int(writer.execute(sql.text, bound + sql.parameters).rowcount)

    def discard_pushed(self, pushed: Pushed) -> int:
        """Remove in one statement."""
        return self._write(f"DELETE FROM {self.storage.table.source}", (), pushed)

    def patch_pushed(self, pushed: Pushed, changes: Changes) -> int | None:
        """Change in one statement, unless a foreign row would need a note."""
        if not can_patch(changes) or not json_body.reads_back(changes):
            return None
        table = self.storage.table
        patch = assignments(changes, table.columns)
        head = f"UPDATE {table.source} SET {patch.text}"
        return self._write(head, patch.parameters, pushed)

    def distinct_pushed(self, pushed: Pushed, path: Path) -> Iterator[Any] | None:
        """Let the database drop repeated values before they are decoded."""
        if path == KEY or not can_spell(path) or _is_sliced(pushed):
            return None
        table = self.storage.table
        body, kinds = table.columns.body, table.columns.kinds
        at = path_expression(table.columns, path)
        note = f"{kinds}->({json_path(path)})"
        head = f"SELECT DISTINCT {body}->({at}), {note}, {kinds} IS NULL"
        head += f" FROM {table.source}"
        shape = codec_of(self.model).shape
        for name in path:
            shape = shape.stored_member(name) or ANYTHING
        return (
            _decoded(text, None if is_foreign else note or "null", shape)
            for text, note, is_foreign in self.storage.file.read(
                partial(self._statement, head, pushed)
            )
            if text is not None
        )

    def describe(self, pushed: Pushed) -> str:
        """Show the statement, with its parameters, and how SQLite will run it."""
        found = Sql("")

        def explained(connection: Connection) -> Sql:
            nonlocal found
            found = self._statement(self.storage.table.select, pushed, connection)
            return Sql(f"EXPLAIN QUERY PLAN {found.text}", found.parameters)

        steps = [row[3] for row in self.storage.file.read(explained)]
        return "\n".join([found.text, f"with {list(found.parameters)!r}", *steps])


def _is_sliced(pushed: Pushed) -> bool:
    return pushed.start > 0 or pushed.stop is not None


def _decoded(body: str, kinds: str | None, shape: Shape) -> Any:
    note = None if kinds is None else f'{{"value":{kinds}}}'
    holder = Shape(rest=shape)
    return json_body.decode("", f'{{"value":{body}}}', note, holder)["value"]
