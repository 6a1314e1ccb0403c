"""Ranges: order comparisons of one path, both ends in one condition.

One condition with both ends bounds an index on both sides, and an end that is not
asked for is put where the kind ends, so that nothing of another kind gets in.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from math import inf
from typing import Any

from pymodels.backend import ORDERED, Kind, kind_of
from pymodels.backend import predicates as p
from pymodels.backends.mongodb.dates import FIRST, LAST, dated
from pymodels.backends.mongodb.documents import encode_value, marks
from pymodels.backends.mongodb.equality import exactly, neighbour
from pymodels.backends.mongodb.filters import NEVER, FieldPath, Filter, Form
from pymodels.backends.mongodb.text import after_prefix

End = tuple[Any, bool]
"""A value, and whether it is outside (of a lower end) or inside (of an upper one).

So the larger of two lower ends, and the smaller of two upper ones, leaves less.
"""


@dataclass(frozen=True, slots=True)
class Range:
    """Values of one kind, between two ends; None is open.

    ``mark`` tells naive from aware datetimes, which are never compared.
    """

    kind: Kind
    mark: str = ""
    low: End | None = None
    high: End | None = None

    @property
    def is_empty(self) -> bool:
        """Whether the ends leave nothing."""
        if self.low and self.high:
            low, is_outside = self.low
            high, is_inside = self.high
            if low == high:
                return is_outside or not is_inside
            return bool(low > high)
        return self.kind not in ORDERED


EMPTY = Range(Kind.NONE)
"""The range of what has no order: nothing is in it."""


def range_of(node: p.Predicate) -> Range | None:
    """Give the range that a comparison asks for, None if it asks for something else."""
    match node:
        case p.Less(value=value):
            return _range(value, high=(value, False))
        case p.LessOrEqual(value=value):
            return _range(value, high=(value, True))
        case p.Greater(value=value):
            return _range(value, low=(value, True))
        case p.GreaterOrEqual(value=value):
            return _range(value, low=(value, False))
        case p.StartsWith(value=start, caseless=False):
            end = after_prefix(start)
            high = None if end is None else (end, False)
            return _range(start, low=(start, False), high=high)
    return None


def _range(value: Any, low: End | None = None, high: End | None = None) -> Range:
    kind = kind_of(value)
    if kind not in ORDERED:
        return EMPTY
    mark = marks(value) if kind in {Kind.DATE, Kind.DATETIME} else ""
    return Range(kind, mark, low, high)


def intersection(ranges: Sequence[Range]) -> Range:
    """Give what lies in all of several ranges."""
    kind, mark = ranges[0].kind, ranges[0].mark
    if any((one.kind, one.mark) != (kind, mark) for one in ranges):
        return EMPTY
    low = max((one.low for one in ranges if one.low), default=None)
    high = min((one.high for one in ranges if one.high), default=None)
    return Range(kind, mark, low, high)


def in_range(within: Range, at: FieldPath) -> Filter:
    """Give the filter of a range."""
    if within.is_empty:
        return NEVER
    match within.kind:
        case Kind.NUMBER:
            return at.single(ends_of(within, ("$gt", -inf), ("$lt", inf)))
        case Kind.STRING:
            return at.single(text_ends(within))
        case Kind.DATE | Kind.DATETIME:
            ends = ends_of(within, ("$gte", FIRST), ("$lte", LAST))
            return dated(at, ends, frozenset({within.mark}))
    # The server orders bytes by their length first.
    return at.single({"$type": "binData"}, exact=False)


def text_ends(within: Range) -> Form:
    """Give the conditions of a range of strings."""
    return ends_of(within, ("$gte", ""), None)


Condition = tuple[str, Any] | None
"""An operator and a value."""


def ends_of(within: Range, first: Condition, last: Condition) -> Form:
    """Give conditions for the ends of a range, or for those of its kind."""
    if within.low:
        low, is_kept = _kept(within.low[0], above=True)
        first = ("$gt" if within.low[1] and is_kept else "$gte", low)
    if within.high:
        high, is_kept = _kept(within.high[0], above=False)
        last = ("$lte" if within.high[1] or not is_kept else "$lt", high)
    return dict(one for one in (first, last) if one is not None)


def _kept(value: Any, *, above: bool) -> tuple[Any, bool]:
    """Give the BSON value of an end, or the next one inside; whether it is kept."""
    if not isinstance(value, Decimal):
        return encode_value(value), True
    number = exactly(value)
    return (neighbour(value, above=above), False) if number is None else (number, True)
