"""Each lookup by example: what it finds among values of every kind.

The tables are written by hand, so that they also judge the evaluator.
"""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from pymodels.law import predicates as p
from pymodels.law.values import Record
from pymodels.querying.expressions import F
from pymodels.storage import BaseStorage
from pymodels.testing.each import each
from pymodels.testing.models import Anything, Catalogue
from pymodels.testing.records import label

NOON = datetime(2020, 2, 29, 12)
RECORDS: dict[str, Record] = {
    "missing": {},
    "none": {"value": None},
    "true": {"value": True},
    "false": {"value": False},
    "zero": {"value": 0},
    "one": {"value": 1},
    "one.0": {"value": 1.0},
    "one.00": {"value": Decimal("1.00")},
    "tenth": {"value": 0.1},
    "Tenth": {"value": Decimal("0.1")},
    "big": {"value": 2**53},
    "big+1": {"value": 2**53 + 1},
    "big.0": {"value": 2.0**53},
    "minus": {"value": -7},
    "empty": {"value": ""},
    "text one": {"value": "1"},
    "abc": {"value": "abc"},
    "ABC": {"value": "ABC"},
    "percent": {"value": "a%c"},
    "strasse": {"value": "Straße"},
    "STRASSE": {"value": "STRASSE"},
    "words": {"value": "The quick, brown fox. Über-fox!"},
    "emoji": {"value": "😀"},
    "uffff": {"value": "\uffff"},
    "date text": {"value": "2020-02-29"},
    "bytes": {"value": b"abc"},
    "no bytes": {"value": b""},
    "day": {"value": date(2020, 2, 29)},
    "later": {"value": date(2021, 12, 31)},
    "naive": {"value": NOON},
    "aware": {"value": NOON.replace(tzinfo=UTC)},
    "midnight": {"value": datetime(2020, 2, 29)},
    "list": {"value": ["abc", 1, None]},
    "no list": {"value": []},
    "nested": {"value": [["abc"], {"a": 1}]},
    "map": {"value": {"a": 1, "b": None}},
    "map.0": {"value": {"b": None, "a": 1.0}},
    "no map": {"value": {}},
    "operator": {"value": {"$gt": ""}},
}
ONES = {"one", "one.0", "one.00"}
STRINGS = {name for name, one in RECORDS.items() if type(one.get("value")) is str}
LISTS = {"list", "no list", "nested"}
NOTHING = {"missing", "none"}

# lookup, operand, the keys that it finds
TABLE: list[tuple[str, Any, set[str]]] = [
    ("equals", None, NOTHING),
    ("equals", True, {"true"}),
    ("equals", False, {"false"}),
    ("equals", 0, {"zero"}),
    ("equals", 1, ONES),
    ("is", Decimal("1.000"), ONES),
    ("equals", 0.1, {"tenth"}),
    ("equals", Decimal("0.1"), {"Tenth"}),
    ("equals", 2**53, {"big", "big.0"}),
    ("equals", 2**53 + 1, {"big+1"}),
    ("equals", 2**64, set()),
    ("equals", "", {"empty"}),
    ("equals", "1", {"text one"}),
    ("equals", "abc", {"abc"}),
    ("equals", "2020-02-29", {"date text"}),
    ("equals", b"abc", {"bytes"}),
    ("equals", b"", {"no bytes"}),
    ("equals", date(2020, 2, 29), {"day"}),
    ("equals", NOON, {"naive"}),
    ("equals", NOON.replace(tzinfo=UTC), {"aware"}),
    ("equals", datetime(2020, 2, 29), {"midnight"}),
    ("equals", ["abc", 1, None], {"list"}),
    ("equals", ["abc", 1.0, None], {"list"}),
    ("equals", ["abc", True, None], set()),
    ("equals", [1, "abc", None], set()),
    ("equals", [], {"no list"}),
    ("equals", [["abc"], {"a": 1}], {"nested"}),
    ("equals", {"a": 1, "b": None}, {"map", "map.0"}),
    ("equals", {"b": None, "a": 1}, {"map", "map.0"}),
    ("equals", {"a": 1}, set()),
    ("equals", {}, {"no map"}),
    ("equals", {"$gt": ""}, {"operator"}),
    ("ne", None, RECORDS.keys() - NOTHING),
    ("ne", 1, RECORDS.keys() - ONES),
    ("ne", "abc", RECORDS.keys() - {"abc"}),
    ("ne", True, RECORDS.keys() - {"true"}),
    ("ne", [], RECORDS.keys() - {"no list"}),
    ("gt", 0, {*ONES, "tenth", "Tenth", "big", "big+1", "big.0"}),
    ("gt", 0.1, {*ONES, "Tenth", "big", "big+1", "big.0"} - {"Tenth"}),
    ("gte", Decimal("0.1"), {*ONES, "tenth", "Tenth", "big", "big+1", "big.0"}),
    ("gt", 2**53, {"big+1"}),
    ("gte", 2**53 + 1, {"big+1"}),
    ("gt", 2**70, set()),
    ("lt", 2**70, {*ONES, "zero", "tenth", "Tenth", "big", "big+1", "big.0", "minus"}),
    ("lt", 1, {"zero", "tenth", "Tenth", "minus"}),
    ("lte", 0, {"zero", "minus"}),
    ("gt", "Z", {"abc", "percent", "emoji", "uffff"}),
    ("gt", "\uffff", {"emoji"}),
    ("gte", "\uffff", {"emoji", "uffff"}),
    ("lt", "1", {"empty"}),
    ("lte", "1", {"empty", "text one"}),
    ("gt", b"", {"bytes"}),
    ("lte", b"abc", {"bytes", "no bytes"}),
    ("gt", date(2020, 2, 29), {"later"}),
    ("lte", date(2020, 2, 29), {"day"}),
    ("gte", datetime(2020, 2, 29), {"naive", "midnight"}),
    ("gt", datetime(2020, 1, 1, tzinfo=UTC), {"aware"}),
    ("lt", NOON, {"midnight"}),
    ("gt", True, set()),
    ("gte", True, set()),
    ("lte", False, set()),
    ("gte", [], set()),
    ("lte", ["abc", 1, None], set()),
    ("gte", {}, set()),
    ("lte", {"a": 1, "b": None}, set()),
    ("between", (0, 1), {*ONES, "zero", "tenth", "Tenth"}),
    ("between", (1, 0), set()),
    ("between", ("a", "abc"), {"abc", "percent"}),
    ("between", (0, "z"), set()),
    ("between", (date(2020, 2, 29), date(2021, 12, 31)), {"day", "later"}),
    ("in", [], set()),
    ("in", [1], ONES),
    ("in", [None], NOTHING),
    ("in", [None, "abc", b"abc"], {*NOTHING, "abc", "bytes"}),
    ("in", {True, "1"}, {"true", "text one"}),
    ("in", [[], {}], {"no list", "no map"}),
    ("in", (NOON, date(2020, 2, 29)), {"naive", "day"}),
    ("in", [2**53 + 1, 2**64], {"big+1"}),
    ("exists", True, RECORDS.keys() - NOTHING),
    ("exists", False, NOTHING),
    ("contains", "b", {"abc", "words"}),
    ("contains", "", STRINGS),
    ("contains", "abc", {"abc", "list"}),
    ("contains", "%", {"percent"}),
    ("contains", 1, {"list"}),
    ("contains", None, {"list"}),
    ("contains", True, set()),
    ("contains", {"a": 1}, {"nested"}),
    ("contains", [["abc"]], {"nested"}),
    ("contains", ["abc", 1], {"list"}),
    ("contains", ["a", "c"], {"abc", "percent"}),
    ("contains", [], STRINGS | LISTS),
    ("contains_any", ["abc", "x"], {"abc", "list", "words"}),
    ("contains_any", [None, 7], {"list"}),
    ("contains_any", [], set()),
    ("startswith", "a", {"abc", "percent"}),
    ("startswith", "a%", {"percent"}),
    ("startswith", "a_", set()),
    ("startswith", "", STRINGS),
    ("startswith", "\uffff", {"uffff"}),
    ("endswith", "c", {"abc", "percent"}),
    ("endswith", "😀", {"emoji"}),
    ("iequals", "aBc", {"abc", "ABC"}),
    ("iequals", "strasse", {"strasse", "STRASSE"}),
    ("icontains", "SS", {"strasse", "STRASSE"}),
    ("icontains", "ü", {"words"}),
    ("istartswith", "STRAß", {"strasse", "STRASSE"}),
    ("iendswith", "BC", {"abc", "ABC"}),
    ("matches", "^a.c$", {"abc", "percent"}),
    ("matches", "b", {"abc", "words"}),
    ("matches", "", STRINGS),
    ("matches", r"^\d", {"text one", "date text"}),
    ("matches_caseless", "^A.C$", {"abc", "ABC", "percent"}),
    ("like", "fox quick", {"words"}),
    ("like", "fo", set()),
    ("like", ["ÜBER", "the"], {"words"}),
    ("like_any", "fox abc", {"words", "abc", "ABC"}),
    ("search", "fox quick", {"words"}),
    ("search", '"quick brown" OR abc', {"words", "abc", "ABC"}),
    ("search", '"brown quick"', set()),
    ("search", "fox AND NOT (cat OR dog)", {"words"}),
    ("search", "fox NOT quick", set()),
    ("year", 2020, {"day", "naive", "aware", "midnight"}),
    ("month", 12, {"later"}),
    ("day", 29, {"day", "naive", "aware", "midnight"}),
    ("day", 31, {"later"}),
]


def _label(part: Any) -> str:
    return "" if isinstance(part, set) else label(part)


@pytest.fixture(scope="module")
def one_of_each(new_storage: Any) -> Any:
    """Give a storage with one record of each kind; it is only read."""
    with new_storage() as storage:
        for key, record in RECORDS.items():
            storage[key] = record
        yield storage


@each("lookup value expected", TABLE, ids=_label)
def test_a_lookup_finds_what_it_should(
    one_of_each: BaseStorage, lookup: str, value: Any, expected: set[str]
) -> None:
    asked = Anything.objects(one_of_each)
    found = asked.where(**{f"value__{lookup}": value})
    assert set(found.keys()) == set(expected)
    assert found.count() == len(expected)
    assert found.exists() == bool(expected)
    ordered = sorted(expected)
    assert list(found.order_by("key").keys()) == ordered
    assert list(found.order_by("-key")[1:3].keys()) == ordered[::-1][1:3]
    assert list(found[:2].keys()) == ordered[:2]


@each("lookup value expected", TABLE, ids=_label)
def test_6_a_lookup_has_an_exact_complement(
    one_of_each: BaseStorage, lookup: str, value: Any, expected: set[str]
) -> None:
    asked = Anything.objects(one_of_each)
    found = asked.where_not(**{f"value__{lookup}": value})
    assert set(found.keys()) == RECORDS.keys() - expected
    assert found.count() == len(RECORDS) - len(expected)


@each("lookup value expected", TABLE, ids=_label)
def test_an_expression_asks_the_same(
    one_of_each: BaseStorage, lookup: str, value: Any, expected: set[str]
) -> None:
    method = {"is": "is_", "in": "in_"}.get(lookup, lookup)
    ends = value if lookup == "between" else (value,)
    condition: p.Predicate = getattr(F.value, method)(*ends)
    asked = Anything.objects(one_of_each)
    assert set(asked.where(condition).keys()) == set(expected)
    assert set(asked.where(~condition).keys()) == RECORDS.keys() - expected
    joined = condition | F.value.exists(False)
    assert set(asked.where(joined).keys()) == expected | NOTHING
    assert set(asked.where(joined & ~condition).keys()) == NOTHING - set(expected)


# A declared field holds what another model wrote there, whatever kind that is.
DECLARED = {
    bool: "flag",
    int: "whole",
    float: "real",
    Decimal: "money",
    str: "text",
    bytes: "raw",
    date: "day",
    datetime: "moment",
    list: "words",
    dict: "counts",
}


def _declared_for(lookup: str, value: Any) -> list[str]:
    """Name the declared fields that an operand may be asked of."""
    if lookup in {"between", "in", "contains", "contains_any", "like", "like_any"}:
        return []
    if lookup in {"exists"}:
        return list(DECLARED.values())
    if lookup in {"year", "month", "day"}:
        return ["day", "moment"]
    name = DECLARED.get(type(value))
    numbers = ["whole", "real", "money"]
    return numbers if name in numbers else [name] if name else []


DECLARED_ROWS = [
    (field, lookup, value, expected)
    for lookup, value, expected in TABLE
    for field in _declared_for(lookup, value)
    # An element that no list of strings can hold is refused, as it should be.
    if field not in {"words", "counts"} or value in ([], {})
]


@pytest.fixture(scope="module")
def each_declared(new_storage: Any) -> Any:
    """Give the same records with the value in every declared field."""
    with new_storage() as storage:
        for key, record in RECORDS.items():
            storage[key] = {
                field: value for field in DECLARED.values() for value in record.values()
            }
        yield storage


@each("field lookup value expected", DECLARED_ROWS, ids=_label)
def test_5_a_declared_field_may_hold_another_kind(
    each_declared: BaseStorage, field: str, lookup: str, value: Any, expected: set[str]
) -> None:
    asked = Catalogue.objects(each_declared)
    found = asked.where(**{f"{field}__{lookup}": value})
    assert set(found.keys()) == set(expected)
    assert found.count() == len(expected)
    complement = asked.where_not(**{f"{field}__{lookup}": value})
    assert set(complement.keys()) == RECORDS.keys() - expected
    assert complement.count() == len(RECORDS) - len(expected)
