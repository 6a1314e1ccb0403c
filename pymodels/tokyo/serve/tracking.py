"""Which notes of kinds the rows of a served table have, kept up as rows are written.

A search is exact for rows that are what their notes say; a client that does not know
the notes would have to look at every row that it finds. Nothing is ever forgotten
before the table is emptied: what was removed may be told.
"""

from collections.abc import Iterator, Sequence
from itertools import islice

from pymodels.backends._tokyo.columns import NOTE_COLUMN, kinds_of, read_noted_row
from pymodels.backends._tokyo.texts import read_noted
from pymodels.tokyo.packing import pack

MOST_NOTES = 200
AT_ONCE = 5_000
FOREIGN = b"\0"
"""Stands for rows that are not what a note says; no note holds a NUL."""
WITH_NUL = b"\0\0"
"""Stands for values with a NUL, which put an index on texts out of order."""


class Notes:
    """The notes of all rows, once somebody has asked for them."""

    def __init__(self) -> None:
        self._is_kept = False
        self._left: Iterator[Sequence[bytes]] | None = None
        self._found: set[str] = set()
        self._alike: dict[tuple[bytes, ...], tuple[tuple[int, str], ...]] = {}
        self._has_foreign = self._has_nul = False

    @property
    def is_kept(self) -> bool:
        """Whether somebody has asked, so that each write must be told."""
        return self._is_kept

    @property
    def is_complete(self) -> bool:
        """Whether all rows were looked at."""
        return self._is_kept and self._left is None

    @property
    def is_sound(self) -> bool:
        """Whether all rows are what the notes say."""
        return self.is_complete and not self._has_foreign

    def begin(self, rows: Iterator[Sequence[bytes]]) -> None:
        """Take the rows that are there, keys first, to be looked at by and by."""
        self._is_kept, self._left = True, rows

    def look(self) -> None:
        """Look at some more of the rows: nobody should wait for all of many."""
        if self._left is None:
            return
        some = list(islice(self._left, AT_ONCE))
        for key, *row in some:
            self.saw(key, row)
        if len(some) < AT_ONCE:
            self._left = None

    def forget(self) -> None:
        """Begin anew: there are no rows."""
        self.__init__()  # type: ignore[misc]  # all of it

    def saw(self, key: bytes, parts: Sequence[bytes]) -> None:
        """Note a row that is written: names and values by turns."""
        if not self._is_kept:
            return
        joined = b"\0".join(parts)
        if b"\0" in key or joined.count(b"\0") >= max(len(parts), 1):
            self._has_foreign = self._has_nul = True
        if self._has_foreign or self._is_like_another(parts, joined):
            return
        # A name without a value is not stored.
        found = read_noted_row(pack(parts[: len(parts) & ~1]))
        if found is None or len(self._found) >= MOST_NOTES:
            self._has_foreign = True
        else:
            self._found.add(found[1])
            self._know(parts, found[1])

    def _is_like_another(self, parts: Sequence[bytes], joined: bytes) -> bool:
        """Tell a row with the names and the note of one that was read, quickly.

        Of a text it is enough to know that it is one.
        """
        readers = self._alike.get((*parts[::2], *parts[-1:]))
        if readers is None or b"" in parts:
            return False
        try:
            joined.decode()
            for at, word in readers:
                read_noted(parts[at].decode(), word)
        except ValueError:
            return False
        return True

    def _know(self, parts: Sequence[bytes], note: str) -> None:
        names, words = tuple(parts[::2]), kinds_of(note)
        is_usual = len(set(names)) * 2 == len(parts) and names[-1] == NOTE_COLUMN
        if not is_usual or len(self._alike) >= MOST_NOTES:
            return
        found = [words.get(name.decode()) for name in names[:-1]]
        if None not in found:
            self._alike[*names, parts[-1]] = tuple(
                (2 * at + 1, word)
                for at, word in enumerate(found)
                if word is not None and word != "str"
            )

    def saw_foreign(self, *parts: bytes) -> None:
        """Note a write of something to a row, whatever its note says."""
        self._has_foreign |= self._is_kept
        self._has_nul |= any(b"\0" in part for part in parts)

    def told(self) -> list[bytes]:
        """Give the notes, or the marks that they do not tell all."""
        if self.is_sound:
            return sorted(note.encode() for note in self._found)
        has_nul = self._has_nul or not self.is_complete
        return [FOREIGN, WITH_NUL] if has_nul else [FOREIGN]
