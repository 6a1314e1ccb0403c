"""The writes of a batch of instances; each tells how much of it was done."""

from typing import Any

from pymodels.errors import (
    DuplicateKey,
    RecordNotFound,
    WriteInterrupted,
    cause_of,
    interrupted,
)
from pymodels.keys import new_key
from pymodels.law.changes import Changes
from pymodels.models.protocols import OpenStorage
from pymodels.querying.plan import Row


def insert_new(new: list[Any], storage: OpenStorage) -> None:
    """Create the records of new instances; those that are written have their keys."""
    mappers = {model: storage.mapper(model) for model in set(map(type, new))}
    rows = [mappers[type(one)].dump(new_key(), one) for one in new]
    failure: Exception | None = None
    done = len(rows)
    try:
        outcomes = list(storage.insert_many(rows))
        if not all(outcomes):
            failure = DuplicateKey("a value that must be unique, or a key, is taken")
            done = 0 if storage.has_transactions else sum(outcomes)
    except WriteInterrupted as error:
        failure, done = error, error.done
    for row, one in zip(rows[:done], new, strict=False):
        model = type(one)
        model.__pymodels_codec__.attach(one, row, storage, mappers[model].transaction)
    if isinstance(failure, DuplicateKey) and done:
        raise interrupted(failure, done) from failure
    if failure is not None:
        raise failure


def write_known(
    prepared: list[tuple[Any, Changes, Row, Row]], storage: OpenStorage, done: int
) -> None:
    """Write what several instances have changed, with as few requests as can be.

    ``done`` are those of the batch that were written before.
    """
    writes = [
        (before[0], changes, (before, after))
        for _, changes, before, after in prepared
        if changes
    ]
    try:
        outcomes = storage.patch_many(writes) if writes else []
        for (key, _, _), was_there in zip(writes, outcomes, strict=True):
            if not was_there:
                missing = gone(key, storage)
                if any(outcomes):
                    raise interrupted(missing, sum(outcomes)) from missing
                raise missing
    except Exception as error:
        if not done:
            raise
        raise interrupted(error, done) from cause_of(error)
    for one, _, _, after in prepared:
        model = type(one)
        transaction = storage.mapper(model).transaction
        model.__pymodels_codec__.attach(one, after, storage, transaction)


def gone(key: str, storage: OpenStorage) -> RecordNotFound:
    """Give the error for a record that somebody has removed."""
    return RecordNotFound(f"the record {key!r} is gone from {storage}")
