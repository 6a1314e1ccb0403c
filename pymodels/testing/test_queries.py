"""Queries as users build and ask them; the numbers are the clauses of the law."""

import pytest

from pymodels.errors import MultipleFound, QueryError, RecordNotFound
from pymodels.querying.expressions import F
from pymodels.storage import BaseStorage
from pymodels.testing.fixtures import keys
from pymodels.testing.models import Catalogue, City, Open, Person, Renamed, Worker


def test_10_all_ways_speak_of_the_same_records(people: BaseStorage) -> None:
    asked = Person.objects(people).where(age__gt=10).order_by("-age")
    for query in (asked, asked[1:], asked[:2], asked[1:2], asked[5:], asked[:0]):
        found = keys(query)
        assert [person.key for person in query] == found
        assert query.count() == len(found)
        assert query.exists() == bool(found)
        assert [key for key, _ in query.records()] == found
        assert [key for key in people if key in query] == [
            key for key in people if key in found
        ]


def test_10_delete_removes_just_the_slice(people: BaseStorage) -> None:
    doomed = Person.objects(people).where(age__exists=True).order_by("-age")[1:3]
    assert keys(doomed) == ["guido", "ada"]
    assert doomed.delete() == 2
    assert set(people) == {"grace", "larry", "bob"}
    assert Person.objects(people).where(name="nobody").delete() == 0
    assert Person.objects(people).delete() == 3
    assert len(people) == 0


def test_10_update_changes_just_the_slice(people: BaseStorage) -> None:
    before = dict(people.records())
    asked = Person.objects(people).order_by("age")[1:3]
    assert keys(asked) == ["bob", "ada"]
    assert asked.update(gender="x", address__zip=5) == 2
    for key, record in people.records():
        if key in {"bob", "ada"}:
            assert record["gender"] == "x"
            assert record["address"]["zip"] == 5
            assert record["address"]["city"] == before[key]["address"]["city"]
        else:
            assert record == before[key]


def test_10_update_of_what_it_asks_for_ends(people: BaseStorage) -> None:
    asked = Person.objects(people).where(age__lt=100)
    assert asked.update(age=99) == 4
    assert asked.update(age=100) == 4
    assert asked.count() == 0
    assert Person.objects(people).where(age=100).update() == 4


def test_11_a_query_is_immutable_and_repeatable(people: BaseStorage) -> None:
    asked = Person.objects(people)
    women = asked.where(gender="female")
    assert women.order_by("-name") is not women
    assert asked.count() == 5
    assert women.count() == women.count() == 2
    assert [p.key for p in women.order_by("name")] == ["ada", "grace"]
    Person(name="Eve", gender="female").save(people)
    assert women.count() == 3


def test_11_each_record_is_seen_once_while_they_change(storage: BaseStorage) -> None:
    storage.save_many([Person(name=str(number), age=number) for number in range(60)])
    seen = []
    for person in Person.objects(storage).where(age__lt=1_000):
        seen.append(person.key)
        person.age = (person.age or 0) + 100
        person.save()
        if len(seen) < 100:
            Person(name="new", age=2_000).save(storage)
    assert len(seen) == len(set(seen))


def test_queries_join(people: BaseStorage) -> None:
    asked = Person.objects(people)
    women, old = asked.where(gender="female"), asked.where(age__gt=50)
    assert set((women | old).keys()) == {"ada", "grace", "guido"}
    assert set((women & old).keys()) == {"grace"}
    assert set((women - old).keys()) == {"ada"}
    assert keys((asked - women - old).order_by("key")) == ["bob", "larry"]
    for other in (old[:1], Worker.objects(people)):
        with pytest.raises(QueryError):
            women | other  # type: ignore[operator]  # refused on purpose


def test_one_first_and_get_say_what_they_found(people: BaseStorage) -> None:
    asked = Person.objects(people)
    assert asked.get(name="Ada").key == "ada"
    assert asked.where(name="Ada").one().key == "ada"
    with pytest.raises(RecordNotFound):
        asked.get(name="nobody")
    with pytest.raises(MultipleFound):
        asked.get(F.gender == "female")
    assert asked.where(name="nobody").first() is None
    youngest = asked.where(age__exists=True).order_by("age").first()
    assert youngest is not None
    assert youngest.key == "bob"


def test_values_are_distinct_and_in_order(people: BaseStorage) -> None:
    asked = Person.objects(people)
    assert asked.values("gender") == ["female", "male"]
    assert asked.values("address__city") == ["Boston", "Haarlem", "London"]
    assert asked.values("tags")[0] == []
    assert asked.values("key") == sorted(people)
    assert asked.order_by("-age")[:2].values("name") == ["Grace", "Guido"]
    assert City.objects(people).values("name") == []


def test_a_key_may_be_asked_and_ordered_by(people: BaseStorage) -> None:
    asked = Person.objects(people)
    assert keys(asked.where(key="ada")) == keys(asked.where(pk="ada")) == ["ada"]
    assert set(asked.where(key__in=["ada", "bob", "x"]).keys()) == {"ada", "bob"}
    assert set(asked.where(F.key > "bob").keys()) == {"grace", "guido", "larry"}
    assert keys(asked.where(key__contains="a").order_by("-pk")) == [
        *("larry", "grace", "ada")
    ]
    assert asked.where_not(key__matches="[aeiou]").count() == 0


def test_an_in_may_be_very_long(storage: BaseStorage) -> None:
    for number in (1, 1_999, 5_000):
        storage[f"n{number}"] = {"whole": number, "text": str(number)}
    asked = Catalogue.objects(storage)
    assert set(asked.where(whole__in=range(2_000)).keys()) == {"n1", "n1999"}
    texts = [str(number) for number in range(2_000)]
    assert asked.where(text__in=texts).count() == 2
    assert asked.where_not(text__in=texts).count() == 1
    assert asked.where(key__in=[f"n{number}" for number in range(2_000)]).count() == 2


def test_a_condition_may_be_deep_and_wide(storage: BaseStorage) -> None:
    storage["a"] = {"whole": 1}
    storage["b"] = {"whole": 500}
    condition = F.whole == 500
    for number in range(12):
        condition = ~(condition | (F.whole == number)) & (F.whole != -1)
        condition = ~condition
    wide = F.whole == 1
    for number in range(600, 1_100):
        wide = wide | (F.whole == number)
    asked = Catalogue.objects(storage)
    assert set(asked.where(condition).keys()) == {"a", "b"}
    assert keys(asked.where(wide)) == ["a"]
    assert keys(asked.where(~wide)) == ["b"]


def test_undeclared_names_may_be_asked_by_keyword(storage: BaseStorage) -> None:
    storage["a"] = {"name": "x", "age": 5, "deep": {"er": {"est": "x"}}}
    storage["b"] = {"name": "y"}
    asked = Open.objects(storage)
    assert keys(asked.where(age__gt=4)) == ["a"]
    assert keys(asked.where(deep__er__est__startswith="x")) == ["a"]
    assert keys(asked.order_by("-age")) == ["a", "b"]
    with pytest.raises(QueryError):
        Person.objects(storage).where(wage=1)


def test_a_long_result_comes_whole(storage: BaseStorage) -> None:
    people = [Person(name=f"n{n % 7}", age=n) for n in range(3_000)]
    storage.save_many(people)
    asked = Person.objects(storage)
    assert asked.count() == len(set(asked.keys())) == 3_000
    assert [one.age for one in asked.order_by("-age")[10:2_500]] == list(
        range(2_989, 499, -1)
    )
    assert asked.where(name="n3").count() == 429
    assert asked.where(age__lt=2_500).update(gender="x") == 2_500
    assert asked.where(gender="x", name="n3").delete() == 357


def test_names_in_the_store_are_those_of_meta(storage: BaseStorage) -> None:
    key = Renamed(first="a", second=2, path__like="p").save(storage)
    assert storage[key] == {"the first": "a", "$second": 2, "path__like": "p"}
    asked = Renamed.objects(storage)
    assert keys(asked.where(first="a", second__lt=3, path__like="p")) == [key]
    assert keys(asked.where(path__like__startswith="p")) == [key]
    assert keys(asked.where(F.second == 2)) == [key]
    assert keys(asked.order_by("-second")) == [key]
    assert asked.values("first") == ["a"]
    assert asked.where(first="a").update(second=3, path__like=None) == 1
    assert storage[key] == {"the first": "a", "$second": 3, "path__like": None}
