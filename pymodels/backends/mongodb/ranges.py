"""Ranges: order comparisons of one place, both ends in one condition.

One condition with both ends bounds an index on both sides, and an end that is not
asked for is put where the kind ends, so that nothing of another kind gets in.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import Decimal
from math import inf
from typing import Any

from pymodels.backends.mongodb.dates import FIRST, LAST, dated, kept, mark_of
from pymodels.backends.mongodb.filters import NEVER, Filter, Form
from pymodels.backends.mongodb.numbers import exactly, highest_below, lowest_above
from pymodels.backends.mongodb.places import Place
from pymodels.backends.mongodb.text import after_prefix
from pymodels.law import predicates as p
from pymodels.law.values import ORDERED, Kind, kind_of


@dataclass(frozen=True, slots=True)
class Range:
    """Values of one kind, between two ends; None is no end.

    ``mark`` tells naive from aware datetimes, which are never compared.
    """

    kind: Kind
    mark: str = ""
    low: Any = None
    high: Any = None
    has_low: bool = True
    has_high: bool = True

    @property
    def sort(self) -> tuple[Kind, str]:
        """What two ranges must share to be compared."""
        return self.kind, self.mark


EMPTY = Range(Kind.NONE)
"""The range of what has no order: nothing is in it."""


def range_of(node: p.Predicate) -> Range | None:
    """Give the range that a comparison asks for, None if it is no range."""
    match node:
        case p.Less(value=value):
            return _range(value, high=value, has_high=False)
        case p.LessOrEqual(value=value):
            return _range(value, high=value)
        case p.Greater(value=value):
            return _range(value, low=value, has_low=False)
        case p.GreaterOrEqual(value=value):
            return _range(value, low=value)
        case p.StartsWith(value=start, caseless=False):
            end = after_prefix(start)
            return _range(start, low=start, high=end, has_high=False)
    return None


def _range(end: Any, **ends: Any) -> Range:
    kind = kind_of(end)
    if kind not in ORDERED:
        return EMPTY
    mark = mark_of(end) if kind in {Kind.DATE, Kind.DATETIME} else ""
    return Range(kind, mark, **ends)


def intersection(ranges: Iterable[Range]) -> Range:
    """Give what lies in all of several ranges."""
    found, *others = ranges
    for other in others:
        if found.sort != other.sort:
            return EMPTY
        found = _higher(_lower(found, other), other)
    return found


def _higher(one: Range, other: Range) -> Range:
    """Give one range with the higher of two lower ends."""
    if other.low is None or (one.low is not None and one.low > other.low):
        return one
    has_low = other.has_low and (one.low != other.low or one.has_low)
    return replace(one, low=other.low, has_low=has_low)


def _lower(one: Range, other: Range) -> Range:
    """Give one range with the lower of two upper ends."""
    if other.high is None or (one.high is not None and one.high < other.high):
        return one
    has_high = other.has_high and (one.high != other.high or one.has_high)
    return replace(one, high=other.high, has_high=has_high)


def is_empty(found: Range) -> bool:
    """Say whether the ends leave nothing."""
    if found == EMPTY:
        return True
    if found.low is None or found.high is None:
        return False
    if found.low == found.high:
        return not (found.has_low and found.has_high)
    return bool(found.low > found.high)


def in_range(found: Range, at: Place) -> Filter:
    """Give the filter of a range."""
    if is_empty(found):
        return NEVER
    match found.kind:
        case Kind.NUMBER:
            return at.single(_ends(_numbers(found), ("$gt", -inf), ("$lt", inf)))
        case Kind.STRING:
            return at.single(text_ends(found))
        case Kind.DATE | Kind.DATETIME:
            ends = _ends(_moments(found), ("$gte", FIRST), ("$lte", LAST))
            return dated(at, ends, frozenset({found.mark}))
    # The server orders bytes by their length first.
    return replace(at.single({"$type": "binData"}), exact=False)


def text_ends(found: Range) -> Form:
    """Give the conditions of a range of strings."""
    return _ends(_plain(found), ("$gte", ""), None)


End = tuple[str, Any] | None
"""An operator and a value."""


def _ends(asked: tuple[End, End], first: End, last: End) -> Form:
    """Join the ends that are asked for, or those of the kind."""
    low, high = asked
    ends = (low or first, high or last)
    return dict(end for end in ends if end is not None)


def _plain(found: Range) -> tuple[End, End]:
    low = ("$gte" if found.has_low else "$gt", found.low)
    high = ("$lte" if found.has_high else "$lt", found.high)
    return (
        None if found.low is None else low,
        None if found.high is None else high,
    )


def _moments(found: Range) -> tuple[End, End]:
    low = None if found.low is None else kept(found.low)
    high = None if found.high is None else kept(found.high)
    return _plain(replace(found, low=low, high=high))


def _numbers(found: Range) -> tuple[End, End]:
    low, high = _plain(found)
    return _kept_number(low, "$gte", lowest_above), _kept_number(
        high, "$lte", highest_below
    )


def _kept_number(end: End, operator: str, neighbour: Any) -> End:
    if end is None or not isinstance(end[1], Decimal):
        return end
    number = exactly(end[1])
    return (end[0], number) if number is not None else (operator, neighbour(end[1]))
