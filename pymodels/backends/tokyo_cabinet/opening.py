"""Opening files: one handle a real path in a process, and what is found there."""

import os
import threading
import time
import warnings
from dataclasses import dataclass

from pymodels.backends.tokyo_cabinet.errors import translation
from pymodels.backends.tokyo_cabinet.handle import Handle
from pymodels.errors import SettingsError, StorageError
from pymodels.tokyo.errors import LOCKED, LibraryMissing, TokyoError
from pymodels.tokyo.library import BTree, Hash, OpenMode, Option, Table, Tuning
from pymodels.tokyo.search import IndexType

MAGIC = b"ToKyO CaBiNeT\n"
KIND_AT, FLAGS_AT, HEAD_SIZE = 32, 33, 34
NOT_CLOSED = 1
KINDS: dict[str, type[Table] | type[Hash] | type[BTree]] = {
    "TABLE": Table,
    "HASH": Hash,
    "BTREE": BTree,
}
SUFFIXES = {".tct": "TABLE", ".tch": "HASH", ".tcb": "BTREE"}
STORED_KINDS = {0: "HASH", 1: "BTREE", 2: "FIXED", 3: "TABLE"}
MODES = {
    "create": OpenMode.WRITER | OpenMode.CREATE,
    "write": OpenMode.WRITER,
    "read": OpenMode.READER,
}
COMPRESSIONS = {
    "none": Option(0),
    "deflate": Option.DEFLATE,
    "bzip": Option.BZIP,
    "tcbs": Option.TCBS,
}
PAUSE = 0.02


@dataclass(frozen=True, slots=True)
class Asked:
    """What the settings ask of a file."""

    kind: str
    mode: str
    buckets: int
    large: bool
    compression: str
    sync: bool
    wait: float

    @property
    def tuning(self) -> Tuning:
        """How the file is made, if it is made."""
        options = COMPRESSIONS[self.compression]
        if self.large:
            options |= Option.LARGE
        return Tuning(self.buckets or -1, options=int(options))


_handles: dict[str, Handle] = {}
_lock = threading.RLock()


def _forget_handles() -> None:
    """Leave the parent's handles alone, in a forked child."""
    global _lock
    _lock = threading.RLock()
    # Kept from the collector: what it would close is the parent's.
    _inherited.extend(_handles.values())
    _handles.clear()


_inherited: list[Handle] = []
os.register_at_fork(after_in_child=_forget_handles)


def acquire(path: str, asked: Asked) -> Handle:
    """Give the handle on a file, opening it if this process has not yet."""
    real = os.path.realpath(path)
    with _lock:
        handle = _handles.get(real)
        if handle is None:
            _refuse_second_name(path, real)
            handle = _handles[real] = _opened(path, real, asked)
        else:
            _check_shared(handle, path, asked)
        handle.users += 1
        return handle


def _refuse_second_name(path: str, real: str) -> None:
    """Refuse a hard link to an open file: merely to look at it lets its lock go."""
    for one in _handles:
        if os.path.exists(real) and os.path.exists(one) and os.path.samefile(real, one):
            raise StorageError(f"{path} is open in this process by its name {one}")


def release(handle: Handle) -> None:
    """Let go of a handle; the last user closes the file."""
    with _lock:
        handle.users -= 1
        if handle.users:
            return
        for real, one in list(_handles.items()):
            if one is handle:
                del _handles[real]
        # After the threads that are in the middle of something.
        with handle:
            handle.database.close()


def _check_shared(handle: Handle, path: str, asked: Asked) -> None:
    if type(handle.database) is not KINDS[asked.kind]:
        raise StorageError(f"{path} is open in this process, and no {asked.kind}")
    if asked.mode != "read" and not handle.is_writer:
        raise StorageError(
            f"{path} is open in this process for reading only; close it there first"
        )
    if asked.sync != handle.sync:
        raise SettingsError(
            f"sync is {asked.sync}, but {path} is open in this process with "
            f"sync={handle.sync}"
        )


def _opened(path: str, real: str, asked: Asked) -> Handle:
    try:
        database = KINDS[asked.kind]()
    except LibraryMissing as error:
        raise StorageError(f"{path}: {error}") from error
    was_closed = _check_head(path, real, asked)
    mode = MODES[asked.mode] | OpenMode.NO_WAIT
    if asked.sync and asked.mode != "read":
        mode |= OpenMode.SYNC
    _open(database, path, real, mode, asked)
    is_writer = asked.mode != "read"
    handle = Handle(database, path, is_writer=is_writer, sync=asked.sync)
    try:
        if not was_closed and handle.indexes:
            _recover(handle)
    except BaseException:
        database.close()
        raise
    return handle


def _open(
    database: Table | Hash | BTree, path: str, real: str, mode: OpenMode, asked: Asked
) -> None:
    """Open a file, waiting for another process as long as is asked for."""
    end = time.monotonic() + asked.wait
    while True:
        try:
            database.open(real, mode, asked.tuning)
        except TokyoError as error:
            if error.code != LOCKED or time.monotonic() >= end:
                raise translation(error, path) from error
            time.sleep(PAUSE)
            continue
        return


def _check_head(path: str, real: str, asked: Asked) -> bool:
    """Refuse what is no such file; say whether its last writer has closed it.

    Only here is the file looked at other than by the library: before it is open.
    """
    try:
        with open(real, "rb") as file:
            head = file.read(HEAD_SIZE)
    except FileNotFoundError:
        folder = os.path.dirname(real)
        if not os.path.isdir(folder):
            raise StorageError(f"{path}: there is no folder {folder}") from None
        if asked.mode != "create":
            raise StorageError(
                f"{path}: there is no such file, and mode={asked.mode!r} makes none"
            ) from None
        _check_suffix(path, asked.kind)
        return True
    except OSError as error:
        raise StorageError(f"{path}: it cannot be opened: {error}") from error
    if not head and asked.mode != "read":
        return True
    if len(head) < HEAD_SIZE or not head.startswith(MAGIC):
        raise StorageError(f"{path}: this is no file of Tokyo Cabinet")
    found = STORED_KINDS.get(head[KIND_AT], "unknown")
    if found != asked.kind:
        raise StorageError(
            f"{path}: the file is of the kind {found}; kind asks for {asked.kind}"
        )
    return not head[FLAGS_AT] & NOT_CLOSED


def _check_suffix(path: str, kind: str) -> None:
    """Refuse to make a file that servers, which go by its name, would not open."""
    meant = SUFFIXES.get(os.path.splitext(path)[1], kind)
    if meant != kind:
        raise SettingsError(
            f"{path}: a new file of this name is opened by kind={meant!r}, and kind is "
            f"{kind!r}"
        )


def _recover(handle: Handle) -> None:
    """Make indexes anew that a killed process has left behind."""
    columns = sorted(handle.indexes)
    names = ", ".join(repr(column.decode(errors="replace")) for column in columns)
    if not handle.is_writer:
        handle.has_trusted_texts = False
        warnings.warn(
            f"{handle.path} was not closed by its last writer: the indexes on {names} "
            "are not used until it is opened for writing",
            RuntimeWarning,
            stacklevel=2,
        )
        return
    for column, kind in list(handle.indexes.items()):
        try:
            handle.table.set_index(column, kind)
        except TokyoError:
            handle.table.set_index(column, IndexType.VOID)
    warnings.warn(
        f"{handle.path} was not closed by its last writer: the indexes on {names} "
        "were made anew",
        RuntimeWarning,
        stacklevel=2,
    )
