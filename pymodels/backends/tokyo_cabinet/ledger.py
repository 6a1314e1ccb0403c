"""What is known of the rows in a table: the notes of kinds that occur.

While we have a file open nobody else writes it. So what was once read of it, and
noted of each write since, holds; conditions that are exact for rows with these
notes are exact for the table. A file that was there before is read through when
that has become cheaper than looking at each row that a query finds.
"""

from collections.abc import Iterator

from pymodels.backends._tokyo.columns import read_noted_row, texts_of

MOST_NOTES = 200
"""More different notes are not worth telling apart."""
COST_OF_SCAN = 1.0
COST_OF_LOOK = 10.0
COST_OF_READING = 6.0
"""Microseconds a row, as measured: what is weighed against what."""
AT_ONCE = 500.0
"""Microseconds that need no weighing."""


class Ledger:
    """The notes of a table's rows, if all of them are known."""

    def __init__(self, *, is_complete: bool) -> None:
        self.notes: set[str] = set()
        self.is_complete = is_complete
        self.has_foreign = False
        self.has_nul = False
        self._spent = 0.0

    @property
    def is_sound(self) -> bool:
        """Whether every row is known to be what its note says."""
        return self.is_complete and not self.has_foreign

    def learn(self, note: str | None) -> None:
        """Note that a row was written."""
        if note is None:
            self.has_foreign = True
        elif len(self.notes) < MOST_NOTES:
            self.notes.add(note)
        else:
            self.has_foreign = True

    def spend(self, scanned: int, looked_at: int) -> None:
        """Note what a query has cost for want of knowledge."""
        self._spent += scanned * COST_OF_SCAN + looked_at * COST_OF_LOOK

    def should_read(self, rows: int) -> bool:
        """Say whether reading all rows once is the cheaper thing to do."""
        cost = rows * COST_OF_READING
        return not self.is_complete and (cost < AT_ONCE or self._spent > cost)

    def read(self, rows: Iterator[bytes]) -> None:
        """Look at all rows once."""
        for packed in rows:
            found = read_noted_row(packed)
            if found is not None:
                self.learn(found[1])
                continue
            self.has_foreign = True
            texts = texts_of(packed).values()
            if any(type(one) is bytes and 0 in one for one in texts):
                self.has_nul = True
        self.is_complete = True

    def forget(self, *, is_complete: bool) -> None:
        """Begin anew: with an empty table, or with one that others have written."""
        self.__init__(is_complete=is_complete)  # type: ignore[misc]  # all of it
