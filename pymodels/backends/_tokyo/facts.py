"""What is known of the rows of a table: the notes of kinds that occur.

Conditions that are exact for rows with these notes are exact for the table, as long
as nobody writes past the one who keeps the facts. In-process that is the handle on
the file; behind `pymodels serve` it is the server, which tells its clients.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from pymodels.backends._tokyo.columns import NOTE_COLUMN, kinds_of, read_noted_row
from pymodels.backends._tokyo.texts import read_noted
from pymodels.tokyo.packing import pack, unpack

MOST_NOTES = 200
"""More different notes are not worth telling apart."""
AT_ONCE = 5_000
"""So many rows are looked at while others wait."""
FOREIGN = b"\0"
"""Stands for rows that are not what a note says; no note holds a NUL."""
WITH_NUL = b"\0\0"
"""Stands for values with a NUL, which put an index on texts out of order."""
COST_OF_SCAN = 1.0
COST_OF_LOOK = 10.0
COST_OF_READING = 6.0
"""Microseconds a row, as measured: what is weighed against what."""
CHEAP = 500.0
"""Microseconds that need no weighing."""

_Readers = tuple[tuple[int, str], ...]


class TableFacts:
    """The notes of a table's rows, if all of them are known.

    Nothing is forgotten: what was removed may still be among them.
    """

    def __init__(self, *, is_complete: bool = False) -> None:
        self.notes: set[str] = set()
        self.is_complete = is_complete
        """Whether all rows were looked at."""
        self.has_foreign = False
        self.has_nul = False
        self._left: Iterator[Sequence[bytes]] = iter(())
        self._alike: dict[tuple[bytes, ...], _Readers] = {}
        self._spent = 0.0

    @classmethod
    def of_rows(cls, rows: Iterator[Sequence[bytes]]) -> "TableFacts":
        """Begin with rows that are there, to be looked at in pieces.

        Each is the key, then names and values by turns.
        """
        facts = cls()
        facts._left = rows
        return facts

    @classmethod
    def heard(cls, told: Sequence[bytes]) -> "TableFacts":
        """Take what `told` gave on a server."""
        facts = cls(is_complete=WITH_NUL not in told)
        facts.has_foreign = FOREIGN in told
        facts.has_nul = WITH_NUL in told
        if not facts.has_foreign:
            facts.notes = {one.decode(errors="replace") for one in told}
        return facts

    @property
    def is_sound(self) -> bool:
        """Whether every row is known to be what its note says."""
        return self.is_complete and not self.has_foreign

    @property
    def has_clean_texts(self) -> bool:
        """Whether no value holds a NUL, which no index on texts bears."""
        return self.is_complete and not self.has_nul

    def holds_ints(self, name: str) -> bool:
        """Say whether a column holds ints alone, which an index of numbers bears."""
        words = {kinds_of(note).get(name) for note in self.notes}
        return self.is_sound and words <= {None, "none", "int"}

    def told(self) -> list[bytes]:
        """Give the notes, or the marks that they do not tell all."""
        if self.is_sound:
            return sorted(note.encode() for note in self.notes)
        return [FOREIGN] if self.has_clean_texts else [FOREIGN, WITH_NUL]

    # Rows that are written.

    def learn(self, note: str | None) -> None:
        """Take note of a row of ours, which is as its note says, or has none."""
        if note is not None and (note in self.notes or len(self.notes) < MOST_NOTES):
            self.notes.add(note)
        else:
            self.has_foreign = True

    def saw(self, key: bytes, parts: Sequence[bytes], *, is_whole: bool = True) -> None:
        """Take note of a row of anybody: names and values by turns.

        What is not a whole row leaves it different from what its note says.
        """
        joined = b"\0".join(parts)
        if b"\0" in key or joined.count(b"\0") >= max(len(parts), 1):
            self.has_foreign = self.has_nul = True
        self.has_foreign |= not is_whole
        if self.has_foreign or self._is_like_another(parts, joined):
            return
        # A name without a value is not stored.
        found = read_noted_row(pack(parts[: len(parts) & ~1]))
        self.learn(None if found is None else found[1])
        if found is not None:
            self._remember(parts, found[1])

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

    def _remember(self, parts: Sequence[bytes], note: str) -> None:
        names, words = tuple(parts[::2]), kinds_of(note)
        is_usual = len(set(names)) * 2 == len(parts) and names[-1] == NOTE_COLUMN
        if not is_usual or len(self._alike) >= MOST_NOTES:
            return
        found = [words.get(name.decode()) for name in names[:-1]]
        if None not in found:
            self._alike[*names, parts[-1]] = tuple(
                (2 * at + 1, str(word))
                for at, word in enumerate(found)
                if word != "str"
            )

    # Rows that were there before.

    def look(self) -> None:
        """Look at some more of the rows: nobody should wait for all of many."""
        some = list(islice(self._left, AT_ONCE))
        for key, *row in some:
            self.saw(key, row)
        self.is_complete |= len(some) < AT_ONCE

    def read(self, rows: Iterable[bytes]) -> None:
        """Look at all rows, of packed columns."""
        for packed in rows:
            found = read_noted_row(packed)
            self.learn(None if found is None else found[1])
            if found is None and any(b"\0" in part for part in unpack(packed)):
                self.has_nul = True
        self.is_complete = True

    def spend(self, scanned: int, looked_at: int) -> None:
        """Note what a query has cost because too little is known."""
        self._spent += scanned * COST_OF_SCAN + looked_at * COST_OF_LOOK

    def should_read(self, rows: int) -> bool:
        """Say whether to read all rows once is the cheaper thing to do by now."""
        cost = rows * COST_OF_READING
        return not self.is_complete and (cost < CHEAP or self._spent > cost)
