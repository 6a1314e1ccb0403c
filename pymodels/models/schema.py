"""pydantic's core schema of a model, changed so that it reads and writes records.

A record spells fields by their stored names, holds a timedelta as microseconds
and a set as a list, and does not care for aliases, `exclude` or strictness about
types that it cannot hold. Everything else stays as the user configured it.
"""

from collections.abc import Callable, Iterator
from datetime import timedelta
from decimal import Decimal
from enum import Enum
from typing import Any

Schema = dict[str, Any]

CONVERTED = {
    "uuid",
    "time",
    "url",
    "multi-host-url",
    "enum",
    "tuple",
    "set",
    "frozenset",
    "timedelta",
    "dataclass",
    "ordered-dict",
}
"""Types of which strictness asks for instances, which no record holds."""

_FIELDS = {"model-field", "typed-dict-field", "dataclass-field", "named-tuple-field"}
_SPELLINGS = {
    "validation_alias",
    "serialization_alias",
    "serialization_exclude",
    "serialization_exclude_if",
}
_WITH_FIELDS = {"model", "dataclass", "typed-dict"}
_VALUES = {"default", "expected", "members", "metadata", "cls"}
"""Parts of a node that are the user's own values, not nodes."""


def storage_schema(schema: Any, names_of: Callable[[type], dict[str, str]]) -> Any:
    """Give a changed copy; ``names_of`` tells a class's stored names by field."""
    return _copied(schema, names_of, {})


def _copied(
    node: Any, names_of: Callable[[type], dict[str, str]], names: dict[str, str]
) -> Any:
    if isinstance(node, list):
        return [_copied(part, names_of, names) for part in node]
    if isinstance(node, tuple):
        return tuple(_copied(part, names_of, names) for part in node)
    if not isinstance(node, dict):
        return node
    kind = node.get("type")
    if not isinstance(kind, str):
        # No node, but fields or choices by name; a field may be called "type".
        return {name: _copied(part, names_of, names) for name, part in node.items()}
    if kind == "default":
        # A default is the user's value, even where it looks like a schema.
        return {**node, "schema": _copied(node["schema"], names_of, names)}
    if kind == "literal":
        return _literal(node)
    if kind == "lax-or-strict":
        inner = _copied(node["lax_schema"], names_of, names)
        if "serialization" in node and "serialization" not in inner:
            inner = {**inner, "serialization": node["serialization"]}
        return inner
    if kind == "model":
        names = names_of(node["cls"])
    result = {key: _copied(part, names_of, names) for key, part in node.items()}
    if kind == "model":
        # What is stored are the fields, whatever a model_serializer shows others.
        result.pop("serialization", None)
    if kind in {"model-fields", "typed-dict", "dataclass-args"}:
        result["computed_fields"] = []
    if kind == "model-fields" and names:
        for name, stored in names.items():
            field = result["fields"].get(name)
            if field is not None:
                field["validation_alias"] = field["serialization_alias"] = stored
    if kind in _FIELDS:
        for spelling in _SPELLINGS:
            result.pop(spelling, None)
    if kind in CONVERTED:
        result["strict"] = False
    if kind == "timedelta":
        return _microseconds(result)
    if kind == "decimal":
        return _decimal(result)
    return result


def _literal(schema: Schema) -> Schema:
    """Read the values of members of an Enum, which JSON mode alone would do."""
    members = {
        (type(one.value), one.value): one
        for one in schema["expected"]
        if isinstance(one, Enum)
    }
    if not members:
        return schema

    def member(value: Any) -> Any:
        return members.get((type(value), value), value) if _hashable(value) else value

    function = {"type": "no-info", "function": member}
    moved = {"ref": schema["ref"]} if "ref" in schema else {}
    inner = {key: part for key, part in schema.items() if key != "ref"}
    return {"type": "function-before", "function": function, "schema": inner, **moved}


def _hashable(value: Any) -> bool:
    return not isinstance(value, list | dict)


def _microseconds(schema: Schema) -> Schema:
    moved: Schema = {
        key: schema.pop(key) for key in ("ref", "serialization") if key in schema
    }
    function = {"type": "no-info", "function": _duration}
    return {"type": "function-before", "function": function, "schema": schema, **moved}


def _decimal(schema: Schema) -> Schema:
    """Read a float as JSON mode does: 1.0 is Decimal("1") in both."""
    moved: Schema = {}
    for key in ("ref", "serialization"):
        if key in schema:
            moved[key] = schema.pop(key)
    function = {"type": "no-info", "function": _from_number}
    python = {"type": "function-wrap", "function": function, "schema": schema}
    node = {"type": "json-or-python", "json_schema": schema, "python_schema": python}
    return {**node, **moved}


def _from_number(value: Any, validate: Callable[[Any], Decimal]) -> Decimal:
    found = validate(value)
    if type(value) is not float:
        return found
    return Decimal(f"{found:f}".removesuffix(".0"))


def _duration(value: Any) -> Any:
    return timedelta(microseconds=value) if type(value) is int else value


def nodes(schema: Any) -> Iterator[Schema]:
    """Walk over all nodes of a core schema."""
    if isinstance(schema, list | tuple):
        for part in schema:
            yield from nodes(part)
    elif isinstance(schema, dict):
        is_node = isinstance(schema.get("type"), str)
        if is_node:
            yield schema
        for key, part in schema.items():
            if not is_node or key not in _VALUES:
                yield from nodes(part)


def definitions_of(schema: Any) -> dict[str, Schema]:
    """Collect all nodes that others refer to by name."""
    return {
        node["ref"]: node
        for node in nodes(schema)
        if "ref" in node and node["type"] != "definition-ref"
    }


def reads_others(schema: Schema, definitions: dict[str, Schema]) -> bool:
    """Say whether a field's validators take `info`, and so may read other fields."""
    waiting: list[Any] = [schema]
    seen: set[str] = set()
    while waiting:
        node = waiting.pop()
        if isinstance(node, list | tuple):
            waiting += node
        if not isinstance(node, dict) or node.get("type") in _WITH_FIELDS:
            continue
        function = node.get("function")
        if isinstance(function, dict) and function["type"] == "with-info":
            module = getattr(function["function"], "__module__", None) or ""
            # pydantic's own, of Base64Bytes say, do not look.
            if module.partition(".")[0] != "pydantic":
                return True
        if node.get("type") == "definition-ref" and node["schema_ref"] not in seen:
            seen.add(node["schema_ref"])
            waiting.append(definitions.get(node["schema_ref"]))
        is_node = isinstance(node.get("type"), str)
        skipped = {*_VALUES, "serialization", "function"} if is_node else set()
        waiting += [part for name, part in node.items() if name not in skipped]
    return False


def is_made_by_hand(schema: Schema) -> bool:
    """Say whether a class has code of its own that runs when an instance is made."""
    if schema.get("custom_init"):
        return True
    after = getattr(schema["cls"], str(schema.get("post_init")), None)
    # This one only makes private attributes.
    return (
        schema.get("post_init") is True
        or getattr(after, "__name__", "init_private_attributes")
        != "init_private_attributes"
    )


def unwrapped(schema: Any, definitions: dict[str, Schema]) -> Schema:
    """Look through definitions, defaults and validators at the type itself."""
    while True:
        match schema.get("type"):
            case "definitions" | "default" | "nullable":
                schema = schema["schema"]
            case "definition-ref":
                schema = definitions[schema["schema_ref"]]
            case "function-after" | "function-before" | "function-wrap":
                schema = schema["schema"]
            case "model-field" | "typed-dict-field" | "dataclass-field":
                schema = schema["schema"]
            case _:
                found: Schema = schema
                return found
