"""Which values a column has or had, kept up as records are written.

A client that must know them, to say what a search is worth, would have to read the
whole table before each. Nothing is ever forgotten: what was removed may be told.
"""

from collections.abc import Iterable, Sequence

MOST_VALUES = 4_096
NOWHERE = b"\0"
"""Stands for records without the column; no value that we look for holds a NUL."""


class Tracked:
    """The columns that somebody has asked for, and their values."""

    def __init__(self) -> None:
        self.columns: dict[bytes, set[bytes]] = {}

    def begin(self, column: bytes, values: Iterable[bytes]) -> None:
        """Keep a column's values from now on."""
        self.columns[column] = set(values)

    def saw(self, parts: Sequence[bytes]) -> None:
        """Note a record that is written: names and values by turns."""
        for column, values in self.columns.items():
            names = parts[::2]
            if column in names:
                # The last one of a name that is given twice is what is stored.
                at = len(names) - 1 - names[::-1].index(column)
                values.update(parts[2 * at + 1 : 2 * at + 2] or (NOWHERE,))
            else:
                values.add(NOWHERE)

    def saw_joined(self, value: bytes) -> None:
        """Note a record whose names and values are joined with NUL."""
        if self.columns:
            self.saw(value.split(b"\0"))

    def values(self, column: bytes) -> list[bytes] | None:
        """Give what is known of a column; None if it is too much to tell."""
        found = self.columns[column]
        return sorted(found) if len(found) <= MOST_VALUES else None
