"""What a model class says of its records: `Meta`, names, conditions, indexes.

Most of it is checked when the class is made.
"""

import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from pymodels.errors import DefinitionError, EncodeError, PyModelsError, QueryError
from pymodels.indexes import BoundIndex, Index
from pymodels.law import predicates as p
from pymodels.law.canonical import field_name
from pymodels.law.shapes import ANYTHING, Shape
from pymodels.law.values import Kind, Path
from pymodels.querying.binding import parse_lookups, parse_order, split_lookup
from pymodels.querying.protocols import is_model

OPTIONS = ("must_have", "must_not_have", "names", "indexes")


def merged_options(model: type) -> dict[str, Any]:
    """Merge the options of every `Meta` over the classes a model inherits from.

    Conditions and names merge by their spelling, indexes by union. An option
    that does not exist is a `DefinitionError`.
    """
    merged: dict[str, Any] = {name: {} for name in OPTIONS} | {"indexes": []}
    for cls in reversed(model.__mro__):
        for name, value in _options_of(cls).items():
            option = f"{cls.__name__}.Meta.{name}"
            if name not in OPTIONS:
                known = ", ".join(OPTIONS)
                raise DefinitionError(
                    f"{cls.__name__}.Meta has no option {name!r}; it has {known}"
                )
            if name == "indexes":
                if isinstance(value, str | Mapping):
                    raise DefinitionError(f"{option} takes a list")
                merged[name] += [one for one in value if one not in merged[name]]
            elif isinstance(value, Mapping):
                merged[name].update(value)
            else:
                raise DefinitionError(f"{option} takes a dict")
    return merged


def _options_of(cls: type) -> dict[str, Any]:
    """Give what stands in a class's own `Meta`, and in what that inherits from."""
    meta = vars(cls).get("Meta")
    return {
        name: value
        for part in (reversed(meta.__mro__) if isinstance(meta, type) else ())
        for name, value in vars(part).items()
        if not name.startswith("__")
    }


# Stored names.


def names_of(cls: type) -> dict[str, str]:
    """Give the stored names that a class's `Meta` chooses."""
    if not is_model(cls):
        return {}
    names: dict[str, str] = merged_options(cls)["names"]
    return names


def check_stored_names(model: Any) -> None:
    """Refuse stored names that no record can have, or that do not tell fields apart."""
    names, fields = names_of(model), model.__pydantic_fields__
    where = f"{model.__name__}.Meta.names"
    for name, stored in names.items():
        if name not in fields:
            raise DefinitionError(f"{where}: there is no field {name!r}")
        try:
            field_name(stored, where)
        except EncodeError as error:
            raise DefinitionError(str(error)) from error
    if len({names.get(name, name) for name in fields}) < len(fields):
        raise DefinitionError(f"{where}: two fields share one stored name")
    if not model.__pydantic_custom_init__:
        return
    config = model.model_config
    aliased = any(field.validation_alias for field in fields.values())
    by_name = config.get("populate_by_name") or config.get("validate_by_name")
    if names or (aliased and not by_name):
        raise DefinitionError(
            f"{model.__name__}: an __init__ of its own cannot be called with stored "
            "names; with Meta.names it must go, with aliases set validate_by_name=True"
        )


# Indexes.


def bound_indexes(
    model: type, shape: Shape, membership: p.Predicate
) -> tuple[BoundIndex, ...]:
    """Give the indexes of a model, bound to stored names."""
    found = []
    try:
        for declared in merged_options(model)["indexes"]:
            index = _index(declared)
            orders = tuple(parse_order(shape, name) for name in index.names)
            found.append(BoundIndex(orders, index.unique, membership, model.__name__))
    except (QueryError, TypeError) as error:
        raise DefinitionError(f"{model.__name__}.Meta.indexes: {error}") from error
    return tuple(found)


def _index(declared: Any) -> Index:
    if isinstance(declared, Index):
        return declared
    if isinstance(declared, str):
        return Index(declared)
    if isinstance(declared, tuple | list):
        return Index(*declared)
    raise TypeError(
        f"{declared!r} is neither a name, nor a tuple of names, nor an Index"
    )


# Conditions.


def membership(model: type, shape: Shape) -> p.Predicate:
    """Build the predicate that is true of the model's own records."""
    literals, required = [], []
    for name, member in shape.members.items():
        if member.shape.only:
            literals.append(parse_lookups(shape, {name: member.shape.only[0]}))
        # A literal None is also equal to what is not there.
        if member.required and (not member.shape.only or _is_none(member.shape)):
            kinds, path = member.shape.kinds, (member.stored,)
            required.append(p.HasKind(path, kinds, declared=member.shape))
    options = merged_options(model)
    wanted = _bound_conditions(model, shape, "must_have", options["must_have"])
    refused = _bound_conditions(model, shape, "must_not_have", options["must_not_have"])
    return p.every(*literals, *required, *wanted, *map(p.negation, refused))


def _is_none(shape: Shape) -> bool:
    return shape.kinds == {Kind.NONE}


def _bound_conditions(
    model: type, shape: Shape, option: str, lookups: Mapping[str, Any]
) -> list[p.Predicate]:
    # Conditions may name fields that the model does not declare.
    opened = replace(shape, rest=shape.rest or ANYTHING)
    found = []
    for text, value in lookups.items():
        try:
            found.append(parse_lookups(opened, {text: value}))
        except (PyModelsError, TypeError) as error:
            raise DefinitionError(f"{model.__name__}.Meta.{option}: {error}") from error
    return found


def equality_conditions(options: Mapping[str, Any], shape: Shape) -> dict[Path, Any]:
    """Give the paths of field names that `must_have` sets to one value."""
    opened = replace(shape, rest=shape.rest or ANYTHING)
    found: dict[Path, Any] = {}
    for text, value in options["must_have"].items():
        path, lookup = split_lookup(opened, text)
        if lookup in {"equals", "is"} and path:
            found[path] = value
    return found


def prefill(model: Any) -> bool:
    """Make equality conditions on fields the defaults of these fields.

    Says whether that has changed a field, which then has to be built again.
    """
    changed = False
    for name, value in _conditions(model):
        field = model.__pydantic_fields__.get(name)
        if field is None or (field.validate_default and field.default is value):
            continue
        field.default, field.default_factory = value, None
        # "red" becomes a member of an Enum, and a key a reference.
        field.validate_default = True
        changed = True
    return changed


def _conditions(model: type) -> Iterator[tuple[str, Any]]:
    """Give what fields of a model must be equal to, by their names."""
    for text, value in merged_options(model)["must_have"].items():
        try:
            asked = {"must_have": {text: value}}
            (path,) = equality_conditions(asked, Shape(rest=ANYTHING)) or [()]
        except PyModelsError:
            continue  # told better when the class is complete
        if len(path) == 1:
            yield path[0], value


# Names of ours.

OURS = frozenset(
    {
        "Meta",
        "convert_to",
        "delete",
        "fits",
        "key",
        "objects",
        "pk",
        "refresh",
        "same_record",
        "save",
        "save_as",
        "storage",
    }
)
"""Names of ours that a field would hide."""


def check_names(model: str, fields: Iterable[str]) -> None:
    """Refuse fields that would hide a name of ours."""
    if hidden := OURS.intersection(fields):
        taken = ", ".join(sorted(hidden))
        raise DefinitionError(
            f"{model}: a field called {taken} would hide what every model has; choose "
            "another name, and Meta.names if the store says so"
        )


def own_annotations(cls: type) -> Iterable[str]:
    """Give the names that a class annotates itself, evaluating none of them."""
    if sys.version_info >= (3, 14):
        import annotationlib

        form = annotationlib.Format.FORWARDREF
        return annotationlib.get_annotations(cls, format=form).keys() - {"Meta"}
    found: dict[str, Any] = vars(cls).get("__annotations__", {})
    return found.keys() - {"Meta"}


# A model's own validators, and what they assign to `self`.


class _Running(threading.local):
    """How many validators of each model run in this thread."""

    def __init__(self) -> None:
        self.models: list[type] = []


_running = _Running()


class _Assigning:
    """A validator of a whole model, in which assignments are not validated again."""

    def __init__(self, model: type, function: Callable[..., Any]) -> None:
        self.model, self.function = model, function
        self.__name__ = getattr(function, "__name__", "")  # for messages

    def __call__(self, *arguments: Any) -> Any:
        _running.models.append(self.model)
        try:
            return self.function(*arguments)
        finally:
            _running.models.pop()


def letting_validators_assign(schema: Any, resolve: Callable[[Any], Any]) -> Any:
    """Mark the validators that stand around a model in its core schema."""
    marked, node = [], resolve(schema)
    while node["type"] in {"function-after", "function-wrap"}:
        marked.append(node["function"])
        node = node["schema"]
    for function in marked:
        if not isinstance(function["function"], _Assigning):
            function["function"] = _Assigning(node["cls"], function["function"])
    return schema


def assigned_plainly(instance: Any, name: str, value: Any) -> bool:
    """Assign to a field of an instance whose own validator does so; say if it was.

    Assignment validates, which would call that validator again, and again. It also
    takes cached properties for extra fields, so that these are let go.
    """
    model, values = type(instance), vars(instance)
    fields = model.__pydantic_fields__
    if model not in _running.models:
        if model.model_config.get("extra") == "allow":
            for cached in values.keys() - fields.keys():
                del values[cached]
        return False
    field = fields.get(name)
    if field is None or field.frozen or model.model_config.get("frozen"):
        return False
    values[name] = value
    instance.__pydantic_fields_set__.add(name)
    return True
