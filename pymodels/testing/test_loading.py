"""Loading is validation of the record, however a storage goes about it (law 14)."""

from collections.abc import Iterator, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from ipaddress import IPv4Address
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from pydantic import (
    AfterValidator,
    AnyUrl,
    BeforeValidator,
    Field,
    StrictFloat,
    StrictInt,
    StrictStr,
    StringConstraints,
    ValidationError,
    create_model,
)

from pymodels.errors import EncodeError, InvalidRecord
from pymodels.law.canonical import canonical
from pymodels.law.values import Record, same
from pymodels.models.model import Model
from pymodels.storage import BaseStorage
from pymodels.testing.each import each
from pymodels.testing.fixtures import NewStorage, is_soak
from pymodels.testing.models import Colour, Label, Place, Size
from pymodels.testing.random.asking import put
from pymodels.testing.random.universe import EITHER, OTHERS, SIMPLE
from pymodels.testing.records import VALUES, label

TYPES: list[Any] = [
    *(bool, int, float, Decimal, str, bytes, date, datetime, time, timedelta, Any),
    *(UUID, PurePosixPath, IPv4Address, AnyUrl, Colour, Literal["a", 1, None]),
    *(list[int], list[str], list[Any], list[date], list[bytes], list[Decimal]),
    *(set[int], frozenset[str], tuple[int, str], tuple[int, ...], list[list[int]]),
    *(dict[str, int], dict[str, Any], dict[str, bytes], dict[str, date]),
    *(Place, Size, Label, list[Place], dict[str, Place], Place | str),
    *(int | str, str | int, int | float, float | int, bool | int, Decimal | float),
    *(str | date, date | datetime, datetime | date, bytes | str, str | bytes),
    *(list[int | str], list[int] | dict[str, int], date | None, bytes | None),
    *(StrictInt, StrictFloat, StrictStr, float | Decimal, Decimal | int, time | str),
    Annotated[int, Field(gt=0, le=10)],
    Annotated[float, Field(allow_inf_nan=False)],
    Annotated[Decimal, Field(max_digits=3, decimal_places=1)],
    Annotated[str, StringConstraints(strip_whitespace=True, to_lower=True)],
    Annotated[list[int], Field(max_length=1)],
    Annotated[Any, BeforeValidator(type)],
    Annotated[int, BeforeValidator(lambda value: len(str(value)))],
    Annotated[str, AfterValidator(str.upper)],
    Annotated[date, AfterValidator(lambda day: day.replace(day=1))],
]
CONFIGS: list[dict[str, Any]] = [
    {"strict": True},
    {"extra": "allow"},
    {"str_strip_whitespace": True},
    {"coerce_numbers_to_str": True},
    {"use_enum_values": True},
    {"val_json_bytes": "base64", "ser_json_bytes": "base64"},
    {"ser_json_timedelta": "float"},
    {"frozen": True},
]
MIXED: dict[str, Any] = {
    "flag": (bool, True),
    "whole": (int, 7),
    "text": (str, "none"),
    "raw": (bytes, b""),
    "day": (date, date(2020, 1, 1)),
    "money": (Decimal, Decimal(1)),
    "colour": (Colour, Colour.RED),
    "words": (list[str], []),
    "numbers": (set[int], set()),
    "span": (timedelta, timedelta(1)),
    "unit": (UUID | None, None),
    "place": (Place | None, None),
}
FOUND = [*VALUES, *SIMPLE, *OTHERS, *EITHER]
FOUND += [" padded ", "a", "red", "12:30:00", "12:30:00.000001", "127.0.0.1", "P1D"]
FOUND += ["018f3b0c-7b1c-7cc3-8a3b-0242ac120002", "http://example.org/", "1.50", "0x10"]
FOUND += ["yes", "off", "1e3", " 1", "1_000", "YWJj", "2020-01-01 00:00", "1577836800"]
FOUND += [[3, 1, 2, 1], ["1", 2], [1, "a"], {"width": 1}, {"width": "2", "height": 3}]
FOUND += [{"text": "x", "colour": "y"}, {"city": "x", "zip": "5", "more": b"x"}, "NaN"]
FOUND += [10, 1577836800, 86400.5, Decimal("12.5"), Decimal("1E+30"), b"red", b"\xc3"]


def alike(one: Any, other: Any) -> bool:
    """Say whether two values of fields are the same, types included."""
    if type(one) is not type(other):
        return False
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(alike, one, other))
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(alike(one[k], other[k]) for k in one)
    if hasattr(one, "__dict__") and isinstance(one, Model | Size):
        return alike(vars(one), vars(other))
    return same(one, other)


def _expected(model: type[Model], record: Record) -> Any:
    """Give what the record is validated into, or pydantic's error."""
    validator = model.__pymodels_codec__.validator
    try:
        return validator.validate_python(canonical(record, "record"))
    except ValidationError as error:
        return error


def _places(errors: Any) -> list[Any]:
    return [(error["type"], error["loc"]) for error in errors]


def _judge(storage: BaseStorage, model: type[Model], key: str, record: Record) -> None:
    expected = _expected(model, record)
    if isinstance(expected, ValidationError):
        with pytest.raises(InvalidRecord) as caught:
            storage.get(model, key)
        told = f"{record!r}: {caught.value}"
        assert caught.value.key == key
        assert _places(caught.value.errors) == _places(expected.errors()), told
        return
    found = storage.get(model, key)
    assert alike(vars(found), vars(expected)), (
        f"{record!r}: {found!r}, not {expected!r}"
    )
    assert found.model_fields_set == expected.model_fields_set, f"{record!r}"
    assert alike(found.model_extra, expected.model_extra), f"{record!r}"
    if _is_storable(found):
        found.save()


def _is_storable(instance: Model) -> bool:
    """Say whether validation made something that can be stored: no infinity, say."""
    try:
        type(instance).__pymodels_codec__.record_of(instance)
    except EncodeError:
        return False
    return True


def _judge_all(
    storage: BaseStorage, model: type[Model], records: Mapping[str, Record]
) -> None:
    for key, record in records.items():
        _judge(storage, model, key, record)
    # Nothing was changed, so nothing was written: the record is not normalized.
    for key, record in storage.records():
        assert same(record, records[key]), f"{records[key]!r} became {record!r}"
    valid = {
        key: expected
        for key, record in records.items()
        if not isinstance(expected := _expected(model, record), ValidationError)
    }
    found = {str(one.key): one for one in model.objects(storage).skip_invalid()}
    assert found.keys() == valid.keys()
    for key, one in found.items():
        assert alike(vars(one), vars(valid[key])), f"{records[key]!r}"


@pytest.fixture(scope="module")
def each_value(
    new_storage: NewStorage, is_thorough: bool
) -> Iterator[tuple[BaseStorage, dict[str, Record]]]:
    """Give a storage of records with one value each, and these records."""
    step = 1 if is_thorough else 8
    records: dict[str, Record] = {
        f"{number:04}": {"value": value} for number, value in enumerate(FOUND[::step])
    }
    records["missing"] = {}
    with new_storage() as storage:
        put(storage, records)
        yield storage, records


@each("field", TYPES, ids=label)
def test_14_a_field_of_any_type_is_loaded_by_validation(
    each_value: tuple[BaseStorage, dict[str, Record]], field: Any
) -> None:
    storage, records = each_value
    model: type[Model] = create_model("One", __base__=Model, value=(field, None))
    _judge_all(storage, model, records)


@each("first", range(len(CONFIGS)))
def test_14_the_configuration_of_a_model_holds(
    storage: BaseStorage, is_thorough: bool, first: int
) -> None:
    base: type[Model] = type("Base", (Model,), {"model_config": CONFIGS[first]})
    model: type[Model] = create_model("Mixed", __base__=base, **MIXED)
    # Each value with every other configuration or so; all of them in a soak.
    step = 1 if is_soak() else 4 if is_thorough else 32
    records = {
        f"{name} {number}": {name: value, "whole": 5, "undeclared": value}
        for at, name in enumerate(MIXED)
        for number, value in enumerate(FOUND)
        if name != "whole" and (first + at + number) % step == 0
    }
    put(storage, records)
    _judge_all(storage, model, records)


def test_14_aliases_are_not_names_in_the_store(storage: BaseStorage) -> None:
    model: type[Model] = create_model(
        "Aliased",
        __base__=Model,
        plain=(int, Field(0, alias="other")),
        other=(str, Field("x", validation_alias="plain")),
        hidden=(int, Field(1, exclude=True)),
    )
    records: dict[str, Record] = {
        "a": {"plain": 5, "other": "text", "hidden": 3},
        "b": {"plain": "6"},
        "c": {"other": 7},
    }
    put(storage, records)
    _judge_all(storage, model, records)
    loaded: Any = storage.get(model, "a")
    assert (loaded.plain, loaded.other, loaded.hidden) == (5, "text", 3)
    loaded.hidden = 4
    loaded.save()
    assert storage["a"] == {"plain": 5, "other": "text", "hidden": 4}
