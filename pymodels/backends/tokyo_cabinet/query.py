"""Queries as searches of a table.

A search comes in two forms. The *lean* one is exact, and counts, slices and removes
in the library; it is run where each row is known to be what its note says. The
*safe* one finds at least the wanted rows of any table; they are looked at again,
here, before they are shown.
"""

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Any

from pymodels import predicates as p
from pymodels.evaluate import matcher
from pymodels.plan import Native, Order, Pushed, Row
from pymodels.query import BaseQuery, M
from pymodels.tokyo.columns import kinds_of, name_of
from pymodels.tokyo.conditions import (
    Wanted,
    compile_term,
    lean_conditions,
    safe_conditions,
)
from pymodels.tokyo.search import (
    KEY_COLUMN,
    Condition,
    Direction,
    IndexType,
    Operator,
    Ordering,
    Search,
)
from pymodels.values import KEY

if TYPE_CHECKING:
    from pymodels.backends.tokyo_cabinet.storage import Storage

NUMERIC = {Operator.NUMEQ, Operator.NUMGT, Operator.NUMGE, Operator.NUMLT}
NUMERIC |= {Operator.NUMLE, Operator.NUMBT, Operator.NUMOREQ}


class Query(BaseQuery[M]):
    """A search of a table; of other kinds of file, the records of some keys."""

    storage: "Storage"

    # Planning.

    def compile(self, predicate: p.Predicate) -> Native | None:
        """Say a predicate in conditions."""
        if not self.storage.is_table:
            keys = _keys_in(predicate)
            return None if keys is None else Native(keys)
        found = compile_term(predicate)
        return None if found is None else Native(found, found.exact)

    def can_sort(self, order: tuple[Order, ...]) -> bool:
        """Sort by the key alone: rows without a column would come at the wrong end."""
        return self.storage.sorts_keys and all(one.path == KEY for one in order)

    def describe(self, pushed: Pushed) -> str:
        """Show the search, and how the library does it."""
        if not self.storage.is_table:
            return self.storage.kind.lower() + ": records by key"
        search, is_lean = self._search(pushed)
        told = "exact by the notes of kinds" if is_lean else "looked at again"
        with self.storage.handle as handle:
            hint = handle.table.search_with_hint(search)[1]
        return "\n".join([f"{search} ({told})", *hint.strip().splitlines()])

    # Running.

    def run(self, pushed: Pushed) -> Iterator[Row]:
        """Yield the rows of a search."""
        wanted = _keys_asked(pushed)
        if wanted is not None:
            rows = self.storage.fetch(wanted)
            return self._looked_at(pushed, _sorted_by_key(rows, pushed.order))
        if not self.storage.is_table:
            return self._looked_at(pushed, self.storage.scan_in(_direction(pushed)))
        return self._found(pushed)

    def _found(self, pushed: Pushed) -> Iterator[Row]:
        search, is_lean = self._search(pushed)
        is_all = search == Search()
        rows = self.storage.scan() if is_all else self.storage.rows(search)
        if is_lean:
            yield from rows
            return
        yield from self._looked_at(pushed, self._counted(rows))

    def _counted(self, rows: Iterator[Row]) -> Iterator[Row]:
        """Note what it costs to look at each row."""
        seen = 0
        try:
            for seen, row in enumerate(rows, 1):  # noqa: B007  # what is left is wanted
                yield row
        finally:
            self.storage.handle.ledger.spend(len(self.storage), seen)

    def _looked_at(self, pushed: Pushed, rows: Iterator[Row]) -> Iterator[Row]:
        """Keep what is wanted indeed, and take the slice."""
        kept = rows
        if not isinstance(pushed.predicate, p.Everything):
            wanted = matcher(pushed.predicate)
            kept = (row for row in rows if wanted(row[0], self._peek(row)))
        return islice(kept, pushed.start, pushed.stop)

    def count_pushed(self, pushed: Pushed) -> int:
        """Count in the library where its conditions are exact."""
        if self.storage.is_table and _keys_asked(pushed) is None:
            search, is_lean = self._search(replace(pushed, order=()))
            if is_lean:
                return self._counted_lean(search)
        return sum(1 for _ in self.run(pushed))

    def _counted_lean(self, search: Search) -> int:
        with self.storage.handle as handle:
            if not search.conditions and search.max < 0 and not search.skip:
                return handle.table.count
            return handle.table.search_count(search)

    def discard_pushed(self, pushed: Pushed) -> int | None:
        """Remove in the library, outside of savepoints."""
        if not self.storage.is_table or pushed.start or pushed.stop is not None:
            return None
        if _keys_asked(pushed) is not None or len(self.storage.handle.levels) > 1:
            return None
        search, is_lean = self._search(pushed)
        if not is_lean:
            return None
        with self.storage.handle.writing_many():
            if len(self.storage.handle.levels) > 1:
                return None
            return self.storage.handle.out_found(search)

    # Searches.

    def _search(self, pushed: Pushed) -> tuple[Search, bool]:
        """Give the search, and whether it is exact."""
        handle = self.storage.handle
        handle.survey()
        terms: tuple[Wanted, ...] = pushed.natives
        lean = None
        if handle.ledger.is_sound:
            lean = lean_conditions(terms, handle.ledger.notes)
        conditions = safe_conditions(terms) if lean is None else lean
        found = Search(self._with_indexes(conditions), _ordering(pushed))
        if lean is None:
            return found, False
        if pushed.stop is None and not pushed.start:
            return found, True
        most = -1 if pushed.stop is None else max(pushed.stop - pushed.start, 0)
        return replace(found, max=most, skip=pushed.start), True

    def _with_indexes(self, conditions: tuple[Condition, ...]) -> tuple[Condition, ...]:
        """Let a condition use an index only if that is known to be in order."""
        indexes = self.storage.handle.indexes
        if not indexes:
            return tuple(replace(one, no_index=False) for one in conditions)
        return tuple(
            replace(one, no_index=not self._is_trusted(one, indexes))
            for one in conditions
        )

    def _is_trusted(
        self, condition: Condition, indexes: dict[bytes, IndexType]
    ) -> bool:
        handle, column = self.storage.handle, condition.column
        index = indexes.get(column)
        if index is None:
            return True
        if not handle.has_trusted_texts or not handle.ledger.is_complete:
            return False
        if condition.operator not in NUMERIC:
            return index is IndexType.LEXICAL and not handle.ledger.has_nul
        if index is not IndexType.DECIMAL or not handle.ledger.is_sound:
            return False
        words = {kinds_of(note).get(name_of(column)) for note in handle.ledger.notes}
        if not words <= {None, "none", "int"}:
            return False
        handle.restore_decimals({column})
        return column in handle.trusted


def _ordering(pushed: Pushed) -> Ordering | None:
    if not pushed.order:
        return None
    is_descending = pushed.order[0].descending
    direction = Direction.STRDESC if is_descending else Direction.STRASC
    return Ordering(KEY_COLUMN, direction)


def _direction(pushed: Pushed) -> bool | None:
    """Say whether keys are wanted in descending order; None for no order."""
    return pushed.order[0].descending if pushed.order else None


def _sorted_by_key(rows: Iterator[Row], order: tuple[Order, ...]) -> Iterator[Row]:
    if not order:
        return rows
    found = sorted(rows, key=lambda row: row[0], reverse=order[0].descending)
    return iter(found)


def _keys_in(predicate: p.Predicate) -> tuple[Any, ...] | None:
    """Give the keys that a predicate asks for by name; None if it does not."""
    match predicate:
        case p.Equal((), str(key), caseless=False):
            return (key,)
        case p.In((), keys) if all(type(key) is str for key in keys):
            return tuple(dict.fromkeys(keys))
    return None


def _keys_asked(pushed: Pushed) -> tuple[Any, ...] | None:
    """Give the keys of which one of the terms wants the records."""
    for term in p.terms_of(pushed.predicate):
        keys = _keys_in(term)
        if keys is not None:
            return keys
    return None
