"""What an instance keeps of its loading, where the record does not tell it again.

Loading a record twice gives equal values, unless a default is made by a function of
the user's, or a validator is one: then the instance keeps what it was given. Of lists
of maps it keeps the elements, so that a save knows which of them are still there.
Other models keep nothing, and pay nothing.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterator
from copy import deepcopy
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from functools import partial
from typing import Any, NamedTuple
from uuid import UUID

from pymodels.law.shapes import Shape
from pymodels.law.values import Record, same
from pymodels.models.fields import STORED_AS
from pymodels.models.schema import Schema, definitions_of, nodes
from pymodels.querying.plan import Row
from pymodels.querying.protocols import Instance


class Kept(NamedTuple):
    """What loading, or the last save, left in an instance."""

    values: dict[str, Any]
    """Fields that another loading might give other values."""
    given: frozenset[str] | None
    """The names that were given then; None where loading again tells."""
    elements: tuple[Any, ...]
    """The elements of its lists of maps, in the order of `Keeper.elements_of`."""
    assigned: set[str]
    """The fields that were assigned since."""


class KeptRow(tuple[Any, ...]):
    """A row with what its instance keeps, in ``kept``."""

    kept: Kept


def kept_of(row: Row | None) -> Kept | None:
    """Give what an instance keeps beside its row."""
    found: Kept | None = getattr(row, "kept", None)
    return found


def with_kept(row: Row, kept: Kept) -> Row:
    """Give a row of the same sort that has something kept beside it."""
    sort: Any = KeptRow if type(row) is tuple else type(row)
    result: Row = sort(row)
    vars(result)["kept"] = kept
    return result


def note_assigned(row: Row | None, name: str) -> None:
    """Note that a field of an instance was assigned, if it is saved."""
    if (kept := kept_of(row)) is not None:
        kept.assigned.add(name)


def carried(row: Row | None) -> Row | None:
    """Give the row of an instance to a copy of it, which is assigned to by itself."""
    kept = kept_of(row)
    if row is None or kept is None:
        return row
    return with_kept(row, kept._replace(assigned=set(kept.assigned)))


class Keeper:
    """Knows what the instances of one model have to keep."""

    def __init__(self, schema: Any, shape: Shape) -> None:
        """Look at a model's core schema, as pydantic made it, and its shape."""
        walk = _Walk(definitions_of(schema))
        found = walk.fields_of(schema)
        is_whole, fields = found is None, found or {}
        names = tuple(shape.members)
        self.unrepeated = tuple(
            name for name in names if is_whole or not walk.repeats(fields[name])
        )
        """Fields that another loading may give other values."""
        self.lists = tuple(
            name
            for name in names
            if has_lists(shape.members[name].shape)
            and not (name in fields and walk.is_rewritten(fields[name]))
        )
        """Fields with lists of maps that are stored in the order they are shown in."""
        self.shape = shape
        self._listed = [(name, shape.members[name].shape) for name in self.lists]
        # By identity: the shapes live as long as the model's does.
        self._known: dict[int, bool] = {}

    def __bool__(self) -> bool:
        return bool(self.unrepeated or self.lists)

    def keep(self, instance: Instance, row: Row) -> Row:
        """Give the row for an instance as it is now."""
        values, given = vars(instance), None
        kept: dict[str, Any] = {}
        if self.unrepeated:
            given = frozenset(instance.__pydantic_fields_set__)  # type: ignore[attr-defined]  # pydantic's
            kept = {name: _copied(values.get(name)) for name in self.unrepeated}
        return with_kept(row, Kept(kept, given, self.elements_of(values), set()))

    def left(self, kept: Kept, before: Record, after: Record) -> tuple[Kept, set[str]]:
        """Give what is still true of another record, and which fields differ in it."""
        changed = {
            name
            for name, member in self.shape.members.items()
            if not same(before.get(member.stored), after.get(member.stored))
        }
        values = {name: kept.values[name] for name in kept.values.keys() - changed}
        elements = kept.elements if changed.isdisjoint(self.lists) else ()
        return kept._replace(values=values, elements=elements), changed

    def elements_of(self, values: dict[str, Any]) -> tuple[Any, ...]:
        """Give the elements of all lists of maps, in the order of the fields."""
        found: list[Any] = []
        for name, shape in self._listed:
            self._add_elements(values.get(name), shape, found)
        return tuple(found)

    def _add_elements(self, value: Any, shape: Shape | None, found: list[Any]) -> None:
        if value is None or shape is None or not self._has_lists(shape):
            return
        if isinstance(value, list | tuple):
            found += value
            if shape.items is not None and self._has_lists(shape.items):
                for part in value:
                    self._add_elements(part, shape.items, found)
        elif isinstance(value, dict):
            for name, part in value.items():
                self._add_elements(part, shape.step(str(name))[1], found)
        else:
            parts = getattr(value, "__dict__", {})
            for name, member in shape.members.items():
                self._add_elements(parts.get(name), member.shape, found)

    def _has_lists(self, shape: Shape) -> bool:
        known = self._known.get(id(shape))
        if known is None:
            known = self._known[id(shape)] = has_lists(shape)
        return known


_IMMUTABLE = (
    *(str, int, float, bool, bytes, type(None), Decimal, UUID),
    *(date, datetime, time, timedelta, Enum),
)


def _copied(value: Any) -> Any:
    if isinstance(value, _IMMUTABLE):
        return value
    if type(value) is list:
        return [_copied(part) for part in value]
    try:
        return deepcopy(value)
    except Exception:
        # It has to be assigned to be seen to change.
        return value


def has_lists(shape: Shape) -> bool:
    """Say whether there are lists of what has names of its own."""
    return any(
        one.items is not None and any(part.members for part in one.items.walk())
        for one in shape.walk()
    )


_VALIDATORS = {
    "function-after",
    "function-before",
    "function-wrap",
    "function-plain",
}
_LISTS = {"list", "tuple"}
_ALIKE_FACTORIES = (list, dict, set, frozenset, tuple, OrderedDict)


class _Walk:
    """Looks through the core schema of a model."""

    def __init__(self, definitions: dict[str, Schema]) -> None:
        self.definitions = definitions

    def fields_of(self, schema: Any) -> dict[str, Schema] | None:
        """Give the schemas of a model's fields; None if it validates as a whole."""
        while schema["type"] != "model-fields":
            if schema["type"] in _VALIDATORS or _has_own_making(schema):
                return None
            name = schema.get("schema_ref")
            schema = schema["schema"] if name is None else self.definitions[name]
        fields: dict[str, Schema] = schema["fields"]
        return fields

    def repeats(self, schema: Any) -> bool:
        """Say whether each loading of a field gives equal values."""
        return not any(
            _is_own(node["function"]["function"])
            if node["type"] in _VALIDATORS
            else _has_own_making(node)
            for node in self.below(schema, set())
        )

    def is_rewritten(self, schema: Any) -> bool:
        """Say whether a serializer of the user's writes a list in a field."""
        return any(
            str(node.get("serialization", {}).get("type")).startswith("function")
            and any(one["type"] in _LISTS for one in nodes(node))
            for node in self.below(schema, set())
        )

    def below(self, schema: Any, seen: set[str]) -> Iterator[Schema]:
        """Walk over the nodes by which a field is validated, those of others too."""
        if isinstance(schema, list | tuple):
            for part in schema:
                yield from self.below(part, seen)
        if not isinstance(schema, dict) or STORED_AS in _metadata(schema):
            return
        is_node = isinstance(schema.get("type"), str)
        if is_node:
            yield schema
            name = schema.get("schema_ref")
            if name is not None and name not in seen:
                seen.add(name)
                yield from self.below(self.definitions[name], seen)
        for key, part in schema.items():
            if not is_node or key not in _NOT_BELOW:
                yield from self.below(part, seen)


_NOT_BELOW = {
    *("default", "expected", "members", "metadata", "cls"),
    *("serialization", "computed_fields"),
}


def _metadata(schema: Schema) -> Any:
    found = schema.get("metadata")
    return found if isinstance(found, dict) else ()


def _has_own_making(node: Schema) -> bool:
    """Say whether a default, or what a class does when it is made, may differ."""
    factory = node.get("default_factory")
    if node["type"] == "default" and factory is not None:
        return factory not in _ALIKE_FACTORIES
    return bool(node.get("post_init") or node.get("custom_init"))


def _is_own(function: Callable[..., Any]) -> bool:
    """Say whether a function is none of those with which pydantic reads its types."""
    while isinstance(function, partial):
        function = function.func
    module = getattr(function, "__module__", None) or ""
    return module.partition(".")[0] not in {"pydantic", "pydantic_core", "ipaddress"}
