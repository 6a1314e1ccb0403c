"""What an instance has changed, compared to the record it was loaded from.

The stored form is the snapshot: loading it again tells what a field was, with
defaults and normalising validators applied on both sides, so that neither is
taken for a change of the user's.
"""

from collections.abc import Iterable
from datetime import date
from typing import TYPE_CHECKING, Any

from pymodels.errors import InvalidRecord
from pymodels.law.canonical import canonical
from pymodels.law.changes import Changes, apply, between
from pymodels.law.values import Path, Record, same
from pymodels.models.membership import merged_options
from pymodels.querying.plan import Row
from pymodels.querying.protocols import is_model

if TYPE_CHECKING:
    from pymodels.models.codec import ModelCodec
    from pymodels.models.model import Model
    from pymodels.storage import BaseStorage


class UnaskedRow(tuple[Any, ...]):
    """A row of which nobody has asked whether it belongs to the instance's model."""

    __slots__ = ()


# Types whose values are stored alike if they are equal.
_SIMPLE = frozenset({str, int, bool, type(None), date, bytes})
_SCALARS = _SIMPLE | {float}


def find_changes(instance: "Model", row: Row, storage: "BaseStorage") -> Changes:
    """Find the paths in which an instance differs from its stored form."""
    codec = type(instance).__pymodels_codec__
    codec.adopt_references(instance)
    codec.round(instance, storage)
    try:
        old = storage.loader_of(type(instance))(row)
    except InvalidRecord:
        # It was converted from another model: all that it has is compared.
        return _against_record(instance, codec, storage.decode(row, codec.shape))
    names = _differing(vars(instance), vars(old), codec.fields)
    loaded = old.__pydantic_fields_set__
    if len(loaded) < len(codec.fields):
        # What the store lacks is written where it was given.
        given = codec.fields.keys() & instance.__pydantic_fields_set__
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
    instance: "Model", names: set[str], codec: "ModelCodec"
) -> Changes | None:
    """Give the changes of plain fields, which need neither serializer nor diff.

    None where a value is not of the field's exact type, or the field is not plain.
    """
    if codec.keeps_extra or not codec.writing.is_plain:
        return None
    types, values = codec.writing.types, vars(instance)
    sets: dict[Path, Any] = {}
    for name in names:
        kind = type(values[name])
        if kind not in types[name] or kind not in _SCALARS:
            return None
        stored = codec.names.get(name, name)
        sets[(stored,)] = canonical(values[name], f"{codec.model.__name__}.{name}")
    return Changes(sets, shape=codec.shape, is_checked=codec.writing.is_checked)


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


def _against_record(instance: "Model", codec: "ModelCodec", record: Record) -> Changes:
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


def save_changes(instance: "Model", row: Row, storage: "BaseStorage") -> None:
    """Write what an instance has changed, in one atomic step; nothing if nothing."""
    codec = type(instance).__pymodels_codec__
    with codec.references_saved(instance, storage):
        changes = find_changes(instance, row, storage)
        changed = storage.patched(row, changes) if changes else row
        if isinstance(row, UnaskedRow) or (changes and not changes.is_checked):
            whole = storage.decode(changed, codec.shape)
            codec.check(whole, row[0])
        if changes:
            storage.change(row, changed, changes)
    codec.attach(instance, tuple(changed), storage)


def whole_record(
    instance: "Model", row: Row | None, storage: "BaseStorage | None"
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
