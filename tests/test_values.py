"""Kinds, equality and order of values, by tables written by hand."""

import math
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from itertools import pairwise, product

import pytest
from hypothesis import given, settings

from pymodels.law.values import Kind, equal, kind_of, less, read, same, sort_key
from pymodels.testing.random.strategies import values
from pymodels.testing.records import VALUES, label

NOON = datetime(2020, 1, 1, 12)
AWARE = NOON.replace(tzinfo=UTC)

KINDS = [
    (None, Kind.NONE),
    (True, Kind.BOOL),
    (0, Kind.NUMBER),
    (0.5, Kind.NUMBER),
    (Decimal("0.5"), Kind.NUMBER),
    (2**63 - 1, Kind.NUMBER),
    (2**63, Kind.OTHER),
    (math.nan, Kind.OTHER),
    (-math.inf, Kind.OTHER),
    (Decimal("sNaN"), Kind.OTHER),
    (Decimal("-Infinity"), Kind.OTHER),
    ("", Kind.STRING),
    (b"", Kind.BYTES),
    (date(2020, 1, 1), Kind.DATE),
    (NOON, Kind.DATETIME),
    ([], Kind.LIST),
    ({}, Kind.MAP),
    (print, Kind.OTHER),
    (1j, Kind.OTHER),
]

# Each is less than the next, by the order between kinds and within them.
RISING = [
    None,
    -math.inf,
    Decimal("-1E+6144"),
    -(2**63),
    -1,
    Decimal("-1E-6176"),
    0,
    5e-324,
    Decimal("0.1"),
    0.1,
    1,
    2**53,
    2**53 + 1,
    2**63 - 1,
    1e308,
    Decimal("1E+6144"),
    "",
    "A",
    "a",
    "aa",
    "é",
    "\uffff",
    "😀",
    {},
    {"a": None},
    {"a": 1},
    {"a": 1, "b": 0},
    {"b": 0},
    [],
    [None],
    [1],
    [1, 2],
    ["a"],
    [[]],
    b"",
    b"a",
    b"\xff",
    False,
    True,
    date(1, 1, 1),
    date(9999, 12, 31),
    datetime(1, 1, 1),
    datetime(9999, 12, 31),
    datetime(1, 1, 1, tzinfo=UTC),
    datetime(9999, 12, 31, tzinfo=UTC),
]
RISING.remove(-math.inf)

EQUAL = [
    (1, 1.0),
    (1, Decimal("1.00")),
    (0.5, Decimal("0.5")),
    (0.0, -0.0),
    ("é", "é"),
    ([1, [2.0]], [1.0, [2]]),
    ({"a": 1, "b": {}}, {"b": {}, "a": 1.0}),
    (AWARE, NOON.replace(hour=14, tzinfo=timezone(timedelta(hours=2)))),
    (None, None),
]
UNEQUAL = [
    (1, True),
    (0, False),
    (0, None),
    (0.1, Decimal("0.1")),
    (2**53, 2**53 + 1),
    (2**53 + 1, 2.0**53),
    ("1", 1),
    ("a", "A"),
    ("é", "e\u0301"),
    ("a", b"a"),
    ("2020-01-01", date(2020, 1, 1)),
    (date(2020, 1, 1), datetime(2020, 1, 1)),
    (NOON, AWARE),
    ([], {}),
    ([1], 1),
    ([1, 2], [2, 1]),
    ([True], [1]),
    ({"a": None}, {}),
    (math.nan, math.nan),
    (math.inf, math.inf),
    ([math.nan], [math.nan]),
]


@pytest.mark.parametrize(("value", "kind"), KINDS, ids=label)
def test_5_every_value_has_one_kind(value, kind):
    assert kind_of(value) is kind


@pytest.mark.parametrize(("one", "other"), EQUAL, ids=label)
def test_5_equal_by_value_within_a_kind(one, other):
    assert equal(one, other)
    assert equal(other, one)
    assert sort_key(one) == sort_key(other)
    assert hash(sort_key(one)) == hash(sort_key(other))
    assert not less(one, other)
    assert not less(other, one)


@pytest.mark.parametrize(("one", "other"), UNEQUAL, ids=label)
def test_5_unequal_across_kinds_and_values(one, other):
    assert not equal(one, other)
    assert not equal(other, one)


def test_9_values_rise_in_the_order_of_the_law():
    keys = list(map(sort_key, RISING))
    assert all(one < other for one, other in pairwise(keys))
    assert sorted(keys, reverse=True) == keys[::-1]


def test_5_less_is_within_an_ordered_kind_only():
    ordered = {Kind.NUMBER, Kind.STRING, Kind.BYTES, Kind.DATE, Kind.DATETIME}
    places = range(len(RISING))
    for one, other in product(places, places):
        left, right = RISING[one], RISING[other]
        comparable = kind_of(left) is kind_of(right) and kind_of(left) in ordered
        if isinstance(left, datetime) and isinstance(right, datetime):
            comparable = (left.tzinfo is None) == (right.tzinfo is None)
        assert less(left, right) == (comparable and one < other), (left, right)


@pytest.mark.parametrize("value", [math.nan, math.inf, Decimal("NaN"), 2**63, object()])
def test_3_what_is_of_no_kind_is_equal_to_nothing_and_comes_last(value):
    assert not equal(value, value)
    assert not any(less(value, one) or less(one, value) for one in RISING)
    assert all(sort_key(one) < sort_key(value) for one in RISING)


def test_2_same_tells_number_types_and_spellings_apart():
    different = [1, 1.0, Decimal("1"), Decimal("1.0"), True, 0, 0.0, -0.0, False]
    for one, other in product(different, different):
        assert same(one, other) == (one is other), (one, other)
    assert same([1, {"a": Decimal("1.0")}], [1, {"a": Decimal("1.0")}])
    assert not same([1], [1.0])
    assert not same({"a": 1}, {"a": True})
    assert not same({"a": 1}, {"a": 1, "b": None})
    assert not same(NOON, AWARE)
    assert not same(date(2020, 1, 1), datetime(2020, 1, 1))


def test_2_every_value_is_the_same_as_itself():
    for one, value in enumerate(VALUES):
        for other, another in enumerate(VALUES):
            if one == other:
                assert same(value, another)
            elif same(value, another):
                assert repr(value) == repr(another)


RECORD = {"a": {"b": {"c": 1}, "n": None}, "l": [{"b": 1}], "a.b": 2, "s": "text"}
PATHS = [
    (("a", "b", "c"), 1),
    (("a", "b"), {"c": 1}),
    (("a", "n"), None),
    (("a", "n", "x"), None),
    (("a", "x", "y"), None),
    (("l", "b"), None),
    (("l", "0", "b"), None),
    (("a.b",), 2),
    (("s", "t"), None),
    (("x",), None),
    ((), RECORD),
]


@pytest.mark.parametrize(("path", "value"), PATHS, ids=label)
def test_8_a_path_goes_through_maps_only(path, value):
    assert read(RECORD, path) == value


@settings(max_examples=300, deadline=None, derandomize=True, database=None)
@given(values(), values(), values())
def test_9_any_three_values_have_one_order(a, b, c):
    one, two, three = sorted(map(sort_key, (a, b, c)))
    assert one <= two <= three
    assert one <= three
    assert (sort_key(a) == sort_key(b)) == equal(a, b)
    assert not (less(a, b) and less(b, a))
    if less(a, b):
        assert sort_key(a) < sort_key(b)
    if same(a, b):
        assert equal(a, b)
