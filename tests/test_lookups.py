"""From keywords and expressions to predicates: what is built, what is refused."""

import re
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from pymodels import F, Model, QueryError, UnknownField, UnknownLookup
from pymodels.law import predicates as p
from pymodels.law.evaluate import matches
from pymodels.querying.binding import parse_lookups, split_lookup
from pymodels.querying.lookups import LOOKUPS, ask
from pymodels.testing.each import each
from pymodels.testing.models import Adult, Catalogue, Open, Person, Renamed
from pymodels.testing.records import label

X = ("x",)
BUILT = [
    ("equals", 1, p.Equal(X, 1)),
    ("is", None, p.Equal(X, None)),
    ("ne", 1, p.Not(p.Equal(X, 1))),
    ("gt", 1, p.Greater(X, 1)),
    ("gte", 1, p.GreaterOrEqual(X, 1)),
    ("lt", 1, p.Less(X, 1)),
    ("lte", 1, p.LessOrEqual(X, 1)),
    ("between", (1, 2), p.And((p.GreaterOrEqual(X, 1), p.LessOrEqual(X, 2)))),
    ("in", [1, "a"], p.In(X, (1, "a"))),
    ("in", (one for one in (1,)), p.In(X, (1,))),
    ("exists", True, p.Exists(X)),
    ("exists", False, p.Not(p.Exists(X))),
    ("contains", "a", p.Contains(X, "a")),
    ("contains", ["a", 1], p.And((p.Contains(X, "a"), p.Contains(X, 1)))),
    ("contains", [[1, 2]], p.Contains(X, [1, 2])),
    ("contains_any", ["a", 1], p.Or((p.Contains(X, "a"), p.Contains(X, 1)))),
    ("contains_any", [], p.NOTHING),
    ("startswith", "A", p.StartsWith(X, "A")),
    ("endswith", "A", p.EndsWith(X, "A")),
    ("iequals", "Aß", p.Equal(X, "ass", caseless=True)),
    ("istartswith", "A", p.StartsWith(X, "a", caseless=True)),
    ("iendswith", "A", p.EndsWith(X, "a", caseless=True)),
    ("matches", "^a", p.Matches(X, "^a")),
    ("matches", re.compile("^a"), p.Matches(X, "^a")),
    ("matches_caseless", "^a", p.Matches(X, "^a", caseless=True)),
    ("like", "One, two", p.Words(X, ("one", "two"))),
    ("like_any", ["One", "two one"], p.Words(X, ("one", "two"), "any")),
    ("search", '"a b"', p.Words(X, ("a", "b"), "phrase")),
    ("year", 2020, p.DatePart(X, "year", 2020)),
    ("month", 2, p.DatePart(X, "month", 2)),
    ("day", 2, p.DatePart(X, "day", 2)),
]
REFUSED = [
    ("between", 5),
    ("between", "ab"),
    ("between", (1, 2, 3)),
    ("between", (None, 1)),
    ("in", "abc"),
    ("in", 5),
    ("in", {"a": 1}),
    ("exists", None),
    ("exists", "yes"),
    ("gt", None),
    ("startswith", 5),
    ("startswith", None),
    ("matches", "("),
    ("matches", re.compile("a", re.IGNORECASE)),
    ("matches", 5),
    ("like", 5),
    ("search", "("),
    ("contains_any", "abc"),
    ("year", 0),
    ("year", True),
    ("month", 13),
    ("day", "1"),
    ("equals", float("nan")),
    ("equals", "a\0"),
    ("equals", "\ud800"),
]


def test_every_lookup_is_in_the_table():
    assert {lookup for lookup, _, _ in BUILT} | {"icontains"} == set(LOOKUPS)


@each("lookup value node", BUILT, ids=label)
def test_a_lookup_builds_a_predicate(lookup, value, node):
    assert ask(X, lookup, value) == node


@pytest.mark.parametrize(("lookup", "value"), REFUSED, ids=label)
def test_a_wrong_operand_is_refused(lookup, value):
    with pytest.raises(QueryError):
        ask(X, lookup, value)


def test_an_expression_has_a_method_for_each_lookup():
    names = {"is": "is_", "in": "in_"}
    for lookup in LOOKUPS:
        assert callable(vars(type(F.x))[names.get(lookup, lookup)]), lookup


def test_operands_become_what_stands_for_them():
    assert ask(X, "equals", 2**64).value == Decimal(2**64)
    assert ask(X, "equals", (1, 2)).value == [1, 2]
    assert ask(X, "in", [{1, 2}]).values == ([1, 2],)


def test_nodes_compare_by_kind_and_value():
    assert p.Equal(X, 1) == p.Equal(X, 1.0)
    assert p.Equal(X, 1) != p.Equal(X, True)
    assert p.Equal(X, 1) != p.Equal(("y",), 1)
    assert p.Equal(X, 1) != p.Less(X, 1)
    assert len({p.In(X, (1,)), p.In(X, (1.0,)), p.In(X, (True,))}) == 2


SPLIT = [
    (Person, "name", ("name",), "equals"),
    (Person, "name__startswith", ("name",), "startswith"),
    (Person, "address__city", ("address", "city"), "equals"),
    (Person, "address__city__in", ("address", "city"), "in"),
    (Person, "address__position__north__gt", ("address", "position", "north"), "gt"),
    (Person, "key", (), "equals"),
    (Person, "pk__gt", (), "gt"),
    (Renamed, "path__like", ("path__like",), "equals"),
    (Renamed, "path__like__like", ("path__like",), "like"),
    (Catalogue, "anything__deep__er", ("anything", "deep", "er"), "equals"),
    (Catalogue, "counts__a__gt", ("counts", "a"), "gt"),
    (Catalogue, "size__width__lte", ("size", "width"), "lte"),
    (Catalogue, "label__text", ("label", "text"), "equals"),
    (Open, "what__ever__in", ("what", "ever"), "in"),
]


@pytest.mark.parametrize(("model", "text", "path", "lookup"), SPLIT)
def test_a_keyword_is_a_path_and_a_lookup(model, text, path, lookup):
    assert split_lookup(model.__pymodels_codec__.shape, text) == (path, lookup)


UNKNOWN = [
    (Person, {"agee": 1}, UnknownField),
    (Person, {"age__greater": 1}, UnknownLookup),
    (Person, {"age__gt__gt": 1}, UnknownLookup),
    (Person, {"address__town": 1}, UnknownField),
    (Person, {"key__city": 1}, UnknownLookup),
    (Person, {"gt": 1}, UnknownField),
    (Person, {"": 1}, UnknownField),
    (Person, {"__": 1}, UnknownField),
    (Person, {"name__": 1}, QueryError),
    (Person, {"name": 1}, QueryError),
    (Person, {"name": None}, QueryError),
    (Person, {"name__gt": date(2020, 1, 1)}, QueryError),
    (Person, {"tags": "a"}, QueryError),
    (Person, {"tags__gt": "a"}, QueryError),
    (Person, {"address": "a"}, QueryError),
    (Person, {"born__in": ["2020-01-01"]}, QueryError),
    (Person, {"born__startswith": "2020"}, QueryError),
    (Person, {"key": 5}, QueryError),
    (Person, {"key": None}, QueryError),
    (Catalogue, {"flag": 1}, QueryError),
    (Catalogue, {"whole": True}, QueryError),
    (Catalogue, {"raw": "a"}, QueryError),
    (Catalogue, {"counts__a": "b"}, QueryError),
    (Catalogue, {"either": b""}, QueryError),
]


@pytest.mark.parametrize(("model", "lookups", "error"), UNKNOWN)
def test_what_can_never_be_is_refused(model, lookups, error):
    with pytest.raises(error):
        parse_lookups(model.__pymodels_codec__.shape, lookups)


def test_what_may_be_is_taken():
    shape = Catalogue.__pymodels_codec__.shape
    taken: list[dict[str, Any]] = [
        {"whole": 1.5},
        {"whole": Decimal("0.1")},
        {"real": 2**70},
        {"either": 1, "either__startswith": "a"},
        {"anything": b"", "anything__gt": 5},
        {"whole": None, "whole__in": [None, 1]},
        {"place__zip": None},
        {"words__contains": "a", "words": ["a"]},
        {"colour": "red"},
    ]
    for lookups in taken:
        assert isinstance(parse_lookups(shape, lookups), p.Predicate)


def test_a_bound_predicate_speaks_of_stored_names():
    shape = Renamed.__pymodels_codec__.shape
    bound = parse_lookups(shape, {"second__gt": 1, "first": "a"})
    assert {node.path for node in p.comparisons(bound)} == {
        ("$second",),
        ("the first",),
    }
    assert {node.declared.name for node in p.comparisons(bound)} == {
        *("int or None", "str or None")
    }
    assert matches(bound, {"$second": 2, "the first": "a"})


def test_conditions_of_a_model_are_inherited_and_merged():
    membership = Adult.__pymodels_codec__.membership
    assert matches(membership, {"name": "a", "age": 18})
    assert not matches(membership, {"name": "a", "age": 18, "retired": True})
    assert not matches(membership, {"name": "a", "age": 17})
    assert not matches(membership, {"age": 18})

    class Elder(Adult):
        class Meta:
            must_have = {"age__gte": 65}

    inner = Elder.__pymodels_codec__.membership
    assert not matches(inner, {"name": "a", "age": 20})
    assert not matches(inner, {"name": "a", "age": 70, "retired": True})
    assert matches(inner, {"name": "a", "age": 70})


def test_a_condition_that_can_not_be_is_refused_with_the_class():
    with pytest.raises(TypeError, match="wage__greater"):

        class Broken(Model):
            wage: int

            class Meta:
                must_have = {"wage__greater": 1}
