"""The library's abstract database: one face for table and hash files.

The original daemon is made of it, so a server that is made of it too gives the same
answers, searches and their hints included. Bytes in, bytes out; threads may share
a handle. What would abort the process is refused in `killers.py`, not here.
"""

import ctypes
from collections.abc import Callable, Sequence
from ctypes import (
    POINTER,
    byref,
    c_bool,
    c_char_p,
    c_double,
    c_int,
    c_uint64,
    c_void_p,
    string_at,
)
from functools import cache
from typing import Any

from pymodels.tokyo.library.functions import load
from pymodels.tokyo.packing import pack, unpack

_INT_MIN = -(2**31)
_NOTHING: tuple[Any, ...] = ()

_FUNCTIONS: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "tcadbnew": (c_void_p, _NOTHING),
    "tcadbdel": (None, (c_void_p,)),
    "tcadbopen": (c_bool, (c_void_p, c_char_p)),
    "tcadbclose": (c_bool, (c_void_p,)),
    "tcadbput": (c_bool, (c_void_p, c_char_p, c_int, c_char_p, c_int)),
    "tcadbputkeep": (c_bool, (c_void_p, c_char_p, c_int, c_char_p, c_int)),
    "tcadbputcat": (c_bool, (c_void_p, c_char_p, c_int, c_char_p, c_int)),
    "tcadbout": (c_bool, (c_void_p, c_char_p, c_int)),
    "tcadbget": (c_void_p, (c_void_p, c_char_p, c_int, POINTER(c_int))),
    "tcadbvsiz": (c_int, (c_void_p, c_char_p, c_int)),
    "tcadbiterinit": (c_bool, (c_void_p,)),
    "tcadbiternext": (c_void_p, (c_void_p, POINTER(c_int))),
    "tcadbfwmkeys": (c_void_p, (c_void_p, c_char_p, c_int, c_int)),
    "tcadbaddint": (c_int, (c_void_p, c_char_p, c_int, c_int)),
    "tcadbadddouble": (c_double, (c_void_p, c_char_p, c_int, c_double)),
    "tcadbsync": (c_bool, (c_void_p,)),
    "tcadbtranbegin": (c_bool, (c_void_p,)),
    "tcadbtrancommit": (c_bool, (c_void_p,)),
    "tcadbtranabort": (c_bool, (c_void_p,)),
    "tcadboptimize": (c_bool, (c_void_p, c_char_p)),
    "tcadbvanish": (c_bool, (c_void_p,)),
    "tcadbrnum": (c_uint64, (c_void_p,)),
    "tcadbsize": (c_uint64, (c_void_p,)),
    "tcadbmisc": (c_void_p, (c_void_p, c_char_p, c_void_p)),
    "tctdbstrtoindextype": (c_int, (c_char_p,)),
    "tctdbqrystrtocondop": (c_int, (c_char_p,)),
    "tclistload": (c_void_p, (c_char_p, c_int)),
    "tclistdump": (c_void_p, (c_void_p, POINTER(c_int))),
    "tclistdel": (None, (c_void_p,)),
    "tcfree": (None, (c_void_p,)),
}


@cache
def _library() -> ctypes.CDLL:
    # Of its own: `load` gives one that others may declare otherwise.
    library = ctypes.CDLL(load()._name)
    for function, (result, arguments) in _FUNCTIONS.items():
        getattr(library, function).restype = result
        getattr(library, function).argtypes = arguments
    return library


class AbstractDatabase:
    """An open table or hash file."""

    def __init__(self, name: bytes) -> None:
        """Open by the library's own name: a path, then ``#mode=...`` and tuning.

        Raises `OSError`, without the library's reason: it keeps that to itself.
        """
        self._library = _library()
        self._handle: int | None = self._library.tcadbnew()
        if not self._library.tcadbopen(self._handle, name):
            self._library.tcadbdel(self._handle)
            self._handle = None
            raise OSError(f"the library cannot open {name!r}")

    def close(self) -> bool:
        """Write everything to the file and let go of it; say whether that went well."""
        handle, self._handle = self._handle, None
        if handle is None:
            return True
        done: bool = self._library.tcadbclose(handle)
        self._library.tcadbdel(handle)
        return done

    def put(self, key: bytes, value: bytes) -> bool:
        """Write a record; of a table, names and values joined with NUL."""
        library = self._library
        done: bool = library.tcadbput(self._handle, key, len(key), value, len(value))
        return done

    def put_keep(self, key: bytes, value: bytes) -> bool:
        """Write a record unless the key is taken."""
        library, handle = self._library, self._handle
        done: bool = library.tcadbputkeep(handle, key, len(key), value, len(value))
        return done

    def put_cat(self, key: bytes, value: bytes) -> bool:
        """Append to a record; of a table, add the columns that are missing."""
        library, handle = self._library, self._handle
        done: bool = library.tcadbputcat(handle, key, len(key), value, len(value))
        return done

    def out(self, key: bytes) -> bool:
        """Remove a record; say whether there was one."""
        done: bool = self._library.tcadbout(self._handle, key, len(key))
        return done

    def get(self, key: bytes) -> bytes | None:
        """Give the value under a key."""
        size = c_int()
        found = self._library.tcadbget(self._handle, key, len(key), byref(size))
        return self._taken(found, size)

    def value_size(self, key: bytes) -> int | None:
        """Give the size of what is stored under a key."""
        size: int = self._library.tcadbvsiz(self._handle, key, len(key))
        return None if size < 0 else size

    def begin_iteration(self) -> bool:
        """Begin again at the first key: there is one iterator for all."""
        done: bool = self._library.tcadbiterinit(self._handle)
        return done

    def next_key(self) -> bytes | None:
        """Give the iterator's next key."""
        size = c_int()
        return self._taken(self._library.tcadbiternext(self._handle, byref(size)), size)

    def keys_with(self, prefix: bytes, most: int) -> list[bytes]:
        """Give keys that begin with a prefix; all of them if ``most`` is negative."""
        library = self._library
        return (
            self._strings(library.tcadbfwmkeys(self._handle, prefix, len(prefix), most))
            or []
        )

    def add_int(self, key: bytes, number: int) -> int | None:
        """Add to a number and give the sum; None if there is something else."""
        library = self._library
        total: int = library.tcadbaddint(self._handle, key, len(key), number)
        return None if total == _INT_MIN else total

    def add_double(self, key: bytes, number: float) -> float | None:
        """Add to a number and give the sum; None if there is something else."""
        library = self._library
        total: float = library.tcadbadddouble(self._handle, key, len(key), number)
        return total if total == total else None

    def sync(self) -> bool:
        """Bring everything to the disk."""
        done: bool = self._library.tcadbsync(self._handle)
        return done

    def as_one(self, write: Callable[[], list[bytes] | None]) -> list[bytes] | None:
        """Call what writes in a transaction; undo it if it fails or never ends."""
        if not self._library.tcadbtranbegin(self._handle):
            return None
        done = None
        try:
            done = write()
        finally:
            library = self._library
            end = library.tcadbtranabort if done is None else library.tcadbtrancommit
            is_good = end(self._handle)
        return done if is_good else None

    def optimize(self, tuning: bytes | None) -> bool:
        """Write the file anew, without gaps."""
        done: bool = self._library.tcadboptimize(self._handle, tuning)
        return done

    def vanish(self) -> bool:
        """Remove all records."""
        done: bool = self._library.tcadbvanish(self._handle)
        return done

    def count(self) -> int:
        """Give the number of records."""
        number: int = self._library.tcadbrnum(self._handle)
        return number

    def size(self) -> int:
        """Give the size of the file."""
        number: int = self._library.tcadbsize(self._handle)
        return number

    def index_type(self, text: bytes) -> int:
        """Read an index type as it is sent: a number or a name; -1 for neither."""
        found: int = self._library.tctdbstrtoindextype(text)
        return found

    def operator(self, text: bytes) -> int:
        """Read an operator of a condition as it is sent; -1 if it is not known."""
        found: int = self._library.tctdbqrystrtocondop(text)
        return found

    def misc(self, name: bytes, strings: Sequence[bytes]) -> list[bytes] | None:
        """Call a function by its name; None if it failed or is not known."""
        library = self._library
        data = pack(strings)
        listed = library.tclistload(data, len(data))
        try:
            return self._strings(library.tcadbmisc(self._handle, name, listed))
        finally:
            library.tclistdel(listed)

    def _strings(self, listed: int | None) -> list[bytes] | None:
        if listed is None:
            return None
        size = c_int()
        try:
            dumped = self._library.tclistdump(listed, byref(size))
        finally:
            self._library.tclistdel(listed)
        return list(unpack(self._taken(dumped, size) or b""))

    def _taken(self, pointer: int | None, size: c_int) -> bytes | None:
        if pointer is None:
            return None
        try:
            if size.value < 0:
                raise OverflowError("the library's result is larger than 2 GiB")
            return string_at(pointer, size.value)
        finally:
            self._library.tcfree(pointer)
