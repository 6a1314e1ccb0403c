"""The short way from JSON text gives what the long way through the record gives."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from itertools import product
from pathlib import Path
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from lengths import length
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    StringConstraints,
    ValidationInfo,
    field_validator,
    model_validator,
)
from typing_extensions import TypedDict

from pymodels import InvalidRecord, Model, Reference
from pymodels.law import json_body
from pymodels.law.canonical import canonical
from pymodels.law.shapes import Reading, Shape
from pymodels.law.values import Record
from pymodels.models.fast_loading import json_loader, json_sifter
from pymodels.models.fast_writing import json_dumper
from pymodels.querying.plan import Row
from pymodels.storage import BaseStorage
from pymodels.testing.each import each


class Rows(BaseStorage):
    """Just enough of a storage to decode rows of JSON text."""

    def encode(self, key: str, record: Record) -> Row:
        return (key, *json_body.encode(record))

    def decode(self, row: Row, shape: Shape | None = None) -> Record:
        return json_body.decode(row[0], row[1], row[2], shape)


ROWS = Rows()


class Suit(Enum):
    HEARTS = "h"
    SPADES = "2020-01-01"


class Level(IntEnum):
    LOW = 1


class Word(StrEnum):
    YES = "yes"


class Movie(TypedDict, total=False):
    title: str
    seen: date


@dataclass
class Point:
    x: int
    when: date | None = None
    tags: list[str] = field(default_factory=list)


class Inner(BaseModel):
    a: int = 0
    b: date | None = None
    c: "Inner | None" = None


class Country(Model):
    a: str = ""


class Plain(Model):
    a: str
    b: int = 0
    c: float = 0.0
    d: bool = False


class Dates(Model):
    a: date
    b: datetime | None = None
    c: list[date] = []
    d: dict[str, datetime] = {}


class Decimals(Model):
    a: Decimal
    b: Decimal | None = None
    c: list[Decimal] = []
    d: tuple[Decimal, bool] | None = None


class Texts(Model):
    a: UUID | None = None
    b: time | None = None
    c: Suit | None = None
    d: Literal["yes", "no"] | None = None


class Lists(Model):
    a: list[str] = []
    b: set[int] = set()
    c: tuple[int, ...] = ()
    d: frozenset[str] = frozenset()


class Pairs(Model):
    a: tuple[date, int] | None = None
    b: tuple[Decimal, float] | None = None
    c: tuple[Decimal, datetime] | None = None
    d: tuple[date, str] | None = None


class Maps(Model):
    a: dict[str, int] = {}
    b: dict[str, date] = {}
    c: dict[str, dict[str, Decimal]] = {}
    d: dict[UUID, int] = {}


class Nested(Model):
    a: Inner
    b: list[Inner] = []
    c: dict[str, Inner] = {}
    d: Inner | None = None


class Others(Model):
    a: Point | None = None
    b: Movie | None = None
    c: bytes | None = None
    d: timedelta | None = None


class Anything(Model):
    a: Any = None
    b: object = None
    c: list[Any] = []
    d: dict[str, Any] = {}


class Open(Model):
    model_config = ConfigDict(extra="allow")
    a: str = ""
    b: date | None = None


class Unions(Model):
    a: int | str | None = None
    b: float | int | None = None
    c: str | date | None = None
    d: bool | float | str | None = None


class MoreUnions(Model):
    a: date | datetime | None = None
    b: Decimal | int | float | None = None
    c: list[int] | dict[str, int] | str | None = None
    d: Inner | Plain | int | None = None


class Enums(Model):
    a: Level | None = None
    b: Word | None = None
    c: Literal[1, "1", True] | None = None
    d: list[Suit] = []


class Strict(Model):
    model_config = ConfigDict(strict=True)
    a: str | None = None
    b: int | None = None
    c: date | None = None
    d: Decimal | None = None


class PartlyStrict(Model):
    a: Annotated[int, Field(strict=True)] | None = None
    b: Annotated[date, Field(strict=True)] | None = None
    c: Annotated[list[int], Field(strict=True)] | None = None
    d: Annotated[UUID, Field(strict=True)] | None = None


class Coercing(Model):
    model_config = ConfigDict(coerce_numbers_to_str=True, str_strip_whitespace=True)
    a: str | None = None
    b: list[str] = []
    c: dict[str, str] = {}


class Validated(Model):
    a: Annotated[str, AfterValidator(str.upper)] | None = None
    b: Annotated[Any, BeforeValidator(repr)] = None
    c: Annotated[str, StringConstraints(max_length=3, pattern="^[a-z]*$")] | None = None
    d: int = 0

    @field_validator("d")
    @classmethod
    def positive(cls, value: int) -> int:
        if value < 0:
            raise ValueError("negative")
        return value


class Told(Model):
    a: str = ""
    b: int = 0

    @field_validator("b")
    @classmethod
    def by_mode(cls, value: int, info: ValidationInfo) -> int:
        return value + (1 if info.mode == "json" else 0)


class Checked(Model):
    a: int = 0
    b: int = 0
    _seen: list[Any] = PrivateAttr(default_factory=list)

    def model_post_init(self, context: Any) -> None:
        self._seen.append(type(self.a))

    @model_validator(mode="after")
    def ordered(self) -> "Checked":
        if self.a > self.b:
            raise ValueError("a is above b")
        return self


class Before(Model):
    a: Any = None
    b: str = ""

    @model_validator(mode="before")
    @classmethod
    def shown(cls, values: Any) -> Any:
        return {"a": str(values), "b": values.get("b", "")}


class Made(Model):
    a: str = ""
    b: date | None = None

    def __init__(self, **values: Any) -> None:
        super().__init__(**values)
        vars(self)["a"] = f"{self.a}{sorted(values)}"


class Named(Model):
    a: date
    b: Inner | None = None
    c: str = Field("", alias="see", exclude=True)

    class Meta:
        names = {"a": "b", "b": "a"}


class Referring(Model):
    a: Reference[Country] | None = None
    b: list[Reference[Country]] = []
    c: dict[str, Reference[Country]] = {}


class Paths(Model):
    a: Path | None = None
    b: date = date(2020, 1, 1)


class Inherited(Plain):
    b: date | None = None
    c: Annotated[Decimal, Field(max_digits=4)] = Decimal(1)


MODELS = [
    Plain,
    Dates,
    Decimals,
    Texts,
    Lists,
    Pairs,
    Maps,
    Nested,
    Others,
    Anything,
    Open,
    Unions,
    MoreUnions,
    Enums,
    Strict,
    PartlyStrict,
    Coercing,
    Validated,
    Told,
    Checked,
    Before,
    Made,
    Named,
    Referring,
    Paths,
    Inherited,
]

TEXTS = [
    "",
    "x",
    "yes",
    "h",
    "1",
    "1.0",
    " 5 ",
    "1E+2",
    "0.10",
    "true",
    "nan",
    "2020-01-01",
    "2020-1-1",
    "2020-01-01T00:00:00",
    "2020-01-01T10:20:30.123456+00:00",
    "2020-01-01T10:20:30+02:00",
    "2020-01-01 10:20",
    "10:20:30",
    "1577836800",
    "12345678-1234-5678-1234-567812345678",
    "{12345678-1234-5678-1234-567812345678}",
    "eA==",
    "\u2028é\U0001f600",
    "P1D",
]
numbers = st.one_of(
    st.sampled_from([0, 1, -1, 0.0, -0.0, 1.0, 1.5, 1e16, 1e22, 1e-7, 86400.0]),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from([Decimal("1"), Decimal("1.10"), Decimal("1E+2"), Decimal("0.1")]),
)
moments = st.one_of(
    st.dates(),
    st.datetimes(),
    st.datetimes(timezones=st.just(UTC)),
    st.sampled_from([date(2020, 1, 1), datetime(2020, 1, 1)]),
)
scalars = st.one_of(
    st.none(),
    st.booleans(),
    numbers,
    st.sampled_from(TEXTS),
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])),
    st.binary(max_size=4),
    moments,
)
NAMES = ["a", "b", "c", "d", "see", "title", "seen", "x", "when", "tags", "other"]
VALUES = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from([*NAMES, TEXTS[-5]]), inner, max_size=3),
    ),
    max_leaves=6,
)


def alike(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Give lists and maps whose parts are of one kind, as types ask for."""
    return st.one_of(inner, st.lists(inner, max_size=3), st.lists(st.lists(inner)))


KINDS = st.sampled_from(
    [st.sampled_from(TEXTS), st.integers(-9, 9), numbers, moments, st.dates(), VALUES]
).flatmap(alike)
RECORDS = st.dictionaries(
    st.sampled_from(["a", "b", "c", "d", "other"]), KINDS | VALUES, max_size=5
)


def shown(value: Any) -> Any:
    """Show all that tells two instances apart, but the class of a UTC zone."""
    if isinstance(value, Reference):
        return ("reference", value.key, value._holder)
    if isinstance(value, BaseModel):
        parts = {**vars(value), **(value.model_extra or {})}
        private = value.__pydantic_private__
        told = (sorted(value.model_fields_set), getattr(value, "key", None))
        return (type(value), shown(parts), told, shown(private))
    if isinstance(value, dict):
        return [(shown(name), shown(part)) for name, part in value.items()]
    if isinstance(value, list | tuple):
        return (type(value), [shown(part) for part in value])
    if isinstance(value, set | frozenset):
        return (type(value), sorted(map(str, map(shown, value))))
    if isinstance(value, datetime | time):
        return (type(value), value.isoformat())
    return (type(value), repr(value))


def outcome(load: Callable[[Row], Any], row: Row) -> Any:
    try:
        return shown(load(row))
    except InvalidRecord as error:
        errors = [(one["type"], one["loc"]) for one in error.errors]
        return ("invalid", error.key, errors)


SHORT = {model: json_loader(ROWS, model) for model in MODELS}
LONG = {model: model.__pymodels_codec__.loader(ROWS) for model in MODELS}


def check(model: type[Model], row: Row) -> None:
    expected = outcome(LONG[model], row)
    assert outcome(SHORT[model], row) == expected
    # Once more, now that the marks may be remembered.
    assert outcome(SHORT[model], row) == expected


QUIET = settings(
    deadline=None,
    max_examples=length(150, 1_000),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


def label(part):
    return part[:40] if isinstance(part, str) else part.__name__


@QUIET
@given(RECORDS)
def test_a_record_loads_alike_both_ways(record):
    """With its notes, as one of ours, and without, as a foreign one."""
    row = ROWS.encode("k", canonical(record))
    for model in MODELS:
        check(model, row)
        check(model, (*row[:2], None))


@each("model", MODELS, ids=label)
def test_what_another_model_wrote_loads_alike_both_ways(model):
    values = [
        "x",
        "2020-01-01",
        date(2020, 1, 1),
        datetime(2020, 1, 1),
        datetime(2020, 1, 1, tzinfo=UTC),
        Decimal("1.10"),
        b"1",
        1,
        1.0,
        True,
        None,
        [],
        {},
    ]
    for one in values:
        for two in values:
            for record in (
                {"a": one, "b": two},
                {"a": [one, two], "b": [two], "d": two},
                {"a": "x", "c": {"x": one}, "d": [one, two]},
                {"a": one, "b": [{"a": one, "b": two}], "d": {"a": one, "b": two}},
            ):
                check(model, ROWS.encode("k", record))


FOREIGN = [
    "",
    "null",
    "[]",
    "3",
    '"text"',
    "{",
    "{}x",
    '{"a": 1,}',
    '{"a": "x", "a": "y"}',
    '{"a": "2020-01-01", "a": "2021-01-01"}',
    '{"a": 1.10, "b": 1.10}',
    '{"a": 1e400, "b": -1e400, "c": 1e400}',
    '{"a": NaN, "b": Infinity, "c": -Infinity}',
    '{"a": "x", "b": 1, "other": NaN}',
    '{"a": 123456789012345678901234567890, "b": 123456789012345678901234567890}',
    '{"a": 9223372036854775808, "b": 9223372036854775808, "c": 9223372036854775808}',
    '{"a": 0.1000000000000000055511151231257827021181583404541015625, "c": 1e-400}',
    '{"a": "\\ud800"}',
    '{"a": "x", "other": "\\ud800"}',
    '{"a": "x", "\\ud800": 1}',
    '{"a": "x\\u0000"}',
    '{"a": "x", "other": "\\u0000"}',
    '{"a": "x", "": 1}',
    '{"a": "x", "other": ' + "[" * 250 + "]" * 250 + "}",
    '{"a": ' + "[" * 250 + "]" * 250 + "}",
    '{"a": "x", "other": ' + "[" * 5000 + "]" * 5000 + "}",
    ' {"a" : "x" , "b" : 5 }\n',
    '{"a": "2020-01-01T00:00:00Z", "b": "2020-01-01T00:00:00Z"}',
    '{"a": "20200101", "b": "20200101"}',
    '{"a": 1577836800, "b": 1577836800, "c": [1577836800]}',
    '{"a": 1577836800.5, "b": 1577836800.123456789, "c": [0.5]}',
    '{"a": "1.10", "b": "NaN", "c": ["1.1"]}',
    '{"a": "sNaN", "b": "Infinity"}',
    '{"a": -0, "b": -0.0, "c": -0.0, "d": 0}',
    '{"a": 1.0, "b": 1.0, "c": [1.0], "d": 1.0}',
    '{"a": "x", "b": 1E5, "c": 1e5}',
    '{"a": true, "b": true, "c": true, "d": "true"}',
    '\ufeff{"a": "x"}',
]


@each("model text", product(MODELS, FOREIGN), ids=label)
def test_odd_foreign_text_loads_alike_both_ways(model, text):
    check(model, ("k", text, None))


@each("model", MODELS, ids=label)
def test_damaged_notes_are_told_alike_both_ways(model):
    for kinds in ("{}", '{"a":"date"}', '{"a":{"b":"date"}}', '{"a":["date"]}'):
        for kind in ("date", "datetime", "naive", "decimal", "bytes", "unknown"):
            note = kinds.replace("date", kind)
            for value in ("2020-01-01", "x", "", "1", "2020-01-01T00:00:00", 5, None):
                for part in (value, [value], {"b": value}):
                    check(model, ("k", json.dumps({"a": part, "b": "x"}), note))


def test_the_short_way_is_taken_for_ordinary_models():
    levels = {model: model.__pymodels_codec__.reading for model in MODELS}
    for model in (Plain, Dates, Decimals, Texts, Lists, Maps, Nested, Referring):
        assert levels[model] == Reading.VALUES, model
    assert levels[Unions] == Reading.RECORD, "date | str is told by its record alone"
    for model in (Anything, Open):
        assert levels[model] == Reading.UNMARKED, model
    for model in (Strict, Others, MoreUnions, Before, Told, Coercing):
        assert levels[model] == Reading.RECORD, model


def test_instances_do_not_share_what_they_can_change():
    row = ROWS.encode("k", {"a": "x", "b": 1, "c": 1.0, "d": True})
    one, two = SHORT[Plain](row), SHORT[Plain](row)
    one.a = "y"
    assert two.a == "x"
    assert one.model_fields_set == two.model_fields_set == {"a", "b", "c", "d"}


def test_a_set_of_given_fields_that_is_shared_is_not_changed_by_assignment():
    full = ROWS.encode("k", {"a": "x", "b": 1, "c": 1.0, "d": True})
    SHORT[Plain](full).b = 5
    part = SHORT[Plain](ROWS.encode("k", {"a": "x"}))
    assert part.model_fields_set == {"a"}
    part.b = 3
    assert SHORT[Plain](ROWS.encode("k", {"a": "x"})).model_fields_set == {"a"}
    assert SHORT[Plain](full).model_fields_set == {"a", "b", "c", "d"}


# Sifting: strict validation tells membership by the way.


@QUIET
@given(st.sampled_from(MODELS), RECORDS, st.booleans())
@example(Dates, {"a": "2020-01-01"}, False)
@example(Dates, {"a": "2020-01-01"}, True)
@example(Dates, {"a": date(2020, 1, 1), "b": "2020-01-01"}, False)
@example(Decimals, {"a": 1}, False)
@example(Decimals, {"a": "1"}, False)
@example(Plain, {"a": b"1"}, False)
@example(Plain, {"a": "x", "b": "5", "c": 1, "d": 1}, False)
@example(Nested, {"a": []}, False)
@example(Named, {"b": date(2020, 1, 1)}, False)
@example(Named, {"a": date(2020, 1, 1)}, False)
def test_sifting_is_membership_and_loading(model, record, is_foreign):
    codec = model.__pymodels_codec__
    sift = json_sifter(ROWS, model)
    if sift is None:
        return
    row = ROWS.encode("k", canonical(record))
    row = (row[0], row[1], None) if is_foreign else row
    belongs = codec.belongs("k", ROWS.decode(row, codec.shape))
    expected = outcome(LONG[model], row) if belongs else shown(None)
    for _ in range(2):
        assert outcome(sift, row) == expected


# Writing: pydantic's text is what the record would have been.


@QUIET
@given(st.sampled_from(MODELS), RECORDS)
@example(Plain, {"a": "x", "b": 2**63, "c": 1e300})
@example(Plain, {"a": "\x7f\u2028", "c": 1e16})
def test_written_text_is_that_of_the_record(model, record):
    codec = model.__pymodels_codec__
    try:
        instance = codec.validator.validate_python(canonical(record))
    except ValueError:
        return
    assert written(json_dumper(ROWS, model), instance) == written(
        lambda key, one: ROWS.encode(key, codec.new_record(key, one)), instance
    )


def written(dump: Callable[[str, Any], Row], instance: Model) -> Any:
    try:
        row = dump("k", instance)
    except ValueError as error:
        return type(error), str(error)
    return shown(ROWS.decode(row)), json.loads(row[2])


@pytest.mark.parametrize("model", [Plain, Dates, Decimals, Lists, Maps, Checked])
def test_what_slipped_past_validation_is_told_alike(model):
    values = [1, 2**63, -1.5, float("nan"), "x", "a\0", "\ud800", None, [1], ["a\0"]]
    values += [date(2020, 1, 1), datetime(2020, 1, 1), b"x", object(), {"a": "\0"}]
    codec = model.__pymodels_codec__
    for name in model.model_fields:
        for value in values:
            instance = model.model_construct(a="x")
            vars(instance)[name] = value
            short = written(json_dumper(ROWS, model), instance)
            long = written(
                lambda key, one: ROWS.encode(key, codec.new_record(key, one)), instance
            )
            assert short == long
