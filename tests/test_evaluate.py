"""The meaning of predicates, by truth tables written by hand."""

from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import product

import pytest

from pymodels import F
from pymodels.law import predicates as p
from pymodels.law.evaluate import matcher, matches
from pymodels.law.values import Kind
from pymodels.testing.each import each
from pymodels.testing.records import label

YES, NO = p.EVERYTHING, p.NOTHING
MISSING = object()

LOGIC = [
    (YES & YES, True),
    (YES & NO, False),
    (NO & NO, False),
    (YES | NO, True),
    (NO | NO, False),
    (~YES, False),
    (~NO, True),
    (~(YES & NO), True),
    (~(YES | NO), False),
    (p.And(()), True),
    (p.Or(()), False),
    (p.Not(p.And(())), False),
    (p.every(), True),
    (p.any_of(), False),
]


@pytest.mark.parametrize(("predicate", "truth"), LOGIC, ids=str)
def test_6_logic_is_two_valued(predicate, truth):
    assert matches(predicate, {}) is truth
    assert matches(~predicate, {}) is not truth


# What stands in the field, and which of these conditions are true of it.
CONDITIONS = {
    "= None": F.x == None,  # noqa: E711  # a condition
    "= 1": F.x == 1,
    "= '1'": F.x == "1",
    "= True": F.x == True,  # noqa: E712  # a condition
    "= []": F.x == [],
    "< 2": F.x < 2,
    "<= 1": F.x <= 1,
    "> 0": F.x > 0,
    ">= 1": F.x >= 1,
    "< 'b'": F.x < "b",
    ">= True": F.x >= True,
    "in": F.x.in_([1, None]),
    "in none": F.x.in_([]),
    "exists": F.x.exists(),
    "contains 1": F.x.contains(1),
    "contains '1'": F.x.contains("1"),
    "starts": F.x.startswith("1"),
    "day 1": F.x.day(1),
    "kind": p.HasKind(("x",), frozenset({Kind.NONE, Kind.NUMBER})),
}
TRUTHS = [
    (MISSING, {"= None", "in"}),
    (None, {"= None", "in", "kind"}),
    (1, {"= 1", "< 2", "<= 1", "> 0", ">= 1", "in", "exists", "kind"}),
    (1.0, {"= 1", "< 2", "<= 1", "> 0", ">= 1", "in", "exists", "kind"}),
    (Decimal("1.5"), {"< 2", "> 0", ">= 1", "exists", "kind"}),
    (True, {"= True", "exists"}),
    ("1", {"= '1'", "< 'b'", "exists", "contains '1'", "starts"}),
    ("b1", {"exists", "contains '1'"}),
    ("", {"< 'b'", "exists"}),
    (b"1", {"exists"}),
    ([], {"= []", "exists"}),
    ([1], {"exists", "contains 1"}),
    (["1", True], {"exists", "contains '1'"}),
    ([[1]], {"exists"}),
    ({}, {"exists"}),
    ({"1": 1}, {"exists"}),
    (date(2020, 1, 1), {"exists", "day 1"}),
    (datetime(2020, 1, 1), {"exists", "day 1"}),
    (datetime(2020, 1, 1, tzinfo=UTC), {"exists", "day 1"}),
    (float("nan"), {"exists"}),
]


@each("value expected", TRUTHS, ids=label)
def test_5_a_value_fulfils_what_it_should(value, expected):
    record = {} if value is MISSING else {"x": value}
    found = {name for name, one in CONDITIONS.items() if matches(one, record)}
    assert found == expected
    refused = {name for name, one in CONDITIONS.items() if matches(~one, record)}
    assert refused == CONDITIONS.keys() - expected


def test_6_joined_conditions_follow_from_their_terms():
    for value, expected in TRUTHS:
        record = {} if value is MISSING else {"x": value}
        for one, other in product(CONDITIONS, CONDITIONS):
            left, right = CONDITIONS[one], CONDITIONS[other]
            both = one in expected and other in expected
            either = one in expected or other in expected
            assert matches(left & right, record) is both
            assert matches(left | right, record) is either
            assert matches(~(left & right), record) is not both
            assert matches(~left & ~right, record) is not either


def test_12_the_key_is_looked_at_too():
    assert matches(F.key == "a", {"key": "b"}, "a")
    assert not matches(F["key"] == "a", {"key": "b"}, "a")
    assert matches(F.pk.startswith("a"), {}, "ab")
    assert matches(p.HasKind((), frozenset({Kind.STRING})), {}, "a")


def test_8_a_path_stops_at_what_is_no_map():
    deep = F.a.b.c == 1
    assert matches(deep, {"a": {"b": {"c": 1}}})
    for record in ({"a": [{"b": {"c": 1}}]}, {"a": "b"}, {}, {"a": {"b": None}}):
        assert not matches(deep, record)
        assert matches(F.a.b.c == None, record)  # noqa: E711  # a condition


def test_4_membership_alone_tells_none_from_missing():
    is_none = p.HasKind(("a", "b"), frozenset({Kind.NONE}))
    assert matches(is_none, {"a": {"b": None}})
    for record in ({"a": {}}, {}, {"a": None}, {"a": [{"b": None}]}):
        assert not matches(is_none, record)


def test_5_contains_looks_where_it_is_told():
    for within, text, elements in (
        (None, True, True),
        (Kind.STRING, True, False),
        (Kind.LIST, False, True),
    ):
        node = p.Contains(("x",), "a", within)
        assert matches(node, {"x": "bab"}) is text
        assert matches(node, {"x": ["a"]}) is elements
        assert not matches(node, {"x": {"a": 1}})


def test_3_a_foreign_value_equals_nothing_but_is_there():
    for value in (float("nan"), float("inf"), object(), [float("nan")], {"a": 1j}):
        record = {"x": value}
        assert matches(F.x.exists(), record)
        assert matches(F.x != None, record)  # noqa: E711  # a condition
        assert not matches(p.Equal(("x",), value), record)
        assert not matches(p.In(("x",), (value,)), record)
        assert matches(~p.In(("x",), (value,)), record)


def test_7_caseless_is_casefolded_on_both_sides():
    assert matches(F.x.iequals("STRASSE"), {"x": "Straße"})
    assert matches(F.x.iequals("Straße"), {"x": "STRASSE"})
    assert matches(F.x.icontains("ß"), {"x": "MESSE"})
    assert matches(F.x.istartswith("ﬁ"), {"x": "Final"})
    assert matches(F.x.iendswith("ΟΣ"), {"x": "λόγος"})
    assert not matches(F.x.iequals("i"), {"x": "İ"})


def test_a_matcher_serves_many_records():
    wanted = matcher((F.age >= 18) & ~F.name.startswith("A"))
    people = {"a": {"age": 20, "name": "Bob"}, "b": {"age": 20, "name": "Ada"}, "c": {}}
    assert [key for key, record in people.items() if wanted(key, record)] == ["a"]


def test_a_thing_that_is_no_predicate_is_refused():
    with pytest.raises(TypeError, match="not a predicate"):
        matches(lambda record: True, {})
