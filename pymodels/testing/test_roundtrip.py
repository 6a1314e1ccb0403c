"""What goes in comes out, equal and of the same kind and number type (law 2)."""

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from ipaddress import ip_address
from pathlib import PurePosixPath
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings

from pymodels.errors import EncodeError
from pymodels.law.values import same
from pymodels.storage import BaseStorage
from pymodels.testing.each import each
from pymodels.testing.models import Anything, Catalogue, Colour, Open, Place, Size
from pymodels.testing.random.strategies import records
from pymodels.testing.records import BAD_NAMES, BAD_VALUES, NAMES, VALUES, label


def _ways_out(storage: BaseStorage, key: str) -> list[Callable[[], Any]]:
    """Every way in which a record leaves a storage."""
    return [
        lambda: storage[key],
        lambda: dict(storage.records())[key],
        lambda: dict(Anything.objects(storage).records())[key],
        lambda: dict(Anything.objects(storage).where(key=key).records())[key],
    ]


def _survives(storage: BaseStorage, record: dict[str, Any]) -> None:
    storage["key"] = record
    for way in _ways_out(storage, "key"):
        found = way()
        assert same(found, record), f"{record!r} came out as {found!r}"


@each("value", VALUES, ids=label)
def test_2_a_value_comes_out_as_it_went_in(storage: BaseStorage, value: Any) -> None:
    _survives(storage, {"value": value})
    loaded = storage.get(Anything, "key")
    assert same(loaded.value, value)


@each("value", VALUES, ids=label)
def test_2_a_value_survives_inside_lists_and_maps(
    storage: BaseStorage, value: Any
) -> None:
    record = {"value": [value, {"inner": value}], "other": {"one": {"two": [value]}}}
    _survives(storage, record)


@each("value", VALUES, ids=label)
def test_2_a_value_comes_out_after_a_save_through_a_model(
    storage: BaseStorage, value: Any
) -> None:
    key = Anything(value=value).save(storage)
    assert same(storage[key], {"value": value, "other": None})
    loaded = storage.get(Anything, key)
    assert same(loaded.value, value)
    loaded.other, loaded.value = loaded.value, None
    loaded.save()
    assert same(storage[key], {"value": None, "other": value})
    assert same(next(iter(Anything.objects(storage))).other, value)


@each("value", VALUES, ids=label)
def test_2_an_undeclared_value_survives_a_save(
    storage: BaseStorage, value: Any
) -> None:
    record = {"undeclared": value, "value": 1, "map": {"inner": value}}
    storage["key"] = record
    loaded = storage.get(Anything, "key")
    loaded.value = 2
    loaded.save()
    assert same(storage["key"], {**record, "value": 2})


def test_2_all_values_survive_in_one_record(storage: BaseStorage) -> None:
    record = {f"field {number}": value for number, value in enumerate(VALUES)}
    _survives(storage, record)


@each("name", NAMES, ids=label)
def test_13_any_name_is_a_name(storage: BaseStorage, name: str) -> None:
    _survives(storage, {name: 1})
    _survives(storage, {name: date(2020, 2, 29)})
    _survives(storage, {"other": {name: {name: [{name: b"\0"}]}}})
    found = storage.get(Open, "key")
    assert (found.model_extra or {}).keys() == {"other"}


def test_13_all_names_stand_in_one_record(storage: BaseStorage) -> None:
    record = {name: name for name in NAMES}
    _survives(storage, {**record, "map": record})


def test_1_an_empty_record_is_a_record(storage: BaseStorage) -> None:
    _survives(storage, {})
    assert Anything.objects(storage).count() == 1


def test_4_none_and_missing_are_kept_apart(storage: BaseStorage) -> None:
    _survives(storage, {"value": None, "map": {"a": None}})
    _survives(storage, {"map": {}})


def test_2_deep_nesting_survives(storage: BaseStorage) -> None:
    value: Any = "bottom"
    for level in range(80):
        value = [value] if level % 2 else {"a": value}
    _survives(storage, {"value": value})


def test_2_keeps_datetime_microseconds(storage: BaseStorage) -> None:
    moment = datetime(2020, 2, 29, 12, 30, 45, 123_456)
    _survives(storage, {"value": moment, "other": moment.replace(tzinfo=UTC)})


def test_1_a_high_exponent_is_written_with_zeros(storage: BaseStorage) -> None:
    storage["key"] = {"value": Decimal("1E+6112"), "zero": Decimal("0E+6144")}
    expected = {"value": Decimal("1.0E+6112"), "zero": Decimal("0E+6111")}
    assert same(storage["key"], expected)


def test_1_aware_datetimes_become_utc(storage: BaseStorage) -> None:
    moment = datetime(2020, 1, 1, 1, tzinfo=timezone(timedelta(hours=2)))
    storage["key"] = {"value": moment}
    found = storage["key"]["value"]
    assert found == moment
    assert found.tzinfo is UTC


def test_1_other_types_become_what_stands_for_them(storage: BaseStorage) -> None:
    storage["key"] = {
        "uuid": UUID("018f3b0c-7b1c-7cc3-8a3b-0242ac120002"),
        "path": PurePosixPath("/tmp/x"),  # a text, never opened
        "address": ip_address("::1"),
        "time": time(12, 30, 1),
        "enum": Colour.RED,
        "duration": timedelta(days=1, microseconds=1),
        "tuple": (1, (2, 3)),
        "set": {3, 1, 2},
        "frozen": frozenset({"b", "a"}),
        "model": Place(city="Delft"),
        "dataclass": Size(1, 2),
    }
    assert storage["key"] == {
        "uuid": "018f3b0c-7b1c-7cc3-8a3b-0242ac120002",
        "path": "/tmp/x",  # a text, never opened
        "address": "::1",
        "time": "12:30:01",
        "enum": "red",
        "duration": 86_400_000_001,
        "tuple": [1, [2, 3]],
        "set": [1, 2, 3],
        "frozen": ["a", "b"],
        "model": {"city": "Delft", "zip": None, "position": None},
        "dataclass": {"width": 1, "height": 2},
    }


def test_2_a_model_with_every_type_comes_out_equal(storage: BaseStorage) -> None:
    full = Catalogue(
        flag=True,
        whole=2**63 - 1,
        real=0.1,
        money=Decimal("1.10"),
        text="é\n😀",
        raw=b"\0\xff",
        day=date(2020, 2, 29),
        moment=datetime(2020, 2, 29, 12, tzinfo=UTC),
        words=["a", ""],
        numbers=[3, 1, 2],
        days=[date(1, 1, 1)],
        counts={"a.b": 1, "$set": 2},
        rows=[{"raw": b"\0", "day": date(2020, 1, 1)}],
        place=Place(city="Delft", zip=1),
        size=Size(1, 2),
        label={"text": "x"},
        colour=Colour.BLUE,
        either="1",
        anything={"deep": [Decimal("0.10"), None]},
    )
    key = full.save(storage)
    again = storage.get(Catalogue, key)
    assert again == full
    for name, value in vars(full).items():
        assert type(getattr(again, name)) is type(value), name
    assert str(again.money) == "1.10"
    assert [one == full for one in Catalogue.objects(storage)] == [True]
    empty = Catalogue()
    assert storage.get(Catalogue, empty.save(storage)) == empty


@each("value", BAD_VALUES, ids=label)
def test_1_what_is_no_value_is_refused(storage: BaseStorage, value: Any) -> None:
    storage["key"] = {"value": 1}
    for record in ({"value": value}, {"a": [value]}, {"a": {"b": value}}):
        with pytest.raises(EncodeError):
            storage["key"] = record
        with pytest.raises(EncodeError):
            storage["new"] = record
    with pytest.raises(EncodeError, match="value"):
        Anything(value=value).save(storage)
    assert list(storage.records()) == [("key", {"value": 1})]


@each("name", BAD_NAMES, ids=label)
def test_1_what_is_no_name_is_refused(storage: BaseStorage, name: Any) -> None:
    for record in ({name: 1}, {"a": {name: 1}}, {"a": [{name: 1}]}):
        with pytest.raises(EncodeError):
            storage["key"] = record
    assert len(storage) == 0


def test_2_random_records_come_out_as_they_went_in(
    storage: BaseStorage, is_thorough: bool
) -> None:
    @settings(
        max_examples=150 if is_thorough else 15,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(record=records())
    def survives(record: dict[str, Any]) -> None:
        _survives(storage, record)

    survives()
