"""Queries as searches of a table.

A lean search counts, slices and removes in the library; it is run where each row is
known to be what its note says.
"""

from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace

from pymodels.backend import M, Pushed, Row, matcher
from pymodels.backends._tokyo.query import SearchQuery, described, keys_asked
from pymodels.backends.tokyo_cabinet.storage import Storage
from pymodels.tokyo.search import Search


class Query(SearchQuery[M]):
    """A search of a table; of other kinds of file, the records of some keys."""

    storage: Storage

    def describe(self, pushed: Pushed) -> str:
        """Show the search, and how the library does it."""
        if not self.storage.is_table:
            return self.storage.kind.lower() + ": records by key"
        with self.storage.handle as handle:
            search, is_lean = self._chosen(pushed)
            hint = handle.table.search_with_hint(search)[1]
        return described(search, hint, is_lean=is_lean)

    # Running.

    def found(self, pushed: Pushed) -> Iterator[Row]:
        """Yield the rows of a search, looked at where it is not exact."""
        handle = self.storage.handle
        with handle:
            search, is_lean = self._chosen(pushed)
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
            self.storage.handle.facts.spend(len(self.storage), seen)

    def count_pushed(self, pushed: Pushed) -> int:
        """Count in the library where its conditions are exact."""
        if self.storage.is_table and keys_asked(pushed) is None:
            with self.storage.handle as handle:
                search, is_lean = self._chosen(replace(pushed, order=()))
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
            search, is_lean = self._chosen(pushed)
            if not is_lean or len(handle.levels) > 1:
                return None
            writer = self.storage.writer
            with nullcontext() if writer.levels else writer.writing_many():
                return handle.out_found(search)

    def _chosen(self, pushed: Pushed) -> tuple[Search, bool]:
        """Give the search, and whether it is exact."""
        handle = self.storage.handle
        handle.survey()
        lean = self.lean(pushed, handle.facts)
        return (
            (self.safe(pushed, handle.facts), False) if lean is None else (lean, True)
        )
