"""The library's abstract database: one face for table and hash files.

The original daemon is made of it, so a server that is made of it too gives the same
answers, searches and their hints included. Bytes in, bytes out; threads may share
a handle. What would end the process is refused by who calls: see `guards`.
"""

from collections.abc import Callable, Sequence
from ctypes import byref, c_int, string_at

from pymodels.tokyo.library.functions import calls
from pymodels.tokyo.packing import pack, unpack

_INT_MIN = -(2**31)


class AbstractDatabase:
    """An open table or hash file."""

    def __init__(self, name: bytes) -> None:
        """Open by the library's own name: a path, then ``#mode=...`` and tuning.

        Raises `OSError`, without the library's reason: it keeps that to itself.
        """
        self._calls = calls("tcadb")
        self._handle: int | None = self._calls.new()
        if not self._calls.open(self._handle, name):
            self._free()
            raise OSError(f"the library cannot open {name!r}")

    def close(self) -> bool:
        """Write everything to the file and let go of it; say whether that went well."""
        if self._handle is None:
            return True
        done: bool = self._calls.close(self._handle)
        self._free()
        return done

    def _free(self) -> None:
        vars(self._calls)["del"](self._handle)
        self._handle = None

    def put(self, key: bytes, value: bytes) -> bool:
        """Write a record; of a table, names and values joined with NUL."""
        return self._put(self._calls.put, key, value)

    def put_keep(self, key: bytes, value: bytes) -> bool:
        """Write a record unless the key is taken."""
        return self._put(self._calls.putkeep, key, value)

    def put_cat(self, key: bytes, value: bytes) -> bool:
        """Append to a record; of a table, add the columns that are missing."""
        return self._put(self._calls.putcat, key, value)

    def _put(self, put: Callable[..., bool], key: bytes, value: bytes) -> bool:
        return put(self._handle, key, len(key), value, len(value))

    def out(self, key: bytes) -> bool:
        """Remove a record; say whether there was one."""
        return bool(self._calls.out(self._handle, key, len(key)))

    def get(self, key: bytes) -> bytes | None:
        """Give the value under a key."""
        size = c_int()
        found = self._calls.get(self._handle, key, len(key), byref(size))
        return self._taken(found, size)

    def value_size(self, key: bytes) -> int | None:
        """Give the size of what is stored under a key."""
        size = int(self._calls.vsiz(self._handle, key, len(key)))
        return None if size < 0 else size

    def begin_iteration(self) -> bool:
        """Begin again at the first key: there is one iterator for all."""
        return bool(self._calls.iterinit(self._handle))

    def next_key(self) -> bytes | None:
        """Give the iterator's next key."""
        size = c_int()
        return self._taken(self._calls.iternext(self._handle, byref(size)), size)

    def keys_with(self, prefix: bytes, most: int) -> list[bytes]:
        """Give keys that begin with a prefix; all of them if ``most`` is negative."""
        found = self._calls.fwmkeys(self._handle, prefix, len(prefix), most)
        return self._strings(found) or []

    def add_int(self, key: bytes, number: int) -> int | None:
        """Add to a number and give the sum; None if there is something else."""
        total = int(self._calls.addint(self._handle, key, len(key), number))
        return None if total == _INT_MIN else total

    def add_double(self, key: bytes, number: float) -> float | None:
        """Add to a number and give the sum; None if there is something else."""
        total = float(self._calls.adddouble(self._handle, key, len(key), number))
        return total if total == total else None

    def sync(self) -> bool:
        """Bring everything to the disk."""
        return bool(self._calls.sync(self._handle))

    def as_one(self, write: Callable[[], list[bytes] | None]) -> list[bytes] | None:
        """Call what writes in a transaction; undo it if it fails or never ends."""
        if not self._calls.tranbegin(self._handle):
            return None
        done = None
        try:
            done = write()
        finally:
            calls = self._calls
            end = calls.tranabort if done is None else calls.trancommit
            is_good = end(self._handle)
        return done if is_good else None

    def optimize(self, tuning: bytes | None) -> bool:
        """Write the file anew, without gaps."""
        return bool(self._calls.optimize(self._handle, tuning))

    def vanish(self) -> bool:
        """Remove all records."""
        return bool(self._calls.vanish(self._handle))

    def count(self) -> int:
        """Give the number of records."""
        return int(self._calls.rnum(self._handle))

    def size(self) -> int:
        """Give the size of the file."""
        return int(self._calls.size(self._handle))

    def index_type(self, text: bytes) -> int:
        """Read an index type as it is sent: a number or a name; -1 for neither."""
        return int(self._calls.tctdbstrtoindextype(text))

    def operator(self, text: bytes) -> int:
        """Read an operator of a condition as it is sent; -1 if it is not known."""
        return int(self._calls.tctdbqrystrtocondop(text))

    def misc(self, name: bytes, strings: Sequence[bytes]) -> list[bytes] | None:
        """Call a function by its name; None if it failed or is not known."""
        data = pack(strings)
        listed = self._calls.tclistload(data, len(data))
        try:
            return self._strings(self._calls.misc(self._handle, name, listed))
        finally:
            self._calls.tclistdel(listed)

    def _strings(self, listed: int | None) -> list[bytes] | None:
        if listed is None:
            return None
        size = c_int()
        try:
            dumped = self._calls.tclistdump(listed, byref(size))
        finally:
            self._calls.tclistdel(listed)
        return list(unpack(self._taken(dumped, size) or b""))

    def _taken(self, pointer: int | None, size: c_int) -> bytes | None:
        if pointer is None:
            return None
        try:
            if size.value < 0:
                raise OverflowError("the library's result is larger than 2 GiB")
            return string_at(pointer, size.value)
        finally:
            self._calls.tcfree(pointer)
