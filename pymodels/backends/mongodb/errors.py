"""Translate the driver's errors: what failed, and what nobody can know."""

import decimal
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from bson.errors import InvalidBSON, InvalidDocument, InvalidStringData
from pymongo import errors as driver_errors

from pymodels.backend import errors

LARGEST_MEBIBYTES = 16
TAKEN = 11000
NO_TRANSACTIONS = 20
BAD_VALUE = 2
TOO_LARGE = {10334, 17419, 17420}
TOO_DEEP = 15
CONFLICT = 112
NOT_ALLOWED = {13, 18, 8000}
GONE_TRANSACTION = {225, 251, 244, 256, 263}
BY_CODE: dict[int, tuple[type[errors.PyModelsError], str]] = {
    NO_TRANSACTIONS: (errors.Unsupported, "transactions need a replica set: "),
    TOO_DEEP: (errors.EncodeError, "this is nested too deep: "),
    CONFLICT: (
        errors.StorageBusy,
        "another transaction changed the same record; nothing of this one was "
        "written, so that it can be run again: ",
    ),
    **dict.fromkeys(
        GONE_TRANSACTION,
        (
            errors.StorageError,
            "the server has undone the transaction, because of an error or because "
            "it took too long: ",
        ),
    ),
    **dict.fromkeys(
        NOT_ALLOWED,
        (
            errors.StorageError,
            "the server refuses (are user, password and authSource in the URL right, "
            "and may the user do this?): ",
        ),
    ),
}
"""What an error of the server is, and what to say before its own message."""
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
    driver_errors.AutoReconnect,
    driver_errors.ExecutionTimeout,
    driver_errors.WTimeoutError,
    driver_errors.WriteConcernError,
)


@contextmanager
def translated(where: object, *, writes: bool = False) -> Iterator[None]:
    """Turn the driver's errors into ours, with the driver's as the cause.

    ``where`` is named in the message; ``writes`` says that an answer that was lost
    leaves a write uncertain.
    """
    try:
        yield
    except errors.PyModelsError:
        raise
    except (driver_errors.PyMongoError, InvalidBSON, *NOT_BSON) as error:
        raise translation(error, where, writes) from error


def translation(error: Exception, where: object, writes: bool) -> errors.PyModelsError:
    """Give our error for one of the driver's."""
    if isinstance(error, driver_errors.ServerSelectionTimeoutError):
        return errors.StorageError(
            f"{where}: no server could be reached: {brief(error)}; does a server run "
            "there?"
        )
    if isinstance(error, driver_errors.DocumentTooLarge):
        return _too_large(where, error)
    if isinstance(error, NOT_BSON):
        return errors.EncodeError(
            f"{where}: this cannot be kept as BSON: {brief(error)}"
        )
    if isinstance(error, InvalidBSON):
        return errors.StorageError(
            f"{where}: a document cannot be read: {brief(error)}"
        )
    if isinstance(error, driver_errors.InvalidOperation) and "close" in str(error):
        return errors.StorageClosed(f"{where}: the connection was closed")
    if isinstance(error, driver_errors.BulkWriteError):
        return _of_bulk(error, where)
    if isinstance(error, LOST) or _is_unknown_commit(error):
        return _lost(error, where, writes)
    if isinstance(error, driver_errors.OperationFailure):
        return _of_code(error.code or 0, error.details or {}, error, where)
    return errors.StorageError(f"{where}: {brief(error)}")


def _is_unknown_commit(error: Exception) -> bool:
    """Say whether the driver itself does not know what became of a commit."""
    return isinstance(error, driver_errors.PyMongoError) and error.has_error_label(
        "UnknownTransactionCommitResult"
    )


def _lost(error: Exception, where: object, writes: bool) -> errors.StorageError:
    if writes:
        return errors.WriteUncertain(
            f"{where}: the answer was lost, so nobody knows whether this was written: "
            f"{brief(error)}"
        )
    return errors.StorageError(f"{where}: the answer was lost: {brief(error)}")


def _of_code(
    code: int, details: Mapping[str, Any], error: Exception, where: object
) -> errors.PyModelsError:
    if code == TAKEN:
        return errors.DuplicateKey(f"{where}: {taken(details)}")
    if code in TOO_LARGE or (code == BAD_VALUE and "arge" in str(error)):
        return _too_large(where, error)
    if code == NO_TRANSACTIONS and "ransaction" not in str(error):
        code = 0
    ours, meaning = BY_CODE.get(code, (errors.StorageError, ""))
    return ours(f"{where}: {meaning}{brief(error)}")


def _of_bulk(
    error: driver_errors.BulkWriteError, where: object
) -> errors.PyModelsError:
    details: Mapping[str, Any] = error.details or {}
    for failed in details.get("writeErrors", ()):
        return _of_code(failed["code"], failed, _Failure(failed["errmsg"]), where)
    return errors.WriteUncertain(
        f"{where}: the write concern was not met, so nobody knows whether this stays: "
        f"{details.get('writeConcernErrors')}"
    )


class _Failure(Exception):
    """One failure among many, by its message."""


def is_of_key(error: driver_errors.DuplicateKeyError) -> bool:
    """Say whether it is the key that is taken, and no other unique value."""
    details = error.details or {}
    return list(details.get("keyPattern", {"_id": 1})) == ["_id"]


def _too_large(where: object, error: Exception) -> errors.EncodeError:
    return errors.EncodeError(
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
