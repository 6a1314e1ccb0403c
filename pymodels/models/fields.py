"""Which kinds a field's type admits: from pydantic's core schema to a `Shape`.

The closed list of law 1 is what is written here; any other type is refused when
the class is made, unless a serializer turns it into one of these.
"""

from collections.abc import Callable, Iterable
from enum import Enum
from typing import Any

from pymodels.errors import DefinitionError
from pymodels.law.canonical import AS_TEXT
from pymodels.law.shapes import ANYTHING, Member, Shape
from pymodels.law.values import Kind, kind_of
from pymodels.models.schema import Schema, definitions_of

REFERENCE = "pymodels_reference"
"""The name under which a Reference marks its core schema."""

_SIMPLE: dict[str, Shape] = {
    "any": ANYTHING,
    "none": Shape(frozenset({Kind.NONE}), "None"),
    "bool": Shape(frozenset({Kind.BOOL}), "bool"),
    "int": Shape(frozenset({Kind.NUMBER}), "int"),
    "float": Shape(frozenset({Kind.NUMBER}), "float"),
    "decimal": Shape(frozenset({Kind.NUMBER}), "Decimal", reads_text=("decimal",)),
    "timedelta": Shape(frozenset({Kind.NUMBER}), "timedelta"),
    "str": Shape(frozenset({Kind.STRING}), "str"),
    "bytes": Shape(frozenset({Kind.BYTES}), "bytes", reads_text=("bytes",)),
    "date": Shape(frozenset({Kind.DATE}), "date", reads_text=("date",)),
    "datetime": Shape(frozenset({Kind.DATETIME}), "datetime", reads_text=("datetime",)),
    "time": Shape(frozenset({Kind.STRING}), "time"),
    "uuid": Shape(frozenset({Kind.STRING}), "UUID"),
    "url": Shape(frozenset({Kind.STRING}), "URL"),
    "multi-host-url": Shape(frozenset({Kind.STRING}), "URL"),
    "json": Shape(frozenset({Kind.STRING}), "Json"),
}
_NAIVE = Shape(frozenset({Kind.DATETIME}), "datetime", reads_text=("naive",))
_LISTS = {"list", "tuple", "set", "frozenset"}
_MAPS = {"dict", "ordered-dict"}
_INNER = {
    "default",
    "definitions",
    "model-field",
    "typed-dict-field",
    "dataclass-field",
    "function-after",
    "function-before",
    "function-wrap",
    "custom-error",
}


def shape_of_model(
    model: type, schema: Any, names_of: Callable[[type], dict[str, str]]
) -> Shape:
    """Give the shape of a whole model; `DefinitionError` for a refused field."""
    return _Reader(definitions_of(schema), names_of).shape(schema, model.__name__)


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
        if reference := schema.get("metadata", {}).get(REFERENCE):
            return Shape(frozenset({Kind.STRING}), "Reference", operand=reference)
        written = self.serialized(schema, where)
        if written is not None:
            return written
        if kind == "datetime" and schema.get("tz_constraint") == "naive":
            return _NAIVE
        if kind in _SIMPLE:
            return _SIMPLE[kind]
        if kind in _INNER:
            return self.shape(schema["schema"], where)
        if kind == "nullable":
            return union([self.shape(schema["schema"], where), _SIMPLE["none"]])
        if kind == "literal":
            return _of_values(schema["expected"])
        if kind == "enum":
            return _of_values([member.value for member in schema["members"]])
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
            if _instance_class(schema["strict_schema"], AS_TEXT):
                return _SIMPLE["str"]
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
        if _holds_type(schema, {"url", "multi-host-url"}):
            return _SIMPLE["url"]
        if schema["type"] == "json-or-python":
            return None
        return ANYTHING

    def list(self, schema: Schema, where: str) -> Shape:
        items = schema.get("items_schema", {"type": "any"})
        parts = items if isinstance(items, list) else [items]
        element = union([self.shape(part, f"{where}[]") for part in parts])
        return Shape(frozenset({Kind.LIST}), schema["type"], items=element)

    def map(self, schema: Schema, where: str) -> Shape:
        keys = self.shape(schema.get("keys_schema", {"type": "str"}), where)
        if keys is not ANYTHING and keys.kinds != {Kind.STRING}:
            raise DefinitionError(f"{where}: the names in a map are strings only")
        values = self.shape(schema.get("values_schema", {"type": "any"}), f"{where}[]")
        return Shape(frozenset({Kind.MAP}), "map", rest=values)

    def fields(self, schema: Schema, where: str) -> Shape:
        cls = schema["cls"]
        if cls in self.known:
            return self.known[cls]
        inner = self.inner_fields(schema["schema"])
        if inner["type"] not in {"model-fields", "dataclass-args"}:
            return self.shape(inner, where)
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
        )
        self.known[cls] = shape
        names = self.names_of(cls)
        fields = inner["fields"]
        if isinstance(fields, list):
            fields = {field["name"]: field for field in fields}
        for name, field in fields.items():
            found = self.shape(field["schema"], f"{where}.{name}")
            required = not _has_default(field["schema"])
            members[name] = Member(names.get(name, name), found, required)
        return shape

    def inner_fields(self, schema: Schema) -> Schema:
        while schema["type"] in _INNER or schema["type"] == "definition-ref":
            if schema["type"] == "definition-ref":
                schema = self.definitions[schema["schema_ref"]]
            else:
                schema = schema["schema"]
        return schema

    def typed_dict(self, schema: Schema, where: str) -> Shape:
        marker = schema.get("ref", id(schema))
        if marker in self.known:
            return self.known[marker]
        members: dict[str, Member] = {}
        name = schema.get("cls_name", "TypedDict")
        shape = Shape(frozenset({Kind.MAP}), name, members)
        self.known[marker] = shape
        for name, field in schema["fields"].items():
            found = self.shape(field["schema"], f"{where}.{name}")
            members[name] = Member(name, found, field.get("required", True))
        return shape


def _has_default(schema: Schema) -> bool:
    while schema["type"] in {"function-after", "function-before", "function-wrap"}:
        schema = schema["schema"]
    return bool(schema["type"] == "default")


def _of_values(values: Iterable[Any]) -> Shape:
    plain = [value.value if isinstance(value, Enum) else value for value in values]
    return Shape(frozenset(map(kind_of, plain)) - {Kind.OTHER}, "choice")


def _instance_class(schema: Any, classes: tuple[type, ...]) -> bool:
    if isinstance(schema, list | tuple):
        return any(_instance_class(part, classes) for part in schema)
    if not isinstance(schema, dict):
        return False
    if schema.get("type") == "is-instance":
        return isinstance(schema["cls"], type) and issubclass(schema["cls"], classes)
    return any(_instance_class(part, classes) for part in schema.values())


def _holds_type(schema: Any, kinds: set[str]) -> bool:
    if isinstance(schema, dict):
        return schema.get("type") in kinds or any(
            _holds_type(part, kinds) for key, part in schema.items() if key == "schema"
        )
    return False


def union(shapes: Iterable[Shape]) -> Shape:
    """Give the shape that admits whatever one of several does."""
    parts = list(shapes)
    if ANYTHING in parts:
        return ANYTHING
    if len(parts) == 1:
        return parts[0]
    kinds = frozenset().union(*(part.kinds for part in parts))
    members: dict[str, Member] = {}
    maps = [part for part in parts if Kind.MAP in part.kinds]
    # Self-references may still be filling their members: share, do not copy.
    if len(maps) == 1:
        members = maps[0].members  # type: ignore[assignment]  # only read here
    else:
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
    )
