"""What tables, hashes and B+ trees have in common: a handle on one file."""

import ctypes
import math
import os
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntFlag
from typing import Any, ClassVar

from pymodels.tokyo.errors import INVALID, KEPT, NO_RECORD, TokyoError
from pymodels.tokyo.library.functions import Calls, calls, size_of
from pymodels.tokyo.packing import unpack

LEAST_INT = -(2**31)


class OpenMode(IntFlag):
    """How a file is opened; the numbers are the library's.

    A file that another process holds is waited for, unless ``NO_WAIT`` is given:
    then that is error 16 at once.
    """

    READER = 1
    WRITER = 2
    CREATE = 4
    TRUNCATE = 8
    NO_LOCK = 16
    NO_WAIT = 32
    SYNC = 64


class Option(IntFlag):
    """What a file is made with."""

    LARGE = 1
    DEFLATE = 2
    BZIP = 4
    TCBS = 8


@dataclass(frozen=True, slots=True)
class Tuning:
    """How a file is made: expected buckets, alignment, free blocks, options.

    Below zero means the library's default. ``extra_map`` is how many bytes of the
    file are mapped into memory.
    """

    buckets: int = -1
    alignment: int = -1
    free_blocks: int = -1
    options: int = Option.LARGE
    extra_map: int | None = None


_open: "weakref.WeakSet[Database]" = weakref.WeakSet()
"""All handles with an open file, to be taken from a forked child."""


def _leave_to_parent() -> None:
    for one in list(_open):
        one.disown()


os.register_at_fork(after_in_child=_leave_to_parent)


class Database:
    """A handle on one file: what all three families can do.

    Keys and values are bytes. Threads may share a handle. After `close` every
    call raises `TokyoError`; so it does in a forked child, which must leave the
    parent's handle alone.
    """

    prefix: ClassVar[str]
    own_sizes: ClassVar[tuple[int, ...]] = ()
    """What a family's tuning takes before the buckets."""

    def __init__(self) -> None:
        self._calls: Calls = calls(self.prefix)
        self._process = os.getpid()
        self.path = b""
        self._handle: int = self._calls.new()
        self.is_open = False
        self._finalizer = weakref.finalize(
            self, _delete, self._calls, self._handle, self._process
        )
        self._dump = _dumper(self._calls)
        # Without a mutex, threads that write at once leave a broken file.
        self._check(self._calls.setmutex(self._handle))

    # Opening and closing.

    def open(
        self,
        path: str | bytes | os.PathLike[str],
        mode: OpenMode = OpenMode.READER,
        tuning: Tuning | None = None,
    ) -> None:
        """Open a file; it is made only with `OpenMode.CREATE`."""
        self._owned()
        if self.is_open:
            raise TokyoError(INVALID, "the handle has a file open already")
        self.path = os.fsencode(path)
        if b"\0" in self.path:
            raise TokyoError(INVALID, "a path holds no NUL")
        if tuning is not None:
            self._tune(tuning)
        self._check(self._calls.open(self._handle, self.path, int(mode)))
        self._db = self._handle
        self.is_open = True
        _open.add(self)

    def _tune(self, tuning: Tuning) -> None:
        self._check(self._calls.tune(self._handle, *self._sizes(tuning)))
        if tuning.extra_map is not None:
            self._check(self._calls.setxmsiz(self._handle, tuning.extra_map))

    def _sizes(self, tuning: Tuning) -> tuple[int, ...]:
        return (
            *self.own_sizes,
            tuning.buckets,
            tuning.alignment,
            tuning.free_blocks,
            int(tuning.options),
        )

    def close(self) -> None:
        """Close the file; a second time does nothing.

        An open transaction is undone. Nothing is done in a forked child.
        """
        if self.is_open:
            self.disown()
            self._check(self._calls.close(self._handle))

    def disown(self) -> None:
        """Use the handle no more: it is closed, or the parent process has it."""
        self.is_open = False
        vars(self).pop("_db", None)

    def _owned(self) -> None:
        if self._process != os.getpid():
            raise TokyoError(INVALID, "the handle belongs to the parent process")

    def __getattr__(self, name: str) -> Any:
        """Tell why there is no handle to give to the library.

        A plain attribute while the file is open, it costs nothing to look at.
        """
        if name == "_db":
            self._owned()
            raise TokyoError(INVALID, "the database is closed")
        raise AttributeError(f"{type(self).__name__} has no {name}")

    # Errors.

    @property
    def error_code(self) -> int:
        """The last error of this thread."""
        return int(self._calls.ecode(self._handle))

    def error(self) -> TokyoError:
        """Give the last error of this thread, to be raised."""
        code = self.error_code
        text = self._calls.errmsg(code) or b"unknown error"
        return TokyoError(code, text.decode(errors="replace"))

    def _check(self, is_good: bool) -> None:
        if not is_good:
            raise self.error()

    def _check_but(self, is_good: bool, harmless: int) -> bool:
        """Give whether it was done; raise for any error but the harmless one."""
        if not is_good and self.error_code != harmless:
            raise self.error()
        return is_good

    # Buffers: copied out, then freed.

    def _taken(self, pointer: int, size: ctypes.c_int) -> bytes:
        try:
            return ctypes.string_at(pointer, size.value)
        finally:
            self._calls.tcfree(pointer)

    def _list(self, pointer: int | None) -> bytes:
        if pointer is None:
            raise self.error()
        return self._dump(pointer, self._calls.tclistdump, self._calls.tclistdel)

    # Records.

    def out(self, key: bytes) -> bool:
        """Remove a record; say whether there was one."""
        done = self._calls.out(self._db, key, size_of(key))
        return self._check_but(done, NO_RECORD)

    def value_size(self, key: bytes) -> int | None:
        """Give the size of what is stored under a key; None without a record."""
        found: int = self._calls.vsiz(self._db, key, size_of(key))
        self._check_but(found >= 0, NO_RECORD)
        return None if found < 0 else found

    def forward_keys(self, prefix: bytes = b"", most: int = -1) -> list[bytes]:
        """Give the keys that begin with a prefix, ``most`` of them at most."""
        return list(unpack(self.packed_keys(prefix, most)))

    def packed_keys(self, prefix: bytes = b"", most: int = -1) -> bytes:
        """Give the same as one byte string: see `packing.unpack`."""
        found = self._calls.fwmkeys(self._db, prefix, size_of(prefix), most)
        return self._list(found)

    def add_int(self, key: bytes, number: int) -> int | None:
        """Add to a number; give the sum, None where the record is no such number."""
        self._check_key(key)
        found: int = self._calls.addint(self._db, key, size_of(key), number)
        if found != LEAST_INT:
            return found
        self._check_but(self.error_code == 0, KEPT)
        return None

    def add_double(self, key: bytes, number: float) -> float | None:
        """Add to a number; give the sum, None where the record is no such number."""
        self._check_key(key)
        found: float = self._calls.adddouble(self._db, key, size_of(key), number)
        if not math.isnan(found):
            return found
        self._check_but(self.error_code == 0, KEPT)
        return None

    def _check_key(self, key: bytes) -> None:
        """Refuse a key that would end the process; only tables have such."""

    @property
    def count(self) -> int:
        """How many records there are."""
        return int(self._calls.rnum(self._db))

    @property
    def size(self) -> int:
        """The size of the file, asked of the library.

        Looking at the file itself and closing it again would give up its lock.
        """
        return int(self._calls.fsiz(self._db))

    # The whole file.

    def sync(self) -> None:
        """Bring all that was written to the disk."""
        self._check(self._calls.sync(self._db))

    def vanish(self) -> None:
        """Remove all records."""
        self._check(self._calls.vanish(self._db))

    def optimize(self, tuning: Tuning | None = None) -> None:
        """Write the file anew, with other tuning if it is given."""
        sizes = self._sizes(tuning or Tuning(options=0xFF))
        self._check(self._calls.optimize(self._db, *sizes))

    def defragment(self, steps: int = 0) -> None:
        """Move records together, so many steps; 0 does all."""
        self._check(self._calls.defrag(self._db, steps))

    def clear_cache(self) -> None:
        """Forget what is kept in memory."""
        self._check(self._calls.cacheclear(self._db))

    # Transactions: one a file, whatever thread writes.

    def begin(self) -> None:
        """Begin a transaction; waits while there is one, in any thread."""
        self._check(self._calls.tranbegin(self._db))

    def commit(self) -> None:
        """Keep what was written since `begin`."""
        self._check(self._calls.trancommit(self._db))

    def abort(self) -> None:
        """Undo what was written since `begin`."""
        self._check(self._calls.tranabort(self._db))


def _dumper(library: Calls) -> Callable[[int, Callable[..., int], Any], bytes]:
    """Give the function that copies a map or a list of the library's out, and frees it.

    It runs for each record that is read.
    """
    free_buffer, string_at, byref = library.tcfree, ctypes.string_at, ctypes.byref
    int_of_c = ctypes.c_int

    def dump(pointer: int, dumping: Callable[..., int], free: Any) -> bytes:
        size = int_of_c()
        dumped = dumping(pointer, byref(size))
        free(pointer)
        packed: bytes = string_at(dumped, size.value)
        free_buffer(dumped)
        return packed

    return dump


def _delete(library: Calls, handle: int, process: int) -> None:
    """Free a handle, closing its file, unless it is the parent's."""
    if process == os.getpid():
        library.__dict__["del"](handle)
