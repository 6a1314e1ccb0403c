"""Opening files: one handle a real path in a process, and what is found there."""

import os
import threading
import time
import warnings
from dataclasses import dataclass

from pymodels.backend import errors
from pymodels.backends.tokyo_cabinet.errors import translation
from pymodels.backends.tokyo_cabinet.handle import Handle
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
class FileSettings:
    """How a file is to be opened, or made."""

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


def acquire(path: str, settings: FileSettings) -> Handle:
    """Give the handle on a file, opening it if this process has not yet."""
    real = os.path.realpath(path)
    with _lock:
        handle = _handles.get(real)
        if handle is None:
            _refuse_second_name(path, real)
            handle = _handles[real] = _opened(path, real, settings)
        else:
            _check_shared(handle, path, settings)
        handle.users += 1
        return handle


def _refuse_second_name(path: str, real: str) -> None:
    """Refuse a hard link to an open file: merely to look at it lets its lock go."""
    for one in _handles:
        if os.path.exists(real) and os.path.exists(one) and os.path.samefile(real, one):
            raise errors.StorageError(
                f"{path} is open in this process by its name {one}"
            )


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


def _check_shared(handle: Handle, path: str, settings: FileSettings) -> None:
    if type(handle.database) is not KINDS[settings.kind]:
        raise errors.StorageError(
            f"{path} is open in this process, but not as a {settings.kind}"
        )
    if settings.mode != "read" and not handle.is_writer:
        raise errors.StorageError(
            f"{path} is open in this process for reading only; close it there first"
        )
    if settings.sync != handle.sync:
        raise errors.SettingsError(
            f"sync is {settings.sync}, but {path} is open in this process with "
            f"sync={handle.sync}"
        )


def _opened(path: str, real: str, settings: FileSettings) -> Handle:
    try:
        database = KINDS[settings.kind]()
    except LibraryMissing as error:
        raise errors.StorageError(f"{path}: {error}") from error
    was_closed = _check_head(path, real, settings)
    mode = MODES[settings.mode] | OpenMode.NO_WAIT
    if settings.sync and settings.mode != "read":
        mode |= OpenMode.SYNC
    _open(database, path, real, mode, settings)
    is_writer = settings.mode != "read"
    handle = Handle(database, path, is_writer=is_writer, sync=settings.sync)
    try:
        if not was_closed and handle.indexes:
            _recover(handle)
    except BaseException:
        database.close()
        raise
    return handle


def _open(
    database: Table | Hash | BTree,
    path: str,
    real: str,
    mode: OpenMode,
    settings: FileSettings,
) -> None:
    """Open a file, waiting for another process as long as is asked for."""
    end = time.monotonic() + settings.wait
    while True:
        try:
            database.open(real, mode, settings.tuning)
        except TokyoError as error:
            if error.code != LOCKED or time.monotonic() >= end:
                raise translation(error, path) from error
            time.sleep(PAUSE)
            continue
        return


def _check_head(path: str, real: str, settings: FileSettings) -> bool:
    """Refuse a file of another kind; say whether its last writer has closed it.

    Only here is the file looked at other than by the library: before it is open.
    """
    try:
        with open(real, "rb") as file:
            head = file.read(HEAD_SIZE)
    except FileNotFoundError:
        folder = os.path.dirname(real)
        if not os.path.isdir(folder):
            raise errors.StorageError(f"{path}: there is no folder {folder}") from None
        if settings.mode != "create":
            raise errors.StorageError(
                f"{path}: there is no such file, and mode={settings.mode!r} makes none"
            ) from None
        _check_suffix(path, settings.kind)
        return True
    except OSError as error:
        raise errors.StorageError(f"{path}: it cannot be opened: {error}") from error
    if not head and settings.mode != "read":
        return True
    if len(head) < HEAD_SIZE or not head.startswith(MAGIC):
        raise errors.StorageError(f"{path}: this is not a file of Tokyo Cabinet")
    found = STORED_KINDS.get(head[KIND_AT], "unknown")
    if found != settings.kind:
        raise errors.StorageError(
            f"{path}: the file is of the kind {found}; kind asks for {settings.kind}"
        )
    return not head[FLAGS_AT] & NOT_CLOSED


def _check_suffix(path: str, kind: str) -> None:
    """Refuse to make a file that servers, which go by its name, would not open."""
    meant = SUFFIXES.get(os.path.splitext(path)[1], kind)
    if meant != kind:
        raise errors.SettingsError(
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
