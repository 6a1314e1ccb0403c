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
_TIMEOUTS = re.compile(r" \(configured timeouts: [^)]*\)")

NOT_BSON = (
    InvalidDocument,
    InvalidStringData,
    OverflowError,
    UnicodeEncodeError,
    decimal.DecimalException,
    RecursionError,
)
# After these nobody knows whether the server did what was sent before.
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


def translation(
    error: Exception,
    where: object,
    writes: bool,
    failure: Mapping[str, Any] | None = None,
) -> errors.PyModelsError:
    """Give our error for one of the driver's, or for one failure in a batch."""
    if failure is None:
        ours, text = _meaning(error, writes)
    else:
        ours, text = _of_code(failure["code"], failure, failure["errmsg"])
    return ours(f"{where}: {text}")


Meaning = tuple[type[errors.PyModelsError], str]
"""A class of ours, and what its message says."""


def _meaning(error: Exception, writes: bool) -> Meaning:
    reason = brief(error)
    match error:
        case driver_errors.ServerSelectionTimeoutError():
            does = "does a server run there?"
            return errors.StorageError, f"no server could be reached: {reason}; {does}"
        case driver_errors.DocumentTooLarge():
            return _too_large(reason)
        case _ if isinstance(error, NOT_BSON):
            return errors.EncodeError, f"this cannot be kept as BSON: {reason}"
        case InvalidBSON():
            return errors.StorageError, f"a document cannot be read: {reason}"
        case driver_errors.InvalidOperation() if "close" in reason:
            return errors.StorageClosed, "the connection was closed"
        case driver_errors.BulkWriteError():
            return _of_bulk(error.details or {})
        case _ if isinstance(error, LOST) or _is_unknown_commit(error):
            if not writes:
                return errors.StorageError, f"the answer was lost: {reason}"
            unknown = "so nobody knows whether this was written"
            return errors.WriteUncertain, f"the answer was lost, {unknown}: {reason}"
        case driver_errors.OperationFailure():
            return _of_code(error.code or 0, error.details or {}, reason)
    return errors.StorageError, reason


def _is_unknown_commit(error: Exception) -> bool:
    """Say whether the driver itself does not know what became of a commit."""
    return isinstance(error, driver_errors.PyMongoError) and error.has_error_label(
        "UnknownTransactionCommitResult"
    )


def _of_code(code: int, details: Mapping[str, Any], reason: str) -> Meaning:
    if code == TAKEN:
        return errors.DuplicateKey, taken(details)
    if code in TOO_LARGE or (code == BAD_VALUE and "arge" in reason):
        return _too_large(reason)
    if code == TOO_DEEP:
        return errors.EncodeError, f"this is nested too deep: {reason}"
    if code == NO_TRANSACTIONS and "ransaction" in reason:
        return errors.Unsupported, f"transactions need a replica set: {reason}"
    if code == CONFLICT:
        return errors.StorageBusy, (
            "another transaction changed the same record; nothing of this one was "
            f"written, so that it can be run again: {reason}"
        )
    if code in GONE_TRANSACTION:
        return errors.StorageError, (
            "the server has undone the transaction, because of an error or because it "
            f"took too long: {reason}"
        )
    if code in NOT_ALLOWED:
        return errors.StorageError, (
            f"the server refuses: {reason}; are user, password and authSource in the "
            "URL right, and may the user do this?"
        )
    return errors.StorageError, reason


def _of_bulk(details: Mapping[str, Any]) -> Meaning:
    for failure in details.get("writeErrors", ()):
        return _of_code(failure["code"], failure, failure["errmsg"])
    return errors.WriteUncertain, (
        "the write concern was not met, so nobody knows whether this stays: "
        f"{details.get('writeConcernErrors')}"
    )


def _too_large(reason: str) -> Meaning:
    limit = f"MongoDB keeps up to {LARGEST_MEBIBYTES} MiB"
    return errors.EncodeError, f"the document is too large, {limit}: {reason}"


def is_of_key(error: driver_errors.DuplicateKeyError) -> bool:
    """Say whether it is the key that is taken, and no other unique value."""
    details = error.details or {}
    return list(details.get("keyPattern", {"_id": 1})) == ["_id"]


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
