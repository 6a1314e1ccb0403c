"""What tables, hashes and B+ trees have in common: a handle on one file."""

import ctypes
import os
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntFlag
from typing import Any, ClassVar

from pymodels.tokyo.errors import INVALID, NO_RECORD, TokyoError
from pymodels.tokyo.guards import MOST_BUCKETS
from pymodels.tokyo.library.functions import Calls, calls, size_of


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
    """How a file is made: expected buckets, below zero the default, and options."""

    buckets: int = -1
    options: int = Option.LARGE


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
        if tuning.buckets > MOST_BUCKETS:
            raise TokyoError(INVALID, f"{tuning.buckets} buckets are too many")
        # The alignment and the pool of free blocks are the library's defaults.
        sizes = (*self.own_sizes, tuning.buckets, -1, -1, int(tuning.options))
        self._check(self._calls.tune(self._handle, *sizes))

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

    def packed_keys(self) -> bytes:
        """Give all keys as one byte string: see `packing.unpack`."""
        return self._list(self._calls.fwmkeys(self._db, b"", 0, -1))

    @property
    def count(self) -> int:
        """How many records there are."""
        return int(self._calls.rnum(self._db))

    # The whole file.

    def sync(self) -> None:
        """Bring all that was written to the disk."""
        self._check(self._calls.sync(self._db))

    def vanish(self) -> None:
        """Remove all records."""
        self._check(self._calls.vanish(self._db))

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
