"""What is checked and filled in when a model class is made."""

import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any

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


def own_annotations(cls: type) -> Iterable[str]:
    """Give the names that a class annotates itself, evaluating none of them."""
    if sys.version_info >= (3, 14):
        import annotationlib

        form = annotationlib.Format.FORWARDREF
        return annotationlib.get_annotations(cls, format=form).keys() - {"Meta"}
    found: dict[str, Any] = vars(cls).get("__annotations__", {})
    return found.keys() - {"Meta"}


def prefill(model: "type[Any]") -> bool:
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

    Assignment validates, which would call that validator again, and again.
    """
    model, running = type(instance), _running.models
    if not running or model not in running:
        return False
    field = model.__pydantic_fields__.get(name)
    if field is None or field.frozen or model.model_config.get("frozen"):
        return False
    vars(instance)[name] = value
    instance.__pydantic_fields_set__.add(name)
    return True


def forget_cached(instance: Any) -> None:
    """Let cached properties go, which an assignment would take for extra fields."""
    values = vars(instance)
    for name in values.keys() - type(instance).__pydantic_fields__.keys():
        del values[name]
