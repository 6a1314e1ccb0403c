"""Searches whose answers are rows: in pieces of bounded size, with the notes."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain, islice

from pymodels.backends._tokyo.forms import Form
from pymodels.backends.tokyo_tyrant.files import File
from pymodels.backends.tokyo_tyrant.knowledge import Knowledge
from pymodels.errors import StorageBusy, StorageClosed, StorageError
from pymodels.querying.plan import Row
from pymodels.tokyo.arguments import COUNT, GET, search_arguments
from pymodels.tokyo.client import BATCH
from pymodels.tokyo.search import Search

PIECE = 1_000
"""How many rows one answer holds at most."""

Notes = frozenset[str] | None


class Searching:
    """A table that is searched."""

    def __init__(self, file: File, form: Form, knowledge: Knowledge) -> None:
        self._file, self._form, self._knowledge = file, form, knowledge

    def rows(self, search: Search) -> tuple[Iterator[Row], Notes]:
        """Give the rows of a search, and the notes that there were right after it.

        What is found is decided now; but of a long result, only the first piece is
        read now, and each other record as it is when its turn comes.
        """
        is_short = 0 <= search.max <= PIECE
        first = search if is_short else replace(search, max=PIECE)
        found, notes = self._first(first)
        if found is not None and (is_short or len(found) < PIECE):
            return self._unjoined(found), notes
        keys, notes = self._ask(search, ())
        found = found or ()
        seen = {split_key(joined)[0] for joined in found}
        left = (key for key in keys if key not in seen)
        return chain(self._unjoined(found), self.rows_of(left)), notes

    def count(self, search: Search) -> tuple[int, Notes]:
        """Count what a search finds; give the notes as well."""
        found, notes = self._ask(search, (COUNT,))
        if len(found) != 1 or not found[0].isdigit():
            raise StorageError(f"{found!r} is no number of records")
        return int(found[0]), notes

    def rows_of(self, keys: Iterable[bytes]) -> Iterator[Row]:
        """Yield the rows of those keys that are there."""
        make, wanted = self._form.row, iter(keys)
        while batch := list(islice(wanted, BATCH)):
            for key, stored in self._file.get_many(batch):
                yield make(key, stored)

    def _first(self, search: Search) -> tuple[Sequence[bytes] | None, Notes]:
        """Give the first piece; None if its rows are too large for one answer."""
        try:
            return self._ask(search, (GET,))
        except (StorageBusy, StorageClosed):
            raise
        except StorageError:
            return None, None

    def _ask(
        self, search: Search, more: Sequence[bytes]
    ) -> tuple[Sequence[bytes], Notes]:
        arguments = [*search_arguments(search), *more]
        return self._knowledge.found(b"search", arguments)

    def _unjoined(self, found: Iterable[bytes]) -> Iterator[Row]:
        make = self._form.row
        for key, stored in self._file.unjoined(map(split_key, found)):
            yield make(key, stored)


def split_key(joined: bytes) -> tuple[bytes, bytes]:
    """Part the key, which comes first under the empty name, from the columns."""
    key, _, columns = joined[1:].partition(b"\0")
    return key, columns
