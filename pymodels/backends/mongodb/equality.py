"""Equality with one value or one of several, as the law has it."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import date
from decimal import Decimal
from itertools import islice, permutations, product
from math import factorial, prod
from typing import Any

from pymodels.backends.mongodb.dates import equal_dates
from pymodels.backends.mongodb.documents import encode_value
from pymodels.backends.mongodb.filters import NEVER, Filter, Form, all_of, any_of
from pymodels.backends.mongodb.numbers import exactly
from pymodels.backends.mongodb.places import Place, cannot_fail, is_plain
from pymodels.law.values import Kind, kind_of

MOST_SPELLINGS = 24
NOTHING: Form = {"$type": ["null", "undefined"]}
"""A None that is stored. (`undefined` is a None of very old programs.)"""


def equal(value: Any, at: Place) -> Filter:
    """Give the filter for equality with one value."""
    return one_of((value,), at)


def one_of(values: Iterable[Any], at: Place) -> Filter:
    """Give the filter for equality with one of several values."""
    by_kind: dict[Kind, list[Any]] = {}
    for value in values:
        by_kind.setdefault(kind_of(value), []).append(value)
    branches: list[Filter] = []
    scalars: list[Any] = []
    for kind, found in by_kind.items():
        match kind:
            case Kind.NONE:
                branches.append(is_none(at))
            case Kind.DATE | Kind.DATETIME:
                branches.append(equal_dates(at, found))
            case Kind.LIST:
                branches += [_equal_list(value, at) for value in found]
            case Kind.MAP:
                branches += [_equal_map(value, at) for value in found]
            case _:
                scalars += [one for one in map(exactly, found) if one is not None]
    if scalars:
        branches.append(at.single(among(scalars)))
    return any_of(branches)


def among(values: list[Any]) -> Form:
    """Give the condition of being one of some BSON values."""
    return {"$eq": values[0]} if len(values) == 1 else {"$in": values}


def is_none(at: Place) -> Filter:
    """Give the filter for None, missing, or behind what is no map."""
    lists = [Filter(((name, {"$type": "array"}),)) for name in at.parents]
    # Above a list no guard may stand: what is behind one reads as None.
    here = Filter(((at.name, {"$eq": None}),), frozenset({at.name}))
    return any_of([here, *lists])


def _equal_list(value: list[Any], at: Place) -> Filter:
    if _has(value, Kind.NONE) or not _all_kept(value):
        found = at.any_value({"$type": "array", "$size": len(value)}, exact=False)
        return found if _all_kept(value) else NEVER
    spellings = list(islice(_spellings(value), MOST_SPELLINGS + 1))
    if len(spellings) > MOST_SPELLINGS:
        return at.any_value({"$type": "array", "$size": len(value)}, exact=False)
    # The value itself, and not an element that equals it.
    alike = among(spellings)
    found = at.any_value({**alike, "$not": {"$elemMatch": alike}})
    return replace(found, exact=not _has(value, Kind.DATE, Kind.DATETIME))


def _equal_map(value: dict[str, Any], at: Place) -> Filter:
    if not _all_kept(value):
        return NEVER
    is_simple = not _has(value, Kind.NONE, Kind.DATE, Kind.DATETIME)
    if is_simple and _orders(value) <= MOST_SPELLINGS:
        return _spelled(list(_spellings(value)), at)
    if all(map(is_plain, value)):
        return _name_by_name(value, at)
    return replace(at.single({"$type": "object"}), exact=False)


def _spelled(maps: list[Any], at: Place) -> Filter:
    if any(name[:1] == "$" for one in maps for name in list(one)[:1]):
        # `$in` would take such a map for an operator, `$eq` does not.
        return any_of(at.single({"$eq": one}) for one in maps)
    return at.single(among(maps))


def _name_by_name(value: dict[str, Any], at: Place) -> Filter:
    """Ask for a map with each of the names, and as many of them."""
    names: Form = {"$objectToArray": {"$cond": [_is_map(at), at.expression, {}]}}
    parts = [
        at.within(name).single(NOTHING)
        if part is None
        else equal(part, at.within(name))
        for name, part in value.items()
    ]
    size = cannot_fail({"$eq": [{"$size": names}, len(value)]})
    return all_of([at.single({"$type": "object"}), *parts, size])


def _is_map(at: Place) -> Form:
    return {"$eq": [{"$type": at.expression}, "object"]}


def has_element(value: Any, at: Place) -> Filter:
    """Give the filter for a list with an equal element."""
    match kind_of(value):
        case Kind.LIST | Kind.MAP:
            return _has_nested(value, at)
        case Kind.DATE | Kind.DATETIME:
            # The marks of a list stand beside it, each at its element's place.
            found = at.any_value({"$elemMatch": {"$eq": encode_value(value)}})
            return replace(found, exact=False)
    number = exactly(value)
    if number is None and value is not None:
        return NEVER
    return at.any_value({"$elemMatch": {"$eq": number}})


def _has_nested(value: Any, at: Place) -> Filter:
    if not _all_kept(value):
        return NEVER
    spellings = list(islice(_spellings(value), MOST_SPELLINGS + 1))
    if _has(value, Kind.NONE) or len(spellings) > MOST_SPELLINGS:
        return at.any_value({"$type": "array"}, exact=False)
    is_exact = not _has(value, Kind.DATE, Kind.DATETIME)
    return any_of(
        at.any_value({"$elemMatch": {"$eq": one}}, exact=is_exact) for one in spellings
    )


def _has(value: Any, *kinds: Kind) -> bool:
    """Say whether a value of one of the kinds is inside."""
    return any(kind_of(part) in kinds for part in _parts(value))


def _all_kept(value: Any) -> bool:
    """Say whether BSON can hold each number inside."""
    return all(
        exactly(part) is not None for part in _parts(value) if isinstance(part, Decimal)
    )


def _parts(value: Any) -> Iterator[Any]:
    match value:
        case list():
            for part in value:
                yield from _parts(part)
        case dict():
            for part in value.values():
                yield from _parts(part)
        case _:
            yield value


def _orders(value: Any) -> int:
    """Say in how many orders the names of all maps inside can be written."""
    match value:
        case list():
            return prod(map(_orders, value))
        case dict():
            return factorial(len(value)) * prod(map(_orders, value.values()))
    return 1


def _spellings(value: Any) -> Iterator[Any]:
    """Yield the BSON values that are equal by the law: maps in each order."""
    match value:
        case list():
            yield from map(list, product(*(list(_some(part)) for part in value)))
        case dict():
            for names in permutations(value):
                inside = (list(_some(value[name])) for name in names)
                for parts in product(*inside):
                    yield dict(zip(names, parts, strict=True))
        case Decimal():
            yield exactly(value)
        case date():
            yield encode_value(value)
        case _:
            yield value


def _some(value: Any) -> Iterator[Any]:
    return islice(_spellings(value), MOST_SPELLINGS + 1)
