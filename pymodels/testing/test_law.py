"""What queries mean, by example; the numbers are the clauses of the law."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest

from pymodels.errors import QueryError
from pymodels.law.evaluate import matches
from pymodels.law.predicates import DEEPEST, Predicate
from pymodels.law.values import same
from pymodels.querying.expressions import F
from pymodels.storage import BaseStorage
from pymodels.testing.each import each
from pymodels.testing.fixtures import keys
from pymodels.testing.models import Anything, Catalogue, Person
from pymodels.testing.records import NAMES, label


def test_13_a_smuggled_operator_is_a_map(storage: BaseStorage) -> None:
    storage["map"] = {"name": {"$gt": ""}}
    storage["text"] = {"name": "a"}
    asked = Anything.objects(storage)
    assert keys(asked.where(F.name == {"$gt": ""})) == ["map"]
    assert keys(asked.where(F.name.in_([{"$gt": ""}]))) == ["map"]
    assert keys(asked.where(F.name["$gt"] == "")) == ["map"]
    assert keys(asked.where(F.name == {"$ne": 1})) == []


@each("name", NAMES, ids=label)
def test_13_any_name_can_be_asked_for(storage: BaseStorage, name: str) -> None:
    storage["one"] = {name: 1, "map": {name: "a"}}
    storage["two"] = {name: "1", "map": {name: None}}
    storage["three"] = {f"{name}x": 1, "x": {name: 1}}
    asked = Anything.objects(storage)
    assert keys(asked.where(F[name] == 1)) == ["one"]
    assert keys(asked.where(F[name].exists(), F.map[name] != "a")) == ["two"]
    assert sorted(asked.where(F[name] != 1).keys()) == ["three", "two"]
    assert keys(asked.where(F.map[name].startswith("a"))) == ["one"]
    assert keys(asked.where(F[name].in_(["1", 5]))) == ["two"]
    assert keys(asked.order_by(F[name])) == ["three", "one", "two"]
    assert keys(asked.order_by(-F.map[name], -F[name])) == ["one", "two", "three"]
    assert asked.values(F.map[name]) == ["a"]


def test_13_a_dotted_name_is_no_path(storage: BaseStorage) -> None:
    storage["dotted"] = {"a.b": 1}
    storage["nested"] = {"a": {"b": 1}}
    asked = Anything.objects(storage)
    assert keys(asked.where(F["a.b"] == 1)) == ["dotted"]
    assert keys(asked.where(F.a.b == 1)) == ["nested"]


def test_4_missing_reads_as_none(people: BaseStorage) -> None:
    people["bare"] = {"name": "Bare"}
    asked = Person.objects(people)
    assert set(asked.where(age=None).keys()) == {"larry", "bare"}
    assert set(asked.where(age__exists=False).keys()) == {"larry", "bare"}
    assert set(asked.where(F.nowhere == None).keys()) == set(people)  # noqa: E711  # a condition
    assert set(asked.where(address__city=None).keys()) == {"grace", "larry", "bare"}
    assert asked.where(address__position__north=52.4).one().key == "guido"


def test_4_a_default_is_not_asked_for(storage: BaseStorage) -> None:
    storage["a"] = {"name": "Ada"}
    assert storage.get(Person, "a").tags == []
    asked = Person.objects(storage)
    assert asked.where(tags=[]).count() == 0
    assert asked.where(tags__exists=False).count() == 1


def test_5_a_bool_is_not_a_number(storage: BaseStorage) -> None:
    for key, value in {"true": True, "one": 1, "false": False, "zero": 0}.items():
        storage[key] = {"flag": value, "whole": value}
    asked = Catalogue.objects(storage)
    assert keys(asked.where(flag=True)) == ["true"]
    assert keys(asked.where(whole=1)) == ["one"]
    assert set(asked.where(whole__gte=0).keys()) == {"one", "zero"}
    assert set(asked.where_not(flag=True).keys()) == {"one", "false", "zero"}
    assert keys(asked.where(flag__in=[False])) == ["false"]


def test_5_numbers_compare_by_exact_value(storage: BaseStorage) -> None:
    numbers = [2**53, 2**53 + 1, 2.0**53, Decimal(2**53), Decimal("9007199254740992.5")]
    for index, value in enumerate(numbers):
        storage[str(index)] = {"whole": value, "money": value, "value": value}
    asked = Catalogue.objects(storage)
    for name in ("whole", "money"):
        assert set(asked.where(**{name: 2**53}).keys()) == {"0", "2", "3"}
        assert keys(asked.where(**{f"{name}__gt": 2.0**53}).order_by("key")) == [
            *("1", "4")
        ]
        assert keys(asked.order_by(name)) == ["0", "2", "3", "4", "1"]
        assert keys(asked.order_by("-" + name)) == ["1", "4", "3", "2", "0"]
    found = Anything.objects(storage).values("value")
    assert list(map(Decimal, found)) == [
        2**53,
        Decimal("9007199254740992.5"),
        2**53 + 1,
    ]


def test_5_a_tenth_is_not_the_float_beside_it(storage: BaseStorage) -> None:
    storage["float"] = {"real": 0.1, "money": 0.1}
    storage["decimal"] = {"real": Decimal("0.1"), "money": Decimal("0.1")}
    asked = Catalogue.objects(storage)
    for name in ("real", "money"):
        assert keys(asked.where(**{name: Decimal("0.1")})) == ["decimal"]
        assert keys(asked.where(**{name: 0.1})) == ["float"]
        assert keys(asked.where(**{f"{name}__gt": Decimal("0.1")})) == ["float"]
        assert keys(asked.order_by(name)) == ["decimal", "float"]


def test_5_huge_and_tiny_numbers_compare(storage: BaseStorage) -> None:
    numbers = [
        *(Decimal("-9E+6111"), -1.7e308, -(2**63), Decimal("-1E-6176")),
        *(0, Decimal("1E-6176"), 5e-324, 2**63 - 1, 9.3e18, Decimal("9E+6111")),
    ]
    for index, value in enumerate(numbers):
        storage[str(index)] = {"money": value, "value": value}
    asked = Catalogue.objects(storage)
    for index, value in enumerate(numbers):
        above = [str(other) for other in range(index + 1, len(numbers))]
        assert keys(asked.where(money__gt=value).order_by("key")) == above
        assert keys(asked.where(money=value)) == [str(index)]
    assert keys(asked.order_by("money")) == [str(n) for n in range(len(numbers))]
    assert same(Anything.objects(storage).values("value"), numbers)


def test_5_naive_and_aware_are_apart(storage: BaseStorage) -> None:
    noon = datetime(2020, 2, 29, 12)
    storage["naive"] = {"moment": noon}
    storage["aware"] = {"moment": noon.replace(tzinfo=UTC)}
    storage["date"] = {"moment": date(2020, 2, 29)}
    asked = Catalogue.objects(storage)
    assert keys(asked.where(moment=noon)) == ["naive"]
    elsewhere = noon.replace(hour=14, tzinfo=timezone(timedelta(hours=2)))
    assert keys(asked.where(moment=elsewhere)) == ["aware"]
    assert keys(asked.where(moment__gt=datetime(1, 1, 1))) == ["naive"]
    assert keys(asked.where(moment__lt=datetime(9999, 1, 1, tzinfo=UTC))) == ["aware"]
    assert keys(asked.order_by("moment"))[-2:] == ["naive", "aware"]
    assert set(asked.where(moment__year=2020).keys()) == {"naive", "aware", "date"}
    assert set(asked.where(moment__day=29).keys()) == {"naive", "aware", "date"}


def test_6_where_not_is_the_exact_complement(people: BaseStorage) -> None:
    people["bare"] = {"name": "Bare"}
    asked = Person.objects(people)
    assert set(asked.where_not(gender="male").keys()) == {
        *("ada", "grace", "larry", "bare")
    }
    assert set(asked.where_not(age__gt=40).keys()) == {"ada", "bob", "larry", "bare"}
    both = asked.where_not(gender="female", age__gt=40)
    assert set(both.keys()) == set(people) - {"grace"}
    assert asked.where(~~(F.age > 40)).count() == asked.where(age__gt=40).count()
    inner = ~((F.age > 40) | ~(F.gender == "male"))
    assert keys(asked.where(inner)) == ["bob"]


NESTED: dict[str, Callable[[Predicate, int], Predicate]] = {
    "not and": lambda inner, n: ~(inner & (F.age < 100 - n)),
    "not or": lambda inner, n: ~(inner | (F.age == n)),
    "or and": lambda inner, n: (F.age == n) | (F.key.exists() & inner),
    "or not and": lambda inner, n: F.name.endswith(str(n)) | ~(inner & (F.age > -n)),
}


def nested(levels: int, step: Callable[[Predicate, int], Predicate]) -> Predicate:
    """Nest conditions in each other, up to a level more than was asked for."""
    found = F.gender == "male"
    while found.levels < levels:
        found = step(found, found.levels)
    return found


@each("name", NESTED)
def test_6_conditions_nest_as_deep_as_the_law_says(
    people: BaseStorage, name: str
) -> None:
    asked, records = Person.objects(people), list(people.records())
    for levels in (5, 10, 20, 30, 40, DEEPEST):
        condition = nested(levels, NESTED[name])
        wanted = {key for key, record in records if matches(condition, record, key)}
        query = asked.where(condition)
        assert set(query.keys()) == wanted
        assert query.count() == len(wanted)
        assert "in the database" in str(query.plan())
    with pytest.raises(QueryError, match="levels"):
        asked.where(nested(DEEPEST + 1, NESTED[name]))


def test_7_strings_compare_by_code_point(storage: BaseStorage) -> None:
    texts = ["", "A", "Z", "a", "aa", "b", "é", "\uffff", "😀", "\U0010ffff"]
    for text in reversed(texts):
        storage[f"key {text}"] = {"text": text}
    asked = Catalogue.objects(storage)
    assert [record["text"] for _, record in asked.order_by("text").records()] == texts
    assert asked.values("text") == texts
    for text in texts:
        above = [f"key {other}" for other in texts if other > text]
        assert sorted(asked.where(text__gt=text).keys()) == sorted(above)
        assert keys(asked.where(text=text)) == [f"key {text}"]


def test_7_a_character_and_its_parts_differ(storage: BaseStorage) -> None:
    storage["one"] = {"text": "é"}
    storage["two"] = {"text": "e\u0301"}
    assert keys(Catalogue.objects(storage).where(text="é")) == ["one"]
    assert keys(Catalogue.objects(storage).where(text__iequals="É")) == ["one"]


def test_8_a_scalar_is_not_the_list_that_holds_it(storage: BaseStorage) -> None:
    storage["list"] = {"text": ["a"], "whole": [5], "words": ["a"], "value": [["a"]]}
    storage["scalar"] = {"text": "a", "whole": 5, "words": "a", "value": ["a"]}
    asked = Catalogue.objects(storage)
    assert keys(asked.where(text="a")) == ["scalar"]
    assert keys(asked.where(text__in=["a", "b"])) == ["scalar"]
    assert keys(asked.where(text__startswith="a")) == ["scalar"]
    assert keys(asked.where(text__matches="a")) == ["scalar"]
    assert keys(asked.where(whole__gte=5)) == ["scalar"]
    assert keys(asked.where(whole__between=(1, 9))) == ["scalar"]
    assert keys(asked.where_not(whole__gte=5)) == ["list"]
    assert keys(asked.where(words__contains="a")) == ["list"]
    assert keys(Anything.objects(storage).where(value=["a"])) == ["scalar"]


def test_8_a_list_is_equal_as_a_whole(storage: BaseStorage) -> None:
    storage["ab"] = {"words": ["a", "b"]}
    storage["ba"] = {"words": ["b", "a"]}
    storage["aab"] = {"words": ["a", "a", "b"]}
    asked = Catalogue.objects(storage)
    assert keys(asked.where(words=["a", "b"])) == ["ab"]
    assert keys(asked.where(words__in=[["b", "a"], []])) == ["ba"]
    assert asked.where(words__contains=["b", "a"]).count() == 3
    assert asked.where(words__contains_any=["x", "b"]).count() == 3
    assert asked.where(words__contains="ab").count() == 0


def test_8_a_map_is_equal_whatever_its_order(storage: BaseStorage) -> None:
    storage["one"] = {"counts": {"a": 1, "b": 2}}
    storage["two"] = {"counts": {"b": 2, "a": 1}}
    storage["three"] = {"counts": {"a": 1, "b": 2, "c": None}}
    asked = Catalogue.objects(storage)
    assert set(asked.where(counts={"b": 2, "a": 1}).keys()) == {"one", "two"}
    assert asked.values("counts")[0] == {"a": 1, "b": 2}
    assert len(asked.values("counts")) == 2


def test_8_a_path_goes_through_maps_only(storage: BaseStorage) -> None:
    storage["map"] = {"place": {"city": "Delft"}}
    storage["list"] = {"place": [{"city": "Delft"}]}
    storage["text"] = {"place": "city"}
    storage["index"] = {"place": {"0": "zero"}}
    asked = Anything.objects(storage)
    assert keys(asked.where(F.place.city == "Delft")) == ["map"]
    assert asked.where(F.place.city == None).count() == 3  # noqa: E711  # a condition
    assert keys(asked.where(F.place["0"].exists())) == ["index"]
    declared = Catalogue.objects(storage)
    assert keys(declared.where(place__city="Delft")) == ["map"]
    assert declared.where(place__city__ne="Delft").count() == 3


def test_8_a_path_may_be_longer_than_any_record_is_deep(people: BaseStorage) -> None:
    for length in (150, 2_000):
        path = F.address
        for _ in range(length):
            path = path["city"]
        asked = Person.objects(people)
        assert asked.where(path == 1).count() == 0
        assert asked.where(path == None).count() == len(people)  # noqa: E711  # a condition
        assert keys(asked.order_by(path)) == sorted(people)
        assert asked.values(path) == []


def test_9_kinds_are_ordered_too(storage: BaseStorage) -> None:
    values: list[Any] = [
        *(None, -1, Decimal("0.5"), 7, "", "a", {}, {"a": 1}, [], [1], b"", b"a"),
        *(False, True, date(2020, 1, 1), date(2021, 1, 1)),
        *(datetime(2020, 1, 1), datetime(2021, 1, 1)),
        *(datetime(2019, 1, 1, tzinfo=UTC), datetime(2022, 1, 1, tzinfo=UTC)),
    ]
    for number, value in enumerate(values):
        storage[f"{99 - number}"] = {"value": value}
    expected = [f"{99 - number}" for number in range(len(values))]
    asked = Anything.objects(storage)
    assert keys(asked.order_by("value")) == expected
    assert keys(asked.order_by("-value")) == expected[::-1]
    assert keys(asked.order_by("value")[5:9]) == expected[5:9]
    assert same(asked.values("value"), values[1:])


def test_9_the_key_decides_in_the_direction_of_the_last_name(
    storage: BaseStorage,
) -> None:
    for key in "dbace":
        storage[key] = {"whole": 1, "text": "x" if key < "c" else "y"}
    asked = Catalogue.objects(storage)
    assert keys(asked.order_by("whole")) == list("abcde")
    assert keys(asked.order_by("-whole")) == list("edcba")
    assert keys(asked.order_by("whole", "-text")) == list("edcba")
    assert keys(asked.order_by("-whole", "text")) == list("abcde")
    assert keys(asked.order_by("-text", "whole")) == list("cdeab")
    assert keys(asked.order_by("text", "-key")) == list("baedc")
    assert keys(asked.order_by("-whole")[1:3]) == list("dc")


def test_9_none_is_first_and_missing_is_none(storage: BaseStorage) -> None:
    storage["c"] = {"whole": None}
    storage["b"] = {}
    storage["a"] = {"whole": -5}
    asked = Catalogue.objects(storage)
    assert keys(asked.order_by("whole")) == ["b", "c", "a"]
    assert keys(asked.order_by("-whole")) == ["a", "c", "b"]


def test_9_a_slice_without_an_order_is_in_key_order(people: BaseStorage) -> None:
    ordered = sorted(people)
    asked = Person.objects(people)
    assert keys(asked[:2]) == ordered[:2]
    assert keys(asked[1:]) == ordered[1:]
    assert keys(asked[1:][1:3][:1]) == ordered[2:3]
    assert keys(asked[3:3]) == []
    assert keys(asked[9:12]) == []
    assert asked[0].key == ordered[0]
    assert asked[1:][2].key == ordered[3]
    assert asked.order_by("-key")[0].key == ordered[-1]
    with pytest.raises(IndexError):
        asked[5]


def test_9_lists_and_maps_are_not_ordered_by(storage: BaseStorage) -> None:
    for name in ("words", "counts", "place"):
        with pytest.raises(QueryError, match=name):
            Catalogue.objects(storage).order_by(name)
        with pytest.raises(QueryError, match=name):
            Catalogue.objects(storage).order_by(-F[name])


def test_14_a_predicate_looks_at_the_record(storage: BaseStorage) -> None:
    storage["a"] = {"whole": "5", "day": "2020-02-29"}
    asked = Catalogue.objects(storage)
    assert asked.one().whole == 5
    assert asked.where(whole=5).count() == 0
    assert asked.where(F.whole == "5").count() == 1
    assert asked.where(day=date(2020, 2, 29)).count() == 0
