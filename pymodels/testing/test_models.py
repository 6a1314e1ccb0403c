"""Several models over the same records: membership, views, references."""

import copy
import pickle
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from pymodels.errors import (
    DanglingReference,
    DuplicateKey,
    InvalidRecord,
    NotInModel,
    RecordNotFound,
)
from pymodels.models.model import Model
from pymodels.models.references import Reference
from pymodels.querying.expressions import F
from pymodels.storage import BaseStorage
from pymodels.testing.each import each
from pymodels.testing.fixtures import NewStorage, keys
from pymodels.testing.models import (
    Adult,
    Anything,
    City,
    Open,
    Person,
    Place,
    Woman,
    Worker,
)
from pymodels.testing.records import label


def test_models_see_the_records_that_fit_them(people: BaseStorage) -> None:
    City(name="Delft").save(people, key="delft")
    people["stone"] = {"weight": 3}
    people["odd"] = {"name": 5, "gender": "female"}
    assert City.objects(people).one().name == "Delft"
    assert set(Person.objects(people).keys()) == {
        *("ada", "guido", "grace", "larry", "bob", "delft")
    }
    assert set(Woman.objects(people).keys()) == {"ada", "grace"}
    assert set(Adult.objects(people).keys()) == {"ada", "grace", "guido"}
    assert Anything.objects(people).count() == len(people) == 8


def test_membership_asks_for_a_kind_not_only_a_name(storage: BaseStorage) -> None:
    for number, name in enumerate([None, 1, True, ["x"], {"a": 1}, b"x", "x"]):
        storage[str(number)] = {"name": name}
    storage["missing"] = {"other": 1}
    assert keys(Person.objects(storage)) == ["6"]
    assert Person.objects(storage).count() == 1
    for key in storage:
        assert Person.fits(storage[key]) == (key == "6")
        if key != "6":
            with pytest.raises(RecordNotFound):
                storage.get(Person, key)


def test_membership_by_exclusion(people: BaseStorage) -> None:
    record = people["guido"]
    people["guido"] = {**record, "retired": True}
    assert set(Adult.objects(people).keys()) == {"ada", "grace"}
    people["guido"] = {**record, "retired": 1}
    assert set(Adult.objects(people).keys()) == {"ada", "grace", "guido"}


def test_conditions_are_prefilled_and_written(storage: BaseStorage) -> None:
    key = Woman(name="Ada").save(storage)
    assert storage[key]["gender"] == "female"
    assert City(name="Delft").type == "city"

    class Retired(Worker):
        class Meta:
            must_have = {"retired": True, "deep__er": 1}

    key = Retired(name="Bob").save(storage)
    assert storage[key]["retired"] is True
    assert storage[key]["deep"] == {"er": 1}
    assert keys(Retired.objects(storage)) == [key]


# lookup on `value`, its operand, a value that fits, one that does not
CONDITIONS: list[tuple[str, Any, Any, Any]] = [
    ("equals", 1, 1.0, True),
    ("equals", None, None, 0),
    ("is", "a", "a", "A"),
    ("ne", "a", None, "a"),
    ("gt", 1, Decimal("1.1"), 1),
    ("gte", 1, 1, "1"),
    ("lt", "b", "a", 0),
    ("lte", date(2020, 1, 1), date(2020, 1, 1), date(2020, 1, 2)),
    ("between", (1, 3), 2, 4),
    ("in", ["a", None], None, "b"),
    ("exists", True, False, None),
    ("exists", False, None, 0),
    ("contains", "a", ["a"], "b"),
    ("contains_any", ["a", "b"], "xb", ["ab"]),
    ("startswith", "a", "ab", "ba"),
    ("endswith", "a", "ba", "ab"),
    ("iequals", "SS", "ß", "s"),
    ("icontains", "É", "aéb", "e"),
    ("istartswith", "A", "ab", "ba"),
    ("iendswith", "A", "ba", "ab"),
    ("matches", "^a$", "a", "b"),
    ("matches_caseless", "^a$", "A", "b"),
    ("like", "one two", "two, one", "one"),
    ("like_any", "one two", "two", "onetwo"),
    ("search", "one NOT two", "one", "one two"),
    ("year", 2020, date(2020, 1, 1), date(2021, 1, 1)),
    ("month", 1, date(2020, 1, 1), date(2020, 2, 1)),
    ("day", 1, date(2020, 1, 1), date(2020, 1, 2)),
]


@each("lookup operand fits fails", CONDITIONS, ids=label)
def test_membership_by_every_lookup(
    storage: BaseStorage, lookup: str, operand: Any, fits: Any, fails: Any
) -> None:
    condition = {f"value__{lookup}": operand}

    class Inside(Anything):
        class Meta:
            must_have = condition

    class Outside(Anything):
        class Meta:
            must_not_have = condition

    storage["fits"] = {"value": fits}
    storage["fails"] = {"value": fails}
    assert keys(Inside.objects(storage)) == ["fits"]
    assert keys(Outside.objects(storage)) == ["fails"]
    assert Inside.objects(storage).count() == Outside.objects(storage).count() == 1
    with pytest.raises(NotInModel):
        Inside(value=fails).save(storage)
    with pytest.raises(NotInModel):
        Outside(value=fits).save(storage)
    loaded = storage.get(Inside, "fits")
    loaded.value = fails
    with pytest.raises(NotInModel):
        loaded.save()
    assert len(storage) == 2
    assert Inside.fits(storage["fits"])
    assert not Inside.fits(storage["fails"])


def test_a_record_that_does_not_validate_is_told(people: BaseStorage) -> None:
    people["bad"] = {"name": "Bad", "age": "many", "born": 1.5}
    with pytest.raises(InvalidRecord, match="bad") as caught:
        people.get(Person, "bad")
    assert caught.value.key == "bad"
    assert {error["loc"][0] for error in caught.value.errors} == {"age", "born"}
    with pytest.raises(InvalidRecord, match="bad"):
        list(Person.objects(people))
    assert Person.objects(people).count() == 6


def test_invalid_records_may_be_skipped(people: BaseStorage) -> None:
    people["aaa"] = {"name": "Bad", "age": "many", "tags": ["x"]}
    valid = Person.objects(people).skip_invalid()
    assert valid.count() == 5
    assert {person.key for person in valid} == set(people) - {"aaa"}
    assert [person.key for person in valid.order_by("key")[:2]] == ["ada", "bob"]
    assert valid.order_by("key")[:2].count() == 2
    first = valid.order_by("key").first()
    assert first is not None
    assert first.key == "ada"
    assert "aaa" not in valid
    assert ["x"] not in valid.values("tags")
    assert valid.update(gender="y") == 5
    assert "gender" not in people["aaa"]
    assert valid.order_by("key")[1:3].delete() == 2
    assert set(people) == {"aaa", "ada", "guido", "larry"}
    assert valid.delete() == 3
    assert list(people) == ["aaa"]


def test_convert_to_shows_the_same_record(people: BaseStorage) -> None:
    people["ada"] = {**people["ada"], "job": "count", "hobby": "birds"}
    ada = people.get(Person, "ada")
    ada.age = 40
    worker = ada.convert_to(Worker, wage="9.50")
    assert (worker.key, worker.name, worker.job) == ("ada", "Ada", "count")
    assert worker.wage == Decimal("9.50")
    assert worker.same_record(ada)
    assert people["ada"]["age"] == 36
    worker.save()
    assert people["ada"]["wage"] == Decimal("9.50")
    assert people["ada"]["hobby"] == "birds"
    assert people["ada"]["tags"] == ["maths", "poetry"]
    assert ada.convert_to(Woman).gender == "female"


def test_save_as_copies_the_whole_record(
    people: BaseStorage, new_storage: NewStorage
) -> None:
    people["ada"] = {**people["ada"], "hobby": {"birds": 3}}
    before = people["ada"]
    ada = people.get(Worker, "ada")
    ada.job = "countess"
    twin = ada.save_as(key="twin")
    assert twin.key == "twin"
    assert people["twin"] == {**before, "job": "countess"}
    assert people["ada"] == before
    assert ada.save_as().key not in {None, "ada", "twin"}
    with pytest.raises(DuplicateKey):
        ada.save_as(key="guido")
    with new_storage() as other:
        ada.save_as(key="ada", storage=other)
        assert other["ada"] == {**before, "job": "countess"}
        assert other.get(Worker, "ada").storage is other


def test_an_open_model_sees_and_saves_what_it_does_not_declare(
    storage: BaseStorage,
) -> None:
    storage["a"] = {"name": "x", "age": 5, "born": date(2020, 1, 1)}
    found: Any = storage.get(Open, "a")
    assert found.age == 5
    found.age = 6
    found.extra = [b"x"]
    found.save()
    assert storage["a"] == {
        "name": "x",
        "age": 6,
        "born": date(2020, 1, 1),
        "extra": [b"x"],
    }


def test_references_load_what_they_name(storage: BaseStorage) -> None:
    delft = City(name="Delft")
    ada = Person(name="Ada", home=Reference(delft))
    key = ada.save(storage)
    assert delft.key is not None
    assert storage[key]["home"] == delft.key
    again = storage.get(Person, key)
    assert again.home is not None
    assert again.home.key == delft.key
    assert again.home.load() == delft
    asked = Person.objects(storage)
    assert keys(asked.where(home=delft)) == [key]
    assert keys(asked.where(home=delft.key)) == [key]
    assert keys(asked.where(F.home == delft)) == [key]
    assert keys(asked.where(home__in=[delft, "x"])) == [key]
    again.home = None
    again.save()
    assert asked.where(home=delft).count() == 0


def test_an_instance_may_stand_for_a_reference(storage: BaseStorage) -> None:
    home: Any = City(name="Delft")
    ada = Person(name="Ada")
    ada.home = home
    key = ada.save(storage)
    assert storage[key]["home"] == home.key
    assert storage.get(City, home.key).name == "Delft"
    assert Person(name="Bob", home=home).home == ada.home


def test_references_may_go_round(storage: BaseStorage) -> None:
    delft = City(name="Delft")
    ada = Person(name="Ada", home=Reference(delft))
    ada.save(storage)
    delft.mayor = Reference(ada)
    delft.save()
    mayor = City.objects(storage).one().mayor
    assert mayor is not None
    assert mayor.load().home == ada.home


def test_references_are_fetched_in_batches(storage: BaseStorage) -> None:
    cities = [City(name=str(number)) for number in range(3)]
    storage.save_many(cities)
    storage.save_many(
        [Person(name=str(n), home=Reference(cities[n % 3])) for n in range(20)]
    )
    asked = Person.objects(storage).where(home__exists=True)
    assert asked.count() == 20
    for person in asked.prefetch("home"):
        assert person.home is not None
        assert person.home.load().name == str(int(person.name) % 3)


def test_a_dangling_reference_names_both_ends(storage: BaseStorage) -> None:
    storage["ada"] = {"name": "Ada", "home": "nowhere"}
    ada = storage.get(Person, "ada")
    assert ada.home is not None
    with pytest.raises(DanglingReference, match=r"ada.*nowhere"):
        ada.home.load()
    storage["nowhere"] = {"name": "no city"}
    with pytest.raises(DanglingReference, match=r"ada.*nowhere"):
        ada.home.load()
    with pytest.raises(DanglingReference, match="nowhere"):
        list(Person.objects(storage).prefetch("home"))


def test_copies_and_pickles_keep_the_key(people: BaseStorage) -> None:
    ada = people.get(Person, "ada")
    for twin in (copy.copy(ada), copy.deepcopy(ada), ada.model_copy()):
        assert twin.key == "ada"
        assert twin == ada
        assert twin.storage is people
    thawed = pickle.loads(pickle.dumps(ada))
    assert thawed.key == "ada"
    thawed.age = 41
    thawed.save(people)
    assert people["ada"]["age"] == 41


def test_equality_is_of_values_and_keys(people: BaseStorage) -> None:
    ada = people.get(Person, "ada")
    assert ada == people.get(Person, "ada")
    people["twin"] = people["ada"]
    assert ada != people.get(Person, "twin")
    assert ada.same_record(people.get(Woman, "ada"))
    assert not ada.same_record(people.get(Person, "twin"))
    assert ada in Person.objects(people).where(name="Ada")
    assert ada not in Person.objects(people).where(name="Guido")


def test_a_model_may_be_nested_in_lists_and_maps(storage: BaseStorage) -> None:
    class Trip(Model):
        stops: list[Place] = []
        named: dict[str, Place] = {}

    trip = Trip(stops=[Place(city="A"), Place(zip=1)], named={"a.b": Place(city="B")})
    key = trip.save(storage)
    assert storage.get(Trip, key) == trip
    asked = Trip.objects(storage)
    whole = {"city": "A", "zip": None, "position": None}
    assert keys(asked.where(F.stops.contains(Place(city="A")))) == [key]
    assert keys(asked.where(stops__contains=whole)) == [key]
    assert keys(asked.where(F.named["a.b"].city == "B")) == [key]


def test_a_query_shows_itself(people: BaseStorage) -> None:
    asked = Person.objects(people).order_by("name")
    assert repr(asked[:2]) == "[<Person Ada>, <Person Grace>]"
    people["bad"] = {"name": "Bad", "age": "many"}
    assert "InvalidRecord" in repr(asked)
    assert str(asked.where(age__gt=3).plan())
