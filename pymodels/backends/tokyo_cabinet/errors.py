"""Translate the library's errors into ours."""

from pymodels.backend import errors
from pymodels.tokyo.errors import (
    HEAD,
    INVALID,
    LOCKED,
    META,
    NO_FILE,
    NO_PERMISSION,
    OPENING,
    THREADING,
    TokyoError,
)

HINTS = {
    THREADING: "it is open in this process by other means, or was when this process "
    "was forked; close it there first",
    NO_FILE: "there is no such file, or no such folder",
    NO_PERMISSION: "you may not read it, or not write to it or its folder",
    META: "it is damaged, or not a file of Tokyo Cabinet",
    HEAD: "it is damaged, or not a file of Tokyo Cabinet",
    OPENING: "it cannot be opened; is it a file, and is there room beside it?",
}
MESSAGES = {
    "read error": "reading failed; was the file cut short?",
    "write error": "writing failed; is the disk full, or the file too large?",
    "truncate error": "making room failed; is the disk full, or the file too large?",
    "mmap error": "mapping failed; is the disk full, or the file too large?",
    "sync error": "bringing it to the disk failed; is the disk full?",
}


def translation(error: TokyoError, path: str) -> errors.StorageError:
    """Give our error for one of the library's, to be raised from it."""
    if error.code == LOCKED:
        return errors.StorageBusy(
            f"{path}: another process has it open; one writes, or several read. The "
            f"setting wait says how long to wait ({error})"
        )
    if error.code == INVALID and "closed" in error.message:
        return errors.StorageClosed(f"{path} was closed")
    hint = HINTS.get(error.code) or MESSAGES.get(error.message)
    return errors.StorageError(
        f"{path}: {hint} ({error})" if hint else f"{path}: {error}"
    )
