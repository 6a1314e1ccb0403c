"""Saving writes what is new or changed, checked beforehand, and nothing else."""

import math
import threading
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from functools import cached_property
from typing import Annotated, Any, Literal

import pydantic
import pytest
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
    PrivateAttr,
    field_validator,
    model_validator,
)
from storages import EMBEDDED, opened

import pymodels
from pymodels import (
    DuplicateKey,
    EncodeError,
    InvalidRecord,
    Model,
    NotInModel,
    RecordNotFound,
    Reference,
)
from pymodels.testing.each import each


@pytest.fixture(params=EMBEDDED)
def backend(request):
    return request.param


@pytest.fixture
def storage(backend, tmp_path):
    with opened(backend, tmp_path) as one:
        yield one


@pytest.fixture
def other_storage(backend, tmp_path):
    folder = tmp_path / "other"
    folder.mkdir()
    with opened(backend, folder) as one:
        yield one


class Street(BaseModel):
    name: str = ""
    number: int | None = None


class Address(BaseModel):
    city: str = ""
    street: Street = Street()
    lines: list[str] = []


class Person(Model):
    name: str
    age: int = 0
    tags: list[str] = []
    address: Address | None = None
    scores: dict[str, int] = {}


ADA = {
    "name": "Ada",
    "age": 36,
    "tags": ["a", "b"],
    "address": {
        "city": "London",
        "street": {"name": "St James", "number": 12},
        "lines": ["x"],
    },
    "scores": {"math": 10},
}


@pytest.fixture
def ada(storage):
    storage["ada"] = ADA
    return storage.get(Person, "ada")


class Writes:
    """Notes what a storage is asked to change, and lets it happen."""

    def __init__(self, storage: pymodels.BaseStorage) -> None:
        self.changes: list[Any] = []
        patch = storage.patch

        def noted(key: str, changes: Any, known: Any = None) -> bool:
            self.changes.append(changes)
            return patch(key, changes, known)

        storage.patch = noted

    def paths(self) -> list[tuple[str, ...]]:
        (changes,) = self.changes
        return sorted([*changes.sets, *changes.removes])


@pytest.fixture
def writes(storage):
    return Writes(storage)


# New instances.


def test_a_new_instance_writes_all_declared_fields_none_included(storage):
    key = Person(name="Ada").save(storage)
    assert storage[key] == {
        "name": "Ada",
        "age": 0,
        "tags": [],
        "address": None,
        "scores": {},
    }


def test_new_keys_are_strings_that_rise(storage):
    keys = [Person(name="x").save(storage) for _ in range(200)]
    assert keys == sorted(set(keys))
    assert all(uuid.UUID(key).version == 7 for key in keys)


def test_a_chosen_key_must_be_free(storage):
    Person(name="Ada").save(storage, key="k")
    other = Person(name="Bob")
    with pytest.raises(DuplicateKey, match="k"):
        other.save(storage, key="k")
    assert storage["k"]["name"] == "Ada"
    assert other.key is None
    assert other.storage is None
    assert other.save(storage, key="free") == "free"


def test_replace_overwrites_the_whole_record(storage):
    storage["k"] = {"name": "Ada", "other": 1}
    assert Person(name="Bob").save(storage, key="k", replace=True) == "k"
    assert "other" not in storage["k"]
    assert storage["k"]["name"] == "Bob"


@pytest.mark.parametrize("key", ["", "a\0b", "x" * 513, "\ud800", 3, b"k", ("k",)])
def test_what_is_no_key_is_refused(storage, key):
    with pytest.raises(EncodeError, match="key"):
        Person(name="x").save(storage, key=key)
    assert len(storage) == 0


def test_saving_needs_a_storage():
    with pytest.raises(ValueError, match="storage"):
        Person(name="x").save()
    with pytest.raises(TypeError, match="storage"):
        Person(name="x").save("memory://")


def test_a_saved_instance_knows_its_key_and_storage(storage):
    one = Person(name="x")
    key = one.save(storage)
    assert (one.key, one.pk, one.storage) == (key, key, storage)


def test_an_instance_of_the_same_place_opened_before_is_to_be_got_again():
    with pymodels.get_storage("memory://twice") as before:
        one = Person(name="x")
        one.save(before)
        with pymodels.get_storage("memory://twice") as again:
            with pytest.raises(ValueError, match="get it again"):
                one.save(again)
            assert again.get(Person, one.key).save(again) == one.key


def test_saving_again_under_another_key_or_in_another_storage_is_refused(
    ada, other_storage
):
    with pytest.raises(ValueError, match="save_as"):
        ada.save(key="other")
    with pytest.raises(ValueError, match="save_as"):
        ada.save(other_storage)
    assert ada.save(key="ada") == "ada"
    assert len(other_storage) == 0


def test_values_put_in_without_validation_are_validated_on_saving(storage):
    with pytest.raises(pydantic.ValidationError):
        Person.model_construct(name="x", age="many").save(storage)
    with pytest.raises(pydantic.ValidationError):
        Person.model_construct(name="x", tags=[1]).save(storage)
    with pytest.raises((NotInModel, pydantic.ValidationError)):
        Person.model_construct(age=3).save(storage)
    with pytest.raises(NotInModel):
        Person.model_construct(name=3).save(storage)
    assert len(storage) == 0


# Changes.


def test_nothing_changed_asks_nothing(ada, writes):
    assert ada.save() == "ada"
    ada.age = 36
    ada.tags = ["a", "b"]
    ada.address = Address.model_validate(ADA["address"])
    ada.save()
    assert writes.changes == []


def test_only_what_changed_is_written(ada, writes):
    ada.age = 37
    ada.save()
    assert writes.paths() == [("age",)]
    assert ada.storage["ada"] == {**ADA, "age": 37}


def test_a_second_save_writes_what_changed_since_the_first(ada, writes):
    ada.age = 37
    ada.save()
    ada.age = 36
    ada.save()
    ada.save()
    assert len(writes.changes) == 2
    assert ada.storage["ada"] == ADA


def test_a_new_instance_writes_changes_after_its_first_save(storage):
    one = Person(name="x", tags=["a"])
    one.save(storage, key="k")
    writes = Writes(storage)
    one.tags.append("b")
    one.save()
    assert writes.paths() == [("tags",)]
    assert storage["k"]["tags"] == ["a", "b"]


def test_nested_models_are_patched_path_by_path(ada, writes):
    ada.address.street.number = 13
    ada.address.city = "Paris"
    ada.save()
    assert writes.paths() == [("address", "city"), ("address", "street", "number")]


def test_maps_are_patched_path_by_path(ada, writes):
    ada.scores["latin"] = 3
    del ada.scores["math"]
    ada.save()
    assert writes.paths() == [("scores", "latin"), ("scores", "math")]
    assert ada.storage["ada"]["scores"] == {"latin": 3}


def test_a_changed_list_is_replaced_whole(ada, writes):
    ada.tags[0] = "z"
    ada.address.lines.append("y")
    ada.save()
    assert writes.paths() == [("address", "lines"), ("tags",)]
    assert ada.storage["ada"]["tags"] == ["z", "b"]


def test_undeclared_fields_are_never_touched(storage):
    storage["ada"] = {
        **ADA,
        "extra": {"deep": [1, 2.5, Decimal("1.10"), date(2020, 1, 1), b"\xff"]},
        "address": {**ADA["address"], "planet": "Earth", "street": {"zip": "N1"}},
    }
    one = storage.get(Person, "ada")
    one.age = 1
    one.address.city = "Paris"
    one.address.street.name = "Rue"
    one.save()
    found = storage["ada"]
    assert found["extra"] == {
        "deep": [1, 2.5, Decimal("1.10"), date(2020, 1, 1), b"\xff"]
    }
    assert found["address"]["planet"] == "Earth"
    assert found["address"]["street"]["zip"] == "N1"
    assert found["address"]["street"]["name"] == "Rue"
    assert found["address"]["city"] == "Paris"


def test_a_changed_list_keeps_what_was_undeclared_inside(storage):
    class Holder(Model):
        streets: list[Street] = []

    storage["k"] = {"streets": [{"name": "a", "zip": "x"}, {"name": "b"}]}
    one = storage.get(Holder, "k")
    one.streets[1].name = "c"
    one.save()
    assert storage["k"]["streets"] == [{"name": "a", "zip": "x"}, {"name": "c"}]


def test_two_writers_of_different_fields_do_not_undo_each_other(storage, ada):
    other = storage.get(Person, "ada")
    ada.age = 1
    other.name = "Countess"
    other.address.city = "Paris"
    other.save()
    ada.address.street.number = 1
    ada.save()
    ada.tags = []
    ada.save()
    other.scores["x"] = 1
    other.save()
    assert storage["ada"] == {
        "name": "Countess",
        "age": 1,
        "tags": [],
        "address": {
            "city": "Paris",
            "street": {"name": "St James", "number": 1},
            "lines": ["x"],
        },
        "scores": {"math": 10, "x": 1},
    }


def test_the_last_of_two_writers_of_one_field_wins(storage, ada):
    other = storage.get(Person, "ada")
    ada.age, other.age = 1, 2
    ada.save()
    other.save()
    assert storage["ada"]["age"] == 2
    ada.save()
    assert storage["ada"]["age"] == 2


def test_a_record_that_is_gone_is_not_found(ada):
    del ada.storage["ada"]
    ada.age = 1
    with pytest.raises(RecordNotFound, match="ada"):
        ada.save()
    assert "ada" not in ada.storage


def test_equal_values_of_other_types_are_changes(storage):
    class Loose(Model):
        value: Any = None

    values = [1, 1.0, True, Decimal(1), Decimal("1.0"), "1", [1], [1.0], {"a": 1}]
    values += [{"a": True}, 0.0, -0.0, datetime(2020, 1, 1), date(2020, 1, 1)]
    values += [datetime(2020, 1, 1, tzinfo=UTC), b"1", None, [], {}, [[]], [{}]]
    one = Loose(value="start")
    one.save(storage, key="k")
    for value in values:
        one.value = value
        one.save()
        found = storage["k"]["value"]
        assert (type(found), str(found)) == (type(value), str(value))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (None, {"city": "x"}),
        ({"city": "x"}, None),
        ({"city": "x"}, {"city": "y", "lines": ["1"]}),
    ],
)
def test_a_nested_model_comes_and_goes(storage, before, after):
    storage["k"] = {"name": "x", "address": before}
    one = storage.get(Person, "k")
    one.address = None if after is None else Address(**after)
    one.save()
    found = storage.get(Person, "k")
    assert found.address == one.address


@pytest.mark.parametrize("parent", [None, 3, "text", [1], [{"city": "x"}], {}, ...])
def test_a_parent_that_became_something_else_is_written_whole(storage, ada, parent):
    record = {name: value for name, value in ADA.items() if name != "address"}
    storage["ada"] = record if parent is ... else {**record, "address": parent}
    ada.address.street.number = 99
    ada.save()
    expected = ADA["address"]["street"] | {"number": 99}
    found = storage["ada"]["address"]
    if parent in ({}, ...):
        assert found["street"]["number"] == 99
    else:
        assert found == {**ADA["address"], "street": expected}


def test_a_parent_below_that_became_something_else_is_written_whole(storage, ada):
    storage["ada"] = {**ADA, "address": {"city": "Rome", "street": "text"}}
    ada.address.street.number = 99
    ada.save()
    assert storage["ada"]["address"] == {
        "city": "Rome",
        "street": {"name": "St James", "number": 99},
    }


# Defaults.


def test_a_default_is_no_change(storage, writes):
    storage["k"] = {"name": "x"}
    one = storage.get(Person, "k")
    assert one.age == 0
    one.save()
    assert writes.changes == []
    one.name = "y"
    one.save()
    assert storage["k"] == {"name": "y"}


def test_a_default_that_is_assigned_is_written(storage):
    storage["k"] = {"name": "x"}
    one = storage.get(Person, "k")
    one.age = 0
    one.save()
    assert storage["k"] == {"name": "x", "age": 0}


def test_a_list_that_was_a_default_and_grows_is_written(storage):
    storage["k"] = {"name": "x"}
    one = storage.get(Person, "k")
    one.tags.append("a")
    one.save()
    assert storage["k"] == {"name": "x", "tags": ["a"]}


def test_a_missing_nested_field_is_written_when_it_is_set(storage):
    storage["k"] = {"name": "x", "address": {"city": "y"}}
    one = storage.get(Person, "k")
    one.address.street.number = 5
    one.save()
    assert storage["k"]["address"]["street"]["number"] == 5
    assert "lines" not in storage["k"]["address"]
    assert storage.get(Person, "k") == one


def test_a_default_assigned_in_a_nested_model_is_written(storage):
    storage["k"] = {"name": "x", "address": {"city": "y"}}
    one = storage.get(Person, "k")
    one.address.lines = []
    one.save()
    assert storage["k"]["address"] == {"city": "y", "lines": []}


def test_what_a_default_factory_made_up_is_no_change(storage):
    class Stamped(Model):
        name: str
        id: uuid.UUID = Field(default_factory=uuid.uuid4)

    storage["k"] = {"name": "x"}
    one = storage.get(Stamped, "k")
    one.save()
    assert storage["k"] == {"name": "x"}
    one.id = one.id
    one.save()
    assert storage["k"] == {"name": "x", "id": str(one.id)}
    assert storage.get(Stamped, "k").id == one.id


def test_an_instance_validated_from_new_defaults_writes_them_all(storage):
    class Made(Model):
        a: int = 1
        b: list[int] = Field(default_factory=lambda: [1])

    Made().save(storage, key="k")
    assert storage["k"] == {"a": 1, "b": [1]}


# Validators.


class Normal(Model):
    name: Annotated[str, BeforeValidator(str.strip), AfterValidator(str.lower)]
    other: int = 0


def test_what_a_validator_normalises_is_no_change(storage, writes):
    storage["k"] = {"name": "  Ada ", "other": 1}
    one = storage.get(Normal, "k")
    assert one.name == "ada"
    one.other = 2
    one.save()
    assert storage["k"] == {"name": "  Ada ", "other": 2}
    assert writes.paths() == [("other",)]
    one.name = one.name
    one.save()
    assert storage["k"] == {"name": "ada", "other": 2}


def test_what_a_validator_made_is_written_when_new(storage):
    Normal(name="  Ada ").save(storage, key="k")
    assert storage["k"]["name"] == "ada"


def test_a_text_that_reads_as_a_number_stays_until_it_changes(storage):
    class Aged(Model):
        age: int = 0
        name: str = ""

    storage["k"] = {"age": "5", "name": "x"}
    one = storage.get(Aged, "k")
    assert one.age == 5
    one.name = "y"
    one.save()
    assert storage["k"] == {"age": "5", "name": "y"}
    one.age = 6
    one.save()
    assert storage["k"]["age"] == 6


class Handle:
    """What cannot be copied."""

    def __init__(self, number: int) -> None:
        self.number, self.lock = number, threading.Lock()


def test_what_cannot_be_copied_is_written_when_it_is_assigned(storage):
    class Holder(Model):
        handle: Annotated[
            Handle, PlainValidator(Handle), PlainSerializer(lambda one: one.number)
        ]
        name: str = ""

    storage["k"] = {"handle": 1, "name": "x"}
    one = storage.get(Holder, "k")
    one.name = "y"
    one.save()
    assert storage["k"] == {"handle": 1, "name": "y"}
    one.handle = 2
    one.save()
    assert storage["k"] == {"handle": 2, "name": "y"}


def test_a_validator_that_orders_a_list_does_not_mix_its_elements(storage):
    class Ordered(Model):
        streets: Annotated[
            list[Street], AfterValidator(lambda all: sorted(all, key=lambda s: s.name))
        ]

    storage["k"] = {"streets": [{"name": "b", "zip": "x"}, {"name": "a", "zip": "y"}]}
    one = storage.get(Ordered, "k")
    one.streets[0].number = 1
    one.save()
    for street in storage["k"]["streets"]:
        assert street["zip"] == {"a": "y", "b": "x"}[street["name"]]


# Discriminated unions.


class Cat(BaseModel):
    kind: Literal["cat"] = "cat"
    lives: int = 9


class Dog(BaseModel):
    kind: Literal["dog"] = "dog"
    tricks: list[str] = []


class Owner(Model):
    name: str = ""
    pet: Annotated[Cat | Dog, Field(discriminator="kind")] | None = None
    pets: list[Annotated[Cat | Dog, Field(discriminator="kind")]] = []
    either: Cat | Dog | int | None = None


def test_a_discriminated_union_round_trips(storage):
    one = Owner(pet=Dog(tricks=["sit"]), pets=[Cat(), Dog()], either=Cat(lives=1))
    one.save(storage, key="k")
    found = storage.get(Owner, "k")
    assert found == one
    assert Owner.objects(storage).where(pet__kind="dog").count() == 1
    assert Owner.objects(storage).where(pet__lives=9).count() == 0


def test_another_class_of_a_union_is_written_whole(storage):
    storage["k"] = {"pet": {"kind": "dog", "tricks": ["sit"], "owner": "x"}}
    one = storage.get(Owner, "k")
    one.pet = Cat()
    one.save()
    assert storage["k"]["pet"] == {"kind": "cat", "lives": 9}
    one.pet = None
    one.save()
    assert storage["k"]["pet"] is None


def test_the_same_class_of_a_union_is_patched(storage):
    storage["k"] = {"pet": {"kind": "dog", "tricks": ["sit"], "owner": "x"}}
    one = storage.get(Owner, "k")
    one.pet.tricks = []
    one.save()
    assert storage["k"]["pet"] == {"kind": "dog", "tricks": [], "owner": "x"}


def test_a_union_changes_between_map_and_scalar(storage):
    one = Owner(either=Cat())
    one.save(storage, key="k")
    for value, stored in [
        (3, 3),
        (Dog(), {"kind": "dog", "tricks": []}),
        (Cat(), {"kind": "cat", "lives": 9}),
        (None, None),
    ]:
        one.either = value
        one.save()
        assert storage["k"]["either"] == stored


# Values that no record can hold.


class Everywhere(Model):
    model_config = ConfigDict(extra="allow")

    number: float = 0.0
    integer: int = 0
    text: str = ""
    exact: Decimal = Decimal(0)
    anything: Any = None
    numbers: list[float] = []
    integers: list[int] = []
    texts: list[str] = []
    named: dict[str, Any] = {}
    street: Street = Street()


BAD_TEXTS = ["a\0b", "\ud800"]
BAD_INTEGERS = [2**63, -(2**63) - 1]
BAD_NUMBERS = [math.nan, math.inf, -math.inf]
BAD_DECIMALS = [Decimal("NaN"), Decimal("Infinity"), Decimal("1" * 35)]
BAD_OBJECTS = [object(), 1j, len, int, re_pattern := __import__("re").compile("x")]
BAD = [
    *((("number",), value) for value in BAD_NUMBERS),
    *((("integer",), value) for value in BAD_INTEGERS),
    *((("text",), value) for value in BAD_TEXTS),
    *((("exact",), value) for value in BAD_DECIMALS),
    *(
        (("anything",), value)
        for value in [*BAD_NUMBERS, *BAD_INTEGERS, *BAD_TEXTS, *BAD_DECIMALS]
    ),
    *((("anything",), value) for value in BAD_OBJECTS),
    *((("anything",), {"a": [value]}) for value in [*BAD_NUMBERS, *BAD_OBJECTS]),
    *((("undeclared",), value) for value in [*BAD_NUMBERS, *BAD_INTEGERS]),
    *((("undeclared",), value) for value in [*BAD_TEXTS, *BAD_OBJECTS]),
    *((("undeclared",), {"a": [value]}) for value in [*BAD_TEXTS, *BAD_OBJECTS]),
    *((("numbers",), [0.5, value]) for value in BAD_NUMBERS),
    *((("integers",), [value]) for value in BAD_INTEGERS),
    *((("texts",), [value]) for value in BAD_TEXTS),
    *((("named",), {"a": value}) for value in [*BAD_TEXTS, *BAD_INTEGERS, math.nan]),
    *((("named",), {name: 1}) for name in ["", "a\0b", "\ud800"]),
    *((("street", "name"), value) for value in BAD_TEXTS),
    *((("street", "number"), value) for value in BAD_INTEGERS),
]


def put(instance: Any, path: tuple[str, ...], value: Any) -> None:
    for name in path[:-1]:
        instance = getattr(instance, name)
    setattr(instance, path[-1], value)


def filled(path: tuple[str, ...], value: Any) -> Everywhere:
    one = Everywhere(street=Street())
    if type(value) is Decimal and path == ("exact",):
        # pydantic itself refuses some of these.
        one.__dict__["exact"] = value
    else:
        put(one, path, value)
    return one


@each("path value", BAD, ids=str)
def test_a_value_that_no_record_holds_is_refused_and_nothing_written(
    storage, path, value
):
    with pytest.raises(EncodeError) as refused:
        filled(path, value).save(storage)
    assert path[-1] in str(refused.value)
    assert len(storage) == 0


@each("path value", BAD, ids=str)
def test_a_change_to_such_a_value_is_refused_and_nothing_written(storage, path, value):
    Everywhere().save(storage, key="k")
    before = storage["k"]
    one = storage.get(Everywhere, "k")
    one.integer = 5
    if path == ("exact",):
        one.__dict__["exact"] = value
    else:
        put(one, path, value)
    with pytest.raises(EncodeError) as refused:
        one.save()
    assert path[-1] in str(refused.value)
    assert storage["k"] == before


class Plain(Model):
    number: float = 0.0
    integer: int = 0
    text: str = ""
    numbers: list[float] = []
    named: dict[str, int] = {}
    street: Street | None = None


PLAIN_BAD = [
    *((("number",), value) for value in BAD_NUMBERS),
    *((("integer",), value) for value in BAD_INTEGERS),
    *((("text",), value) for value in BAD_TEXTS),
    *((("numbers",), [value]) for value in BAD_NUMBERS),
    *((("named",), {"a": value}) for value in BAD_INTEGERS),
    *((("named",), {name: 1}) for name in ["", "a\0b", "\ud800"]),
    *((("street",), Street(name=value)) for value in BAD_TEXTS),
    *((("street",), Street(number=value)) for value in BAD_INTEGERS),
]


@each("path value", PLAIN_BAD, ids=str)
def test_a_plain_model_refuses_them_too(storage, path, value):
    one = Plain()
    put(one, path, value)
    with pytest.raises(EncodeError) as refused:
        one.save(storage)
    assert path[-1] in str(refused.value)
    with pytest.raises(EncodeError) as refused:
        storage.save_many([Plain(), one])
    assert path[-1] in str(refused.value)
    assert len(storage) == 0
    good = Plain()
    good.save(storage, key="k")
    put(good, path, value)
    with pytest.raises(EncodeError) as refused:
        good.save()
    assert path[-1] in str(refused.value)
    assert storage["k"] == {
        "number": 0.0,
        "integer": 0,
        "text": "",
        "numbers": [],
        "named": {},
        "street": None,
    }


def test_a_record_written_plainly_is_checked_too(storage):
    for value in [*BAD_NUMBERS, *BAD_INTEGERS, *BAD_TEXTS, *BAD_OBJECTS]:
        with pytest.raises(EncodeError, match="deep"):
            storage["k"] = {"a": {"deep": [value]}}
    with pytest.raises(EncodeError):
        storage["k"] = {"": 1}
    with pytest.raises(TypeError):
        storage["k"] = [1]
    assert len(storage) == 0


def test_the_extreme_values_that_fit_are_kept(storage):
    one = Everywhere(
        number=1.7976931348623157e308,
        integer=2**63 - 1,
        text="\U0010ffff\x01\x7f\u2028'\"\\",
        exact=Decimal("9" * 34 + "E+6111"),
        anything=-(2**63),
        numbers=[5e-324, -0.0],
    )
    one.save(storage, key="k")
    found = storage.get(Everywhere, "k")
    assert found == one
    assert str(found.numbers[1]) == "-0.0"


# Membership on saving.


class Adult(Model):
    age: int
    name: str = ""

    class Meta:
        must_have = {"age__gte": 18}


def test_a_save_that_would_leave_the_model_writes_nothing(storage):
    with pytest.raises(NotInModel, match="age"):
        Adult(age=3).save(storage)
    one = Adult(age=30)
    one.save(storage, key="k")
    one.age, one.name = 3, "x"
    with pytest.raises(ValueError):
        one.save()
    assert storage["k"] == {"age": 30, "name": ""}
    with pytest.raises(NotInModel):
        storage.save_many([Adult(age=20), Adult(age=2)])
    assert len(storage) == 1


def test_a_failed_save_can_be_put_right(storage):
    one = Adult(age=30)
    one.save(storage, key="k")
    one.age = 3
    with pytest.raises(NotInModel):
        one.save()
    one.age = 40
    one.save()
    assert storage["k"]["age"] == 40


# save_as, convert_to, refresh, delete.


def test_save_as_copies_the_whole_record(storage, ada):
    storage["ada"] = {**ADA, "extra": [1]}
    one = storage.get(Person, "ada")
    one.age = 1
    copy = one.save_as("copy")
    assert type(copy) is Person
    assert (copy.key, copy.age, copy.storage) == ("copy", 1, storage)
    assert storage["copy"] == {**ADA, "extra": [1], "age": 1}
    assert storage["ada"]["age"] == 36
    assert one.key == "ada"
    one.save()
    assert storage["ada"]["age"] == 1


def test_save_as_makes_a_key_and_takes_another_storage(ada, other_storage):
    copy = ada.save_as(storage=other_storage)
    assert copy.key not in {None, "ada"}
    assert other_storage[copy.key] == ADA
    same = ada.save_as("ada", storage=other_storage)
    assert same.key == "ada"
    with pytest.raises(DuplicateKey):
        ada.save_as("ada")


def test_save_as_of_an_unsaved_instance_writes_it(storage):
    copy = Person(name="x").save_as("k", storage)
    assert copy.key == "k"
    with pytest.raises(ValueError, match="storage"):
        Person(name="x").save_as("k")


def test_save_as_checks_membership(storage):
    one = Adult(age=30)
    one.save(storage, key="k")
    one.age = 3
    with pytest.raises(NotInModel):
        one.save_as("copy")
    assert list(storage) == ["k"]


def test_save_as_of_an_unpickled_instance_needs_a_storage(storage, ada):
    import pickle

    other = pickle.loads(pickle.dumps(ada))
    with pytest.raises(ValueError, match="storage"):
        other.save_as("k")
    with pytest.raises(ValueError, match="storage"):
        other.convert_to(Being)
    storage["ada"] = {**ADA, "extra": 1}
    other = pickle.loads(pickle.dumps(storage.get(Person, "ada")))
    other.age = 1
    assert other.save_as("k", storage).key == "k"
    assert storage["k"] == {**ADA, "extra": 1, "age": 1}
    if type(storage).__module__ != "pymodels.backends.memory":
        with pytest.raises(ValueError, match="storage"):
            other.save_as("k", pymodels.get_storage("memory://"))


def test_save_as_writes_nothing_that_does_not_validate(storage):
    one = Normal(name="x")
    one.save(storage, key="k")
    vars(one)["other"] = "many"
    with pytest.raises(pydantic.ValidationError):
        one.save_as("copy")
    assert list(storage) == ["k"]


class Being(Model):
    age: int
    species: str | None = None


class Senior(Person):
    class Meta:
        must_have = {"age__gte": 65}


def test_convert_to_gives_the_same_record_as_another_model(storage, ada):
    ada.age = 40
    being = ada.convert_to(Being, species="human")
    assert type(being) is Being
    assert (being.age, being.species, being.key) == (40, "human", "ada")
    assert being.same_record(ada)
    assert storage["ada"] == ADA
    being.save()
    assert storage["ada"] == {**ADA, "age": 40, "species": "human"}


def test_convert_to_checks_names_and_values(ada):
    with pytest.raises(TypeError, match="specie"):
        ada.convert_to(Being, specie="human")
    with pytest.raises(pydantic.ValidationError):
        ada.convert_to(Being, species=3)
    with pytest.raises(pydantic.ValidationError):
        ada.convert_to(Adult, age="many")


def test_converting_to_what_it_is_not_is_told_on_saving(storage, ada):
    senior = ada.convert_to(Senior)
    with pytest.raises(NotInModel):
        senior.save()
    ada.convert_to(Senior, age=70).save()
    assert storage["ada"]["age"] == 70


def test_convert_to_writes_nothing_that_did_not_change(storage, ada, writes):
    ada.convert_to(Person).save()
    assert writes.changes == []


def test_convert_to_of_an_unsaved_instance_is_unsaved(storage):
    being = Person(name="x", age=3).convert_to(Being, species="ant")
    assert being.key is None
    being.save(storage, key="k")
    assert storage["k"] == {"age": 3, "species": "ant"}


def test_convert_to_gives_overrides_by_field_names(storage):
    class Named(Model):
        title: str

        class Meta:
            names = {"title": "t"}

    one = Person(name="x")
    one.save(storage, key="k")
    two = one.convert_to(Named, title="Dr")
    two.save()
    assert storage["k"]["t"] == "Dr"


def test_convert_to_with_conditions_that_are_prefilled(storage, ada):
    class Londoner(Model):
        name: str
        town: str = ""

        class Meta:
            must_have = {"town": "London", "undeclared": 1}

    ada.convert_to(Londoner, town="London")
    with pytest.raises(NotInModel):
        ada.convert_to(Londoner, town="Rome").save()


def test_a_record_of_another_kind_converts_by_an_override(storage):
    class Texted(Model):
        age: str
        name: str = ""

    class Numbered(Model):
        age: int
        name: str = ""

    Texted(age="many", name="x").save(storage, key="k")
    one = storage.get(Texted, "k")
    with pytest.raises(pydantic.ValidationError):
        one.convert_to(Numbered)
    one.convert_to(Numbered, age=3).save()
    assert storage["k"] == {"age": 3, "name": "x"}


def test_refresh_loads_again_and_drops_changes(storage, ada):
    ada.age = 1
    ada.tags.append("z")
    storage["ada"] = {**ADA, "name": "Countess"}
    assert ada.refresh() is ada
    assert (ada.name, ada.age, ada.tags) == ("Countess", 36, ["a", "b"])
    writes = Writes(storage)
    ada.save()
    assert writes.changes == []


def test_refresh_of_what_is_gone_or_unsaved(storage, ada):
    with pytest.raises(ValueError, match="not saved"):
        Person(name="x").refresh()
    del storage["ada"]
    with pytest.raises(RecordNotFound):
        ada.refresh()
    storage["ada"] = {"age": 3}
    with pytest.raises(RecordNotFound):
        ada.refresh()


def test_refresh_leaves_other_instances_alone(storage):
    for key in "ab":
        Person(name="x").save(storage, key=key)
    a, b = Person.objects(storage).order_by("key")
    a.refresh()
    a.age = 3
    assert "age" in b.model_fields_set
    assert a.model_fields_set == b.model_fields_set


def test_refresh_brings_extra_fields(storage):
    storage["k"] = {"number": 1.5}
    one = storage.get(Everywhere, "k")
    storage["k"] = {"number": 1.5, "more": 1}
    assert one.refresh().more == 1


def test_delete_removes_the_record_and_makes_the_instance_new(storage, ada):
    ada.delete()
    assert "ada" not in storage
    assert ada.key is None
    with pytest.raises(ValueError, match="not saved"):
        ada.delete()
    key = ada.save(storage)
    assert storage[key] == ADA


def test_deleting_twice_is_not_found(storage, ada):
    other = storage.get(Person, "ada")
    ada.delete()
    with pytest.raises(RecordNotFound):
        other.delete()


def test_a_deleted_instance_may_be_saved_without_naming_the_storage(storage, ada):
    ada.delete()
    assert ada.save() in storage


# save_many.


def people(count: int) -> Iterator[Person]:
    return (Person(name=str(number)) for number in range(count))


def test_save_many_gives_keys_in_order(storage):
    instances = list(people(50))
    keys = storage.save_many(instances)
    assert keys == sorted(keys)
    assert [one.key for one in instances] == keys
    assert [storage[key]["name"] for key in keys] == [str(n) for n in range(50)]


def test_save_many_takes_an_iterator_and_more_than_a_batch(storage):
    keys = storage.save_many(people(4100))
    assert len(set(keys)) == len(storage) == 4100


def test_save_many_saves_changes_of_known_instances(storage, ada):
    ada.age = 1
    new = Person(name="new")
    keys = storage.save_many([new, ada])
    assert keys == [new.key, "ada"]
    assert storage["ada"]["age"] == 1


def test_save_many_writes_nothing_of_a_bad_batch(storage, ada):
    ada.age = 1
    good, bad = Person(name="good"), Person(name="bad\0")
    for batch in ([good, bad], [ada, good, bad]):
        with pytest.raises(EncodeError, match="name"):
            storage.save_many(batch)
        assert len(storage) == 1
        assert good.key is None
    assert storage["ada"]["age"] == 36


def test_save_many_is_whole_when_a_known_instance_is_gone(storage, ada):
    ada.age = 1
    del storage["ada"]
    good = Person(name="good")
    with pytest.raises(RecordNotFound):
        storage.save_many([good, ada])
    assert len(storage) == 0
    assert good.key is None


def test_save_many_says_how_many_batches_were_done(storage):
    def failing() -> Iterator[Person]:
        yield from people(2500)
        yield Person(name="bad\0")

    with pytest.raises(pymodels.WriteInterrupted) as interrupted:
        storage.save_many(failing())
    assert interrupted.value.done == 2000
    assert len(storage) == 2000


def test_save_many_tells_what_an_iterable_raised(storage):
    def failing(number: int) -> Iterator[Person]:
        yield from people(number)
        raise KeyError("no more")

    with pytest.raises(pymodels.WriteInterrupted, match="no more") as interrupted:
        storage.save_many(failing(4100))
    assert interrupted.value.done == len(storage) == 4000
    assert type(interrupted.value.__cause__) is KeyError
    with pytest.raises(KeyError):
        storage.save_many(failing(100))
    assert len(storage) == 4000
    if storage.has_transactions:
        with pytest.raises(KeyError) as failed, storage.transaction():
            storage.save_many(failing(450))
        assert failed.value.__notes__ == ["400 instances stay in the transaction"]
        assert len(storage) == 4000


def test_save_many_takes_one_instance_twice_once(storage):
    one = Person(name="x")
    keys = storage.save_many([one, one])
    assert keys == [one.key, one.key]
    assert len(storage) == 1


def test_save_many_of_models_of_several_classes(storage):
    keys = storage.save_many([Person(name="x"), Adult(age=20), Being(age=3)])
    assert len(storage) == 3
    assert storage[keys[1]] == {"age": 20, "name": ""}


def test_save_many_of_nothing(storage):
    assert storage.save_many([]) == []


def test_save_many_with_references_among_themselves(storage):
    class Part(Model):
        name: str
        of: "Reference[Part] | None" = None

    Part.model_rebuild()
    whole = Part(name="whole")
    part = Part(name="part", of=whole)
    storage.save_many([whole, part])
    assert len(storage) == 2
    assert storage[part.key]["of"] == whole.key
    above = Part(name="above")
    storage.save_many([Part(name="below", of=above), above])
    assert len(storage) == 4


# Dataclasses and others inside.


@dataclass
class Point:
    x: int
    y: int = 0
    notes: list[str] = field(default_factory=list)


class Shape(Model):
    point: Point
    points: list[Point] = []
    pair: tuple[int, str] = (1, "a")
    bag: set[int] = set()


def test_dataclasses_are_maps_and_their_changes_are_seen(storage):
    one = Shape(point=Point(1, 2), points=[Point(3)], bag={3, 1})
    one.save(storage, key="k")
    assert storage["k"] == {
        "point": {"x": 1, "y": 2, "notes": []},
        "points": [{"x": 3, "y": 0, "notes": []}],
        "pair": [1, "a"],
        "bag": [1, 3],
    }
    found = storage.get(Shape, "k")
    assert found == one
    found.point.notes.append("n")
    found.bag.add(2)
    writes = Writes(storage)
    found.save()
    assert writes.paths() == [("bag",), ("point", "notes")]
    assert storage.get(Shape, "k") == found


def test_undeclared_fields_inside_a_dataclass_are_kept(storage):
    storage["k"] = {"point": {"x": 1, "z": 9}}
    one = storage.get(Shape, "k")
    one.point.y = 5
    one.save()
    assert storage["k"]["point"] == {"x": 1, "y": 5, "z": 9}


def test_moments_are_changed_by_instant_and_by_awareness(storage):
    class Timed(Model):
        at: datetime
        lasts: timedelta = timedelta(0)

    noon = datetime(2020, 1, 1, 12, tzinfo=UTC)
    Timed(at=noon).save(storage, key="k")
    one = storage.get(Timed, "k")
    writes = Writes(storage)
    one.at = noon.astimezone(timezone(timedelta(hours=2)))
    one.save()
    assert writes.changes == []
    one.at = noon.replace(tzinfo=None)
    one.save()
    assert storage["k"]["at"] == datetime(2020, 1, 1, 12)
    assert storage.get(Timed, "k").at.tzinfo is None


def test_an_invalid_record_can_not_be_loaded_nor_hidden(storage):
    storage["k"] = {"name": "x", "age": "many"}
    with pytest.raises(InvalidRecord) as invalid:
        storage.get(Person, "k")
    assert invalid.value.key == "k"
    assert invalid.value.errors[0]["loc"] == ("age",)
    assert isinstance(invalid.value, ValueError)


def test_validators_of_a_model_see_changes_before_they_are_written(storage):
    class Span(Model):
        model_config = ConfigDict(validate_assignment=False)
        low: int
        high: int

        @pydantic.model_validator(mode="after")
        def ordered(self) -> "Span":
            if self.low > self.high:
                raise ValueError("low is above high")
            return self

    one = Span(low=1, high=2)
    one.save(storage, key="k")
    one.low = 3
    with pytest.raises(pydantic.ValidationError, match="above"):
        one.save()
    assert storage["k"] == {"low": 1, "high": 2}


def test_a_subclass_in_a_nested_field_is_written_once(storage):
    class Long(Address):
        country: str = ""

    one = Person(name="x", address=Long(city="y", country="z"))
    one.save(storage, key="k")
    writes = Writes(storage)
    one.save()
    assert writes.changes == []
    assert storage["k"]["address"] == Address(city="y").model_dump()


class Tags(pydantic.RootModel[list[str]]):
    pass


class Counts(pydantic.RootModel[dict[str, int]]):
    pass


def test_root_models_are_their_values(storage):
    class Rooted(Model):
        tags: Tags = Tags([])
        counts: Counts = Counts({})

    Rooted(tags=Tags(["a"]), counts=Counts({"x": 1})).save(storage, key="k")
    assert storage["k"] == {"tags": ["a"], "counts": {"x": 1}}
    one = storage.get(Rooted, "k")
    one.tags.root.append("b")
    one.counts.root["y"] = 2
    writes = Writes(storage)
    one.save()
    assert writes.paths() == [("counts", "y"), ("tags",)]
    assert Rooted.objects(storage).where(tags__contains="b", counts__y=2).count() == 1


def test_extra_fields_of_a_nested_model_are_kept_and_removed(storage):
    class Loose(BaseModel):
        model_config = ConfigDict(extra="allow")
        a: int = 0

    class Holder(Model):
        inner: Loose = Loose()

    Holder(inner=Loose(b=Decimal("1.0"), c=date(2020, 1, 1))).save(storage, key="k")
    one = storage.get(Holder, "k")
    del one.inner.b
    one.inner.d = [b"x"]
    one.save()
    assert storage["k"]["inner"] == {"a": 0, "c": date(2020, 1, 1), "d": [b"x"]}


def test_a_nested_instance_of_a_model_is_a_part_not_a_record(storage, ada):
    class Holder(Model):
        person: Person | None = None

    Holder(person=ada).save(storage, key="k")
    one = storage.get(Holder, "k")
    assert one.person.key is None
    one.person.age = 1
    one.save()
    assert storage["k"]["person"]["age"] == 1
    assert storage["ada"]["age"] == 36


def test_what_is_no_model_or_storage_is_a_type_error(storage, ada):
    for attempt in (
        lambda: storage.get(dict, "ada"),
        lambda: storage.get("ada", Person),
        lambda: storage.get(ada, "ada"),
        lambda: storage.get(BaseModel, "ada"),
        lambda: storage.get_many(dict, ["ada"]),
        lambda: storage.get_many(Person, "ada"),
        lambda: storage.query(dict),
        lambda: storage.ensure_indexes(dict),
        lambda: storage.save_many([3]),
        lambda: storage.save_many(ada),
        lambda: Person.objects("memory://"),
        lambda: Person.objects(None),
        lambda: Person(name="x").save("memory://"),
        lambda: ada.save("memory://"),
        lambda: ada.save_as("k", "memory://"),
        lambda: ada.convert_to(dict),
        lambda: ada.convert_to(BaseModel),
    ):
        with pytest.raises(TypeError, match="expected"):
            attempt()
    assert list(storage) == ["ada"]


def test_keys_that_are_not_there_are_left_out(storage, ada):
    Being(age=20).save(storage, key="being")
    keys = ["being", "ada", "nobody", "", 3, "ada"]
    assert [one.key for one in storage.get_many(Person, keys)] == ["ada", "ada"]
    for key in ("", 3, None, "x" * 600, "\ud800"):
        with pytest.raises(RecordNotFound):
            storage.get(Person, key)
        assert key not in storage
        with pytest.raises(RecordNotFound):
            storage.delete(key)
        with pytest.raises(KeyError):
            storage[key]


def test_validators_of_a_whole_model_see_what_slipped_past(storage):
    class Span(Model):
        low: int = 0
        high: int = 0

        @pydantic.model_validator(mode="after")
        def ordered(self) -> "Span":
            if self.low > self.high:
                raise ValueError("low is above high")
            return self

    with pytest.raises(pydantic.ValidationError, match="above"):
        Span.model_construct(low=3).save(storage)
    with pytest.raises(pydantic.ValidationError, match="above"):
        storage.save_many([Span.model_construct(low=3)])
    assert len(storage) == 0


# What a validator changes, and what is no field.


class Counted(pymodels.Model):
    seen: dict[str, int]

    @field_validator("seen", mode="before")
    @classmethod
    def once_more(cls, value: dict[str, int]) -> dict[str, int]:
        value["times"] = value.get("times", 0) + 1
        return value


def test_a_validator_that_changes_its_input_changes_nothing_that_is_written(storage):
    one = Counted(seen={"times": 1})
    assert one.seen == {"times": 2}
    assert storage[one.save(storage)] == {"seen": {"times": 2}}
    (key,) = storage.save_many([Counted(seen={})])
    assert storage[key] == {"seen": {"times": 1}}


class Dropping(pymodels.Model):
    name: str

    @model_validator(mode="before")
    @classmethod
    def drop(cls, value: Any) -> Any:
        if isinstance(value, dict):
            value.pop("other", None)
        return value


def test_what_a_validator_takes_from_its_input_stays_in_the_record(storage):
    storage["a"] = {"name": "x", "other": 1}
    copy = storage.get(Dropping, "a").save_as("b")
    copy.name = "y"
    copy.save()
    assert storage["a"] == {"name": "x", "other": 1}
    assert storage["b"] == {"name": "y", "other": 1}


class Shouting(pymodels.Model):
    name: str
    age: int = 0
    _note: int = PrivateAttr(0)

    @cached_property
    def loud(self) -> str:
        return self.name.upper()


class ShoutingMore(Shouting, extra="allow"):
    pass


class Part(BaseModel):
    name: str

    @cached_property
    def loud(self) -> str:
        return self.name.upper()


class Anyhow(pymodels.Model):
    part: Any


@pytest.mark.parametrize("model", [Shouting, ShoutingMore])
def test_cached_properties_and_private_attributes_are_not_stored(storage, model):
    one = model(name="ada")
    assert one.loud == "ADA"
    key = one.save(storage)
    assert storage[key] == {"name": "ada", "age": 0}
    for again in (one, storage.get(model, key)):
        assert again.loud == "ADA"
        again._note += 1
        again.age += 3
        again.save()
    assert storage[key] == {"name": "ada", "age": 3}


def test_a_cached_property_of_a_part_is_not_stored(storage):
    part = Part(name="ada")
    assert part.loud == "ADA"
    assert storage[Anyhow(part=part).save(storage)] == {"part": {"name": "ada"}}


# Validators of a whole model may assign to it.


class Ordered(pymodels.Model):
    low: int
    high: int = 0

    @model_validator(mode="after")
    def sort(self) -> "Ordered":
        self.high = max(self.low, self.high)
        return self


class Wrapped(pymodels.Model):
    low: int
    high: int = 0

    @model_validator(mode="wrap")
    @classmethod
    def sort(cls, value: Any, handler: Any) -> "Wrapped":
        found: Wrapped = handler(value)
        found.high = max(found.low, found.high)
        return found


class Counting(Ordered):
    rounds: int = 0

    @model_validator(mode="after")
    def count(self) -> "Counting":
        self.rounds += 1
        return self


@pytest.mark.parametrize("model", [Ordered, Wrapped, Counting])
def test_a_model_validator_may_assign(storage, model):
    one = model(low=3)
    assert (one.low, one.high) == (3, 3)
    key = one.save(storage)
    assert storage[key]["high"] == 3
    one.low = 5
    assert one.high == 5
    one.save()
    assert storage[key]["high"] == 5
    found = storage.get(model, key)
    found.low = 9
    assert found.high == 9
    assert model.objects(storage).where(high=5).count() == 1


def test_a_model_validator_runs_once_an_assignment():
    one = Counting(low=1)
    assert one.rounds == 1
    one.low = 2
    assert one.rounds == 2


def test_assignments_outside_of_a_validator_are_validated():
    with pytest.raises(pydantic.ValidationError):
        Ordered(low=1).low = "x"


class FrozenOrdered(pymodels.Model, frozen=True):
    low: int

    @model_validator(mode="after")
    def change(self) -> "FrozenOrdered":
        self.low = 3
        return self


def test_a_frozen_model_stays_frozen_in_its_validator():
    with pytest.raises(pydantic.ValidationError, match="frozen"):
        FrozenOrdered(low=1)


def test_the_names_that_were_given_are_each_instances_own(storage):
    key = Shouting(name="ada", age=3).save(storage)
    for load in (
        lambda: storage.get(Shouting, key),
        lambda: next(iter(Shouting.objects(storage))),
        lambda: storage.get(Shouting, key).model_copy(),
    ):
        load().model_fields_set.discard("age")
        assert load().model_fields_set == {"name", "age"}
        one = load()
        given = one.model_fields_set
        assert one.model_fields_set is given


class Nothing(pymodels.Model):
    value: Literal[None]


def test_a_required_literal_none_asks_for_a_none_that_is_there(storage):
    storage["lacks"] = {"other": 1}
    storage["has"] = {"value": None}
    storage["differs"] = {"value": 1}
    assert [one.key for one in Nothing.objects(storage)] == ["has"]
    assert not Nothing.fits({})
