"""What is checked and filled in when a model class is made."""

from collections.abc import Iterable, Iterator, Mapping
from copy import copy
from typing import Any

from pydantic.fields import Field, FieldInfo

from pymodels.errors import DefinitionError, PyModelsError
from pymodels.law.shapes import ANYTHING, Shape
from pymodels.models.membership import equality_conditions, merged_options

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


def prefill(bases: tuple[type, ...], namespace: dict[str, Any]) -> None:
    """Make equality conditions on fields the defaults of these fields."""
    inherited: dict[str, FieldInfo] = {}
    for base in reversed(bases):
        inherited.update(getattr(base, "__pydantic_fields__", {}))
    own_annotations = namespace.get("__annotations__", {})
    for name, value in _conditions(bases, namespace.get("Meta")):
        if name in own_annotations:
            own = namespace.get(name)
            known = own if isinstance(own, FieldInfo) else Field()
            namespace[name] = _filled(known, value)
        elif name in inherited:
            namespace[name] = _filled(inherited[name], value)
            annotations = namespace.setdefault("__annotations__", {})
            annotations[name] = inherited[name].annotation


def _conditions(bases: tuple[type, ...], meta: Any) -> Iterator[tuple[str, Any]]:
    """Give what all fields of the class must be equal to, by their names."""
    conditions: dict[str, Any] = {}
    for base in reversed(bases):
        conditions |= merged_options(base)["must_have"]
    own = getattr(meta, "must_have", {})
    conditions |= own if isinstance(own, Mapping) else {}
    for text, value in conditions.items():
        try:
            asked = {"must_have": {text: value}}
            (path,) = equality_conditions(asked, Shape(rest=ANYTHING)) or [()]
        except PyModelsError:
            continue  # told better when the class is complete
        if len(path) == 1:
            yield path[0], value


def _filled(field: FieldInfo, value: Any) -> FieldInfo:
    filled = copy(field)
    filled.default, filled.default_factory = value, None
    # "red" becomes a member of an Enum, and a key a reference.
    filled.validate_default = True
    told = {"default": value, "validate_default": True}
    filled._attributes_set = {**filled._attributes_set, **told}
    filled._attributes_set.pop("default_factory", None)
    return filled
