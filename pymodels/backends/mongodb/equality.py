"""Equality with one value or one of several, as the law has it."""

from collections.abc import Iterable, Iterator
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from math import inf, isfinite, nextafter
from typing import Any

from bson.decimal128 import Decimal128

from pymodels.backend import Kind, kind_of
from pymodels.backends.mongodb.dates import equal_dates
from pymodels.backends.mongodb.documents import encode_value
from pymodels.backends.mongodb.filters import (
    NEVER,
    FieldPath,
    Filter,
    Form,
    all_of,
    among,
    any_of,
    by_expression,
    is_plain,
)

NOTHING: Form = {"$type": ["null", "undefined"]}
"""A None that is stored. (`undefined` is a None of very old programs.)"""
SCALARS = frozenset({Kind.NUMBER, Kind.STRING, Kind.BYTES, Kind.BOOL})
"""The kinds of which the server says the same as the law, inside of lists too."""


def one_of(values: Iterable[Any], at: FieldPath) -> Filter:
    """Give the filter for equality with one of several values."""
    by_kind: dict[Kind, list[Any]] = {}
    for value in values:
        by_kind.setdefault(kind_of(value), []).append(value)
    branches: list[Filter] = []
    scalars: list[Any] = []
    for kind, alike in by_kind.items():
        match kind:
            case Kind.NONE:
                branches.append(is_none(at))
            case Kind.DATE | Kind.DATETIME:
                branches.append(equal_dates(at, alike))
            case Kind.LIST:
                branches += [_equal_list(value, at) for value in alike]
            case Kind.MAP:
                branches += [_equal_map(value, at) for value in alike]
            case _:
                scalars += [one for one in map(exactly, alike) if one is not None]
    if scalars:
        branches.append(at.single(among(scalars)))
    return any_of(branches)


def is_none(at: FieldPath) -> Filter:
    """Give the filter for None, missing, or behind what is not a map."""
    lists = [Filter(((name, {"$type": "array"}),)) for name in at.parents]
    # Above a list no guard may stand: what is behind one reads as None.
    here = Filter(((at.name, {"$eq": None}),), frozenset({at.name}))
    return any_of([here, *lists])


def _equal_list(value: list[Any], at: FieldPath) -> Filter:
    if not _is_kept(value):
        return NEVER
    if not _is_compared_alike(value):
        return at.any_value({"$type": "array", "$size": len(value)}, exact=False)
    # The value itself, and not an element that equals it.
    alike = {"$eq": _kept(value)}
    return at.any_value({**alike, "$not": {"$elemMatch": alike}})


def _equal_map(value: dict[str, Any], at: FieldPath) -> Filter:
    """Ask for a map with each of the names, and as many of them."""
    is_map = at.single({"$type": "object"}, exact=all(map(is_plain, value)))
    if not is_map.exact:
        return is_map
    pairs: Form = {
        "$cond": [{"$eq": [{"$type": at.expression}, "object"]}, at.expression, {}]
    }
    size = by_expression({"$eq": [{"$size": {"$objectToArray": pairs}}, len(value)]})
    parts = [
        at.below(name).single(NOTHING)
        if part is None
        else one_of((part,), at.below(name))
        for name, part in value.items()
    ]
    return all_of([is_map, *parts, size])


def has_element(value: Any, at: FieldPath) -> Filter:
    """Give the filter for a list with an equal element."""
    if not _is_kept(value):
        return NEVER
    match kind_of(value):
        case Kind.MAP:
            return at.any_value({"$elemMatch": _like_map(value)}, exact=False)
        case Kind.LIST if not _is_compared_alike(value):
            return at.any_value({"$elemMatch": {"$type": "array"}}, exact=False)
        case Kind.DATE | Kind.DATETIME:
            # The marks of a list stand beside it, each at its element's place.
            return at.any_value({"$elemMatch": {"$eq": _kept(value)}}, exact=False)
    return at.any_value({"$elemMatch": {"$eq": _kept(value)}})


def _like_map(value: dict[str, Any]) -> Form:
    """Give the condition of being a map with these scalars in it, at least."""
    scalars: Form = {
        name: {"$eq": _kept(part)}
        for name, part in value.items()
        if kind_of(part) in SCALARS and is_plain(name)
    }
    return scalars or {"$type": "object"}


def _inside(value: Any) -> Iterator[Any]:
    """Yield what is in a list or map, and in what is in it."""
    match value:
        case list() | dict():
            for part in value.values() if isinstance(value, dict) else value:
                yield part
                yield from _inside(part)


def _is_compared_alike(value: list[Any]) -> bool:
    """Say whether the server compares all that is in a list as the law does.

    It minds the order of names, and takes one None for another than the other.
    """
    return all(kind_of(part) in SCALARS | {Kind.LIST} for part in _inside(value))


def _is_kept(value: Any) -> bool:
    """Say whether BSON can hold each number in a value."""
    numbers = (one for one in (value, *_inside(value)) if isinstance(one, Decimal))
    return all(exactly(number) is not None for number in numbers)


def _kept(value: Any) -> Any:
    """Give the BSON value that equals a value, of which each number is kept."""
    if isinstance(value, list):
        return [_kept(part) for part in value]
    return exactly(value) if isinstance(value, Decimal) else encode_value(value)


# Numbers: the server compares all types of them by exact value. An operand
# has any number of digits, but what is stored is a double or has at most 34 of them.


def _context(rounding: str) -> Context:
    return Context(prec=34, rounding=rounding, Emin=-6143, Emax=6144, clamp=1, traps=[])


_DOWN, _UP = _context(ROUND_FLOOR), _context(ROUND_CEILING)


def exactly(number: Any) -> Any:
    """Give the BSON number of the same value; None if no stored one can have it."""
    if not isinstance(number, Decimal):
        return number
    near = _DOWN.create_decimal(number)
    if near == number:
        return Decimal128(near)
    double = float(number)
    return double if isfinite(double) and double == number else None


def neighbour(number: Decimal, *, above: bool) -> Any:
    """Give the next BSON number above or below one that BSON cannot hold exactly."""
    near = (_UP if above else _DOWN).create_decimal(number)
    double = float(number)
    if (double < number) if above else (double > number):
        double = nextafter(double, inf if above else -inf)
    is_nearer = double < near if above else double > near
    return double if is_nearer else Decimal128(near)
