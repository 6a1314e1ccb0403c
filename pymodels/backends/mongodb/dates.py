"""BSON dates and their marks: which of our three kinds one is read as.

A mark says it, where it fits; else what is declared; else it is an aware datetime.
Only a date at midnight can be read as a date, so that what a mark means depends on
the time of day. `documents.py` reads by the same rules.
"""

from datetime import datetime
from typing import Any

from pymodels.backends.mongodb.documents import encode_value, is_midnight, marks
from pymodels.backends.mongodb.filters import (
    ALWAYS,
    NEVER,
    FieldPath,
    Filter,
    Form,
    all_of,
    among,
    any_of,
    by_expression,
    none_of,
)

Kinds = frozenset[str]
"""Kinds of dates, spelled as their marks."""

MARKS: Kinds = frozenset({"date", "naive", "datetime"})
MOMENTS: Kinds = frozenset({"naive", "datetime"})
UNMARKED = "unmarked"
EVERY_MARK: Kinds = MARKS | {UNMARKED}

FIRST, LAST = datetime(1, 1, 1), datetime(9999, 12, 31, 23, 59, 59, 999_000)
IN_RANGE: Form = {"$gte": FIRST, "$lte": LAST}
"""What Python can hold; dates outside are values of no kind."""

DAY = 86_400_000


def dated(at: FieldPath, conditions: Form, wanted: Kinds) -> Filter:
    """Give a filter for dates in a range that are read as one of the kinds.

    The conditions have to bound what Python can hold.
    """
    return all_of([at.single(conditions), _read_as(at, wanted)])


def equal_dates(at: FieldPath, values: list[Any]) -> Filter:
    """Give a filter for any of some dates and datetimes."""
    by_marks: dict[Kinds, list[datetime]] = {}
    for value in values:
        moment = encode_value(value)
        wanted = frozenset({marks(value)})
        fitting = _marks_for(wanted, at.readings, is_midnight(moment))
        by_marks.setdefault(fitting, []).append(moment)
    return any_of(
        all_of([at.single(among(moments)), _marked(at, fitting)])
        for fitting, moments in by_marks.items()
    )


def _reading(readings: tuple[str, ...], midnight: bool) -> str:
    """Say what an unmarked date is read as."""
    for name in readings:
        if name in MOMENTS or (name == "date" and midnight):
            return name
    return "datetime"


def _marks_for(wanted: Kinds, readings: tuple[str, ...], midnight: bool) -> Kinds:
    """Give the marks that make a date one of the kinds, at midnight or not."""
    fitting = set(wanted if midnight else wanted & MOMENTS)
    if _reading(readings, midnight) in wanted:
        fitting |= {UNMARKED} if midnight else {UNMARKED, "date"}
    return frozenset(fitting)


def _read_as(at: FieldPath, wanted: Kinds) -> Filter:
    """Give a filter for what is read as one of the kinds, given a date in range."""
    early = _marks_for(wanted, at.readings, True)
    later = _marks_for(wanted, at.readings, False)
    fitting = _branches(at, early, later)
    refused = _branches(at, EVERY_MARK - early, EVERY_MARK - later)
    if len(refused) < len(fitting):
        return none_of(any_of(refused))
    return any_of(fitting)


def _branches(at: FieldPath, early: Kinds, later: Kinds) -> list[Filter]:
    """Say which marks fit at midnight (``early``), which at other times."""
    is_early = by_expression(midnight_test(at))
    branches = [
        _marked(at, early & later),
        all_of([_marked(at, early - later), is_early]),
        all_of([_marked(at, later - early), none_of(is_early)]),
    ]
    return [one for one in branches if one != NEVER]


def _marked(at: FieldPath, fitting: Kinds) -> Filter:
    """Give a filter for what has one of some marks; ``unmarked`` is none of them."""
    if UNMARKED not in fitting:
        return at.mark(among(sorted(fitting))) if fitting else NEVER
    refused = MARKS - fitting
    return none_of(at.mark(among(sorted(refused)))) if refused else ALWAYS


def midnight_test(at: FieldPath) -> Form:
    """Give the expression that says whether a date has no time of day."""
    # 1 stands for what is not a date: it has a time of day.
    number = {
        "$convert": {"input": at.expression, "to": "long", "onError": 1, "onNull": 1}
    }
    return {"$eq": [{"$mod": [number, DAY]}, 0]}


def part_of(at: FieldPath, part: str, number: int) -> Filter:
    """Give a filter for dates of a year, a month or a day of the month."""
    if part == "year":
        last = LAST.replace(year=number)
        return at.single({"$gte": datetime(number, 1, 1), "$lte": last})
    operator = {"month": "$month", "day": "$dayOfMonth"}[part]
    # The server promises no order of evaluation: other types must not come to it.
    is_date = {"$eq": [{"$type": at.expression}, "date"]}
    is_equal = {"$eq": [{operator: at.expression}, number]}
    return all_of(
        [
            at.single(IN_RANGE),
            by_expression({"$cond": [is_date, is_equal, False]}),
        ]
    )
