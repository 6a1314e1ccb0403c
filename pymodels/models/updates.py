"""New values for fields, one by one: validated as their fields, then encoded."""

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from pydantic import ValidationError

from pymodels.errors import EncodeError, InvalidRecord, NotInModel, QueryError
from pymodels.law.canonical import canonical, field_name, misfits
from pymodels.law.changes import Changes, apply, between
from pymodels.law.evaluate import matcher
from pymodels.law.predicates import comparisons, spelled, terms_of
from pymodels.law.shapes import Shape
from pymodels.law.values import KEY, Path, Record, copied, read
from pymodels.models import references
from pymodels.models.protocols import OpenStorage
from pymodels.models.pydantic_parts import serializer_of, validator_of
from pymodels.models.schema import Schema, definitions_of, reads_others, unwrapped
from pymodels.querying.binding import parse_path
from pymodels.querying.plan import Row
from pymodels.querying.protocols import Codec


@contextmanager
def changes_to(
    codec: Codec, values: Mapping[str, Any], storage: OpenStorage
) -> Iterator[Changes]:
    """Give the changes that set fields, or nested paths, in any record.

    What they refer to is saved first, and removed if what is done with them fails.
    Raises pydantic's `ValidationError`, a `QueryError` for what cannot be set,
    and `NotInModel` if the new values by themselves would break membership.
    """
    sets: dict[Path, Any] = {}
    with references.removed_on_failure() as saved:
        for name, value in values.items():
            path, stored = _settable(codec, name)
            sets[stored] = encode_field(codec, path, value, storage, saved)
        _refuse_overlap(sets)
        changes = Changes(sets, shape=codec.shape)
        if not _allows(codec, changes):
            raise NotInModel(
                f"update({', '.join(values)}) would take records out of "
                f"{codec.model.__name__}: {codec.membership}"
            )
        yield changes


def _settable(codec: Codec, name: str) -> tuple[Path, Path]:
    """Give the path of a name that a query may set, and how it is stored."""
    path, stored, declared = parse_path(codec.shape, name)
    if path == KEY or declared is None:
        raise QueryError(f"update: {name!r} cannot be set by a query")
    for part in stored:
        field_name(part, f"update of {name}")
    return path, stored


def _refuse_overlap(sets: Mapping[Path, Any]) -> None:
    for one in sets:
        for other in sets:
            if one != other and other[: len(one)] == one:
                raise QueryError(
                    f"update: {spelled(one)} holds {spelled(other)}; set one of them"
                )


def _allows(codec: Codec, changes: Changes) -> bool:
    """Say whether changes by themselves leave every record a member."""
    record = apply({}, changes)
    for term in terms_of(codec.membership):
        paths = [node.path for node in comparisons(term)]
        if all(_is_set(path, changes) for path in paths) and not matcher(term)(
            "", record
        ):
            return False
    return True


def _is_set(path: Path, changes: Changes) -> bool:
    return any(path[: len(done)] == done for done in changes.sets)


def encode_field(
    codec: Codec,
    path: Path,
    value: Any,
    storage: OpenStorage | None,
    saved: "list[Any]",
) -> Any:
    """Validate one new value and give what is stored for it.

    What it refers to is saved first and added to ``saved``, if there is a storage.
    """
    where = f"{codec.model.__name__}.{spelled(path)}"
    found = _field(codec, path)
    if found is None:
        return canonical(value, where, len(path))
    schema, config = found
    # The title is what pydantic's error begins with.
    titled: Any = {**config, "title": where}
    value = validator_of(schema, titled).validate_python(value)
    for target in references.targets_in(value, codec.shape.at(path)):
        if storage is not None:
            saved += references.save_target(target, storage, set())
    try:
        dumped = serializer_of(schema, titled).to_python(
            value, by_alias=True, round_trip=True, warnings=False
        )
    except (ValueError, TypeError, AttributeError) as error:
        raise EncodeError(f"{where}: {error}") from error
    return canonical(dumped, where, len(path))


def validated(codec: Codec, path: Path, value: Any) -> Any:
    """Validate a value as its field would be, with the field's own validators."""
    found = _field(codec, path)
    if found is None:
        raise KeyError(path)
    return validator_of(*found).validate_python(value)


def _field(codec: Codec, path: Path) -> tuple[Schema, Any] | None:
    """Find the core schema of a path of field names, and its model's configuration."""
    definitions = definitions_of(codec.schema)
    node: Schema | None = codec.schema
    config: Schema = {}
    for name in path:
        if node is None:
            break
        config = unwrapped(node, definitions).get("config", config)
        node = _below(node, name, definitions)
    if node is None:
        return None
    # A field's schema without its default: a value is given here.
    node = node["schema"] if node["type"] == "default" else node
    others = [one for one in definitions.values() if one is not node]
    if others:
        node = {"type": "definitions", "schema": node, "definitions": others}
    return node, config


def _below(node: Schema, name: str, definitions: dict[str, Schema]) -> Schema | None:
    """Find the schema of a name inside a model, a map, or a union of these."""
    node = unwrapped(node, definitions)
    if node["type"] in {"model", "dataclass"}:
        node = unwrapped(node["schema"], definitions)
    match node:
        case {"type": "dict"}:
            found: Schema | None = node.get("values_schema")
            return found
        case {"type": "union" | "tagged-union", "choices": choices}:
            choices = choices.values() if isinstance(choices, dict) else choices
            parts = [one[0] if isinstance(one, tuple) else one for one in choices]
            inside = [_below(part, name, definitions) for part in parts]
            known = [part for part in inside if part is not None]
            return {"type": "union", "choices": known} if known else None
        case {"fields": list(fields)}:
            fields = {field["name"]: field for field in fields}
        case {"fields": dict(fields)}:
            pass
        case _:
            return None
    field = fields.get(name)
    return None if field is None else field["schema"]


# Where a field cannot be validated by itself.


@contextmanager
def whole_change(
    codec: Codec, values: Mapping[str, Any], storage: OpenStorage
) -> Iterator[Callable[[Row], Row] | None]:
    """Give the function from a row to the row with the values in it, all validated.

    None where each value can be validated by itself. The function raises
    `InvalidRecord` for a record that would not load, and `NotInModel`.
    """
    paths = {name: _settable(codec, name) for name in values}
    if not any(_is_part_of_whole(codec.shape, path) for path, _ in paths.values()):
        yield None
        return
    alone = {
        name: value
        for name, value in values.items()
        if not takes_info(codec, paths[name][0])
    }
    asked = {paths[name][1]: value for name, value in values.items()}
    _refuse_overlap(asked)
    with changes_to(codec, alone, storage) as changes:
        given = Changes({**asked, **changes.sets})
        yield lambda row: _changed_as_a_whole(codec, row, given, storage)


def _changed_as_a_whole(
    codec: Codec, row: Row, given: Changes, storage: OpenStorage
) -> Row:
    key, record = row[0], storage.decode(row, codec.shape)
    try:
        made = _validated_with(codec, record, given)
        codec.check(apply(record, made), key)
    except ValidationError as error:
        raise InvalidRecord(
            f"the record {key!r} would not be a valid {codec.model.__name__} after "
            f"this update: {error}",
            key,
            error.errors(),
        ) from error
    except NotInModel as error:
        raise NotInModel(f"the record {key!r}: {error}") from error
    return storage.patched(row, made)


def _is_part_of_whole(shape: Shape, path: Path) -> bool:
    """Say whether something around a path validates as a whole."""
    around: Shape | None = shape
    for name in path:
        if around is None:
            break
        if around.validates_as_whole:
            return True
        around = around.step(name)[1]
    return False


def takes_info(codec: Codec, path: Path) -> bool:
    """Say whether the validators at a path look at other fields."""
    found = _field(codec, path)
    return found is not None and reads_others(found[0], definitions_of(codec.schema))


def _validated_with(codec: Codec, record: Record, given: Changes) -> Changes:
    """Give what a record gets by new values: these, and what validators make of them.

    What they make up in any case, a default say, is not a change.
    """
    instance = codec.validator.validate_python(copied(apply(record, given)))
    odd = misfits(record)
    new = codec.record_of(instance, odd)
    sets = {path: read(new, path) for path in given.sets}
    try:
        old = codec.record_of(codec.validator.validate_python(copied(record)), odd)
    except ValidationError:
        return Changes(sets, shape=codec.shape)
    fields_set = instance.model_fields_set
    held = record.keys() | {codec.names.get(name, name) for name in fields_set}
    made = between(_only(old, held), _only(new, held), codec.shape)
    others = {
        path: value
        for path, value in made.sets.items()
        if not any(_overlap(path, one) for one in sets)
    }
    removes = [
        path for path in made.removes if not any(_overlap(path, one) for one in sets)
    ]
    return Changes({**sets, **others}, tuple(removes), made.ancestors, codec.shape)


def _only(record: Record, names: Collection[str]) -> Record:
    return {name: value for name, value in record.items() if name in names}


def _overlap(one: Path, other: Path) -> bool:
    return one[: len(other)] == other or other[: len(one)] == one
