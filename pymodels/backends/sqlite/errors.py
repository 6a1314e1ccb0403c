"""Translate the driver's errors into ours."""

import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from pymodels.backend import errors

TAKEN = {"SQLITE_CONSTRAINT_UNIQUE", "SQLITE_CONSTRAINT_PRIMARYKEY"}

# The first that the name of an error begins with: the longer ones come first.
HINTS = {
    "SQLITE_CONSTRAINT_NOTNULL": "the table has a column that is not ours and needs a "
    "value; give it a default, or create such records by its own program",
    "SQLITE_CANTOPEN": "it cannot be opened; is there such a folder, is it a file, "
    "and may you read it, and write to its folder?",
    "SQLITE_READONLY_DIRECTORY": "its folder may only be read; a database in WAL "
    "mode needs files beside it, for reading too",
    "SQLITE_READONLY": "it may only be read",
    "SQLITE_NOTADB": "this is no SQLite database",
    "SQLITE_FULL": "the disk is full; nothing of the statement was written, and "
    "nothing of the transaction it was in",
    "SQLITE_IOERR": "reading or writing failed; is the disk full, or the file too "
    "large?",
    "SQLITE_CORRUPT": "the database is damaged; restore a backup",
}


@contextmanager
def translated(path: str) -> Iterator[None]:
    """Turn the driver's errors into ours, with the driver's as the cause."""
    try:
        yield
    except sqlite3.Error as error:
        raise translation(error, path) from error


def _taken(message: str) -> str:
    """Say in our words what must be unique: fields, where the index is ours."""
    found = re.search(r"__(\w+?)__(\w+?)__unique_[0-9a-f]+", message)
    if found is None:
        return "a key, or a value that must be unique, is there already"
    names = found.group(2).replace("__", ".")
    return f"another {found.group(1)} has the same {names}, which must be unique"


def translation(error: sqlite3.Error, path: str) -> Exception:
    """Give our error for one of the driver's."""
    name = getattr(error, "sqlite_errorname", "") or ""
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return errors.StorageBusy(
            f"{path}: another program held the database for longer than the "
            f"time-out: {error}"
        )
    if name in TAKEN:
        return errors.DuplicateKey(f"{path}: {_taken(str(error))} ({error})")
    if isinstance(error, sqlite3.ProgrammingError) and "closed" in str(error):
        return errors.StorageClosed(f"{path} was closed")
    for prefix, hint in HINTS.items():
        if name.startswith(prefix):
            return errors.StorageError(f"{path}: {hint} ({error})")
    return errors.StorageError(f"{path}: {error}")
