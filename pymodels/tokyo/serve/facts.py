"""What a server knows of the rows of its table, and tells by the function `notes`.

The server tells somebody of each write, and knows nothing of what rows mean.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol


class Facts(Protocol):
    """Somebody who is told of each write, once they were asked for."""

    is_complete: bool
    """Whether all rows were looked at."""

    @property
    def is_sound(self) -> bool:
        """Whether all rows are what their notes say."""

    def look(self) -> None:
        """Look at some more of the rows that were there from the beginning."""

    def saw(self, key: bytes, parts: Sequence[bytes], *, is_whole: bool) -> None:
        """Take note of names and values that are written, as a whole row or not."""

    def told(self) -> list[bytes]:
        """Give the notes, or the marks that they do not tell all."""


Watch = Callable[[Iterator[Sequence[bytes]]], Facts]
"""Begins to keep facts, of rows that are there: keys first, then names and values."""
