"""BSON dates and their marks: which of our three kinds one is read as.

A mark says it, where it fits; else what is declared; else it is an aware datetime.
Only a date at midnight can be read as a date, so that what a mark means depends on
the time of day. `documents.py` reads by the same rules.
"""

from datetime import date, datetime
from typing import Any

from pymodels.backends.mongodb.documents import encode_value, is_midnight
from pymodels.backends.mongodb.filters import (
    ALWAYS,
    NEVER,
    Filter,
    Form,
    all_of,
    any_of,
    none_of,
)
from pymodels.backends.mongodb.places import Place, cannot_fail
from pymodels.law.values import is_naive

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


def mark_of(value: date) -> str:
    """Give the mark of a date or datetime."""
    if not isinstance(value, datetime):
        return "date"
    return "naive" if is_naive(value) else "datetime"


def kept(value: date) -> datetime:
    """Give the BSON date of a date or datetime, without a zone."""
    found: datetime = encode_value(value)
    return found.replace(tzinfo=None)


def dated(at: Place, conditions: Form, wanted: Kinds) -> Filter:
    """Give a filter for dates in a range that are read as one of the kinds.

    The conditions have to bound what Python can hold.
    """
    return all_of([at.single(conditions), _read_as(at, wanted)])


def equal_dates(at: Place, values: list[Any]) -> Filter:
    """Give a filter for any of some dates and datetimes."""
    by_marks: dict[Kinds, list[datetime]] = {}
    for value in values:
        moment = kept(value)
        marks = _marks_for(frozenset({mark_of(value)}), at.texts, is_midnight(moment))
        by_marks.setdefault(marks, []).append(moment)
    return any_of(
        all_of([at.single(_one_of(moments)), _marked(at, marks)])
        for marks, moments in by_marks.items()
    )


def _one_of(values: list[Any]) -> Form:
    return {"$eq": values[0]} if len(values) == 1 else {"$in": values}


def _reading(texts: tuple[str, ...], midnight: bool) -> str:
    """Say what an unmarked date is read as."""
    for name in texts:
        if name in MOMENTS or (name == "date" and midnight):
            return name
    return "datetime"


def _marks_for(wanted: Kinds, texts: tuple[str, ...], midnight: bool) -> Kinds:
    """Give the marks that make a date one of the kinds, at midnight or not."""
    marks = set(wanted & MOMENTS)
    if midnight and "date" in wanted:
        marks.add("date")
    if _reading(texts, midnight) in wanted:
        marks |= {UNMARKED} if midnight else {UNMARKED, "date"}
    return frozenset(marks)


def _read_as(at: Place, wanted: Kinds) -> Filter:
    """Give a filter for what is read as one of the kinds, given a date in range."""
    early = _marks_for(wanted, at.texts, True)
    later = _marks_for(wanted, at.texts, False)
    found = _branches(at, early, later)
    refused = _branches(at, EVERY_MARK - early, EVERY_MARK - later)
    if len(refused) < len(found):
        return none_of(any_of(refused))
    return any_of(found)


def _branches(at: Place, early: Kinds, later: Kinds) -> list[Filter]:
    """Say which marks fit at midnight (``early``), which at other times."""
    is_early = cannot_fail(midnight_test(at))
    found = [
        _marked(at, early & later),
        all_of([_marked(at, early - later), is_early]),
        all_of([_marked(at, later - early), none_of(is_early)]),
    ]
    return [one for one in found if one != NEVER]


def _marked(at: Place, marks: Kinds) -> Filter:
    """Give a filter for what has one of the marks; ``unmarked`` is none of them."""
    if UNMARKED not in marks:
        return at.mark(_one_of(sorted(marks))) if marks else NEVER
    refused = MARKS - marks
    return none_of(at.mark(_one_of(sorted(refused)))) if refused else ALWAYS


def midnight_test(at: Place) -> Form:
    """Give the expression that says whether a date has no time of day."""
    # 1 stands for what is no date: it has a time of day.
    number = {
        "$convert": {"input": at.expression, "to": "long", "onError": 1, "onNull": 1}
    }
    return {"$eq": [{"$mod": [number, DAY]}, 0]}


def part_of(at: Place, part: str, number: int) -> Filter:
    """Give a filter for dates of a year, a month or a day of the month."""
    if part == "year":
        last = datetime(number, 12, 31, 23, 59, 59, 999_000)
        return at.single({"$gte": datetime(number, 1, 1), "$lte": last})
    operator = {"month": "$month", "day": "$dayOfMonth"}[part]
    # The server promises no order of evaluation: other types must not come to it.
    is_date = {"$eq": [{"$type": at.expression}, "date"]}
    is_equal = {"$eq": [{operator: at.expression}, number]}
    return all_of(
        [
            at.single(IN_RANGE),
            cannot_fail({"$cond": [is_date, is_equal, False]}),
        ]
    )
