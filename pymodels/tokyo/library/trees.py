"""Hashes and B+ trees: one value under each key; the tree keeps keys in order."""

import ctypes

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


class BTree(_Values):
    """A handle on a .tcb file; its keys stand in the order of their bytes.

    Other programs may have put several values under one key: the first counts, and
    all of them are removed together.
    """

    prefix = "tcbdb"
    # Members of a leaf and of a node: the library's defaults.
    own_sizes = (-1, -1)

    def out(self, key: bytes) -> bool:
        """Remove a record, with all its values; say whether there was one."""
        done = self._calls.out3(self._db, key, size_of(key))
        return self._check_but(done, NO_RECORD)
