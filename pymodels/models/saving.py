"""The way of a save: new instances, changed ones, batches, copies.

The stored form of a loaded instance is the snapshot: loading it again tells what a
field was, with defaults and normalising validators applied on both sides, so that
neither is taken for a change of the user's.
"""

from collections.abc import Iterable
from contextlib import AbstractContextManager, ExitStack, nullcontext
from datetime import date
from itertools import islice
from typing import TYPE_CHECKING, Any

from pymodels.errors import (
    DuplicateKey,
    InvalidRecord,
    WriteInterrupted,
    cause_of,
)
from pymodels.keys import check_key, new_key
from pymodels.law.canonical import canonical
from pymodels.law.changes import Changes, apply, between
from pymodels.law.values import Path, Record, same
from pymodels.models import references
from pymodels.models.batches import gone, insert_new, write_known
from pymodels.models.meta import merged_options
from pymodels.models.protocols import OpenStorage
from pymodels.querying.plan import Row
from pymodels.querying.protocols import Instance, is_model
from pymodels.transactions import StaleRow

if TYPE_CHECKING:
    from pymodels.models.codec import ModelCodec


class UnaskedRow(tuple[Any, ...]):
    """A row of which nobody has asked whether it belongs to the instance's model."""

    __slots__ = ()


# The way of a save.


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
        row = _read_again(row[0], storage)
    changes = find_changes(instance, row, storage)
    changed = storage.patched(row, changes) if changes else row
    if is_unasked or (changes and not changes.is_checked):
        codec.check(storage.decode(changed, codec.shape), row[0])
    return changes, tuple(row), tuple(changed)


def _read_again(key: str, storage: OpenStorage) -> Row:
    """Read the record of an instance that was loaded in what was rolled back."""
    for row in storage.fetch((key,)):
        return row
    raise gone(key, storage)


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
    while batch := list(islice(source, size)):
        try:
            keys += _save_batch(batch, storage)
        except Exception as error:
            if isinstance(error, WriteInterrupted):
                done = len(keys) + error.done
                raise WriteInterrupted(str(error), done) from error.__cause__
            if not keys:
                raise
            if is_inside:
                error.add_note(f"{len(keys)} instances stay in the transaction")
                raise
            raise WriteInterrupted(
                f"{len(keys)} instances were saved, then: {error}", len(keys)
            ) from error
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
        # All of it was undone.
        raise cause_of(error) from error.__cause__
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
        if not target.insert(target.encode(key, record)):
            raise _taken(key, target)


# What has changed.


# Types whose values are stored alike if they are equal.
_SIMPLE = frozenset({str, int, bool, type(None), date, bytes})
_SCALARS = _SIMPLE | {float}


def find_changes(instance: Instance, row: Row, storage: OpenStorage) -> Changes:
    """Find the paths in which an instance differs from its stored form."""
    codec = type(instance).__pymodels_codec__
    references.adopt(instance)
    codec.round(instance, storage)
    try:
        old = storage.mapper(type(instance)).load(row)
    except InvalidRecord:
        # It was converted from another model: all that it has is compared.
        return _against_record(instance, codec, storage.decode(row, codec.shape))
    names = _differing(vars(instance), vars(old), codec.fields)
    loaded = old.__pydantic_fields_set__
    if len(loaded) < len(codec.fields):
        # What the store lacks is written where it was given.
        given = codec.fields.keys() & instance.model_fields_set
        names |= given - loaded
    simple = _scalar_changes(instance, names, codec)
    if simple is not None:
        return simple
    if codec.keeps_extra:
        before, after = codec.record_of(old), codec.record_of(instance)
    elif names:
        before = codec.record_of(old, include=names)
        after = codec.record_of(instance, include=names)
    else:
        return Changes()
    _drop_absent(before, after, storage.decode(row, codec.shape), instance)
    replaced = _replaced(vars(old), vars(instance), codec.names)
    return between(before, after, codec.shape, replaced)


def _scalar_changes(
    instance: Instance, names: set[str], codec: "ModelCodec"
) -> Changes | None:
    """Give the changes of plain fields, which need neither serializer nor diff.

    None where a value is not of the field's exact type, or the field is not plain.
    """
    types, values = codec.exact_types, vars(instance)
    if types is None:
        return None
    sets: dict[Path, Any] = {}
    for name in names:
        kind = type(values[name])
        if kind not in types[name] or kind not in _SCALARS:
            return None
        stored = codec.names.get(name, name)
        sets[(stored,)] = canonical(values[name], f"{codec.model.__name__}.{name}")
    return Changes(sets, shape=codec.shape, is_checked=not codec.is_validated)


def _differing(
    new: dict[str, Any], old: dict[str, Any], fields: Iterable[str]
) -> set[str]:
    found = set()
    for name in fields:
        value, was = new.get(name), old.get(name)
        if value is not was and not _is_unchanged(value, was):
            found.add(name)
    return found


def _is_unchanged(value: Any, was: Any) -> bool:
    """Say whether two values are surely stored alike; False where that takes more."""
    kind = type(value)
    if kind is not type(was):
        return False
    if kind in _SIMPLE:
        return bool(value == was)
    if kind is float:
        # 0.0 equals -0.0, and is another number to write.
        return bool(value == was and (value or str(value) == str(was)))
    if kind is list:
        return len(value) == len(was) and all(map(_is_unchanged, value, was))
    return False


def _drop_absent(before: Record, after: Record, stored: Record, value: Any) -> None:
    """Take out of ``before`` what the store lacks and is to be written, whole.

    That is what was given, or differs from the default that loading filled in.
    """
    given, parts = _parts(value)
    for name in list(before):
        was, now = before[name], after.get(name)
        if name not in stored:
            if name in given or not same(was, now):
                del before[name]
        elif type(was) is type(now) is type(stored[name]) is dict:
            _drop_absent(was, now, stored[name], parts.get(name))


def _parts(value: Any) -> tuple[set[str], dict[str, Any]]:
    """Give the names that were given to a value, and its parts, as they are stored."""
    if isinstance(value, dict):
        return set(), value
    parts = getattr(value, "__dict__", {})
    names: dict[str, str] = {}
    if is_model(type(value)):
        names = merged_options(type(value))["names"]
    given = {names.get(name, name) for name in getattr(value, "model_fields_set", ())}
    return given, {names.get(name, name): part for name, part in parts.items()}


def _against_record(instance: Instance, codec: "ModelCodec", record: Record) -> Changes:
    after = codec.record_of(instance)
    before = {name: value for name, value in record.items() if name in after}
    return between(before, after, codec.shape)


def _replaced(
    old: dict[str, Any], new: dict[str, Any], names: dict[str, str]
) -> frozenset[Path]:
    """Find the nested values that became another class: these are written whole."""
    found: set[Path] = set()
    for name, value in new.items():
        _find_replaced(old.get(name), value, (names.get(name, name),), found)
    return frozenset(found)


def _find_replaced(old: Any, new: Any, path: Path, found: set[Path]) -> None:
    if type(old) is not type(new):
        found.add(path)
    elif isinstance(new, dict) or hasattr(type(new), "__pydantic_fields__"):
        before = _parts(old)[1]
        for name, value in _parts(new)[1].items():
            if name in before:
                _find_replaced(before[name], value, (*path, str(name)), found)


def whole_record(
    instance: Instance, row: Row | None, storage: OpenStorage | None
) -> Record:
    """Give the record as it would be after a save, undeclared fields included."""
    codec: ModelCodec = type(instance).__pymodels_codec__
    if row is None:
        return codec.record_of(instance)
    if storage is None:
        raise ValueError(
            f"{instance!r} is kept in a storage that it does not know, as it was "
            "unpickled: save(storage) tells it"
        )
    changes = find_changes(instance, row, storage)
    return apply(storage.decode(row, codec.shape), changes)
