"""New values for fields, one by one: validated as their fields, then encoded."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pydantic_core import SchemaValidator

from pymodels.errors import EncodeError, NotInModel, QueryError
from pymodels.law.canonical import canonical, field_name
from pymodels.law.changes import Changes, apply
from pymodels.law.evaluate import matcher
from pymodels.law.predicates import comparisons, spelled, terms_of
from pymodels.law.values import KEY, Path
from pymodels.models import references
from pymodels.models.protocols import Storage
from pymodels.models.pydantic_parts import serializer_of, validator_of
from pymodels.models.schema import Schema, definitions_of, unwrapped
from pymodels.querying.binding import parse_path

if TYPE_CHECKING:
    from pymodels.models.codec import ModelCodec


def changes_to(
    codec: "ModelCodec", values: Mapping[str, Any], storage: Storage
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


def _allows(codec: "ModelCodec", changes: Changes) -> bool:
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
    codec: "ModelCodec",
    path: Path,
    value: Any,
    storage: Storage | None,
    saved: "list[Any]",
) -> Any:
    """Validate one new value and give what is stored for it.

    What it refers to is saved first and added to ``saved``, if there is a storage.
    """
    where = f"{codec.model.__name__}.{spelled(path)}"
    found = _field_node(codec, path)
    if found is None:
        return canonical(value, where, len(path))
    node, definitions, config = found
    whole = _closed(node, definitions)
    # The title is what pydantic's error begins with.
    titled: Any = {**config, "title": where}
    validator = validator_of(whole, titled)
    value = validator.validate_python(value)
    for target in references.targets_in(value, codec.shape.at(path)):
        if storage is not None:
            saved += references.save_target(target, storage, set())
    try:
        dumped = serializer_of(whole, titled).to_python(
            value, by_alias=True, round_trip=True, warnings=False
        )
    except (ValueError, TypeError, AttributeError) as error:
        raise EncodeError(f"{where}: {error}") from error
    return canonical(dumped, where, len(path))


def field_validator(codec: "ModelCodec", path: Path) -> SchemaValidator:
    """Make the validator of one declared field, with its own validators."""
    found = _field_node(codec, path)
    if found is None:
        raise KeyError(path)
    node, definitions, config = found
    return validator_of(_closed(node, definitions), config)


def _field_node(
    codec: "ModelCodec", path: Path
) -> tuple[Any, dict[str, Schema], Any] | None:
    """Find the core schema of a path of field names, and its model's configuration."""
    definitions = definitions_of(codec.schema)
    node: Any = codec.schema
    config: Schema = {}
    for name in path:
        config = unwrapped(node, definitions).get("config", config)
        node = _below(node, name, definitions)
        if node is None:
            return None
    # A field's schema without its default: a value is given here.
    node = node["schema"] if node["type"] == "default" else node
    return node, definitions, config


def _below(node: Any, name: str, definitions: dict[str, Schema]) -> Schema | None:
    """Find the schema of a name inside a model, a map, or a union of these."""
    node = unwrapped(node, definitions)
    if node["type"] == "dict":
        values: Schema | None = node.get("values_schema")
        return values
    if node["type"] in {"union", "tagged-union"}:
        choices = node["choices"]
        choices = choices.values() if isinstance(choices, dict) else choices
        parts = [one[0] if isinstance(one, tuple) else one for one in choices]
        found = [_below(part, name, definitions) for part in parts]
        told = [part for part in found if part is not None]
        return {"type": "union", "choices": told} if told else None
    field = (_model_fields(node, definitions) or {}).get(name)
    return None if field is None else field["schema"]


def _model_fields(node: Any, definitions: dict[str, Schema]) -> Schema | None:
    """Give the fields of a nested model's schema, None if it has none."""
    inner = node
    if node["type"] in {"model", "dataclass"}:
        inner = unwrapped(node["schema"], definitions)
    fields = inner.get("fields")
    if isinstance(fields, list):
        return {field["name"]: field for field in fields}
    return fields if isinstance(fields, dict) else None


def _closed(node: Any, definitions: dict[str, Schema]) -> Any:
    """Give a schema together with all that it may refer to."""
    found = [one for one in definitions.values() if one is not node]
    if not found:
        return node
    return {"type": "definitions", "schema": node, "definitions": found}
