"""Hashes and B+ trees: one value under each key; the tree keeps keys in order."""

import ctypes
from collections.abc import Iterator

from pymodels.tokyo.errors import KEPT, NO_RECORD
from pymodels.tokyo.library.database import Database
from pymodels.tokyo.library.functions import size_of


class _Values(Database):
    """What a hash and a B+ tree do alike."""

    def put(self, key: bytes, value: bytes) -> None:
        """Create or overwrite a record."""
        done = self._calls.put(self._db, key, size_of(key), value, size_of(value))
        self._check(done)

    def put_keep(self, key: bytes, value: bytes) -> bool:
        """Create a record; say False, and change nothing, if the key exists."""
        done = self._calls.putkeep(self._db, key, size_of(key), value, size_of(value))
        return self._check_but(done, KEPT)

    def put_cat(self, key: bytes, value: bytes) -> None:
        """Add bytes at the end of a record, which is made if it is not there."""
        done = self._calls.putcat(self._db, key, size_of(key), value, size_of(value))
        self._check(done)

    def get(self, key: bytes) -> bytes | None:
        """Give the value of a record; None without one."""
        size = ctypes.c_int()
        found = self._calls.get(self._db, key, size_of(key), ctypes.byref(size))
        if found is None:
            self._check_but(False, NO_RECORD)
            return None
        return self._taken(found, size)


class Hash(_Values):
    """A handle on a .tch file."""

    prefix = "tchdb"

    def iter_init(self) -> None:
        """Put the iterator before the first record."""
        self._check(self._calls.iterinit(self._db))

    def iter_next(self) -> bytes | None:
        """Give the next key; None at the end."""
        size = ctypes.c_int()
        found = self._calls.iternext(self._db, ctypes.byref(size))
        return None if found is None else self._taken(found, size)


class BTree(_Values):
    """A handle on a .tcb file; its keys stand in the order of their bytes."""

    prefix = "tcbdb"
    # Members of a leaf and of a node: the library's defaults.
    own_sizes = (-1, -1)

    def __init__(self) -> None:
        super().__init__()
        self._last: bytes | None = None

    def iter_init(self) -> None:
        """Put the iterator before the first record."""
        self._last = b""

    def iter_next(self) -> bytes | None:
        """Give the next key; None at the end."""
        if self._last is None:
            return None
        is_first = self._last == b""
        # No key lies between one and the same with a NUL at its end.
        start = self._last if is_first else self._last + b"\0"
        self._last = next(self.keys_from(start), None)
        return self._last

    def keys_from(self, start: bytes = b"", most: int = 1) -> Iterator[bytes]:
        """Yield keys in order, from the first that is not before the start."""
        cursor = self._calls.curnew(self._db)
        try:
            size = ctypes.c_int()
            is_there = self._calls.curjump(cursor, start, size_of(start))
            while is_there and most != 0:
                found = self._calls.curkey(cursor, ctypes.byref(size))
                if found is None:
                    return
                yield self._taken(found, size)
                most -= 1
                is_there = most != 0 and self._calls.curnext(cursor)
        finally:
            self._calls.curdel(cursor)
