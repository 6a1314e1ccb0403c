"""What an instance has changed, compared to the record it was loaded from.

The stored form is the snapshot: loading it again tells what a field was, with
defaults and normalising validators applied on both sides, so that neither is
taken for a change of the user's.
"""

from datetime import date
from typing import TYPE_CHECKING, Any

from pymodels.changes import Changes, apply, between
from pymodels.errors import InvalidRecord
from pymodels.plan import Row
from pymodels.values import Path, Record

if TYPE_CHECKING:
    from pymodels.loading import ModelCodec
    from pymodels.model import Model
    from pymodels.storage import BaseStorage

# Types whose values are stored alike if they are equal.
_SIMPLE = frozenset({str, int, bool, type(None), date, bytes})


def find_changes(instance: "Model", row: Row, storage: "BaseStorage") -> Changes:
    """Find the paths in which an instance differs from its stored form."""
    codec = type(instance).__pymodels_codec__
    codec.adopt_references(instance)
    try:
        old = storage.loader(type(instance))(row)
    except InvalidRecord:
        # It was converted from another model: all that it has is compared.
        return _against_record(instance, codec, storage.decode(row, codec.shape))
    names = _differing(vars(instance), vars(old))
    present = old.model_fields_set
    if len(present) < len(codec.fields):
        given = instance.model_fields_set
        names |= {
            name for name in codec.fields if name in given and name not in present
        }
    if codec.keeps_extra:
        return _whole(instance, old, codec)
    if not names:
        return Changes()
    before = codec.record_of(old, include=names)
    after = codec.record_of(instance, include=names)
    stored = {codec.names.get(name, name) for name in names - present}
    for name in stored:
        # What the store lacks is written, even where it equals the default.
        before.pop(name, None)
    return between(
        before, after, codec.shape, _replaced(vars(old), vars(instance), codec)
    )


def _differing(new: dict[str, Any], old: dict[str, Any]) -> set[str]:
    found = set()
    for name, value in new.items():
        was = old.get(name)
        if value is was:
            continue
        if type(value) is type(was) and type(value) in _SIMPLE and value == was:
            continue
        found.add(name)
    return found


def _whole(instance: "Model", old: "Model", codec: "ModelCodec") -> Changes:
    before, after = codec.record_of(old), codec.record_of(instance)
    absent = {
        codec.names.get(name, name)
        for name in codec.fields
        if name not in old.model_fields_set
    }
    given = {codec.names.get(name, name) for name in instance.model_fields_set}
    for name in absent:
        was = before.pop(name, None)
        if name not in given and name in after and after[name] == was:
            del after[name]
    return between(
        before, after, codec.shape, _replaced(vars(old), vars(instance), codec)
    )


def _against_record(instance: "Model", codec: "ModelCodec", record: Record) -> Changes:
    after = codec.record_of(instance)
    before = {name: value for name, value in record.items() if name in after}
    return between(before, after, codec.shape)


def _replaced(
    old: dict[str, Any], new: dict[str, Any], codec: "ModelCodec"
) -> frozenset[Path]:
    """Find the nested values that became another class: these are written whole."""
    found: set[Path] = set()
    for name in codec.fields:
        stored = codec.names.get(name, name)
        _find_replaced(old.get(name), new.get(name), (stored,), found)
    return frozenset(found)


def _find_replaced(old: Any, new: Any, path: Path, found: set[Path]) -> None:
    if type(old) is not type(new):
        found.add(path)
    elif hasattr(type(new), "__pydantic_fields__"):
        for name, value in vars(new).items():
            _find_replaced(vars(old).get(name), value, (*path, name), found)
    elif isinstance(new, dict):
        for name, value in new.items():
            if name in old:
                _find_replaced(old[name], value, (*path, str(name)), found)


def save_changes(instance: "Model", row: Row, storage: "BaseStorage") -> None:
    """Write what an instance has changed, in one atomic step; nothing if nothing."""
    codec = type(instance).__pymodels_codec__
    codec.save_references(instance, storage)
    changes = find_changes(instance, row, storage)
    if not changes:
        # Unpickled, it knew no storage so far.
        codec.attach(instance, row, storage)
        return
    whole = apply(storage.decode(row, codec.shape), changes)
    codec.check(whole, row[0])
    codec.validator.validate_python(whole)
    storage.change(row[0], changes)
    codec.attach(instance, storage.patched(row, changes), storage)


def whole_record(
    instance: "Model", row: Row | None, storage: "BaseStorage | None"
) -> Record:
    """Give the record as it would be after a save, undeclared fields included."""
    codec = type(instance).__pymodels_codec__
    if row is None or storage is None:
        return codec.record_of(instance)
    changes = find_changes(instance, row, storage)
    return apply(storage.decode(row, codec.shape), changes)
