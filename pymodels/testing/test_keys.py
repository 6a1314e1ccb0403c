"""A storage as a mapping of keys to plain records (law 12)."""

from typing import Any

import pytest

from pymodels.errors import DuplicateKey, EncodeError, RecordNotFound
from pymodels.storage import BaseStorage
from pymodels.testing.each import each
from pymodels.testing.models import Anything, Person
from pymodels.testing.records import BAD_KEYS, KEYS, label


def test_a_fresh_storage_is_empty(storage: BaseStorage) -> None:
    assert len(storage) == 0
    assert list(storage) == []
    assert list(storage.records()) == []
    assert Person.objects(storage).count() == 0


def test_a_storage_is_true_even_if_empty(storage: BaseStorage) -> None:
    assert storage
    assert storage == storage  # identity is what is asked


@each("key", KEYS, ids=label)
def test_12_any_key_is_kept_as_it_is(storage: BaseStorage, key: str) -> None:
    storage[key] = {"name": key}
    assert key in storage
    assert list(storage) == [key]
    assert storage[key] == {"name": key}
    assert storage.get(Anything, key).key == key
    assert list(Anything.objects(storage).where(key=key).keys()) == [key]
    del storage[key]
    assert key not in storage
    assert len(storage) == 0


def test_12_keys_that_differ_at_all_are_different(storage: BaseStorage) -> None:
    for key in KEYS:
        storage[key] = {"name": key}
    assert len(storage) == len(KEYS)
    assert {key: record["name"] for key, record in storage.records()} == {
        key: key for key in KEYS
    }


def test_12_keys_are_ordered_by_code_point(storage: BaseStorage) -> None:
    for key in KEYS:
        storage[key] = {}
    ordered = Anything.objects(storage).order_by("key")
    assert list(ordered.keys()) == sorted(KEYS)
    assert list(ordered[3:7].keys()) == sorted(KEYS)[3:7]
    backwards = Anything.objects(storage).order_by("-key")
    assert list(backwards.keys()) == sorted(KEYS, reverse=True)


def test_12_keys_are_compared_by_code_point(storage: BaseStorage) -> None:
    for key in KEYS:
        storage[key] = {}
    asked = Anything.objects(storage)
    for key in KEYS:
        above = {other for other in KEYS if other > key}
        assert set(asked.where(key__gt=key).keys()) == above
        assert set(asked.where(key__gte=key).keys()) == above | {key}
        assert set(asked.where(key__lte=key).keys()) == set(KEYS) - above
        assert set(asked.where(key__lt=key).keys()) == set(KEYS) - above - {key}
        if len(key) < 512:
            start = {other for other in KEYS if other.startswith(key)}
            assert set(asked.where(key__startswith=key).keys()) == start


@each("key", BAD_KEYS, ids=label)
def test_12_what_is_no_key_is_nowhere(storage: BaseStorage, key: Any) -> None:
    with pytest.raises(EncodeError):
        storage[key] = {"name": "x"}
    assert key not in storage
    with pytest.raises(RecordNotFound):
        storage[key]
    with pytest.raises(RecordNotFound):
        del storage[key]
    with pytest.raises(RecordNotFound):
        storage.get(Person, key)
    assert storage.get_many(Person, [key]) == []
    assert len(storage) == 0


def test_12_new_keys_rise(storage: BaseStorage) -> None:
    keys = [Person(name=str(number)).save(storage) for number in range(20)]
    assert keys == sorted(set(keys))
    assert list(Person.objects(storage).order_by("key").keys()) == keys


def test_setting_overwrites_the_whole_record(storage: BaseStorage) -> None:
    storage["a"] = {"name": "Ada", "age": 36}
    storage["a"] = {"name": "Ada"}
    assert storage["a"] == {"name": "Ada"}
    assert len(storage) == 1


def test_what_is_given_out_is_a_copy(storage: BaseStorage) -> None:
    storage["a"] = {"tags": ["x"], "map": {"list": [1]}}
    record = storage["a"]
    record["tags"].append("y")
    record["map"]["list"].append(2)
    assert storage["a"] == {"tags": ["x"], "map": {"list": [1]}}


def test_what_was_put_in_may_change_afterwards(storage: BaseStorage) -> None:
    tags = ["x"]
    storage["a"] = {"tags": tags}
    tags.append("y")
    assert storage["a"] == {"tags": ["x"]}


def test_a_record_is_a_mapping(storage: BaseStorage) -> None:
    wrong: list[Any] = [[], "text", None, 1]
    for record in wrong:
        with pytest.raises(TypeError):
            storage["a"] = record
    assert len(storage) == 0


def test_absent_keys_are_told(storage: BaseStorage) -> None:
    with pytest.raises(KeyError, match="nobody"):
        storage["nobody"]
    with pytest.raises(RecordNotFound, match="nobody"):
        storage.delete("nobody")
    with pytest.raises(RecordNotFound, match="nobody"):
        del storage["nobody"]


def test_get_loads_one_model_only(people: BaseStorage) -> None:
    people["stone"] = {"weight": 3}
    assert people.get(Person, "ada").name == "Ada"
    with pytest.raises(RecordNotFound, match="Person"):
        people.get(Person, "stone")
    with pytest.raises(RecordNotFound, match="nobody"):
        people.get(Person, "nobody")


def test_get_many_keeps_the_order_of_the_keys(people: BaseStorage) -> None:
    people["stone"] = {"weight": 3}
    keys = ["larry", "nobody", "ada", "stone", "larry", ""]
    found = people.get_many(Person, keys)
    assert [one.key for one in found] == ["larry", "ada", "larry"]


def test_get_many_takes_thousands(storage: BaseStorage) -> None:
    keys = storage.save_many([Person(name=str(n), age=n) for n in range(2_500)])
    assert len(keys) == len(set(keys)) == len(storage) == 2_500
    found = storage.get_many(Person, [*reversed(keys), "nobody"])
    assert [one.age for one in found] == list(reversed(range(2_500)))


def test_save_many_writes_new_and_changed(storage: BaseStorage) -> None:
    old = Person(name="old")
    old.save(storage, key="old")
    old.age = 3
    new = Person(name="new")
    keys = storage.save_many([new, old])
    assert keys == [new.key, "old"]
    assert storage["old"]["age"] == 3
    assert storage[keys[0]]["name"] == "new"
    assert new.storage is storage


def test_a_chosen_key_must_be_free(people: BaseStorage) -> None:
    before = people["ada"]
    with pytest.raises(DuplicateKey, match="ada"):
        Person(name="Other").save(people, key="ada")
    assert people["ada"] == before
    Person(name="Other").save(people, key="ada", replace=True)
    assert people["ada"]["name"] == "Other"
    assert people["ada"]["tags"] == []


def test_clear_removes_all(people: BaseStorage) -> None:
    people.clear()
    assert len(people) == 0
    people["a"] = {"name": "again"}
    assert list(people) == ["a"]
