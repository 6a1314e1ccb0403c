"""Kinds of value, and what equal, less and order mean between them.

Everything here is law (`docs/semantics.md`, clauses 1, 5, 7, 8 and 9) over plain
Python values, and imports only the standard library.
"""

import math
from datetime import date, datetime
from decimal import Decimal
from enum import IntEnum
from typing import Any

Record = dict[str, Any]
Path = tuple[str, ...]

KEY: Path = ()
"""The path of a record's key: no field at all."""

SMALLEST_INTEGER, LARGEST_INTEGER = -(2**63), 2**63 - 1


class Kind(IntEnum):
    """What a value is for comparison; the number is its place between kinds."""

    NONE = 0
    NUMBER = 1
    STRING = 2
    MAP = 3
    LIST = 4
    BYTES = 5
    BOOL = 6
    DATE = 7
    DATETIME = 8
    OTHER = 9
    """A foreign value that no kind of ours fits: equal to nothing."""

    def __str__(self) -> str:
        return self.name.lower()


ORDERED = frozenset({Kind.NUMBER, Kind.STRING, Kind.BYTES, Kind.DATE, Kind.DATETIME})
"""The kinds whose values `gt`, `lt` and the like compare."""

_KINDS: dict[type, Kind] = {
    type(None): Kind.NONE,
    bool: Kind.BOOL,
    str: Kind.STRING,
    dict: Kind.MAP,
    list: Kind.LIST,
    bytes: Kind.BYTES,
    date: Kind.DATE,
    datetime: Kind.DATETIME,
}


def kind_of(value: object) -> Kind:
    """Tell the kind of a record's value; `OTHER` for what fits none."""
    kind = _KINDS.get(type(value))
    if kind is not None:
        return kind
    match value:
        case int():
            fits = SMALLEST_INTEGER <= value <= LARGEST_INTEGER
        case float():
            fits = math.isfinite(value)
        case Decimal():
            fits = value.is_finite()
        case _:
            fits = False
    return Kind.NUMBER if fits else Kind.OTHER


def equal(left: object, right: object) -> bool:
    """Say whether two values are equal: by value, within one kind."""
    kind = kind_of(left)
    if kind is Kind.OTHER or kind is not kind_of(right):
        return False
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(equal, left, right))
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(
            equal(value, right[name]) for name, value in left.items()
        )
    return left == right


def same(left: object, right: object) -> bool:
    """Say whether two values are stored alike: equal, and of one Python type.

    Stricter than `equal`: 1, 1.0 and Decimal("1.00") are three ways to write one
    number, and law 2 keeps them apart.
    """
    if left is right:
        return True
    if type(left) is not type(right):
        return False
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(
            same(value, right[name]) for name, value in left.items()
        )
    if isinstance(left, datetime) and isinstance(right, datetime):
        return is_naive(left) == is_naive(right) and left == right
    if isinstance(left, Decimal | float):
        return str(left) == str(right)
    return left == right


def less(left: object, right: object) -> bool:
    """Say whether one value is less than another; across kinds it never is."""
    kind = kind_of(left)
    if kind not in ORDERED or kind is not kind_of(right):
        return False
    if isinstance(left, datetime) and isinstance(right, datetime):
        return is_naive(left) == is_naive(right) and left < right
    return bool(left < right)  # type: ignore[operator]  # one ordered kind


def sort_key(value: object) -> tuple[Any, ...]:
    """Give a tuple that orders any two values as the law does.

    Two values of our kinds have the same key exactly if they are equal, so the
    key also serves to find distinct ones; it is hashable.
    """
    kind = kind_of(value)
    match value:
        case None:
            return (kind,)
        case list():
            return (kind, tuple(map(sort_key, value)))
        case dict():
            pairs = ((name, sort_key(part)) for name, part in value.items())
            return (kind, tuple(sorted(pairs)))
        case datetime():
            return (kind, not is_naive(value), value)
    return (kind,) if kind is Kind.OTHER else (kind, value)


def is_naive(value: datetime) -> bool:
    """Say whether a datetime has no time zone."""
    return value.utcoffset() is None


def read(record: Any, path: Path) -> Any:
    """Follow a path through maps; what is missing, or behind a list, is None."""
    for name in path:
        if type(record) is not dict:
            return None
        record = record.get(name)
    return record


def copied(value: Any) -> Any:
    """Give a value that shares no list or map with the one given."""
    match value:
        case dict():
            return {name: copied(part) for name, part in value.items()}
        case list():
            return list(map(copied, value))
    return value
