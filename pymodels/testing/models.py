"""The models of the examples: people and cities, seen in several ways."""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from itertools import count
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, Field
from typing_extensions import TypedDict  # pydantic wants it before Python 3.12

from pymodels.models.model import Model
from pymodels.models.references import Reference


class Colour(Enum):
    """What stands for a string."""

    RED = "red"
    BLUE = "blue"


class Place(Model):
    """A nested map with a nested map in it."""

    city: str | None = None
    zip: int | None = None
    position: "Position | None" = None


class Position(Model):
    """A map in a map."""

    north: float | None = None
    east: float | None = None


class City(Model):
    """A record that says what it is."""

    type: Literal["city"] = "city"
    name: str
    mayor: "Reference[Person] | None" = None


class Person(Model):
    """What most examples are about."""

    name: str
    age: int | None = None
    gender: str | None = None
    born: date | None = None
    tags: list[str] = []
    address: Place | None = None
    home: Reference[City] | None = None

    class Meta:
        indexes = ["name", ("-age", "name")]

    def __str__(self) -> str:
        return self.name


class Woman(Person):
    """A person on one condition."""

    class Meta:
        must_have = {"gender": "female"}


class Adult(Person):
    """A person on another condition, and the complement of a third."""

    class Meta:
        must_have = {"age__gte": 18}
        must_not_have = {"retired": True}


class Worker(Model):
    """No relation to a person, but seen in the same records."""

    name: str
    job: str | None = None
    wage: Decimal | None = None


class Anything(Model):
    """Every record there is, each field of any kind."""

    value: Any = None
    other: Any = None


class Open(Model):
    """A model that takes what it does not declare."""

    model_config = {"extra": "allow"}

    name: str | None = None


class Renamed(Model):
    """Fields that are called otherwise in the store."""

    first: str | None = None
    second: int | None = None
    path__like: str | None = None

    class Meta:
        names = {"first": "the first", "second": "$second"}


@dataclass
class Size:
    """A dataclass in a field."""

    width: int
    height: int = 0


class Label(TypedDict, total=False):
    """A TypedDict in a field."""

    text: str
    colour: str


class Catalogue(Model):
    """One field of each common type."""

    flag: bool | None = None
    whole: int | None = None
    real: float | None = None
    money: Decimal | None = None
    text: str | None = None
    raw: bytes | None = None
    day: date | None = None
    moment: datetime | None = None
    words: list[str] | None = None
    numbers: list[int] | None = None
    days: list[date] | None = None
    counts: dict[str, int] | None = None
    rows: list[dict[str, Any]] | None = None
    place: Place | None = None
    size: Size | None = None
    label: Label | None = None
    colour: Colour | None = None
    either: int | str | None = None
    anything: Any = None


PEOPLE: list[dict[str, Any]] = [
    {
        "name": "Ada",
        "age": 36,
        "gender": "female",
        "born": date(1815, 12, 10),
        "tags": ["maths", "poetry"],
        "address": Place(city="London", zip=10),
    },
    {
        "name": "Guido",
        "age": 67,
        "gender": "male",
        "born": date(1956, 1, 31),
        "tags": ["python"],
        "address": Place(city="Haarlem", position=Position(north=52.4, east=4.6)),
    },
    {"name": "Grace", "age": 85, "gender": "female", "born": date(1906, 12, 9)},
    {"name": "Larry", "tags": ["perl", "linguistics"]},
    {"name": "bob", "age": 7, "gender": "male", "address": Place(city="Boston")},
]


class Job(Model):
    """Something to be done once."""

    state: str
    owner: str | None = None


class Ticket(BaseModel):
    """An element of a list, of which another program knows more."""

    seat: str = ""
    price: int = 0
    number: int = Field(default_factory=count(1).__next__)
    stubs: list[Label] = []


class Booking(Model):
    """A list of maps, a default that is never the same, a validator of that kind."""

    name: str
    token: int = Field(default_factory=count(1).__next__)
    tickets: list[Ticket] = []
    sizes: list[Size] = []
    stamped: Annotated[str, AfterValidator(lambda text: f"{text}!")] = ""
