"""How deep conditions nest: answered as far as the law says, refused beyond."""

import copy
import pickle
from collections.abc import Callable
from functools import reduce
from typing import Any

import pytest

import pymodels
from pymodels import F, Model, QueryError
from pymodels.law.evaluate import matches
from pymodels.law.predicates import DEEPEST, And, Not, Or, Predicate
from pymodels.querying.search import parse_search

Step = Callable[[Predicate, int], Predicate]

STEPS: dict[str, Step] = {
    "not and": lambda inner, n: ~(inner & (F.number < n)),
    "or and": lambda inner, n: (F.number == n) | ((F.number < n) & inner),
    "not, made by hand": lambda inner, n: Not(inner),
    "or, made by hand": lambda inner, n: Or((inner,)),
}


class Numbered(Model):
    number: int


def nested(levels: int, step: Step) -> Predicate:
    found = F.number == 1
    for n in range(levels):
        found = step(found, n + 2)
    return found


def below(frames: int, ask: Callable[[], Any]) -> Any:
    """Ask from under many frames of a caller."""
    return below(frames - 1, ask) if frames else ask()


@pytest.fixture
def storage():
    with pymodels.get_storage("memory://") as opened:
        for number in range(3):
            Numbered(number=number).save(opened, key=str(number))
        yield opened


@pytest.mark.parametrize("step", STEPS.values(), ids=STEPS.keys())
def test_what_is_nested_as_deep_as_allowed_can_be_looked_at(step):
    found, same = nested(DEEPEST, step), nested(DEEPEST, step)

    def look():
        assert found == same
        assert hash(found) == hash(same)
        assert str(found) in repr(found)
        assert matches(found, {"number": 1}) is matches(same, {"number": 1})

    below(200, look)
    assert pickle.loads(pickle.dumps(found)) == found
    assert copy.deepcopy(found) == found


def test_and_nests_by_hand_only_and_not_too_deep():
    found = F.number == 1
    for n in range(1_000):
        found = found & (F.number == n)
    assert found.levels == 0
    with pytest.raises(QueryError, match="levels"):
        reduce(lambda inner, n: And((inner,)), range(100_000), found)


@pytest.mark.parametrize("levels", [DEEPEST + 1, 100_000])
@pytest.mark.parametrize("step", STEPS.values(), ids=STEPS.keys())
def test_what_is_nested_deeper_is_refused(step, levels):
    with pytest.raises(QueryError, match=f"more than {DEEPEST} levels"):
        nested(levels, step)


def test_a_query_of_the_deepest_condition_is_planned_and_shown(storage):
    query = Numbered.objects(storage).where(nested(DEEPEST, STEPS["not and"]))

    def ask():
        assert str(query.plan()).count("~") == DEEPEST
        assert repr(query).startswith("[<Numbered")
        return query.count()

    assert below(200, ask) == 1


def test_a_complement_is_a_level_too(storage):
    deepest = nested(DEEPEST, STEPS["or and"])
    assert Numbered.objects(storage).where(deepest).count()
    with pytest.raises(QueryError, match="levels"):
        Numbered.objects(storage).where_not(deepest)


def test_many_conditions_side_by_side_are_no_levels(storage):
    query = Numbered.objects(storage)
    either = F.number == 1
    for number in range(2, 2_000):
        query = query.where(F.number != number)
        either = either | (F.number == number)
    assert query.where(either).count() == 1


@pytest.mark.parametrize(
    "join",
    [
        lambda query, every: every - query,
        lambda query, every: (query | every.where(number=0)) & every.where(number=1),
    ],
    ids=["-", "| and &"],
)
def test_queries_that_join_nest_no_deeper(storage, join):
    every = Numbered.objects(storage).where(number__gte=0)
    query = every.where(number=1)
    joined = reduce(lambda query, n: join(query, every), range(20), query)
    assert joined.count() in {1, 3}
    with pytest.raises(QueryError, match="levels"):
        reduce(lambda query, n: join(query, every), range(100_000), query)


@pytest.mark.parametrize(
    "text",
    ["(" * 100_000, "(" * 100_000 + "fox" + ")" * 100_000],
    ids=["open", "closed"],
)
def test_a_search_nests_no_deeper(text):
    with pytest.raises(QueryError, match="levels"):
        parse_search(("text",), text)


def test_a_search_as_deep_as_allowed_is_read():
    text = "(" * DEEPEST + "fox" + ")" * DEEPEST
    assert below(200, lambda: parse_search(("text",), text)) == parse_search(
        ("text",), "fox"
    )


def test_a_search_says_not_as_often_as_it_likes():
    assert parse_search(("t",), "NOT " * 100_000 + "fox") == parse_search(("t",), "fox")


def test_a_pattern_that_nests_too_deep_is_refused(storage):
    text = "(" * 5_000 + ")" * 5_000
    with pytest.raises(QueryError, match="is not a regular expression"):
        Numbered.objects(storage).where(F.number.matches(text))
