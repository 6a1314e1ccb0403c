"""Which notes of kinds the rows of a served table have, kept up as rows are written.

A search is exact for rows that are what their notes say; a client that does not know
the notes would have to look at every row that it finds. Nothing is ever forgotten
before the table is emptied: what was removed may be told.
"""

from collections.abc import Iterable, Sequence

from pymodels.tokyo.columns import read_noted_row
from pymodels.tokyo.packing import pack

MOST_NOTES = 200
FOREIGN = b"\0"
"""Stands for rows that are not what a note says; no note holds a NUL."""


class Notes:
    """The notes of all rows, once somebody has asked for them."""

    def __init__(self) -> None:
        self.is_kept = False
        self._found: set[str] = set()
        self._has_foreign = False

    def begin(self, rows: Iterable[Sequence[bytes]]) -> None:
        """Look at all rows, and at each that is written from now on."""
        self.is_kept = True
        for row in rows:
            self.saw(row)

    def forget(self) -> None:
        """Begin anew: there are no rows."""
        self.__init__()  # type: ignore[misc]  # all of it

    def saw(self, parts: Sequence[bytes]) -> None:
        """Note a row that is written: names and values by turns."""
        if not self.is_kept or self._has_foreign:
            return
        # A name without a value is not stored.
        found = read_noted_row(pack(parts[: len(parts) & ~1]))
        if found is None or len(self._found) >= MOST_NOTES:
            self._has_foreign = True
        else:
            self._found.add(found[1])

    def saw_foreign(self) -> None:
        """Note a write that no note is kept of."""
        self._has_foreign = self.is_kept

    def told(self) -> list[bytes]:
        """Give the notes, or the mark that they do not tell all."""
        if self._has_foreign:
            return [FOREIGN]
        return sorted(note.encode() for note in self._found)
