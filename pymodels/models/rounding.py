"""Datetimes of an instance, cut to the millisecond once they are stored so (law 2)."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel

from pymodels.law.shapes import Shape
from pymodels.law.values import Kind
from pymodels.querying.rounding import to_milliseconds


def holds_datetimes(shape: Shape, seen: frozenset[int] = frozenset()) -> bool:
    """Say whether a datetime may stand at a place, or below it."""
    if Kind.DATETIME in shape.kinds:
        return True
    if id(shape) in seen:
        return False
    seen |= {id(shape)}
    below = [*(member.shape for member in shape.members.values())]
    below += [one for one in (shape.items, shape.rest) if one is not None]
    return any(holds_datetimes(one, seen) for one in below)


def round_instance(instance: Any) -> None:
    """Cut the datetimes in an instance, in its lists, maps and nested models."""
    _round_each(vars(instance))
    extra = getattr(instance, "__pydantic_extra__", None)
    if extra:
        _round_each(extra)


def _round_each(values: dict[str, Any]) -> None:
    for name, value in values.items():
        values[name] = _rounded(value)


def _rounded(value: Any) -> Any:
    match value:
        case datetime() | tuple():
            return to_milliseconds(value)
        case list():
            value[:] = map(_rounded, value)
        case dict():
            _round_each(value)
        case set() | frozenset():
            return type(value)(map(_rounded, value))
        case BaseModel():
            round_instance(value)
        case _ if hasattr(type(value), "__dataclass_fields__"):
            _round_each(vars(value))
    return value
