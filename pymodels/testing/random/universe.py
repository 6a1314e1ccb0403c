"""Random records, and the models that see them: all over the same field names."""

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from random import Random
from types import MappingProxyType
from typing import Any

from pymodels.law.values import KEY, Path, Record, read
from pymodels.models.model import Model


class Spot(Model):
    """A nested map."""

    city: str | None = None
    zip: int | None = None
    since: date | None = None


class Declared(Model):
    """Each field of one kind, and none of them required."""

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
    counts: dict[str, int] | None = None
    spot: Spot | None = None
    either: int | str | None = None
    anything: Any = None
    short: str | None = None

    class Meta:
        names = {"short": "a.b"}


class Loose(Model):
    """The same fields of any kind."""

    flag: Any = None
    whole: Any = None
    real: Any = None
    money: Any = None
    text: Any = None
    raw: Any = None
    day: Any = None
    moment: Any = None
    words: Any = None
    numbers: Any = None
    counts: Any = None
    spot: Any = None
    either: Any = None
    anything: Any = None
    dollar: Any = None

    class Meta:
        names = {"dollar": "$set"}


class Needing(Model):
    """A model that asks for much."""

    whole: int
    text: str
    flag: bool = False
    words: list[str] = []
    spot: Spot | None = None

    class Meta:
        must_have = {"whole__gte": 0}
        must_not_have = {"anything": "ab", "text__startswith": "_"}


class Dated(Model):
    """Another one, with defaults that are not None."""

    moment: datetime
    day: date | None = None
    whole: int = 7
    text: str = "unknown"

    class Meta:
        must_have = {"flag__ne": True}


class Bare(Model):
    """Nothing declared; all names may be asked for."""

    model_config = {"extra": "allow"}


MODELS: tuple[type[Model], ...] = (Declared, Declared, Loose, Needing, Dated, Bare)

# Few values of each kind, so that they meet: in queries as well as in records.
# Datetimes to the millisecond: what some databases do with the rest is told apart.
POOLS: dict[str, list[Any]] = {
    "flag": [True, False],
    "whole": [-1, 0, 1, 2, 3, 7, 10, 2**53, 2**53 + 1, 2**63 - 1, -(2**63)],
    "real": [0.0, -0.0, 0.5, 1.0, 2.0, -1.5, 1e300, 2.0**53, 0.1],
    "money": [
        Decimal(text)
        for text in ("0", "1", "1.00", "0.5", "0.1", "-1", "1E+3", "9007199254740993")
    ],
    "text": [
        *("", "a", "A", "ab", "AB", "abc", "b", "aß", "ASS", "a%", "a_b", "_", "%"),
        *("1", "7", "true", "null", "2020-02-29", "é", "e\u0301", "\uffff", "😀"),
        *("İ", "q'z", '"', "\\", "one two", "Two, one!", "$gt", "a.b", "a\nb", "*"),
    ],
    "raw": [b"", b"a", b"ab", b"\0", b"\xff"],
    "day": [date(1, 1, 1), date(2020, 2, 29), date(2020, 3, 1), date(9999, 12, 31)],
    "moment": [
        datetime(2020, 2, 29, tzinfo=UTC),
        datetime(2020, 2, 29, 12, 30, tzinfo=UTC),
        datetime(1969, 12, 31, 23, 59, 59, 999_000, tzinfo=UTC),
        datetime(2020, 2, 29),
        datetime(2020, 2, 29, 12, 30),
    ],
    "words": [[], ["a"], ["a", "b"], ["b", "a"], ["a", "a"], ["ab", ""], ["é", "1"]],
    "numbers": [[], [1], [1, 2], [2, 1], [0], [7, 2**53 + 1]],
    "counts": [{}, {"a": 1}, {"a": 2, "b": 1}, {"b": 1, "a": 2}, {"a.b": 1}],
    "odd": [
        [None],
        [1.0],
        [True],
        [["a"]],
        [{"city": "a"}],
        [{"city": "b", "zip": 1}, {"city": None}],
        [{"a": 1}],
        [date(2020, 2, 29), b"a"],
        {"city": "a"},
        {"$gt": ""},
        {"city": {"city": "a"}},
        {"city": None, "zip": "1"},
        {"city": ["a"]},
    ],
}
EITHER = [*POOLS["text"][:9], *POOLS["whole"][:6]]
TEXTS = POOLS["text"]
SIMPLE = [*POOLS["flag"], *POOLS["whole"], *POOLS["real"], *POOLS["money"], *TEXTS]
OTHERS = [*POOLS["raw"], *POOLS["day"], *POOLS["moment"], *POOLS["words"]]
OTHERS += [*POOLS["numbers"], *POOLS["counts"], *POOLS["odd"]]


class Chance(Random):
    """A source of randomness that may know the records there are."""

    known: Mapping[str, Record] = MappingProxyType({})

    def standing(self, path: Path) -> Any:
        """Give what stands at a path of stored names in some record, or None."""
        if not self.known:
            return None
        key = self.choice(list(self.known))
        return key if path == KEY else read(self.known[key], path)


def any_value(random: Random) -> Any:
    """Give a value of any kind."""
    chance = random.random()
    if chance < 0.3:
        return None if chance < 0.1 else random.choice(POOLS["odd"])
    return random.choice(POOLS[random.choice(list(POOLS))])


def _spot(random: Random, astray: float) -> Record:
    """Give a nested map, with the odd thing in it."""
    makers: dict[str, Callable[[], Any]] = {
        "city": lambda: random.choice(TEXTS),
        "zip": lambda: random.choice(POOLS["whole"]),
        "since": lambda: random.choice(POOLS["day"]),
        "deep": lambda: {"city": random.choice(TEXTS[:6]), "zip": any_value(random)},
    }
    return {
        name: any_value(random) if random.random() < astray else make()
        for name, make in makers.items()
        if random.random() < 0.7
    }


def value_for(name: str, random: Random, astray: float = 0.2) -> Any:
    """Give a value of the kind that `Declared` has for a stored name."""
    if name == "spot":
        return _spot(random, astray)
    if name == "either":
        return random.choice(EITHER)
    if name in {"a.b", "short", "city"}:
        return random.choice(TEXTS)
    pool = POOLS.get("whole" if name == "zip" else "day" if name == "since" else name)
    return any_value(random) if pool is None else random.choice(pool)


REQUIRED = {"whole", "text", "moment", "flag", "words"}
STORED = [name for name in Declared.model_fields if name != "short"]
STORED += ["a.b", "$set", "q'z", 'x"y', "back\\slash", "extra"]


def random_record(random: Random, astray: float) -> Record:
    """Give a record in which many fields are there, a part of them of another kind."""
    record: Record = {}
    names = random.sample(STORED, len(STORED))
    filled = random.choice((0.3, 0.6, 0.9))
    for name in names:
        if random.random() > filled:
            continue
        if random.random() < astray:
            record[name] = any_value(random)
        elif random.random() < 0.1 and name not in REQUIRED:
            record[name] = None
        else:
            record[name] = value_for(name, random, astray)
    return record


def random_records(random: Random, many: int) -> dict[str, Record]:
    """Give records under keys whose order is not that of their making."""
    alphabet = "aAbé😀\uffff%_1"
    keys: set[str] = set()
    while len(keys) < many:
        size = random.randint(1, 4)
        keys.add("".join(random.choice(alphabet) for _ in range(size)))
    shuffled = random.sample(sorted(keys), many)
    astray = random.choice((0, 0.1, 0.25))
    return {key: random_record(random, astray) for key in shuffled}
