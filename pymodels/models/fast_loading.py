"""The short way from JSON text to an instance, where it is proven to be the same.

Law 14: loading is the record and then its validation. pydantic reads JSON text
more than twice as fast as it validates a parsed record; for the types named
here, and marks that fit the model, both give the same instance or error.
"""

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from pymodels.law.json_body import NOTHING_MARKED
from pymodels.law.predicates import HasKind, terms_of
from pymodels.law.shapes import Shape
from pymodels.models.fields import REFERENCE
from pymodels.models.protocols import Storage
from pymodels.models.pydantic_parts import set_fields_set
from pymodels.models.schema import Schema, definitions_of
from pymodels.querying.plan import Row

if TYPE_CHECKING:
    from pymodels.models.codec import ModelCodec

NEVER, UNMARKED, ALWAYS = 0, 1, 2
"""When the short way may be taken: never, without marks, or with fitting ones."""

_SCALARS = {"none", "bool", "int", "float", "str"}
_PLAIN = _SCALARS | {"date", "datetime", "decimal", "uuid", "time"}
_WITHIN = {
    "definitions": ("schema",),
    "default": ("schema",),
    "nullable": ("schema",),
    "model": ("schema",),
    "model-field": ("schema",),
    "typed-dict-field": ("schema",),
    "list": ("items_schema",),
    "set": ("items_schema",),
    "frozenset": ("items_schema",),
    "tuple": ("items_schema",),
    "dict": ("keys_schema", "values_schema"),
}
_MARKED_AS = {
    "date": ("date",),
    "datetime": ("datetime", "naive"),
    "naive": ("datetime", "naive"),
    "decimal": ("decimal",),
}
MOST_KNOWN = 256


class JsonLoading:
    """What one model's short way needs; made once a model."""

    def __init__(self, codec: "ModelCodec") -> None:
        self.codec = codec
        definitions = definitions_of(codec.schema)
        self.level = _Levels(definitions).of(codec.schema)
        self.known: set[str | None] = set()
        self.telling: set[str | None] = set()
        if self.level != NEVER:
            self.known.add(NOTHING_MARKED)

    def fits(self, row: Row) -> bool:
        """Say whether a row's marks allow the short way; remember that they do."""
        kinds = row[2]
        if self.level != ALWAYS:
            return False
        if kinds is None:
            # What another program wrote may hold words that only pydantic reads.
            return "NaN" not in row[1] and "Infinity" not in row[1]
        if not _fits(json.loads(kinds), self.codec.shape):
            return False
        _remember(kinds, self.known)
        return True

    def tells(self, row: Row) -> bool:
        """Say whether marks also show that each required text is of its kind."""
        kinds = row[2]
        if self.level != ALWAYS or kinds is None:
            return False
        note = json.loads(kinds)
        if not _fits(note, self.codec.shape):
            return False
        required = (m for m in self.codec.shape.members.values() if m.required)
        if any(m.shape.reads_text and m.stored not in note for m in required):
            return False
        _remember(kinds, self.telling)
        return True

    def loader(self, storage: Storage) -> Callable[[Row], Any]:
        """Give the function from a row (key, body, kinds) to an instance."""
        codec = self.codec
        long_way: Callable[[Row], Any] = codec.loader(storage)
        if self.level == NEVER:
            return long_way

        # What JSON mode refuses, the long way may take, or refuse in its own words.
        return self._short_way(storage, None, self.known, self.fits, long_way)

    def sifter(self, storage: Storage) -> Callable[[Row], Any | None] | None:
        """Give the function from a row to an instance, or to None for no member.

        A text that validates strictly has in each field a kind that its type
        admits; whatever does not is looked at the long way. None where that does
        not tell membership.
        """
        codec = self.codec
        terms = terms_of(codec.membership)
        if self.level != ALWAYS or not all(isinstance(t, HasKind) for t in terms):
            return None
        load, decode, belongs = self.loader(storage), storage.decode, codec.belongs

        def otherwise(row: Row) -> Any:
            return load(row) if belongs(row[0], decode(row, codec.shape)) else None

        return self._short_way(storage, True, self.telling, self.tells, otherwise)

    def _short_way(
        self,
        storage: Storage,
        strict: bool | None,
        known: set[str | None],
        fits: Callable[[Row], bool],
        otherwise: Callable[[Row], Any],
    ) -> Callable[[Row], Any]:
        codec = self.codec
        validate = codec.validator.validate_json
        set_row, set_storage = codec.set_row, codec.set_storage
        whole, size = codec.all_fields, len(codec.fields)
        # No document has so many fields where extra ones are kept.
        size = -1 if codec.keeps_extra else size
        settled = bool(codec.reference_fields)

        def load(row: Row) -> Any:
            if row[2] not in known and not fits(row):
                return otherwise(row)
            try:
                instance = validate(row[1], strict=strict)
            except ValidationError:
                return otherwise(row)
            set_row(instance, row)
            set_storage(instance, storage)
            if len(instance.__pydantic_fields_set__) == size:
                # One set for all complete instances: a third of the memory.
                set_fields_set(instance, whole)
            if settled:
                codec.settle(instance, storage)
            return instance

        return load


def _remember(kinds: str, known: set[str | None]) -> None:
    if len(known) < MOST_KNOWN:
        known.add(kinds)


def _fits(mark: Any, shape: Shape | None) -> bool:
    if mark is None:
        return True
    if shape is None:
        # Undeclared: validation does not look at it, however it is marked.
        return True
    match mark:
        case str():
            return len(shape.reads_text) == 1 and mark in _MARKED_AS.get(
                shape.reads_text[0], ()
            )
        case dict():
            return all(_fits(one, shape.stored_member(n)) for n, one in mark.items())
        case list():
            return all(_fits(one, shape.items) for one in mark)
    return False


def _coerces(options: Schema) -> bool:
    """Say whether numbers become strings: JSON spells some of them otherwise."""
    return bool(options.get("coerce_numbers_to_str"))


class _Levels:
    """Looks through a core schema for what JSON and Python read differently."""

    def __init__(self, definitions: dict[str, Schema]) -> None:
        self.definitions = definitions
        self.seen: set[str] = set()

    def of(self, schema: Schema) -> int:
        kind = schema["type"]
        if schema.get("strict") is True or schema.get("config", {}).get("strict"):
            return NEVER
        if _coerces(schema) or _coerces(schema.get("config", {})):
            return NEVER
        if kind == "definition-ref":
            name = schema["schema_ref"]
            if name in self.seen:
                return ALWAYS
            self.seen.add(name)
            return self.of(self.definitions[name])
        if schema.get("metadata", {}).get(REFERENCE) or kind in _PLAIN:
            return ALWAYS
        if kind == "any":
            return UNMARKED
        if kind == "json-or-python" and schema["json_schema"]["type"] == "decimal":
            return self.of(schema["json_schema"])
        if kind == "literal":
            texts = all(type(value) is str for value in schema["expected"])
            return ALWAYS if texts else NEVER
        if kind == "enum":
            texts = all(type(member.value) is str for member in schema["members"])
            return ALWAYS if texts and "missing" not in schema else NEVER
        if kind == "function-after" and schema["function"]["type"] == "no-info":
            return self.of(schema["schema"])
        if kind == "union":
            plain = all(
                not isinstance(choice, tuple) and choice["type"] in _SCALARS
                for choice in schema["choices"]
            )
            return ALWAYS if plain else NEVER
        if kind == "model-fields":
            return min(map(self.of, schema["fields"].values()), default=ALWAYS)
        if kind in _WITHIN:
            level = self.within(schema, _WITHIN[kind])
            extra = schema.get("config", {}).get("extra_fields_behavior")
            return min(level, UNMARKED) if extra == "allow" else level
        return NEVER

    def within(self, schema: Schema, names: tuple[str, ...]) -> int:
        found = [ALWAYS]
        for name in names:
            part = schema.get(name)
            parts = part if isinstance(part, list) else [part] if part else []
            found += map(self.of, parts)
        return min(found)
