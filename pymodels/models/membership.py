"""What a model asks of a record before it is one of the model's own."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pymodels.errors import DefinitionError, PyModelsError
from pymodels.law import predicates as p
from pymodels.law.shapes import ANYTHING, Shape
from pymodels.law.values import Kind, Path
from pymodels.querying.binding import parse_lookups, split_lookup

OPTIONS = ("must_have", "must_not_have", "names", "indexes")


def merged_options(model: type) -> dict[str, Any]:
    """Merge the options of every `Meta` over the classes a model inherits from.

    Conditions and names merge by their spelling, indexes by union. An option
    that does not exist is a `DefinitionError`.
    """
    merged: dict[str, Any] = {
        "must_have": {},
        "must_not_have": {},
        "names": {},
        "indexes": [],
    }
    for cls in reversed(model.__mro__):
        meta = vars(cls).get("Meta")
        if not isinstance(meta, type):
            continue
        for name, value in _all_options(meta).items():
            if name not in OPTIONS:
                raise DefinitionError(
                    f"{cls.__name__}.Meta has no option {name!r}; it has "
                    + ", ".join(OPTIONS)
                )
            if name == "indexes":
                if isinstance(value, str | Mapping):
                    raise DefinitionError(f"{cls.__name__}.Meta.indexes takes a list")
                merged[name] += [one for one in value if one not in merged[name]]
            elif isinstance(value, Mapping):
                merged[name].update(value)
            else:
                raise DefinitionError(f"{cls.__name__}.Meta.{name} takes a dict")
    return merged


def _all_options(meta: type) -> dict[str, Any]:
    return {
        name: value
        for cls in reversed(meta.__mro__)
        for name, value in vars(cls).items()
        if not name.startswith("__")
    }


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
    wanted = _conditions(model, shape, "must_have", options["must_have"])
    refused = _conditions(model, shape, "must_not_have", options["must_not_have"])
    return p.every(*literals, *required, *wanted, *map(p.negation, refused))


def _is_none(shape: Shape) -> bool:
    return shape.kinds == {Kind.NONE}


def _conditions(
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
