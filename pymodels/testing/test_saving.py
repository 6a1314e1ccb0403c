"""Saves write what changed, in one step, and touch nothing else."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from pymodels.errors import NotInModel, RecordNotFound, UnknownField
from pymodels.law.values import same
from pymodels.models.model import Model
from pymodels.storage import BaseStorage
from pymodels.testing.models import (
    Anything,
    Catalogue,
    Person,
    Place,
    Position,
    Woman,
    Worker,
)


def test_a_new_instance_writes_all_that_it_declares(storage: BaseStorage) -> None:
    key = Person(name="Ada").save(storage)
    assert storage[key] == {
        "name": "Ada",
        "age": None,
        "gender": None,
        "born": None,
        "tags": [],
        "address": None,
        "home": None,
    }


def test_a_save_writes_only_what_changed(storage: BaseStorage) -> None:
    storage["a"] = {"name": "Ada", "job": "x", "odd": [1]}
    person, worker = storage.get(Person, "a"), storage.get(Worker, "a")
    person.age = 36
    worker.job = "countess"
    person.save()
    worker.save()
    assert storage["a"] == {"name": "Ada", "job": "countess", "odd": [1], "age": 36}


def test_a_save_without_changes_writes_nothing(people: BaseStorage) -> None:
    ada = people.get(Person, "ada")
    people["ada"] = {"name": "Other"}
    ada.save()
    assert people["ada"] == {"name": "Other"}
    del people["ada"]
    ada.save()
    assert "ada" not in people


def test_a_default_is_not_written_by_itself(storage: BaseStorage) -> None:
    storage["a"] = {"name": "Ada", "tags": ["x"]}
    ada = storage.get(Person, "a")
    ada.age = 3
    ada.save()
    assert storage["a"] == {"name": "Ada", "tags": ["x"], "age": 3}


def test_nested_maps_are_patched_path_by_path(storage: BaseStorage) -> None:
    storage["a"] = {
        "name": "Ada",
        "address": {
            "city": "London",
            "floor": 3,
            "position": {"north": 1.0, "up": Decimal("0.10")},
        },
    }
    one, two = storage.get(Person, "a"), storage.get(Person, "a")
    assert one.address is not None
    assert two.address is not None
    assert two.address.position is not None
    one.address.city = "Paris"
    two.address.zip = 5
    two.address.position.east = 2.5
    one.save()
    two.save()
    assert same(
        storage["a"],
        {
            "name": "Ada",
            "address": {
                "city": "Paris",
                "floor": 3,
                "position": {"north": 1.0, "up": Decimal("0.10"), "east": 2.5},
                "zip": 5,
            },
        },
    )


def test_a_map_that_is_none_or_new_is_written_whole(storage: BaseStorage) -> None:
    storage["a"] = {"name": "Ada", "address": None}
    ada = storage.get(Person, "a")
    ada.address = Place(position=Position(north=1.0))
    ada.save()
    whole = {"city": None, "zip": None, "position": {"north": 1.0, "east": None}}
    assert storage["a"]["address"] == whole
    ada.address.position = None
    ada.save()
    assert storage["a"]["address"] == {"city": None, "zip": None, "position": None}
    ada.address = None
    ada.save()
    assert storage["a"]["address"] is None


def test_a_map_that_became_something_else_is_replaced(storage: BaseStorage) -> None:
    storage["a"] = {"name": "Ada", "address": {"city": "London"}}
    ada = storage.get(Person, "a")
    for other in (None, "text", [1], 5, date(2020, 1, 1)):
        storage["a"] = {"name": "Ada", "address": other}
        assert ada.address is not None
        ada.address.city = f"not {other}"
        ada.save()
        assert storage["a"]["address"]["city"] == f"not {other}"


def test_a_list_is_replaced_whole(people: BaseStorage) -> None:
    ada = people.get(Person, "ada")
    ada.tags.append("letters")
    ada.save()
    assert people["ada"]["tags"] == ["maths", "poetry", "letters"]
    ada.tags = []
    ada.save()
    assert people["ada"]["tags"] == []


def test_entries_of_a_map_come_and_go(storage: BaseStorage) -> None:
    one = Catalogue(counts={"a": 1, "b.c": 2, "$d": 3})
    key = one.save(storage)
    two = storage.get(Catalogue, key)
    assert one.counts is not None
    assert two.counts is not None
    del one.counts["b.c"]
    one.counts["q'z"] = 4
    two.counts["$d"] = 5
    one.save()
    two.save()
    assert storage[key]["counts"] == {"a": 1, "$d": 5, "q'z": 4}


def test_changes_keep_the_kinds_of_all_else(storage: BaseStorage) -> None:
    record: dict[str, Any] = {
        "value": {"day": date(2020, 1, 1), "money": Decimal("1.10"), "raw": b"\0"},
        "moment": datetime(2020, 1, 1, tzinfo=UTC),
        "list": [Decimal("2"), b"", date(1, 1, 1)],
    }
    storage["a"] = record
    steps: list[Any] = [1, Decimal("1.0"), b"x", date(2020, 1, 2), [date(1, 1, 1)], "x"]
    for step in [*steps, {"deep": b"y"}, None, record["value"], *reversed(steps)]:
        found = storage.get(Anything, "a")
        found.other = step
        found.save()
        assert same(storage["a"], {**record, "other": step})
        found.value = {"inner": step}
        found.save()
        assert same(storage["a"], {**record, "other": step, "value": {"inner": step}})
        found.value = record["value"]
        found.save()
        assert same(storage["a"], {**record, "other": step})


def test_a_number_may_change_its_type_only(storage: BaseStorage) -> None:
    key = Anything(value=1).save(storage)
    for value in (1.0, Decimal("1"), Decimal("1.00"), True, 1, -0.0, 0.0, 0):
        found = storage.get(Anything, key)
        found.value = value
        found.save()
        assert same(storage[key]["value"], value)


def test_a_record_that_is_gone_is_told(people: BaseStorage) -> None:
    ada = people.get(Person, "ada")
    del people["ada"]
    ada.age = 5
    with pytest.raises(RecordNotFound, match="ada"):
        ada.save()
    assert "ada" not in people
    with pytest.raises(RecordNotFound):
        ada.refresh()
    with pytest.raises(RecordNotFound):
        ada.delete()


def test_delete_makes_an_instance_new_again(people: BaseStorage) -> None:
    ada = people.get(Person, "ada")
    ada.delete()
    assert "ada" not in people
    assert ada.key is None
    assert ada.save(people, key="ada") == "ada"
    assert people["ada"]["name"] == "Ada"


def test_refresh_drops_unsaved_changes(people: BaseStorage) -> None:
    ada = people.get(Person, "ada")
    ada.name = "unsaved"
    people["ada"] = {"name": "Lovelace", "age": 1}
    assert ada.refresh() is ada
    assert (ada.name, ada.age, ada.tags) == ("Lovelace", 1, [])
    ada.age = 2
    ada.save()
    assert people["ada"] == {"name": "Lovelace", "age": 2}


def test_a_save_that_would_leave_the_model_writes_nothing(
    people: BaseStorage,
) -> None:
    before = people["ada"]
    ada = people.get(Woman, "ada")
    ada.gender, ada.age = "male", 5
    with pytest.raises(NotInModel, match="gender"):
        ada.save()
    assert people["ada"] == before
    with pytest.raises(NotInModel):
        Woman(name="X", gender="male").save(people)
    assert len(people) == 5


def test_an_update_that_would_leave_the_model_writes_nothing(
    people: BaseStorage,
) -> None:
    before = dict(people.records())
    women = Woman.objects(people)
    with pytest.raises(NotInModel, match="gender"):
        women.update(gender="male", age=5)
    with pytest.raises(ValueError, match="valid integer"):
        women.update(age="many")
    with pytest.raises(UnknownField):
        women.update(wage=5)
    with pytest.raises(ValueError):
        women.update(address__city="x", address=None)
    assert dict(people.records()) == before


def test_an_update_sets_nested_paths(people: BaseStorage) -> None:
    people["ada"] = {**people["ada"], "address": {"floor": 3, "city": "London"}}
    everyone = Person.objects(people)
    assert everyone.update(address__position__north=1.5, tags=["x"]) == 5
    for _, record in people.records():
        assert record["address"]["position"]["north"] == 1.5
        assert record["tags"] == ["x"]
    assert people["ada"]["address"]["floor"] == 3
    assert people["guido"]["address"]["position"]["east"] == 4.6
    assert everyone.where(address__city="London").update(born=date(1815, 12, 10)) == 1
    assert people["ada"]["born"] == date(1815, 12, 10)


def test_a_save_of_one_field_leaves_what_validation_made_of_others(
    storage: BaseStorage,
) -> None:
    """A float that is loaded as infinity cannot be stored, and need not be."""
    record = {"real": Decimal("9E+6111"), "numbers": ["3", 1], "text": "x"}
    storage["a"] = record
    found = storage.get(Catalogue, "a")
    assert found.real == float("inf")
    found.save()
    found.text = "y"
    found.save()
    assert same(storage["a"], {**record, "text": "y"})


def test_2_a_date_joins_another_in_the_same_map(storage: BaseStorage) -> None:
    storage["k"] = {"spot": {"deep": {"since": date(2020, 2, 29)}}}
    places = Whereabouts.objects(storage)
    assert places.update(spot__until=date(2021, 1, 1)) == 1
    place = storage.get(Whereabouts, "k")
    place.spot["on"] = date(2022, 1, 1)
    place.save()
    assert storage["k"]["spot"] == {
        "deep": {"since": date(2020, 2, 29)},
        "until": date(2021, 1, 1),
        "on": date(2022, 1, 1),
    }


class Whereabouts(Model):
    """Something with a map of whatever there is."""

    spot: dict[str, Any]
