"""Every type of the closed list goes into a record and comes back; others are told."""

import re
from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from fractions import Fraction
from ipaddress import (
    IPv4Address,
    IPv4Interface,
    IPv4Network,
    IPv6Address,
    IPv6Interface,
    IPv6Network,
)
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal, NamedTuple, NotRequired, Optional, Union
from uuid import UUID

import pydantic
import pytest
from pydantic import (
    AnyUrl,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    HttpUrl,
    Json,
    PlainSerializer,
    PlainValidator,
    PositiveInt,
    SecretStr,
    StringConstraints,
    WrapSerializer,
    create_model,
)
from storages import EMBEDDED, opened
from typing_extensions import TypedDict

from pymodels import DefinitionError, EncodeError, Model
from pymodels.law.values import kind_of
from pymodels.testing.each import each


@pytest.fixture(params=EMBEDDED)
def storage(request, tmp_path):
    with opened(request.param, tmp_path) as one:
        yield one


class Suit(Enum):
    HEARTS = "h"
    SPADES = "s"


class Level(IntEnum):
    LOW = 1
    HIGH = 2


class Word(StrEnum):
    YES = "yes"
    NO = "no"


class Mixed(Enum):
    NUMBER = 1
    TEXT = "one"
    TRUTH = True
    DAY = date(2020, 1, 1)


class Coded(bytes, Enum):
    A = b"a"


class Pair(NamedTuple):
    left: int
    right: str = "r"


class Movie(TypedDict):
    title: str
    year: NotRequired[int]
    seen: NotRequired[date]


@dataclass
class Point:
    x: int
    y: Decimal = Decimal(0)
    when: date | None = None
    tags: list[str] = field(default_factory=list)


class Inner(BaseModel):
    n: int = 0
    data: bytes = b""
    when: datetime | None = None


def packed(number: complex) -> list[float]:
    return [number.real, number.imag]


Complex = Annotated[
    complex,
    PlainValidator(lambda v: v if isinstance(v, complex) else complex(*v)),
    PlainSerializer(packed, return_type=list[float]),
]
Untold = Annotated[
    Fraction,
    PlainValidator(lambda v: Fraction(v)),
    PlainSerializer(lambda v: str(v)),
]

NOON = datetime(2020, 1, 2, 12, 30, 15, 123456)
UUID_TEXT = "12345678-1234-5678-1234-567812345678"

# the field's type, a value, and how it stands in the record
TYPES = [
    (bool, True, True),
    (int, -5, -5),
    (int, 2**63 - 1, 2**63 - 1),
    (PositiveInt, 5, 5),
    (float, 1.5, 1.5),
    (float, 3.0, 3.0),
    (str, "é\U0001f600", "é\U0001f600"),
    (Annotated[str, StringConstraints(max_length=3)], "abc", "abc"),
    (bytes, b"\xff\x00a", b"\xff\x00a"),
    (date, date(1, 1, 1), date(1, 1, 1)),
    (datetime, NOON, NOON),
    (datetime, NOON.replace(tzinfo=UTC), NOON.replace(tzinfo=UTC)),
    (
        datetime,
        NOON.replace(tzinfo=timezone(timedelta(hours=2))),
        NOON.replace(hour=10, tzinfo=UTC),
    ),
    (time, time(1, 2, 3, 4), "01:02:03.000004"),
    (time, time(1, 2, tzinfo=UTC), "01:02:00+00:00"),
    (timedelta, timedelta(days=1, microseconds=3), 86_400_000_003),
    (timedelta, timedelta(microseconds=-1), -1),
    (Decimal, Decimal("1.10"), Decimal("1.10")),
    (Decimal, Decimal("-1E+50"), Decimal("-1E+50")),
    (UUID, UUID(UUID_TEXT), UUID_TEXT),
    (Path, Path("a/b.txt"), "a/b.txt"),
    (PurePosixPath, PurePosixPath("/x"), "/x"),
    (AnyUrl, AnyUrl("ftp://a/b"), "ftp://a/b"),
    (HttpUrl, HttpUrl("https://example.com"), "https://example.com/"),
    (IPv4Address, IPv4Address("1.2.3.4"), "1.2.3.4"),
    (IPv4Interface, IPv4Interface("1.2.3.4/8"), "1.2.3.4/8"),
    (IPv4Network, IPv4Network("1.2.0.0/16"), "1.2.0.0/16"),
    (IPv6Address, IPv6Address("::1"), "::1"),
    (IPv6Interface, IPv6Interface("::1/64"), "::1/64"),
    (IPv6Network, IPv6Network("::/64"), "::/64"),
    (Suit, Suit.HEARTS, "h"),
    (Level, Level.HIGH, 2),
    (Word, Word.NO, "no"),
    (Mixed, Mixed.TEXT, "one"),
    (Mixed, Mixed.DAY, date(2020, 1, 1)),
    (Coded, Coded.A, b"a"),
    (Literal["a", 1, None], 1, 1),
    (Literal[Suit.SPADES, Suit.HEARTS], Suit.SPADES, "s"),
    (None, None, None),
    (Optional[int], None, None),  # noqa: UP045  # users write it
    (Union[int, str], "5", "5"),  # noqa: UP007  # users write it
    (int | str, 5, 5),
    (str | date, "2020-01-02", "2020-01-02"),
    (str | date, date(2020, 1, 2), date(2020, 1, 2)),
    (date | datetime, date(2020, 1, 2), date(2020, 1, 2)),
    (date | datetime, NOON, NOON),
    (date | datetime, datetime(2020, 1, 2), datetime(2020, 1, 2)),
    (int | float, 1.0, 1.0),
    (int | float | Decimal, Decimal("1.0"), Decimal("1.0")),
    (bool | int, 1, 1),
    (bytes | str, b"a", b"a"),
    (bytes | str, "a", "a"),
    (str | UUID, UUID_TEXT, UUID_TEXT),
    (list[int], [1, 2], [1, 2]),
    (list[int | None], [1, None], [1, None]),
    (list[date], [date(2020, 1, 2)], [date(2020, 1, 2)]),
    (list[list[Decimal]], [[Decimal(1)], []], [[Decimal(1)], []]),
    (list, [1, "a", None, [b"x"]], [1, "a", None, [b"x"]]),
    (Sequence[int], [1, 2], [1, 2]),
    (tuple[int, str], (1, "a"), [1, "a"]),
    (tuple[int, ...], (3, 1), [3, 1]),
    (tuple[date, ...], (date(2020, 1, 2),), [date(2020, 1, 2)]),
    (tuple, (1, "a"), [1, "a"]),
    (set[int], {3, 1, 2}, [1, 2, 3]),
    (set[str | int], {"a", 1}, [1, "a"]),
    (frozenset[str], frozenset({"b", "a"}), ["a", "b"]),
    (frozenset[date], frozenset({date(2020, 1, 2)}), [date(2020, 1, 2)]),
    (set[UUID], {UUID(UUID_TEXT)}, [UUID_TEXT]),
    (set[Suit], {Suit.SPADES, Suit.HEARTS}, ["h", "s"]),
    (dict[str, int], {"a": 1, "b c": 2}, {"a": 1, "b c": 2}),
    (dict[str, Any], {"a": [date(2020, 1, 2)]}, {"a": [date(2020, 1, 2)]}),
    (dict[str, dict[str, bytes]], {"a": {"b": b"\xff"}}, {"a": {"b": b"\xff"}}),
    (dict[str, list[Decimal]], {"a": [Decimal("1.0")]}, {"a": [Decimal("1.0")]}),
    (dict[str, timedelta], {"a": timedelta(seconds=1)}, {"a": 1_000_000}),
    (dict[Word, int], {Word.YES: 1}, {"yes": 1}),
    (dict[Suit, int], {Suit.HEARTS: 1}, {"h": 1}),
    (dict[UUID, int], {UUID(UUID_TEXT): 1}, {UUID_TEXT: 1}),
    (dict, {"a": 1}, {"a": 1}),
    (Mapping[str, int], {"a": 1}, {"a": 1}),
    (OrderedDict[str, int], OrderedDict(a=1), {"a": 1}),
    (Any, {"a": [1, b"x"]}, {"a": [1, b"x"]}),
    (Any, NOON, NOON),
    (Any, Decimal("1.10"), Decimal("1.10")),
    (object, "x", "x"),
    (Inner, Inner(n=1, data=b"\xff"), {"n": 1, "data": b"\xff", "when": None}),
    (list[Inner], [Inner(when=NOON)], [{"n": 0, "data": b"", "when": NOON}]),
    (dict[str, Inner], {"a": Inner()}, {"a": {"n": 0, "data": b"", "when": None}}),
    (
        Point,
        Point(1, Decimal("2.0"), date(2020, 1, 2), ["t"]),
        {"x": 1, "y": Decimal("2.0"), "when": date(2020, 1, 2), "tags": ["t"]},
    ),
    (Movie, {"title": "Z"}, {"title": "Z"}),
    (
        Movie,
        {"title": "Z", "year": 1969, "seen": date(2020, 1, 2)},
        {"title": "Z", "year": 1969, "seen": date(2020, 1, 2)},
    ),
    (Complex, 1 + 2j, [1.0, 2.0]),
    (list[Complex], [1j], [[0.0, 1.0]]),
    (Complex | None, None, None),
    (Untold, Fraction(1, 3), "1/3"),
    (
        Annotated[int, WrapSerializer(lambda v, h: h(v) + 1, return_type=int)],
        5,
        6,
    ),
]


def holding(annotation: Any, **config: Any) -> Any:
    model = create_model("Holding", __base__=Model, value=(annotation, ...))
    if config:
        model = create_model(
            "Holding",
            __base__=type("Base", (Model,), {"__module__": __name__, **config}),
            value=(annotation, ...),
        )
    return model


def alike(one: Any, two: Any) -> bool:
    return type(one) is type(two) and repr(one) == repr(two)


WRAPPED = TYPES[-1][0]


@each("annotation value stored", TYPES, ids=repr)
def test_a_value_goes_in_and_comes_out(storage, annotation, value, stored):
    model = holding(annotation)
    one = model(value=value)
    one.save(storage, key="k")
    assert alike(storage["k"]["value"], stored)
    if annotation is WRAPPED:
        return
    found = storage.get(model, "k")
    assert found == one
    assert type(found.value) is type(one.value)
    assert model.objects(storage).count() == 1
    assert [one.key for one in model.objects(storage)] == ["k"]
    one.save()
    found.save()
    assert alike(storage["k"]["value"], stored)


@each("annotation value stored", TYPES, ids=repr)
def test_a_value_can_be_optional_listed_named_and_nested(
    storage, annotation, value, stored
):
    nested = create_model("Nested", value=(annotation, ...))
    model = create_model(
        "Holding",
        __base__=Model,
        one=(annotation | None if annotation else None, None),
        many=(list[annotation], []),
        named=(dict[str, annotation], {}),
        nested=(nested | None, None),
    )
    model().save(storage, key="empty")
    full = model(
        one=value, many=[value], named={"a": value}, nested=nested(value=value)
    )
    full.save(storage, key="full")
    record = storage["full"]
    assert alike(record["many"], [stored])
    assert alike(record["named"], {"a": stored})
    assert alike(record["nested"], {"value": stored})
    if annotation is WRAPPED:
        return
    assert storage.get(model, "full") == full
    assert storage.get(model, "empty").model_dump() == model().model_dump()


@each("annotation value stored", TYPES, ids=repr)
def test_a_value_is_found_by_equality(storage, annotation, value, stored):
    model = holding(annotation)
    model(value=value).save(storage, key="k")
    try:
        found = [one.key for one in model.objects(storage).where(value=stored)]
    except pydantic.ValidationError:
        assert annotation is WRAPPED
        return
    assert found == ["k"]
    assert model.objects(storage).where_not(value=stored).count() == 0


PLAIN_OPERANDS = [
    case for case in TYPES if case[0] not in (Complex, list[Complex], Untold, WRAPPED)
]


@each("annotation value stored", PLAIN_OPERANDS, ids=repr)
def test_a_value_is_found_by_the_python_value_itself(
    storage, annotation, value, stored
):
    model = holding(annotation)
    model(value=value).save(storage, key="k")
    assert model.objects(storage).where(value=value).count() == 1
    assert model.objects(storage).where(value__in=[value]).count() == 1


@each("annotation value stored", TYPES, ids=repr)
def test_a_value_is_set_by_an_update(storage, annotation, value, stored):
    model = holding(annotation)
    model(value=value).save(storage, key="k")
    if annotation is WRAPPED:
        return
    assert model.objects(storage).update(value=value) == 1
    assert alike(storage["k"]["value"], stored)


STRICT = [
    case
    for case in TYPES
    # Serialized to something else, which strictness would not take back.
    if case[0] is not WRAPPED
]


@each("annotation value stored", STRICT, ids=repr)
def test_a_strict_model_reads_what_it_wrote(storage, annotation, value, stored):
    model = holding(annotation, model_config=ConfigDict(strict=True))
    one = model(value=value)
    one.save(storage, key="k")
    assert alike(storage["k"]["value"], stored)
    assert storage.get(model, "k") == one


def test_a_strict_model_does_not_convert(storage):
    class Strict(Model):
        model_config = ConfigDict(strict=True)
        age: int | None = None
        born: date | None = None
        price: Decimal | None = None
        data: bytes | None = None

    for record in [
        {"age": "5"},
        {"age": 5.0},
        {"age": True},
        {"born": "2020-01-01"},
        {"born": datetime(2020, 1, 1)},
        {"price": 5},
        {"price": "5"},
        {"data": "text"},
    ]:
        storage["k"] = record
        with pytest.raises(ValueError, match="validate"):
            storage.get(Strict, "k")


def test_a_lax_model_reads_what_pydantic_reads(storage):
    class Lax(Model):
        age: int | None = None

    storage["k"] = {"age": "5"}
    assert storage.get(Lax, "k").age == 5
    assert Lax.objects(storage).where(age=5).count() == 0


class Colour:
    """A type that pydantic knows nothing about."""


REFUSED = {
    "complex": complex,
    "callable": Callable[[int], int],
    "secret": SecretStr,
    "pattern": re.Pattern[str],
    "numbered names": dict[int, str],
    "dated names": dict[date, str],
    "class": type[int],
    "list of complex": list[complex],
    "map of complex": dict[str, complex],
    "optional": complex | None,
    "union": int | Callable[[], int],
    "tuple": tuple[int, complex],
    "set": set[re.Pattern[str]],
    "fraction": Fraction,
    "generator": Iterable[int],
    "deque": deque[int],
    "defaultdict": defaultdict[str, int],
    "named tuple": Pair,
    "json serializer alone": Annotated[
        complex,
        PlainValidator(complex),
        PlainSerializer(str, when_used="json"),
    ],
    "dataclass": dataclass(
        type("Held", (), {"__annotations__": {"at": complex}, "__module__": __name__})
    ),
    "model": create_model("Held", at=(complex, 1j)),
    "typed dict": TypedDict("Held", {"at": complex}),
    "numbers by name": dict[Level, int],
}


@pytest.mark.parametrize("annotation", REFUSED.values(), ids=REFUSED)
def test_a_type_outside_the_list_is_refused_by_the_name_of_its_field(annotation):
    with pytest.raises(DefinitionError, match=r"Holding\.value"):
        holding(annotation)


def test_a_refused_type_deep_inside_is_named_by_its_path():
    class Deep(BaseModel):
        parts: list[dict[str, complex]]

    with pytest.raises(DefinitionError, match=r"Holding\.value\.parts"):
        holding(Deep)


def test_an_arbitrary_type_is_refused_and_the_way_out_is_named():
    with pytest.raises(DefinitionError, match="PlainSerializer"):

        class Wrong(Model):
            model_config = ConfigDict(arbitrary_types_allowed=True)
            colour: Colour


def test_a_serializer_that_gives_something_else_is_told_on_saving(storage):
    model = holding(Annotated[int, PlainSerializer(lambda v: 1j)])
    with pytest.raises(EncodeError, match="value"):
        model(value=3).save(storage)
    assert len(storage) == 0


def test_a_serializer_that_fails_is_told_on_saving(storage):
    def fail(value: int) -> int:
        raise ValueError("no")

    model = holding(Annotated[int, PlainSerializer(fail)])
    with pytest.raises(EncodeError, match="no"):
        model(value=3).save(storage)
    assert len(storage) == 0


def test_a_json_field_keeps_its_text(storage):
    model = holding(Json[list[int]])
    one = model(value="[1, 2]")
    assert one.value == [1, 2]
    one.save(storage, key="k")
    assert storage.get(model, "k") == one


def test_a_field_serializer_decides_what_is_stored(storage):
    class Signed(Model):
        amount: int

        @pydantic.field_serializer("amount")
        def text(self, value: int) -> str:
            return f"{value:+}"

    one = Signed(amount=5)
    one.save(storage, key="k")
    assert storage["k"] == {"amount": "+5"}
    assert storage.get(Signed, "k") == one
    assert Signed.objects(storage).where(amount="+5").count() == 1


def test_a_before_validator_reads_old_records(storage):
    model = holding(
        Annotated[
            list[str], BeforeValidator(lambda v: v.split() if isinstance(v, str) else v)
        ]
    )
    storage["k"] = {"value": ["a", "b"]}
    assert storage.get(model, "k").value == ["a", "b"]


def test_a_set_of_dates_and_a_list_of_moments_are_asked_by_contains(storage):
    class Kept(Model):
        days: set[date] = set()
        at: list[datetime] = []

    Kept(days={date(2020, 1, 2)}, at=[NOON]).save(storage)
    kept = Kept.objects(storage)
    assert kept.where(days__contains=date(2020, 1, 2)).count() == 1
    assert kept.where(days__contains=date(2020, 1, 3)).count() == 0
    assert kept.where(at__contains=NOON).count() == 1
    assert kept.where(at__contains=NOON.replace(tzinfo=UTC)).count() == 0


def test_the_date_of_a_datetime_field_that_says_date(storage):
    model = holding(date)
    one = model.model_construct(value=datetime(2020, 1, 2, 3))
    with pytest.raises(ValueError):
        one.save(storage)
    assert len(storage) == 0


def test_undeclared_values_come_out_as_they_went_in(storage):
    record = {
        "a": [1, 1.0, True, None, "x", b"x", Decimal("1.0"), date(2020, 1, 2)],
        "b": {"c": {"d": [NOON, NOON.replace(tzinfo=UTC), [[], {}]]}},
        "é'\"`$.": {"$gt": ""},
    }
    storage["k"] = record
    assert alike(storage["k"], record)
    assert kind_of(storage["k"]["b"]["c"]["d"][0]) == kind_of(NOON)


def test_constraints_hold_on_loading(storage):
    model = holding(Annotated[int, Field(gt=3)])
    storage["k"] = {"value": 2}
    with pytest.raises(ValueError, match="greater"):
        storage.get(model, "k")
    assert model.objects(storage).count() == 1
    assert model.objects(storage).skip_invalid().count() == 0
