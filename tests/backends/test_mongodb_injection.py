"""Nothing can be smuggled in: whatever is sent is data or is refused, as in memory.

Each hostile value, name and key goes to every place where one can go, in this
backend and in the memory backend; their answers and what is left must be equal.
"""

from contextlib import contextmanager
from itertools import product
from typing import Any

import hostile
import mongod
import pytest
from hostile import label
from lengths import length
from mongo_places import places_on
from pydantic import ValidationError

import pymodels
from pymodels import F, Model, PyModelsError, Reference, SettingsError
from pymodels.law.values import kind_of, same
from pymodels.querying.lookups import LOOKUPS
from pymodels.testing.each import each

pytestmark = pytest.mark.server

REFUSALS = (PyModelsError, TypeError, ValidationError)


class Inner(Model):
    value: Any = None


class Open(Model):
    """Takes a value of any kind, and has fields to be spoilt."""

    title: str
    value: Any = None
    number: int | None = None
    text: str | None = None
    tags: list[str] = []
    inner: Inner | None = None


class Wide(Model):
    """Takes fields of any name."""

    model_config = {"extra": "allow"}
    title: str


class Holder(Model):
    title: str
    to: Reference[Open] | None = None


CANARIES: dict[str, dict[str, Any]] = {
    "canary": {"title": "a", "value": 1, "text": "a", "tags": ["a"]},
    "list": {"title": "b", "value": ["a", {"$gt": ""}], "text": "b", "tags": []},
    "map": {"title": "c", "value": {"$gt": ""}, "inner": {"value": 1}},
    "none": {"title": "d"},
}


@pytest.fixture(scope="module")
def places():
    with places_on(mongod.standalone_url()) as places:
        yield places


@pytest.fixture(scope="module")
def both(places):
    """Give a storage on MongoDB and one in memory."""
    with places.storage() as ours, pymodels.get_storage("memory://") as memory:
        yield ours, memory


def fill(both):
    """Let both hold the canaries and nothing else, by the shortest way."""
    ours, memory = both
    documents = [{"_id": key, **record} for key, record in CANARIES.items()]
    ours.connection.delete_many({})
    ours.connection.insert_many(documents)
    memory.clear()
    for key, record in CANARIES.items():
        memory[key] = record


def outcome(act, storage, *hostile):
    """Say what came of an act: an answer, or a refusal."""
    try:
        return "answer", act(storage, *hostile)
    except REFUSALS as error:
        return "refusal", isinstance(error, PyModelsError)


def left(storage):
    """Give all records but for the names of keys that were made just now."""
    records = dict(storage.records())
    new = [record for key, record in records.items() if len(key) == 36]
    return {key: r for key, r in records.items() if len(key) != 36}, new


def assert_alike(places, both, *hostile):
    """Compare outcome and remains in both storages, for each place of a value."""
    for place in places:
        fill(both)
        found, expected = (outcome(place, storage, *hostile) for storage in both)
        assert found == expected, place.__name__
        kept, new = left(both[0])
        also_kept, also_new = left(both[1])
        assert kept == also_kept, place.__name__
        assert len(new) == len(also_new), place.__name__
        assert all(map(same, new, also_new)), place.__name__


@contextmanager
def own_names_refused():
    """Let names of ours, such as `key`, be refused by Python itself."""
    try:
        yield
    except AttributeError as error:
        raise TypeError(str(error)) from error


def keys(query):
    return sorted(query.keys())


# Values.


def save_new(storage, value):
    return len(Open(title="x", value=value).save(storage))


def save_replacing(storage, value):
    return Open(title="x", value=value).save(storage, key="canary", replace=True)


def save_past_validation(storage, value):
    return len(Open.model_construct(title="x", text=value, tags=value).save(storage))


def save_changed(storage, value):
    one = storage.get(Open, "canary")
    one.value = value
    return one.save()


def save_changed_inside(storage, value):
    one = storage.get(Open, "map")
    one.inner.value = value
    return one.save()


def save_changed_list(storage, value):
    one = storage.get(Open, "canary")
    one.tags = ["a"]
    one.__dict__["tags"] = [value]
    return one.save()


def save_many(storage, value):
    instances = [Open(title="x"), Open(title="y", value=value)]
    return len(storage.save_many(instances))


def save_as(storage, value):
    one = storage.get(Open, "canary")
    one.value = value
    return one.save_as("copy").key


def convert(storage, value):
    return storage.get(Open, "canary").convert_to(Wide, value=value).save()


def save_undeclared(storage, value):
    return len(Wide(title="x", undeclared=value).save(storage))


def update(storage, value):
    return Open.objects(storage).update(value=value)


def update_declared(storage, value):
    return Open.objects(storage).where(title="a").update(text=value)


def update_inside(storage, value):
    return Open.objects(storage).update(inner__value=value)


def update_by_residual(storage, value):
    return Open.objects(storage).where(title__matches=r"\w").update(value=value)


def set_record(storage, value):
    storage["new"] = value


def set_field(storage, value):
    storage["new"] = {"title": "x", "value": value}


def set_nested(storage, value):
    storage["new"] = {"title": "x", "value": [{"a": [value]}]}


def use_as_condition(storage, value):
    return keys(Open.objects(storage).where(value))


def order_by_value(storage, value):
    return keys(Open.objects(storage).order_by(value))


def ask_for_values(storage, value):
    return Open.objects(storage).values(value)


def slice_by_value(storage, value):
    return keys(Open.objects(storage)[value:])


def is_in_query(storage, value):
    return value in Open.objects(storage)


def compare_expressions(storage, value):
    asked = Open.objects(storage)
    conditions = [F.value == value, F.value != value, F.inner.value == value]
    return [keys(asked.where(condition)) for condition in conditions]


def join_conditions(storage, value):
    condition = (F.value == value) | (F.title == "a") & ~(F.text == value)
    return keys(Open.objects(storage).where(condition))


def store_and_ask(storage, value):
    Open(title="x", value=value).save(storage, key="stored")
    asked = Open.objects(storage)
    found = keys(asked.where(value=value)), keys(asked.where_not(value=value))
    changed = asked.where(value=value).update(number=1)
    return found, changed, asked.where(value=value).delete()


def store_and_give_values(storage, value):
    storage.clear()
    Open(title="x", value=value).save(storage, key="stored")
    found = Open.objects(storage).values("value")
    return [kind_of(one) for one in found], len(found)


VALUE_PLACES = [
    save_new,
    save_replacing,
    save_past_validation,
    save_changed,
    save_changed_inside,
    save_changed_list,
    save_many,
    save_as,
    convert,
    save_undeclared,
    update,
    update_declared,
    update_inside,
    update_by_residual,
    set_record,
    set_field,
    set_nested,
    use_as_condition,
    order_by_value,
    ask_for_values,
    slice_by_value,
    is_in_query,
    compare_expressions,
    join_conditions,
    store_and_ask,
    store_and_give_values,
]

each_value = each("value", hostile.VALUES, ids=label)
each_name = each("name", hostile.NAMES, ids=label)
each_key = each("key", hostile.KEYS, ids=label)


@each_value
def test_a_value_is_data_or_refused(both, value):
    assert_alike(VALUE_PLACES, both, value)


@each("number value", enumerate(hostile.VALUES), ids=label)
def test_a_value_is_no_operator_in_any_lookup(both, number, value):
    fill(both)
    places = list(product(("value", "text", "key"), LOOKUPS))
    every = length(5, 1)
    for field, lookup in places[number % every :: every]:
        assert_same_answers(both, f"{field}__{lookup}", value)


def assert_same_answers(both, lookup, value):
    found, expected = (outcome(ask, storage, lookup, value) for storage in both)
    assert found == expected, lookup


def ask(storage, lookup, value):
    asked = Open.objects(storage)
    return keys(asked.where(**{lookup: value})), keys(
        asked.where_not(**{lookup: value})
    )


@each_value
def test_a_value_is_no_operator_in_a_list_of_values(both, value):
    fill(both)
    for lookup in ("in", "contains", "contains_any", "between", "like_any"):
        assert_same_answers(both, f"value__{lookup}", [value, value])


def must_have_value(storage, value):
    class Chosen(Model):
        title: str

        class Meta:
            must_have = {"value": value}

    found = keys(Chosen.objects(storage))
    Chosen(title="new").save(storage, key="new")
    return found, keys(Chosen.objects(storage))


@each_value
def test_a_condition_of_a_model_is_data_or_refused(both, value):
    assert_alike([must_have_value], both, value)


# Names.


def set_name(storage, name):
    storage["new"] = {"title": "x", name: 1}


def set_name_inside(storage, name):
    storage["new"] = {"title": "x", "value": {name: {name: [1]}}}


def save_extra(storage, name):
    return len(Wide(title="x", **{name: {"a": 1}}).save(storage))


def change_extra(storage, name):
    storage["new"] = {"title": "x", name: 1, "other": name}
    one = storage.get(Wide, "new")
    with own_names_refused():
        setattr(one, name, 2)
    one.save()
    return storage["new"]


def remove_extra(storage, name):
    storage["new"] = {"title": "x", name: 1}
    one = storage.get(Wide, "new")
    delattr(one, name)
    one.save()
    return storage["new"]


def change_inside(storage, name):
    storage["new"] = {"title": "x", "value": {"a": 1}, "inner": {"value": {name: 1}}}
    one = storage.get(Open, "new")
    one.inner.value[name] = {"b": 2}
    one.value = {name: 3}
    one.save()
    again = storage.get(Open, "new")
    del again.inner.value[name]
    again.inner.value["c"] = 3
    again.save()
    return storage["new"]


def ask_name(storage, name):
    storage["new"] = {"title": "x", name: "one", "value": {name: "two"}}
    asked = Open.objects(storage)
    conditions = [
        F[name] == "one",
        F[name] == None,  # noqa: E711  # it builds a condition
        F[name].exists(),
        F[name] != "one",
        F[name].startswith("o"),
        F[name] > "a",
        F[name].contains("n"),
        F[name].in_(["one", None]) if hasattr(F[name], "in_") else F[name] == "one",
        F.value[name] == "two",
        F.value[name] == None,  # noqa: E711  # it builds a condition
        F.value[name].exists(),
        F.value[name].startswith("t"),
    ]
    return [
        (keys(asked.where(condition)), keys(asked.where(~condition)))
        for condition in conditions
    ]


def ask_name_by_keyword(storage, name):
    storage["new"] = {"title": "x", name: 1}
    asked = Wide.objects(storage)
    return [
        keys(asked.where(**{name: 1})),
        keys(asked.where(**{f"{name}__gt": 0})),
        keys(asked.where(**{f"value__{name}": 1})),
    ]


def order_by_name(storage, name):
    for number, key in enumerate(["new", "old", "also"]):
        storage[key] = {"title": "x", name: number}
    asked = Wide.objects(storage).where(title="x")
    return [
        [one.key for one in asked.order_by(by)]
        for by in (name, f"-{name}", F[name], -F[name])
    ]


def values_of_name(storage, name):
    storage["new"] = {"title": "x", name: 1}
    return Wide.objects(storage).values(name)


def update_name(storage, name):
    storage["new"] = {"title": "x", name: 1}
    return Wide.objects(storage).where(title="x").update(**{name: 2})


def update_name_inside(storage, name):
    storage["new"] = {"title": "x", "value": {name: 1}}
    return Wide.objects(storage).where(title="x").update(**{f"value__{name}": 2})


def prefetch_name(storage, name):
    return keys(Open.objects(storage).prefetch(name))


def spelled_by_meta(storage, name):
    class Renamed(Model):
        title: str
        here: int | None = None
        day: Inner | None = None

        class Meta:
            names = {"here": name, "day": f"{name} too"}
            indexes = ["here"]

    one = Renamed(title="x", here=1, day=Inner(value=1))
    one.save(storage, key="new")
    one.here, one.day.value = 2, 3
    one.save()
    asked = Renamed.objects(storage)
    return [
        storage["new"],
        keys(asked.where(here=2)),
        keys(asked.where(here__gt=1, day__value=3)),
        keys(asked.where(here=None)),
        [found.key for found in asked.order_by("-here")],
        asked.values("here"),
        asked.where(here=2).update(here=4),
        storage["new"],
    ]


def must_have_name(storage, name):
    class Chosen(Model):
        title: str

        class Meta:
            must_have = {name: 1}

    storage["new"] = {"title": "x", name: 1}
    return keys(Chosen.objects(storage)), storage.get(Chosen, "new").title


NAME_PLACES = [
    set_name,
    set_name_inside,
    save_extra,
    change_extra,
    remove_extra,
    change_inside,
    ask_name,
    ask_name_by_keyword,
    order_by_name,
    values_of_name,
    update_name,
    update_name_inside,
    prefetch_name,
    spelled_by_meta,
    must_have_name,
]


@each_name
def test_a_name_is_a_name_or_refused(both, name):
    assert_alike(NAME_PLACES, both, name)


@each_name
def test_a_name_in_an_index_is_a_name_or_refused(both, name):
    """What MongoDB cannot index is refused; nothing else comes of it."""
    fill(both)
    ours, memory = both
    found, expected = (outcome(index_by_meta, storage, name) for storage in both)
    if found != expected:
        assert found == ("refusal", True)
        assert left(ours) == (CANARIES, [])
    ours.connection.drop_indexes()
    memory._records.indexes.clear()


def index_by_meta(storage, name):
    class Indexed(Model):
        title: str
        here: int | None = None

        class Meta:
            names = {"here": name}
            indexes = ["here", ("-here", "title")]

    storage.ensure_indexes(Indexed)
    Indexed(title="x", here=1).save(storage, key="new")
    return keys(Indexed.objects(storage).where(here=1))


# Keys.


def get_by_key(storage, key):
    return storage.get(Open, key).title


def get_many_by_key(storage, key):
    return [one.key for one in storage.get_many(Open, ["canary", key, "none"])]


def read_by_key(storage, key):
    return storage[key]


def is_there(storage, key):
    return key in storage, key in Open.objects(storage)


def write_by_key(storage, key):
    storage[key] = {"title": "x"}
    return key in storage, storage[key], storage.get(Open, key).key


def save_by_key(storage, key):
    return Open(title="x").save(storage, key=key) if key is not None else None


def save_by_key_twice(storage, key):
    Open(title="x").save(storage, key=key or "")
    Open(title="y").save(storage, key=key, replace=True)
    one = storage.get(Open, key)
    one.number = 7
    one.save()
    return storage[key], keys(Open.objects(storage).where(number=7))


def copy_to_key(storage, key):
    return storage.get(Open, "canary").save_as(key or "").key


def delete_by_key(storage, key):
    storage.delete(key)


def delete_what_was_written(storage, key):
    storage[key] = {"title": "x"}
    del storage[key]
    return key in storage


def refer_to_key(storage, key):
    Holder(title="h", to=key).save(storage, key="holder")
    found = keys(Holder.objects(storage).where(to=key))
    to = storage.get(Holder, "holder").to
    return found, to and to.load().title


def prefetch_key(storage, key):
    storage["holder"] = {"title": "h", "to": key}
    asked = Holder.objects(storage).where(key="holder").prefetch("to")
    return [one.title for one in asked]


def ask_for_key(storage, key):
    asked = Open.objects(storage)
    return [
        keys(asked.where(key=key)),
        keys(asked.where_not(pk=key)),
        keys(asked.where(key__in=["canary", key])),
        keys(asked.where(F.key == key)),
    ]


def ask_for_parts_of_key(storage, key):
    asked = Open.objects(storage)
    return [
        keys(asked.where(**{f"key__{lookup}": key}))
        for lookup in ("gt", "lte", "startswith", "contains", "iequals")
    ]


def update_by_key(storage, key):
    return Open.objects(storage).where(key=key).update(number=7)


def remove_by_key(storage, key):
    return Open.objects(storage).where(key=key).delete()


KEY_PLACES = [
    get_by_key,
    get_many_by_key,
    read_by_key,
    is_there,
    write_by_key,
    save_by_key,
    save_by_key_twice,
    copy_to_key,
    delete_by_key,
    delete_what_was_written,
    refer_to_key,
    prefetch_key,
    ask_for_key,
    ask_for_parts_of_key,
    update_by_key,
    remove_by_key,
]


@each_key
def test_a_key_is_a_key_or_refused(both, key):
    assert_alike(KEY_PLACES, both, key)


# Settings.

SETTINGS = ["collection", "database", "host", "uri"]


@each("setting value", product(SETTINGS, hostile.SETTINGS), ids=label)
def test_a_setting_is_a_name_or_refused(places, setting, value):
    settings = {
        "backend": "pymodels.backends.mongodb",
        "database": places.name,
        "collection": "hostile",
        "timeout": 0.5,
        setting: value,
    }
    if setting not in {"host", "uri"}:
        settings["uri"] = mongod.standalone_url()
    try:
        with pymodels.get_storage(settings) as storage:
            storage["a"] = {"title": "x"}
            assert list(storage) == ["a"]
            storage.clear()
    except (SettingsError, pymodels.StorageError):
        return
    assert setting not in {"host", "uri"}
