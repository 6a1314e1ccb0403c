"""Every exception and warning of PyModels.

::

    PyModelsError
    ├── SettingsError            (ValueError)    a wrong or missing setting
    ├── DefinitionError          (TypeError)     a model class that cannot be stored
    ├── QueryError               (ValueError)    a question that makes no sense
    │   ├── UnknownField         (AttributeError)
    │   ├── UnknownLookup
    │   └── ResidualForbidden    part of it would run in Python, which was forbidden
    ├── RecordError
    │   ├── RecordNotFound       (KeyError)      no such record, or not of this model
    │   │   └── DanglingReference                a reference to a record that is gone
    │   ├── MultipleFound        (LookupError)   one record expected, several there
    │   ├── DuplicateKey         (KeyError)      the key, or a unique value, is taken
    │   ├── InvalidRecord        (ValueError)    belongs to the model, does not validate
    │   ├── NotInModel           (ValueError)    would not belong to its own model
    │   └── EncodeError          (ValueError)    a value that no record can hold
    ├── StorageError             (OSError)       the database refused or failed
    │   ├── StorageClosed                        used after close, or in a forked child
    │   ├── StorageBusy          (TimeoutError)  another writer held it for too long
    │   ├── WriteInterrupted                     failed after some records were done
    │   └── WriteUncertain                       nobody knows whether it was written
    └── Unsupported              (RuntimeError)  this backend cannot do that

    ResidualWarning              (UserWarning)   part of a query runs in Python
    LostUpdateWarning            (UserWarning)   two writers may undo each other's

Each carries a sentence that says what was asked, what was found and what is
allowed. The driver's own error, where there is one, is the ``__cause__``.
pydantic's ``ValidationError`` stays pydantic's.
"""

from collections.abc import Sequence
from typing import Any


class PyModelsError(Exception):
    """The root of all errors of this package."""

    def __str__(self) -> str:
        # KeyError would show its message in quotes, OSError wants an errno.
        return str(self.args[0]) if self.args else ""


class SettingsError(PyModelsError, ValueError):
    """A setting is unknown, missing or wrong; the message lists the right ones."""


class DefinitionError(PyModelsError, TypeError):
    """A model class asks for something that cannot be stored or would mislead."""


class QueryError(PyModelsError, ValueError):
    """A query asks something that can have no answer."""


class UnknownField(QueryError, AttributeError):
    """A lookup, order or update names a field that the model does not declare."""


class UnknownLookup(QueryError):
    """A keyword ends in something that is neither a field nor a lookup."""


class ResidualForbidden(QueryError):
    """Part of the query would run in Python, and the storage forbids that."""


class RecordError(PyModelsError):
    """Something about one record."""


class RecordNotFound(RecordError, KeyError):
    """There is no such record, or it does not belong to the model."""


class DanglingReference(RecordNotFound):
    """A reference names a record that is not there, or is of another model."""


class MultipleFound(RecordError, LookupError):
    """One record was asked for and several answer."""


class DuplicateKey(RecordError, KeyError):
    """The key, or a value that must be unique, is already there."""


class InvalidRecord(RecordError, ValueError):
    """A record belongs to a model but its values do not validate.

    ``key`` is the record's key and ``errors`` what pydantic found, in the shape
    of ``ValidationError.errors()``; empty where the record cannot be decoded.
    """

    def __init__(self, message: str, key: str = "", errors: Sequence[Any] = ()) -> None:
        super().__init__(message)
        self.key = key
        self.errors = list(errors)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (str(self), self.key, self.errors)


class NotInModel(RecordError, ValueError):
    """An instance, or an update, would not belong to its own model."""


class EncodeError(RecordError, ValueError):
    """A value is of no kind that a record can hold; nothing was written."""


class StorageError(PyModelsError, OSError):
    """The database refused or failed; its own error is the cause."""


class StorageClosed(StorageError):
    """The storage was closed, or belongs to the parent of this process."""


class StorageBusy(StorageError, TimeoutError):
    """Somebody else held the database for longer than the time-out."""


class WriteInterrupted(StorageError):
    """A write of many records failed in the middle; ``done`` were written."""

    def __init__(self, message: str, done: int = 0) -> None:
        super().__init__(message)
        self.done = done

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (str(self), self.done)


class WriteUncertain(StorageError):
    """A write may or may not have happened: the answer was lost.

    ``done`` is how many of several were written for certain.
    """

    def __init__(self, message: str, done: int = 0) -> None:
        super().__init__(message)
        self.done = done

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (str(self), self.done)


class Unsupported(PyModelsError, RuntimeError):
    """The backend cannot do what was asked."""


class ResidualWarning(UserWarning):
    """Part of a query runs in Python; the message names the query."""


class LostUpdateWarning(UserWarning):
    """The server has no atomic patch: one of two writers of a record may win."""


def interrupted(error: Exception, done: int) -> StorageError:
    """Give the error of a write of many records of which some were done before.

    Where nobody knows of one more, nobody knows how many.
    """
    cause = cause_of(error)
    if isinstance(error, WriteInterrupted):
        done += error.done
    text = f"{done} records were written, then: {cause}"
    if isinstance(cause, WriteUncertain):
        return WriteUncertain(text, done)
    return WriteInterrupted(text, done)


def cause_of(error: BaseException) -> BaseException:
    """Give what interrupted a write of many records; any other error is its own."""
    if isinstance(error, WriteInterrupted):
        return error.__cause__ or error
    return error
