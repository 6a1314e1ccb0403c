"""Datetimes of an instance, cut to the millisecond once they are stored so (law 2)."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel

from pymodels.querying.rounding import to_milliseconds


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
