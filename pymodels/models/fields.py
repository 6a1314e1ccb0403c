"""Which kinds a field's type admits: from pydantic's core schema to a `Shape`.

The closed list of law 1 is what is written here; any other type is refused when
the class is made, unless a serializer turns it into one of these. What the short
ways have to know of a type is found on the same walk.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import date
from enum import Enum
from typing import Any
from uuid import UUID

from pymodels.errors import DefinitionError
from pymodels.law.canonical import AS_TEXT
from pymodels.law.shapes import ANYTHING, Member, Reading, Shape
from pymodels.law.values import Kind, kind_of
from pymodels.models.schema import (
    CONVERTED,
    Schema,
    definitions_of,
    is_made_by_hand,
    nodes,
    reads_others,
    unwrapped,
)

STORED_AS = "pymodels_shape"
"""The name under which a type of ours puts its shape into its core schema."""


def _simple(
    name: str, kind: Kind, *types: type, reading: int = Reading.VALUES, text: str = ""
) -> Shape:
    texts = (text,) if text else ()
    return Shape(
        frozenset({kind}),
        name,
        reads_text=texts,
        reading=Reading(reading),
        types=frozenset(types),
    )


_SIMPLE: dict[str, Shape] = {
    "any": ANYTHING,
    "none": _simple("None", Kind.NONE),
    "bool": _simple("bool", Kind.BOOL, bool),
    "int": _simple("int", Kind.NUMBER, int),
    "float": _simple("float", Kind.NUMBER, float),
    "decimal": _simple("Decimal", Kind.NUMBER, text="decimal"),
    "timedelta": _simple("timedelta", Kind.NUMBER, reading=Reading.RECORD),
    "str": _simple("str", Kind.STRING, str),
    "bytes": _simple("bytes", Kind.BYTES, reading=Reading.RECORD, text="bytes"),
    "date": _simple("date", Kind.DATE, date, text="date"),
    "datetime": _simple("datetime", Kind.DATETIME, text="datetime"),
    "time": _simple("time", Kind.STRING),
    "uuid": _simple("UUID", Kind.STRING, UUID),
    "url": _simple("URL", Kind.STRING, reading=Reading.RECORD),
    "multi-host-url": _simple("URL", Kind.STRING, reading=Reading.RECORD),
    "json": _simple("Json", Kind.STRING, reading=Reading.RECORD),
}
_NAIVE = _simple("datetime", Kind.DATETIME, text="naive")
_LISTS = {"list", "tuple", "set", "frozenset"}
_MAPS = {"dict", "ordered-dict"}
_VALIDATORS = {"function-after", "function-before", "function-wrap"}
_INNER = _VALIDATORS | {
    "default",
    "definitions",
    "model-field",
    "typed-dict-field",
    "dataclass-field",
    "custom-error",
}
# What a plain node may say and still ask nothing that its type does not tell.
_UNCONSTRAINED = {"type", "schema", "strict", "items_schema", "metadata"}
_STORED_PLAINLY = _SIMPLE.keys() | {"list", "nullable", "default", "function-after"}
# Nodes that read JSON, values and records alike if what is inside them does.
_ALIKE = _LISTS | {
    "nullable",
    "default",
    "definitions",
    "definition-ref",
    "model-field",
    "model",
    "model-fields",
    "dict",
}
_SCALARS = {"none", "bool", "int", "float", "str"}


def shape_of_model(
    model: type, schema: Any, names_of: Callable[[type], dict[str, str]]
) -> Shape:
    """Give the shape of a whole model; `DefinitionError` for a refused field."""
    return _Reader(definitions_of(schema), names_of).shape(schema, model.__name__)


def _reading(schema: Schema) -> Reading:
    """Say from what one node reads alike, whatever is inside it."""
    kind, config = schema["type"], schema.get("config", {})
    options = {**config, **schema}
    if options.get("coerce_numbers_to_str"):
        # JSON spells some numbers otherwise.
        return Reading.RECORD
    if config.get("strict") or (schema.get("strict") and kind not in CONVERTED):
        return Reading.RECORD
    if kind == "function-after":
        is_alike = schema["function"]["type"] == "no-info"
    elif kind == "literal":
        is_alike = all(type(value) is str for value in schema["expected"])
    elif kind == "enum":
        values = [member.value for member in schema["members"]]
        is_alike = "missing" not in schema and all(type(one) is str for one in values)
    elif kind == "union":
        choices = [one for one in schema["choices"] if not isinstance(one, tuple)]
        is_plain = all(choice["type"] in _SCALARS for choice in choices)
        # Which choice a driver's value is of, only its record's type tells.
        is_plain = is_plain and len(choices) == len(schema["choices"])
        return Reading.JSON if is_plain else Reading.RECORD
    elif kind in _SIMPLE:
        return _SIMPLE[kind].reading
    else:
        is_alike = kind in _ALIKE
    return Reading.VALUES if is_alike else Reading.RECORD


class _Reader:
    """Reads one core schema; nested models that hold themselves are met once."""

    def __init__(
        self,
        definitions: dict[str, Schema],
        names_of: Callable[[type], dict[str, str]],
    ) -> None:
        self.definitions = definitions
        self.names_of = names_of
        self.known: dict[Any, Shape] = {}

    def shape(self, schema: Schema, where: str) -> Shape:
        """Give the shape of any node; ``where`` names it in a refusal."""
        kind = schema["type"]
        if kind == "definition-ref":
            return self.shape(self.definitions[schema["schema_ref"]], where)
        if stored_as := schema.get("metadata", {}).get(STORED_AS):
            found: Shape = stored_as
            return found
        written = self.serialized(schema, where)
        if written is not None:
            return replace(written, reading=Reading.RECORD, types=frozenset())
        found = self.of_type(schema, where)
        changes: dict[str, Any] = {}
        reading = min(found.reading, _reading(schema))
        if reading < found.reading:
            changes["reading"] = reading
        if found.types and ("serialization" in schema or kind not in _STORED_PLAINLY):
            changes["types"] = frozenset()
        is_constrained = found.types and not schema.keys() <= _UNCONSTRAINED
        if kind in _VALIDATORS or (kind not in _INNER and is_constrained):
            changes["is_validated"] = True
        if kind in _VALIDATORS and Kind.MAP in found.kinds:
            changes["validates_as_whole"] = True
        return replace(found, **changes) if changes else found

    def of_type(self, schema: Schema, where: str) -> Shape:
        """Give the shape of a node's type."""
        kind = schema["type"]
        if kind == "datetime" and schema.get("tz_constraint") == "naive":
            return _NAIVE
        if kind in _SIMPLE:
            return _SIMPLE[kind]
        if kind in _INNER:
            return self.shape(schema["schema"], where)
        if kind == "nullable":
            return _or_none(self.shape(schema["schema"], where))
        if kind == "literal":
            return _of_values(schema["expected"], _reading(schema))
        if kind == "enum":
            values = [member.value for member in schema["members"]]
            return replace(_of_values(values, _reading(schema)), only=())
        if kind in _LISTS:
            return self.list(schema, where)
        if kind in _MAPS:
            return self.map(schema, where)
        if kind == "union":
            choices = [c[0] if isinstance(c, tuple) else c for c in schema["choices"]]
            return union(self.shape(choice, where) for choice in choices)
        if kind == "tagged-union":
            return union(self.shape(c, where) for c in schema["choices"].values())
        if kind in {"model", "dataclass"}:
            return self.fields(schema, where)
        if kind == "typed-dict":
            return self.typed_dict(schema, where)
        if kind == "json-or-python":
            return self.shape(schema["json_schema"], where)
        if kind == "chain":
            return self.shape(schema["steps"][-1], where)
        if kind == "function-plain":
            return ANYTHING
        raise self.refusal(where)

    def refusal(self, where: str) -> DefinitionError:
        return DefinitionError(
            f"{where}: a field of this type cannot be stored. Records hold bool, int, "
            "float, Decimal, str, bytes, date, datetime, lists and maps, and what "
            "stands for one of these: UUID, Path, URLs, IP addresses, time, "
            "timedelta, Enum, tuple, set, nested models, dataclasses and TypedDicts. "
            "For any other type use typing.Annotated with pydantic's PlainSerializer "
            "and PlainValidator"
        )

    def serialized(self, schema: Schema, where: str) -> Shape | None:
        """Give the shape that a serializer of the user's makes, if there is one."""
        if schema["type"] == "lax-or-strict":
            if _asks_for(schema, *AS_TEXT):
                return _SIMPLE["str"]
            if _asks_for(schema, OrderedDict):
                # As pydantic 2.12 has it.
                return self.shape(schema["lax_schema"], where)
            raise self.refusal(where)
        written = schema.get("serialization")
        if schema["type"] == "model" or written is None:
            return None
        if written["type"] not in {"function-plain", "function-wrap"}:
            return None
        if written.get("when_used", "always") in {"json", "json-unless-none"}:
            # Nothing but JSON would see it; the value is stored as it is.
            if schema["type"] == "function-plain":
                raise self.refusal(where)
            return None
        if "return_schema" in written:
            return self.shape(written["return_schema"], where)
        if unwrapped(schema, self.definitions)["type"] in {"url", "multi-host-url"}:
            return _SIMPLE["url"]
        if schema["type"] == "json-or-python":
            return None
        return ANYTHING

    def list(self, schema: Schema, where: str) -> Shape:
        items = schema.get("items_schema", {"type": "any"})
        parts = items if isinstance(items, list) else [items]
        element = union([self.shape(part, f"{where}[]") for part in parts])
        is_plain = schema["type"] == "list" and element.types == {str}
        return Shape(
            frozenset({Kind.LIST}),
            schema["type"],
            items=element,
            reading=_reading(schema),
            types=frozenset({list}) if is_plain else frozenset(),
            is_validated=element.is_validated,
        )

    def map(self, schema: Schema, where: str) -> Shape:
        keys = self.shape(schema.get("keys_schema", {"type": "str"}), where)
        if not keys.admits_anything and keys.kinds != {Kind.STRING}:
            raise DefinitionError(f"{where}: the names in a map are strings only")
        values = self.shape(schema.get("values_schema", {"type": "any"}), f"{where}[]")
        reading = min(_reading(schema), keys.reading)
        return Shape(frozenset({Kind.MAP}), "map", rest=values, reading=reading)

    def fields(self, schema: Schema, where: str) -> Shape:
        cls = schema["cls"]
        if cls in self.known:
            return self.known[cls]
        reading, inner = _reading(schema), schema["schema"]
        is_whole = is_made_by_hand(schema)
        is_validated = any(name[:4] == "str_" for name in schema.get("config", ()))
        while inner["type"] in _INNER or inner["type"] == "definition-ref":
            reading = min(reading, _reading(inner))
            is_whole = is_whole or inner["type"] in _VALIDATORS
            is_validated = is_validated or is_whole
            name = inner.get("schema_ref")
            inner = inner["schema"] if name is None else self.definitions[name]
        if inner["type"] not in {"model-fields", "dataclass-args"}:
            return self.shape(inner, where)
        fields = inner["fields"]
        if isinstance(fields, list):
            fields = {field["name"]: field for field in fields}
        members: dict[str, Member] = {}
        extra = schema.get("config", {}).get("extra_fields_behavior") == "allow"
        shape = Shape(
            frozenset({Kind.MAP}),
            cls.__name__,
            members,
            rest=ANYTHING if extra else None,
            computed=frozenset(
                field["property_name"] for field in inner.get("computed_fields", ())
            ),
            reading=reading,
            is_validated=is_validated,
            validates_as_whole=is_whole
            or any(reads_others(one, self.definitions) for one in fields.values()),
        )
        self.known[cls] = shape
        names = self.names_of(cls)
        for name, field in fields.items():
            found = self.shape(field["schema"], f"{where}.{name}")
            required = not _has_default(field["schema"])
            members[name] = Member(names.get(name, name), found, required)
        return shape

    def typed_dict(self, schema: Schema, where: str) -> Shape:
        marker = schema.get("ref", id(schema))
        if marker in self.known:
            return self.known[marker]
        members: dict[str, Member] = {}
        name = schema.get("cls_name", "TypedDict")
        is_whole = any(
            reads_others(field, self.definitions) for field in schema["fields"].values()
        )
        shape = Shape(frozenset({Kind.MAP}), name, members, validates_as_whole=is_whole)
        self.known[marker] = shape
        for name, field in schema["fields"].items():
            found = self.shape(field["schema"], f"{where}.{name}")
            members[name] = Member(name, found, field.get("required", True))
        return shape


def _has_default(schema: Schema) -> bool:
    while schema["type"] in {"function-after", "function-before", "function-wrap"}:
        schema = schema["schema"]
    return bool(schema["type"] == "default")


def _of_values(values: Iterable[Any], reading: Reading) -> Shape:
    plain = [value.value if isinstance(value, Enum) else value for value in values]
    kinds = frozenset(map(kind_of, plain)) - {Kind.OTHER}
    only = tuple(values) if len(plain) == 1 else ()
    return Shape(kinds, "choice", only=only, reading=reading)


def _asks_for(schema: Schema, *classes: type) -> bool:
    """Say whether a node asks strictly for instances of one of some classes."""
    found = [
        node["cls"]
        for node in nodes(schema["strict_schema"])
        if node["type"] == "is-instance"
    ]
    return any(isinstance(cls, type) and issubclass(cls, classes) for cls in found)


def _or_none(shape: Shape) -> Shape:
    if shape.admits_anything:
        return shape
    return replace(
        shape,
        kinds=shape.kinds | {Kind.NONE},
        name=f"{shape.name} or None",
        only=(),
        types=shape.types | {type(None)} if shape.types else shape.types,
    )


def union(shapes: Iterable[Shape]) -> Shape:
    """Give the shape that admits whatever one of several does."""
    parts = list(shapes)
    if len(parts) == 1:
        return parts[0]
    reading = min((part.reading for part in parts), default=Reading.VALUES)
    if any(part.admits_anything for part in parts):
        return replace(ANYTHING, reading=min(reading, ANYTHING.reading))
    kinds = frozenset().union(*(part.kinds for part in parts))
    members: dict[str, Member] = {}
    maps = [part for part in parts if Kind.MAP in part.kinds]
    # Self-references may still be filling their members: share, do not copy.
    if len(maps) == 1:
        members = maps[0].members  # type: ignore[assignment]  # only read here
    else:
        # The first of several members of one name tells for all of them.
        reading = min(reading, Reading.RECORD if maps else reading)
        for part in maps:
            for name, member in part.members.items():
                members.setdefault(name, Member(member.stored, member.shape, False))
    texts = {name: None for part in parts for name in part.reads_text}
    items = [part.items for part in parts if part.items is not None]
    rests = [part.rest for part in parts if part.rest is not None]
    operands = [part.operand for part in parts if part.operand is not None]
    return Shape(
        kinds,
        " or ".join(dict.fromkeys(part.name for part in parts)),
        members,
        rest=union(rests) if rests else None,
        items=union(items) if items else None,
        # A text that may be a string is one.
        reads_text=() if Kind.STRING in kinds else tuple(texts),
        operand=operands[0] if operands else None,
        computed=frozenset().union(*(part.computed for part in parts)),
        reading=reading,
        is_validated=any(part.is_validated for part in parts),
        validates_as_whole=any(part.validates_as_whole for part in parts),
    )
