"""Reading a whole table in bounded memory, each record at most once.

The library has one iterator a file, which loses its place when records move. So a
scan goes on from the last key that it has seen, as long as nobody writes; before
the first write it notes the keys that are left, and fetches these one by one.
"""

from collections.abc import Iterator
from itertools import islice

from pymodels.tokyo.library import Table
from pymodels.tokyo.packing import length, pack, read_length, unpack

Pair = tuple[bytes, bytes]


class Scan:
    """How far one reading of a table has come."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._last: bytes | None = None
        self._left: Iterator[bytes] | None = None
        self.is_over = False

    def resume(self) -> None:
        """Put the iterator where this scan stands: somebody else has used it."""
        if self._left is not None:
            return
        if self._last is None:
            self._table.iter_init()
        elif self._table.iter_from(self._last):
            self._table.iter_next()
        else:
            self.is_over = True

    def take(self, most: int) -> list[Pair]:
        """Give the next keys and packed columns; fewer than asked at the end."""
        if self.is_over:
            return []
        if self._left is not None:
            return self._take_noted(self._left, most)
        found: list[Pair] = []
        while len(found) < most:
            packed = self._table.iter_next_packed()
            if packed is None:
                self.is_over = True
                break
            found.append(_divided(packed))
        if found:
            self._last = found[-1][0]
        return found

    def _take_noted(self, left: Iterator[bytes], most: int) -> list[Pair]:
        found: list[Pair] = []
        while len(found) < most and not self.is_over:
            keys = list(islice(left, most - len(found)))
            self.is_over = not keys
            for key in keys:
                packed = self._table.get_packed(key)
                if packed is not None:
                    found.append((key, packed))
        return found

    def freeze(self) -> None:
        """Note the keys that are left, before something is written."""
        if self._left is None and not self.is_over:
            self.resume()
            self._left = unpack(pack(iter(self._table.iter_next, None)))


def _divided(packed: bytes) -> Pair:
    """Divide a record into key and columns: the key is last, under no name."""
    at = packed.rfind(b"\0")
    if packed.find(b"\0") == at:
        return packed[read_length(packed, at + 1)[1] :], packed[:at]
    *_, key = unpack(packed)
    return key, packed[: -len(key) - len(length(len(key))) - 1]
