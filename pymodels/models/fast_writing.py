"""The short way from a new instance to JSON text, where it is proven the same.

pydantic writes JSON four times as fast as a record can be made and dumped. It is
let do so for models whose fields are of the types below, after the checks that it
does not make: exact types, 64 bits, finite floats, no NUL.
"""

from collections.abc import Callable
from datetime import date
from itertools import product
from operator import itemgetter
from typing import TYPE_CHECKING, Any
from uuid import UUID

from pydantic import ValidationError
from pydantic_core import PydanticSerializationError

from pymodels.law.json_body import to_json
from pymodels.law.predicates import HasKind, terms_of
from pymodels.law.values import LARGEST_INTEGER
from pymodels.models.fields import REFERENCE
from pymodels.models.protocols import Storage
from pymodels.models.references import Reference
from pymodels.models.schema import Schema, definitions_of, model_node
from pymodels.querying.plan import Row

if TYPE_CHECKING:
    from pymodels.models.codec import ModelCodec

_TYPES: dict[str, type] = {
    "str": str,
    "int": int,
    "float": float,
    "bool": bool,
    "date": date,
    "uuid": UUID,
}
# What a node may say and still ask nothing that its serializer does not check.
_UNCONSTRAINED = {"type", "schema", "default", "strict", "items_schema", "metadata"}
MOST_DATES = 6


class JsonWriting:
    """What one model's short way out needs; made once a model."""

    def __init__(self, codec: "ModelCodec") -> None:
        self.codec = codec
        definitions = definitions_of(codec.schema)
        inner = model_node(codec.schema, definitions)
        fields = inner["fields"]
        self.types: dict[str, tuple[type, ...]] = {}
        # Validators of the whole model have to be asked once more.
        self.is_checked = codec.schema.get("schema") is inner
        self.is_plain = self._membership_is_shape() and not codec.keeps_extra
        for name, field in fields.items():
            found = self._types_of(field["schema"])
            if found is None:
                self.is_plain = False
                return
            self.types[name] = found
        dates = [name for name, types in self.types.items() if date in types]
        self.is_plain = self.is_plain and len(dates) <= MOST_DATES
        self.dates = tuple(dates)
        self.notes = _notes(self.dates, codec.names) if self.is_plain else {}

    def _membership_is_shape(self) -> bool:
        """Say whether every valid instance belongs to its model."""
        terms = terms_of(self.codec.membership)
        return all(isinstance(term, HasKind) for term in terms)

    def _types_of(self, node: Schema) -> tuple[type, ...] | None:
        if node.get("metadata", {}).get(REFERENCE):
            return (Reference,)
        kind = node["type"]
        if kind == "default":
            return self._types_of(node["schema"])
        if kind == "nullable":
            found = self._types_of(node["schema"])
            return None if found is None else (*found, type(None))
        if "serialization" in node:
            return None
        self.is_checked = self.is_checked and node.keys() <= _UNCONSTRAINED
        if kind == "function-after":
            self.is_checked = False
            return self._types_of(node["schema"])
        if kind == "list":
            items = node.get("items_schema", {}).get("type")
            return (list,) if items == "str" else None
        found_type = _TYPES.get(kind)
        return None if found_type is None else (found_type,)

    def dumper(self, storage: Storage) -> Callable[[str, Any], Row]:
        """Give the function from a key and a new instance to (key, body, kinds)."""
        codec = self.codec
        record_of = codec.new_record

        def long_way(key: str, instance: Any) -> Row:
            return storage.encode(key, record_of(key, instance))

        if not self.is_plain:
            return long_way
        write = codec.serializer.to_json
        validate = None if self.is_checked else codec.validator.validate_json
        names = tuple(self.types)
        values_of = itemgetter(*names) if len(names) > 1 else _only(names)
        noted: dict[tuple[type, ...], str] = {}
        numbers = [
            at
            for at, types in enumerate(self.types.values())
            if {int, float} & {*types}
        ]

        def dump(key: str, instance: Any) -> Row:
            try:
                values = values_of(instance.__dict__)
                kinds = tuple(map(type, values))
                note = noted.get(kinds)
                if note is None:
                    # Each combination of exact types is looked at once.
                    note = noted[kinds] = self.note_of(kinds)
                for at in numbers:
                    # NaN is between nothing.
                    if not -LARGEST < (values[at] or 0) < LARGEST:
                        return long_way(key, instance)
                text = write(instance, by_alias=True, warnings="error").decode()
                if validate is not None:
                    validate(text)
            except _REFUSED:
                return long_way(key, instance)
            if "\\u0000" in text:
                return long_way(key, instance)
            return (key, text, note)

        return dump

    def note_of(self, kinds: tuple[type, ...]) -> str:
        """Give the note of kinds of an instance whose values are of these types.

        Raises `TypeError` if one of them is not of its field's exact type.
        """
        pairs = zip(self.types.items(), kinds, strict=True)
        for (name, types), kind in pairs:
            if kind not in types:
                raise TypeError(f"{name} is a {kind.__name__}")
        found = dict(zip(self.types, kinds, strict=True))
        return self.notes[tuple([found[name] is date for name in self.dates])]


# What is larger is looked at the long way, which tells floats from ints.
LARGEST = LARGEST_INTEGER
_REFUSED = (
    PydanticSerializationError,
    ValidationError,
    ValueError,
    TypeError,
    KeyError,
)


def _only(names: tuple[str, ...]) -> Callable[[dict[str, Any]], tuple[Any, ...]]:
    """Give the values of no field or one as `itemgetter` gives those of several."""
    return lambda values: tuple([values[name] for name in names])


def _notes(
    dates: tuple[str, ...], names: dict[str, str]
) -> dict[tuple[bool, ...], str]:
    """Give the note of kinds for each choice of dates that are there."""
    found = {}
    for there in product((False, True), repeat=len(dates)):
        chosen = zip(dates, there, strict=True)
        note = {names.get(name, name): "date" for name, is_there in chosen if is_there}
        found[there] = to_json(note)
    return found
