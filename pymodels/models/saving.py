"""The way of a save: new instances, changed ones, batches, copies."""

from collections.abc import Iterable
from contextlib import AbstractContextManager, ExitStack, nullcontext
from itertools import islice
from typing import TYPE_CHECKING, Any

from pymodels.errors import (
    DuplicateKey,
    EncodeError,
    cause_of,
    interrupted,
)
from pymodels.keys import check_key, new_key
from pymodels.law.canonical import misfits
from pymodels.law.changes import Changes
from pymodels.law.values import same
from pymodels.models import references
from pymodels.models.batches import gone, insert_new, write_known
from pymodels.models.changed import find_changes, whole_record
from pymodels.models.kept import kept_of, with_kept
from pymodels.models.protocols import OpenStorage
from pymodels.querying.plan import Row
from pymodels.querying.protocols import Instance, is_model
from pymodels.transactions import StaleRow

if TYPE_CHECKING:
    from pymodels.models.codec import ModelCodec


class UnaskedRow(tuple[Any, ...]):
    """A row of which nobody has asked whether it belongs to the instance's model."""


def save(
    instance: Instance,
    row: Row | None,
    storage: OpenStorage,
    key: str | None,
    replace: bool,
) -> str:
    """Write a new instance whole, or what a loaded one has changed; give its key."""
    if row is None:
        return _save_new(instance, storage, key, replace)
    _save_changes(instance, row, storage)
    return str(row[0])


def _save_new(
    instance: Instance, storage: OpenStorage, key: str | None, replace: bool
) -> str:
    codec: ModelCodec = type(instance).__pymodels_codec__
    mapper = storage.mapper(type(instance))
    chosen = new_key() if key is None else check_key(key)
    with _references_saved(instance, codec, storage):
        row = mapper.dump(chosen, instance)
        if replace:
            storage.replace(row)
        elif not storage.insert(row):
            raise _taken(chosen, storage, "; save(..., replace=True) overwrites it")
    codec.attach(instance, row, storage, mapper.transaction)
    return chosen


def _save_changes(instance: Instance, row: Row, storage: OpenStorage) -> None:
    """Write what an instance has changed, in one atomic step; nothing if nothing."""
    codec: ModelCodec = type(instance).__pymodels_codec__
    mapper = storage.mapper(type(instance))
    with _references_saved(instance, codec, storage):
        changes, before, after = _prepared(instance, row, storage)
        if changes and not storage.patch(row[0], changes, (before, after)):
            raise gone(row[0], storage)
    codec.attach(instance, after, storage, mapper.transaction)


def _prepared(
    instance: Instance, row: Row, storage: OpenStorage
) -> tuple[Changes, Row, Row]:
    """Find and check the changes of an instance; give its row before and after."""
    codec: ModelCodec = type(instance).__pymodels_codec__
    is_unasked = isinstance(row, UnaskedRow | StaleRow)
    if isinstance(row, StaleRow):
        row = _read_again(row, codec, storage)
    changes = find_changes(instance, row, storage)
    changed = storage.patched(row, changes) if changes else row
    if is_unasked or (changes and not changes.is_checked):
        codec.check(storage.decode(changed, codec.shape), row[0])
    return changes, tuple(row), tuple(changed)


def _read_again(row: Row, codec: "ModelCodec", storage: OpenStorage) -> Row:
    """Read the record of an instance that was loaded in what was rolled back."""
    for found in storage.fetch((row[0],)):
        kept = kept_of(row)
        if kept is None:
            return found
        records = storage.decode(row, codec.shape), storage.decode(found, codec.shape)
        return with_kept(found, codec.keeper.left(kept, *records)[0])
    raise gone(row[0], storage)


def _references_saved(
    instance: Instance, codec: "ModelCodec", storage: OpenStorage
) -> AbstractContextManager[None]:
    """Save what the instance refers to first, and remove it if the save fails."""
    if not codec.reference_fields:
        return nullcontext()
    return references.saved_first(instance, storage)


def _taken(key: str, storage: OpenStorage, hint: str = "") -> DuplicateKey:
    return DuplicateKey(f"there is a record {key!r} in {storage} already{hint}")


def save_many(
    instances: Iterable[Any], storage: OpenStorage, size: int, is_inside: bool
) -> list[str]:
    """Save many instances in batches of a size; give their keys in order.

    Outside a transaction, a failure after some batches is a `WriteInterrupted` that
    says how many were done.
    """
    keys: list[str] = []
    source = iter(instances)
    try:
        while batch := list(islice(source, size)):
            keys += _save_batch(batch, storage)
    except Exception as error:
        if is_inside:
            # Whether that is undone is for the transaction to say.
            cause = cause_of(error)
            if keys:
                cause.add_note(f"{len(keys)} instances stay in the transaction")
            raise cause from cause.__cause__
        if not keys:
            raise
        raise interrupted(error, len(keys)) from cause_of(error)
    return keys


def _save_batch(batch: list[Any], storage: OpenStorage) -> list[str]:
    """Save some instances, all or none where there are transactions.

    If it fails, each instance that was not written is as it was.
    """
    instances = batch
    if len(set(map(id, batch))) < len(batch):
        instances = list({id(one): one for one in batch}.values())
    codecs = {model: _codec(model) for model in set(map(type, instances))}
    row_of = codecs[type(batch[0])].row_of  # of any model
    rows = list(map(row_of, instances))
    pairs = list(zip(instances, rows, strict=True))
    known = [(one, row) for one, row in pairs if row is not None]
    new = [one for one, row in pairs if row is None]
    refers = any(codec.reference_fields for codec in codecs.values())
    # New ones alone are one write, which is whole by itself.
    is_whole = storage.has_transactions and (known or refers)
    try:
        with storage.transaction() if is_whole else nullcontext(), ExitStack() as saved:
            if refers:
                for one, row in pairs:
                    # This may save others of the batch.
                    if one.key is None or row is not None:
                        saved.enter_context(references.saved_first(one, storage))
                new = [one for one in new if one.key is None]
            # What cannot be written is told before anything is.
            prepared = [(one, *_prepared(one, row, storage)) for one, row in known]
            insert_new(new, storage)
            write_known(prepared, storage, 0 if is_whole else len(new))
    except BaseException as error:
        if not is_whole:
            raise
        for one, before in pairs:
            codecs[type(one)].set_row(one, before)
        cause = cause_of(error)  # all of it was undone
        raise cause from cause.__cause__
    return [one.key for one in batch]


def _codec(model: type) -> "ModelCodec":
    if not is_model(model):
        raise TypeError(f"instances of models are expected, not of {model.__name__}")
    codec: ModelCodec = model.__pymodels_codec__
    return codec


def save_copy(
    instance: Instance,
    row: Row | None,
    source: OpenStorage | None,
    target: OpenStorage,
    key: str,
) -> None:
    """Write the whole record of an instance, unsaved changes applied, under a key."""
    codec: ModelCodec = type(instance).__pymodels_codec__
    with _references_saved(instance, codec, target):
        if row is None:
            record = codec.new_record(key, instance)
        else:
            record = whole_record(instance, row, source)
            codec.check(record, key)
        copy = target.encode(key, record)
        odd = misfits(record)
        if odd and not same(misfits(target.decode(copy)), odd):
            raise EncodeError(f"{target} cannot hold {odd!r} as {source} does")
        if not target.insert(copy):
            raise _taken(key, target)
