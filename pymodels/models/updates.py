"""New values for fields, one by one: validated as their fields, then encoded."""

from collections.abc import Mapping
from typing import Any

from pymodels.errors import EncodeError, NotInModel, QueryError
from pymodels.law.canonical import canonical, field_name
from pymodels.law.changes import Changes, apply
from pymodels.law.evaluate import matcher
from pymodels.law.predicates import comparisons, spelled, terms_of
from pymodels.law.values import KEY, Path
from pymodels.models import references
from pymodels.models.protocols import OpenStorage
from pymodels.models.pydantic_parts import serializer_of, validator_of
from pymodels.models.schema import Schema, definitions_of, unwrapped
from pymodels.querying.binding import parse_path
from pymodels.querying.protocols import Codec


def changes_to(
    codec: Codec, values: Mapping[str, Any], storage: OpenStorage
) -> Changes:
    """Give the changes that set fields, or nested paths, in any record.

    Raises pydantic's `ValidationError`, a `QueryError` for what cannot be set,
    and `NotInModel` if the new values by themselves would break membership.
    """
    sets: dict[Path, Any] = {}
    with references.removed_on_failure() as saved:
        for name, value in values.items():
            path, stored, declared = parse_path(codec.shape, name)
            if path == KEY or declared is None:
                raise QueryError(f"update: {name!r} cannot be set by a query")
            for part in stored:
                field_name(part, f"update of {name}")
            sets[stored] = encode_field(codec, path, value, storage, saved)
        _refuse_overlap(sets)
        changes = Changes(sets, shape=codec.shape)
        if not _allows(codec, changes):
            raise NotInModel(
                f"update({', '.join(values)}) would take records out of "
                f"{codec.model.__name__}: {codec.membership}"
            )
    return changes


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
