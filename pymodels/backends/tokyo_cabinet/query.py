"""Queries as searches of a table.

A search comes in two forms. The *lean* one is exact, and counts, slices and removes
in the library; it is run where each row is known to be what its note says. The
*safe* one finds at least the wanted rows of any table; they are looked at again,
here, before they are shown.
"""

from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING

from pymodels.backend import M
from pymodels.backends._tokyo.columns import kinds_of, name_of
from pymodels.backends._tokyo.conditions import Wanted, lean_conditions, safe_conditions
from pymodels.backends._tokyo.query import (
    NUMERIC,
    SearchQuery,
    keys_asked,
    search_of,
    sliced,
)
from pymodels.law.evaluate import matcher
from pymodels.querying.plan import Pushed, Row
from pymodels.tokyo.search import Condition, IndexType, Search

if TYPE_CHECKING:
    from pymodels.backends.tokyo_cabinet.storage import Storage


class Query(SearchQuery[M]):
    """A search of a table; of other kinds of file, the records of some keys."""

    storage: "Storage"

    def describe(self, pushed: Pushed) -> str:
        """Show the search, and how the library does it."""
        if not self.storage.is_table:
            return self.storage.kind.lower() + ": records by key"
        with self.storage.handle as handle:
            search, is_lean = self._search(pushed)
            hint = handle.table.search_with_hint(search)[1]
        told = "exact by the notes of kinds" if is_lean else "looked at again"
        return "\n".join([f"{search} ({told})", *hint.strip().splitlines()])

    # Running.

    def found(self, pushed: Pushed) -> Iterator[Row]:
        """Yield the rows of a search, looked at where it is not exact."""
        handle = self.storage.handle
        with handle:
            search, is_lean = self._search(pushed)
            written = handle.written
            rows = self.storage.found_rows(search)
        if not is_lean:
            yield from self.looked_at(pushed, self._counted(rows))
            return
        wanted = matcher(pushed.predicate)
        for row in rows:
            # What is written meanwhile may have made another row of it.
            if handle.written == written or wanted(row[0], self._decode(row)):
                yield row

    def _counted(self, rows: Iterator[Row]) -> Iterator[Row]:
        """Note what it costs to look at each row."""
        seen = 0
        try:
            for seen, row in enumerate(rows, 1):  # noqa: B007  # what is left is wanted
                yield row
        finally:
            self.storage.handle.ledger.spend(len(self.storage), seen)

    def count_pushed(self, pushed: Pushed) -> int:
        """Count in the library where its conditions are exact."""
        if self.storage.is_table and keys_asked(pushed) is None:
            with self.storage.handle as handle:
                search, is_lean = self._search(replace(pushed, order=()))
                if is_lean and search == Search():
                    return handle.table.count
                if is_lean:
                    return handle.table.search_count(search)
        return sum(1 for _ in self.run(pushed))

    def discard_pushed(self, pushed: Pushed) -> int | None:
        """Remove in the library, outside of savepoints."""
        is_sliced = pushed.start or pushed.stop is not None
        if not self.storage.is_table or is_sliced or keys_asked(pushed) is not None:
            return None
        with self.storage.handle as handle:
            search, is_lean = self._search(pushed)
            if not is_lean or len(handle.levels) > 1:
                return None
            writer = self.storage.writer
            with nullcontext() if writer.levels else writer.writing_many():
                return handle.out_found(search)

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
        found = search_of(pushed, self._with_indexes(conditions))
        return (found, False) if lean is None else (sliced(found, pushed), True)

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
