"""The driver's errors, told as ours: what failed, and what nobody can know."""

import decimal
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from bson.errors import InvalidBSON, InvalidDocument, InvalidStringData
from pymongo import errors

from pymodels.errors import (
    DuplicateKey,
    EncodeError,
    PyModelsError,
    StorageBusy,
    StorageClosed,
    StorageError,
    Unsupported,
    WriteUncertain,
)

LARGEST_MEBIBYTES = 16
TAKEN = 11000
NO_TRANSACTIONS = 20
BAD_VALUE = 2
TOO_LARGE = {10334, 17419, 17420}
TOO_DEEP = 15
CONFLICT = 112
NOT_ALLOWED = {13, 18, 8000}
GONE_TRANSACTION = {225, 251, 244, 256, 263}
_TIMEOUTS = re.compile(r" \(configured timeouts: [^)]*\)")

NOT_BSON = (
    InvalidDocument,
    InvalidStringData,
    OverflowError,
    UnicodeEncodeError,
    decimal.DecimalException,
    RecursionError,
)
# Of these nobody knows whether the server did what it was told before.
LOST = (
    errors.AutoReconnect,
    errors.ExecutionTimeout,
    errors.WTimeoutError,
    errors.WriteConcernError,
)


@contextmanager
def translated(where: object, *, writes: bool = False) -> Iterator[None]:
    """Turn the driver's errors into ours, with the driver's as the cause.

    ``where`` is named in the message; ``writes`` says that an answer that was lost
    leaves a write uncertain.
    """
    try:
        yield
    except PyModelsError:
        raise
    except (errors.PyMongoError, InvalidBSON, *NOT_BSON) as error:
        raise translation(error, where, writes) from error


def translation(error: Exception, where: object, writes: bool) -> PyModelsError:
    """Give our error for one of the driver's."""
    if isinstance(error, errors.ServerSelectionTimeoutError):
        return StorageError(
            f"{where}: no server could be reached: {brief(error)}; does a server run "
            "there?"
        )
    if isinstance(error, errors.DocumentTooLarge):
        return _too_large(where, error)
    if isinstance(error, NOT_BSON):
        return EncodeError(f"{where}: this cannot be kept as BSON: {brief(error)}")
    if isinstance(error, InvalidBSON):
        return StorageError(f"{where}: a document cannot be read: {brief(error)}")
    if isinstance(error, errors.InvalidOperation) and "close" in str(error):
        return StorageClosed(f"{where}: the connection was closed")
    if isinstance(error, errors.BulkWriteError):
        return _of_bulk(error, where)
    if isinstance(error, LOST) or error_has_label(error):
        return _lost(error, where, writes)
    if isinstance(error, errors.OperationFailure):
        return _of_code(error.code or 0, error.details or {}, error, where)
    return StorageError(f"{where}: {brief(error)}")


def error_has_label(error: Exception) -> bool:
    """Say whether the driver itself does not know what became of a commit."""
    return isinstance(error, errors.PyMongoError) and error.has_error_label(
        "UnknownTransactionCommitResult"
    )


def _lost(error: Exception, where: object, writes: bool) -> StorageError:
    if writes:
        return WriteUncertain(
            f"{where}: the answer was lost, so nobody knows whether this was written: "
            f"{brief(error)}"
        )
    return StorageError(f"{where}: the answer was lost: {brief(error)}")


def _of_code(
    code: int, details: Mapping[str, Any], error: Exception, where: object
) -> PyModelsError:
    if code == TAKEN:
        return DuplicateKey(f"{where}: {taken(details)}")
    if code == NO_TRANSACTIONS and "ransaction" in str(error):
        return Unsupported(f"{where}: transactions need a replica set: {brief(error)}")
    if code == CONFLICT:
        return StorageBusy(
            f"{where}: another transaction changed the same record; nothing of this "
            f"one was written, so that it can be run again: {brief(error)}"
        )
    if code in GONE_TRANSACTION:
        return StorageError(
            f"{where}: the server has undone the transaction, because of an error or "
            f"because it took too long: {brief(error)}"
        )
    if code in TOO_LARGE or (code == BAD_VALUE and "arge" in str(error)):
        return _too_large(where, error)
    if code == TOO_DEEP:
        return EncodeError(f"{where}: this is nested too deep: {brief(error)}")
    if code in NOT_ALLOWED:
        return StorageError(
            f"{where}: the server refuses: {brief(error)}; are user, password and "
            "authSource in the URL right, and may the user do this?"
        )
    return StorageError(f"{where}: {brief(error)}")


def _of_bulk(error: errors.BulkWriteError, where: object) -> PyModelsError:
    details: Mapping[str, Any] = error.details or {}
    for failed in details.get("writeErrors", ()):
        return _of_code(failed["code"], failed, _Told(failed["errmsg"]), where)
    return WriteUncertain(
        f"{where}: the write concern was not met, so nobody knows whether this stays: "
        f"{details.get('writeConcernErrors')}"
    )


class _Told(Exception):
    """One failure among many, by its message."""


def _too_large(where: object, error: Exception) -> EncodeError:
    return EncodeError(
        f"{where}: the document is too large, MongoDB keeps up to "
        f"{LARGEST_MEBIBYTES} MiB: {brief(error)}"
    )


def taken(details: Mapping[str, Any]) -> str:
    """Say in words what must be unique."""
    names = [name for name in details.get("keyPattern", {}) if name != "_id"]
    if not names:
        return "there is a record of this key already"
    return f"another record has the same {', '.join(names)}, which must be unique"


def brief(error: Exception) -> str:
    """Give the message without the driver's long description of the cluster."""
    text = str(error).partition(", full error:")[0]
    return _TIMEOUTS.sub("", text.partition(", Timeout:")[0])
