"""What differs between an instance and its record: what a save has to write.

The stored form of a loaded instance is the snapshot: loading it again tells what a
field was, with defaults and normalising validators applied on both sides, so that
neither is taken for a change of the user's. Where another loading may give something
else, the instance has kept what it was given (`kept.py`).
"""

from collections.abc import Iterable
from datetime import date
from typing import TYPE_CHECKING, Any

from pymodels.errors import EncodeError, InvalidRecord
from pymodels.law.canonical import Misfits, canonical, misfits
from pymodels.law.changes import Changes, apply, between
from pymodels.law.values import Path, Record, same
from pymodels.models import references
from pymodels.models.kept import Kept, kept_of
from pymodels.models.lists import Lists, drop_absent, replaced_in
from pymodels.models.protocols import OpenStorage
from pymodels.querying.plan import Row
from pymodels.querying.protocols import Instance

if TYPE_CHECKING:
    from pymodels.models.codec import ModelCodec

# Types whose values are stored alike if they are equal.
_SIMPLE = frozenset({str, int, bool, type(None), date, bytes})
_SCALARS = _SIMPLE | {float}
_NOTHING_KEPT = Kept({}, None, (), set())


def find_changes(instance: Instance, row: Row, storage: OpenStorage) -> Changes:
    """Find the paths in which an instance differs from its stored form.

    What fits no kind is written only where it stands in the store already.
    """
    try:
        return _find_changes(instance, row, storage)
    except EncodeError:
        shape = type(instance).__pymodels_codec__.shape
        stored = misfits(storage.decode(row, shape))
        if not stored:
            raise
        return _find_changes(instance, row, storage, stored)


def _find_changes(
    instance: Instance, row: Row, storage: OpenStorage, odd: Misfits = ()
) -> Changes:
    codec: ModelCodec = type(instance).__pymodels_codec__
    if codec.reference_fields:
        references.adopt(instance)
    if storage.keeps_milliseconds:
        codec.round(instance, storage)
    try:
        old = storage.mapper(type(instance)).load(row)
    except InvalidRecord:
        # It was converted from another model: all that it has is compared.
        return _against_record(instance, codec, storage.decode(row, codec.shape), odd)
    if storage.keeps_milliseconds:
        # What a text tells to the microsecond is not changed by being cut.
        codec.round(old, storage)
    kept = kept_of(row) or _NOTHING_KEPT
    vars(old).update(kept.values)
    names = _differing(vars(instance), vars(old), codec.fields)
    loaded = old.__pydantic_fields_set__ if kept.given is None else kept.given
    given = kept.assigned & codec.fields.keys()
    if len(loaded) < len(codec.fields):
        # What the store lacks is written where it was given.
        given |= (codec.fields.keys() & instance.model_fields_set) - loaded
    names |= given
    simple = None
    if not kept.assigned:
        simple = _scalar_changes(instance, names, codec, odd)
    if simple is not None:
        return simple
    if codec.keeps_extra:
        before, after = (codec.record_of(one, odd) for one in (old, instance))
    elif names:
        before = codec.record_of(old, odd, include=names)
        after = codec.record_of(instance, odd, include=names)
    else:
        return Changes()
    stored = storage.decode(row, codec.shape)
    given = {codec.names.get(name, name) for name in given}
    _see_stored(before, stored, given)
    drop_absent(before, after, stored, (old, instance), given)
    if codec.keeper.lists and not same(before, after):
        Lists(codec.keeper, kept, old).merge(before, after, stored, instance)
    replaced = replaced_in(vars(old), vars(instance), codec.names)
    return between(before, after, codec.shape, replaced)


def _scalar_changes(
    instance: Instance, names: set[str], codec: "ModelCodec", odd: Misfits
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
        where = f"{codec.model.__name__}.{name}"
        sets[(stored,)] = canonical(values[name], where, kept=odd)
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
        # 0.0 equals -0.0, and is another number to write; NaN equals nothing.
        return bool(value == was != 0) or str(value) == str(was)
    if kind is list:
        return len(value) == len(was) and all(map(_is_unchanged, value, was))
    return False


def _see_stored(before: Record, stored: Record, names: Iterable[str]) -> None:
    """Put the record's own spelling in the place of what loading made of it.

    For fields that were assigned: they are compared with the record itself.
    """
    for name in names:
        was, found = before.get(name), stored.get(name)
        if name not in before or name not in stored:
            continue
        if type(was) is type(found) is dict:
            _see_stored(was, found, list(was))
        elif not _holds_maps(was):
            before[name] = found


def _holds_maps(value: Any) -> bool:
    return type(value) is list and any(type(part) in {list, dict} for part in value)


def _against_record(
    instance: Instance, codec: "ModelCodec", record: Record, odd: Misfits
) -> Changes:
    after = codec.record_of(instance, odd)
    before = {name: value for name, value in record.items() if name in after}
    return between(before, after, codec.shape)


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
