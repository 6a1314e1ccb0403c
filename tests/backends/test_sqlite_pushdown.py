"""What SQLite answers alone, membership included: nothing is left over, and exact."""

import re
import warnings
from datetime import UTC, date, datetime
from decimal import Decimal
from random import Random
from typing import Any, Literal

import pytest
from lengths import FUZZ, length

from pymodels import F, Model, ResidualForbidden, ResidualWarning
from pymodels.backends.sqlite import Storage
from pymodels.law.evaluate import matcher
from pymodels.law.values import same, sort_key
from pymodels.testing.random.universe import POOLS, any_value, random_records


class Spot(Model):
    city: str | None = None
    zip: int | None = None


class Sample(Model):
    """A field of each kind; some are asked for, so that membership is not empty."""

    type: Literal["sample"] = "sample"
    whole: int
    real: float | None = None
    flag: bool | None = None
    text: str
    day: date | None = None
    moment: datetime | None = None
    money: Decimal | None = None
    raw: bytes | None = None
    words: list[str] = []
    numbers: list[int] | None = None
    counts: dict[str, int] | None = None
    spot: Spot | None = None
    colour: Literal["red", "blue"] | None = None
    anything: Any = None

    class Meta:
        must_have = {"whole__gte": -1}
        must_not_have = {"text__startswith": "_", "hidden": True}


class Unasking(Model):
    """The same fields, and every record belongs."""

    whole: int | None = None
    text: str | None = None


RECORDS = 300 if FUZZ else 60


def random_samples(seed):
    """Give records of which most belong, with the odd value in some fields."""
    random = Random(seed)
    found = random_records(random, RECORDS)
    for record in found.values():
        for name, value in (
            ("type", "sample"),
            ("whole", random.choice(POOLS["whole"])),
            ("text", random.choice(POOLS["text"])),
            ("colour", random.choice(["red", "blue", "RED", None])),
        ):
            if random.random() < 0.9:
                record[name] = value
        if random.random() < 0.1:
            record[random.choice(list(Sample.model_fields))] = any_value(random)
        if random.random() < 0.1:
            record["hidden"] = random.choice([True, False, 1, None])
    return found


@pytest.fixture(scope="module", params=["one", "two"])
def records(request):
    return random_samples(request.param)


@pytest.fixture(scope="module")
def storage(records, tmp_path_factory):
    path = tmp_path_factory.mktemp("pushdown") / "records.db"
    with Storage(path, residual="forbid") as opened:
        with opened.transaction():
            for key, record in records.items():
                opened[key] = record
        yield opened


def judge(query, records):
    """Fail unless the keys that are found are those that the evaluator finds."""
    matches = matcher(query.spec.predicate)
    expected = {key for key, record in records.items() if matches(key, record)}
    assert query.plan().is_pushed
    assert set(query.keys()) == expected
    assert query.count() == len(expected)
    assert query.exists() == bool(expected)
    return expected


DATES = [date(2020, 2, 29), date(9999, 12, 31)]
MOMENTS = [datetime(2020, 2, 29, 12, 30, tzinfo=UTC), datetime(2020, 2, 29)]
OPERANDS: dict[str, list[Any]] = {
    "whole": [0, 1, 7, 2**53 + 1, 2**63 - 1, 2**70, 0.5, 1.0, Decimal("6.5")],
    "real": [0.0, 1, 0.1, 1e300, Decimal("0.1"), Decimal("1E-400")],
    "text": ["", "a", "ab", "é", "\uffff", "😀", "q'z", "1", "\\", "$gt"],
    "day": DATES,
    "moment": MOMENTS,
    "spot__city": ["a", "é", "ab"],
    "spot__zip": [1, 7],
    "colour": ["red", "blue"],
    "key": ["a", "é", "A1", ""],
}
RANGES = ["gt", "gte", "lt", "lte"]


def cases():
    """Give lookups of design 3.1: field, lookup and operand."""
    for field, values in OPERANDS.items():
        for value in values:
            for lookup in ["equals", "ne", *RANGES]:
                yield field, lookup, value
        low, high = min(values, key=sort_key), max(values, key=sort_key)
        for ends in ((low, high), (low, low), (high, low)):
            yield field, "between", ends
        yield field, "in", values
        yield field, "in", []
        yield field, "in", [*values[:1], *values[:1]]
        yield field, "exists", True
        yield field, "exists", False
        if field not in {"whole", "text", "key"}:
            yield field, "equals", None
            yield field, "ne", None
            yield field, "in", [None, values[0]]
    for value in (True, False, None):
        yield "flag", "equals", value
        yield "flag", "ne", value
        yield "flag", "in", [value]
    for field in ("text", "spot__city", "key"):
        for value in ("", "a", "aß", "é", "\ud7ff", "\U0010ffff", "%", "_", "*", "["):
            yield field, "startswith", value
            yield field, "contains", value
    for field in ("words", "numbers", "counts", "spot", "money", "raw", "anything"):
        yield field, "exists", True
        yield field, "exists", False
        yield field, "equals", None


# What 3.1 of the design does not promise, and is done all the same.
def more_cases():
    for field in ("text", "spot__city", "key"):
        for value in ("", "a", "B", "ß", "SS", "é", "İ", "😀", "%"):
            for lookup in ("endswith", "iequals", "icontains", "istartswith"):
                yield field, lookup, value
            yield field, "iendswith", value
        for pattern in ("^a", "b$", "", r"\d", "[é-ü]", "(?s)a.b", "(?i)AB"):
            yield field, "matches", pattern
            yield field, "matches_caseless", pattern
        for words in ("a", "one two", "É", "", ["a", "one"]):
            yield field, "like", words
            yield field, "like_any", words
        for asked in ("one two", "a OR b", '"one two"', "NOT a", "ab (a OR NOT two)"):
            yield field, "search", asked
    for field in ("day", "moment"):
        for lookup, numbers in {
            "year": (1, 1969, 2020, 9999),
            "month": (1, 2, 12),
            "day": (1, 29, 31),
        }.items():
            for number in numbers:
                yield field, lookup, number
    for value in ("a", "", "é", ["a", "b"], []):
        yield "words", "contains", value
    for value in (1, 1.0, 2**53 + 1, Decimal(2), [1, 2]):
        yield "numbers", "contains", value
    yield "numbers", "contains_any", [7, 2]
    yield "words", "contains_any", ["a", "é"]
    yield "text", "contains_any", ["a", "é"]
    yield "words", "equals", ["a", "b"]
    yield "words", "in", [["a"], []]
    yield "numbers", "equals", [1.0, Decimal(2)]
    yield "counts", "equals", {"b": 1, "a": 2}
    for value in (Decimal(0), Decimal("0.1"), 1, 0.5, Decimal("9007199254740993")):
        for lookup in ["equals", "ne", *RANGES]:
            yield "money", lookup, value
        yield "money", "in", [value, Decimal("1.00")]
    for value in (b"", b"a", b"\xff"):
        for lookup in ["equals", "ne", *RANGES]:
            yield "raw", lookup, value
        yield "raw", "in", [value]


PROMISED, MORE = list(cases()), list(more_cases())


@pytest.mark.parametrize("field", sorted({field for field, _, _ in PROMISED}), ids=str)
def test_what_is_promised_runs_in_the_database(storage, records, field):
    found = 0
    for _, lookup, value in [case for case in PROMISED if case[0] == field]:
        query = Sample.objects(storage).where(**{f"{field}__{lookup}": value})
        if field == "key" and value == "":
            continue
        found += bool(judge(query, records))
        judge(
            Sample.objects(storage).where_not(**{f"{field}__{lookup}": value}), records
        )
    assert found, "no question has an answer, so nothing was tested"


@pytest.mark.parametrize("field", sorted({field for field, _, _ in MORE}))
def test_the_other_lookups_run_in_the_database_too(storage, records, field):
    found = 0
    for _, lookup, value in [case for case in MORE if case[0] == field]:
        for model in (Sample, Loose):
            condition = {f"{field}__{lookup}": value}
            found += bool(judge(model.objects(storage).where(**condition), records))
            judge(model.objects(storage).where_not(**condition), records)
    assert found, "no question has an answer, so nothing was tested"


class Loose(Model):
    """Fields of any kind: nothing may be assumed of them."""

    whole: Any = None
    text: Any = None
    day: Any = None
    moment: Any = None
    money: Any = None
    raw: Any = None
    words: Any = None
    numbers: Any = None
    counts: Any = None
    spot: Any = None


def conditions(random, depth=3):
    """Give a random tree of what is promised."""
    chance = random.random()
    if depth == 0 or chance < 0.3:
        field, lookup, value = random.choice(PROMISED)
        if value == "" and field == "key":
            value = "a"
        target = F.key if field == "key" else F
        for name in () if field == "key" else field.split("__"):
            target = target[name]
        method = {"in": "in_"}.get(lookup, lookup)
        arguments = value if lookup == "between" else (value,)
        return getattr(target, method)(*arguments)
    if chance < 0.5:
        return ~conditions(random, depth - 1)
    terms = [conditions(random, depth - 1) for _ in range(random.randint(2, 4))]
    joined = terms[0]
    for term in terms[1:]:
        joined = joined | term if chance < 0.75 else joined & term
    return joined


@pytest.mark.parametrize("seed", range(4))
def test_and_or_and_not_of_them_run_in_the_database(storage, records, seed):
    random = Random(seed)
    rounds = 2000 if FUZZ else length(50, 100)
    for _ in range(rounds):
        condition = conditions(random)
        for model in (Sample, Unasking):
            judge(model.objects(storage).where(condition), records)


ORDERS = [
    *(["whole"], ["-whole"], ["text"], ["-text"], ["flag"], ["day"], ["-day"]),
    *(["moment"], ["-moment"], ["real"], ["money"], ["-money"], ["raw"], ["key"]),
    *(["-key"], ["spot__city", "-whole"], ["colour", "-text"], ["-flag", "day"]),
    *(["whole", "-moment", "text"], ["-real", "key"], ["-text", "-key"]),
]


@pytest.mark.parametrize("names", ORDERS, ids=str)
def test_orders_and_slices_run_in_the_database(storage, names):
    query = Sample.objects(storage).order_by(*names)
    belonging = dict(query.records())
    declared = [name.removeprefix("-").split("__") for name in names]
    keys = [
        key
        for key, record in belonging.items()
        if all(has_place(record, path) for path in declared)
    ]
    expected = in_order(belonging, keys, names)
    everything = list(query.keys())
    assert [key for key in everything if key in set(keys)] == expected
    for start, stop in ((0, 3), (2, 7), (1, None), (5, 5), (50, 90), (0, 10_000)):
        part = query[start:stop]
        assert part.plan().is_pushed
        assert list(part.keys()) == everything[start:stop]
        assert part.count() == len(everything[start:stop])


def has_place(record, path):
    shape = Sample.__pymodels_codec__.shape.at(tuple(path))
    value = valued(record, path)
    kinds = {sort_key(value)[0]}
    return path == ["key"] or value is None or kinds <= shape.kinds


def valued(record, path):
    for name in path:
        record = record.get(name) if isinstance(record, dict) else None
    return record


def in_order(records, keys, names):
    keys = sorted(keys, reverse=names[-1].startswith("-"))
    for name in reversed(names):
        path = name.removeprefix("-").split("__")
        keys.sort(
            key=lambda key, path=path: (
                key if path == ["key"] else sort_key(valued(records[key], path))
            ),
            reverse=name.startswith("-"),
        )
    return keys


def test_a_slice_without_an_order_is_in_key_order(storage):
    keys = sorted(Sample.objects(storage).keys())
    assert list(Sample.objects(storage)[2:9].keys()) == keys[2:9]


# Writing by query, with nothing left over.


@pytest.fixture
def scratch(records, tmp_path):
    with Storage(tmp_path / "scratch.db", residual="forbid") as opened:
        with opened.transaction():
            for key, record in records.items():
                opened[key] = record
        yield opened


UPDATES: list[dict[str, Any]] = [
    {"whole": 5},
    {"text": "new"},
    {"real": 0.1},
    {"flag": True},
    {"flag": None},
    {"day": date(2021, 1, 1)},
    {"moment": datetime(2021, 1, 1, tzinfo=UTC)},
    {"words": ["x", "y"]},
    {"numbers": []},
    {"counts": {"z": 1}},
    {"spot__city": "new"},
    {"spot__city": None, "whole": 3},
]


@pytest.mark.parametrize("values", UPDATES, ids=str)
def test_updates_of_whole_fields_run_in_the_database(scratch, records, values):
    query = Sample.objects(scratch).where(F.whole.lt(8) | F.text.startswith("a"))
    keys = judge(query, records)
    statements = traced(scratch)
    assert query.update(**values) == len(keys)
    assert [one.split()[0] for one in statements if written(one)] == ["UPDATE"]
    for key, record in scratch.records():
        if key not in keys:
            assert same(record, records[key])
            continue
        expected = dict(records[key])
        for name, value in values.items():
            if "__" not in name:
                expected[name] = value
                continue
            outer, inner = name.split("__")
            above = expected.get(outer, {})
            above = dict(above) if isinstance(above, dict) else {}
            expected[outer] = above | {inner: value}
        assert same(record, expected), (record, expected)


def traced(storage):
    found = []
    storage.connection.set_trace_callback(found.append)
    return found


def written(statement):
    return re.match(r"INSERT|UPDATE|DELETE|REPLACE", statement)


@pytest.mark.parametrize("part", [slice(None), slice(2, 6)], ids=["all", "part"])
def test_deleting_runs_in_the_database(scratch, records, part):
    query = Sample.objects(scratch).where(text__gte="a").order_by("-whole")[part]
    keys = list(query.keys())
    assert keys
    statements = traced(scratch)
    assert query.delete() == len(keys)
    assert [one.split()[0] for one in statements if written(one)] == ["DELETE"]
    assert set(scratch) == records.keys() - set(keys)


def test_an_update_of_a_slice_changes_these_alone(scratch, records):
    query = Sample.objects(scratch).order_by("text")[3:8]
    keys = list(query.keys())
    assert query.update(whole=5, text="new") == len(keys) == 5
    changed = {k for k, record in scratch.records() if not same(record, records[k])}
    assert changed == set(keys)


# Plans, and the setting.


def test_a_plan_shows_statement_parameters_and_steps(storage):
    query = Sample.objects(storage).where(whole__gt=3, text="it's").order_by("-day")
    plan = query[2:5].plan()
    sql, parameters, *steps = plan.native.splitlines()
    assert sql.startswith('SELECT "key", "body", "kinds" FROM "records" WHERE ')
    assert "ORDER BY" in sql
    assert sql.endswith("LIMIT ? OFFSET ?")
    assert "it's" not in sql
    assert "it's" in parameters
    assert parameters.endswith("3, 2]")
    assert any("records" in step for step in steps)
    assert str(plan).endswith("afterwards, here: nothing")


class Hard(Model):
    quoted: int | None = None
    days: list[date] | None = None
    either: int | str | None = None

    class Meta:
        names = {"quoted": 'a"b'}


HARD = {
    "a name that JSON escapes": lambda query: query.where(quoted=1),
    "a list of dates as a whole": lambda query: query.where(days=[date(2020, 1, 1)]),
    "an order of two kinds": lambda query: query.order_by("either")[:3],
    "a slice of what is left over": lambda query: query.where(quoted=1)[:3],
}


@pytest.mark.parametrize("name", HARD)
def test_what_is_left_over_is_refused_before_anything_is_read(storage, name):
    query = HARD[name](Hard.objects(storage))
    assert not query.plan().is_pushed
    statements = traced(storage)
    for ask in (list, lambda one: list(one.keys()), lambda one: one.exists()):
        with pytest.raises(ResidualForbidden, match="runs in Python"):
            ask(query)
    with pytest.raises(ResidualForbidden):
        query.delete()
    with pytest.raises(ResidualForbidden):
        query.update(either=1)
    assert statements == []


@pytest.mark.parametrize("name", HARD)
def test_what_is_left_over_is_told_by_a_warning(records, tmp_path, name):
    with Storage(tmp_path / "warned.db", residual="warn") as storage:
        Hard(quoted=1, days=[date(2020, 1, 1)], either=1).save(storage, key="x")
        query = HARD[name](Hard.objects(storage))
        with pytest.warns(ResidualWarning, match="part of the query of Hard"):
            assert list(query.keys()) == ["x"]
        with pytest.warns(ResidualWarning) as caught:
            assert [one.quoted for one in query] == [1]
        assert caught[0].filename == __file__


def test_nothing_is_told_where_nothing_is_left_over(tmp_path, records):
    with Storage(tmp_path / "warned.db", residual="warn") as storage:
        for key, record in records.items():
            storage[key] = record
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            query = Sample.objects(storage).where(whole__gt=3).order_by("-day")[:3]
            assert query.count() == len(list(query.keys()))
            assert Sample.objects(storage).where(text="a").update(whole=9) >= 0


def test_membership_of_every_kind_of_field_runs_in_the_database(storage, records):
    class Asking(Model):
        flag: bool
        real: float
        money: Decimal
        raw: bytes
        day: date
        moment: datetime
        words: list[str]
        spot: Spot

    class Meeting(Model):
        day: date | None
        either: int | str

        class Meta:
            must_have = {"whole__in": [1, 2, 7], "spot__city__exists": True}
            must_not_have = {"words__contains": "b"}

    for model in (Asking, Meeting, Sample, Unasking, Hard):
        judge(model.objects(storage), records)


def test_long_lists_of_values_run_in_the_database(storage, records):
    values = [*range(-9_000, 9_000), 2**63 - 1]
    judge(Sample.objects(storage).where(whole__in=values), records)
    texts = [*POOLS["text"], *(f"text {n}" for n in range(9_000))]
    judge(Sample.objects(storage).where(text__in=texts), records)
    judge(Sample.objects(storage).where(key__in=[*records, *texts[:1000]]), records)
    days = [date.fromordinal(n) for n in range(737_000, 738_000)]
    judge(Sample.objects(storage).where(day__in=days), records)


class Deep(Model):
    number: int
    days: list[date | Decimal] = []

    class Meta:
        indexes = ["number"]


STEPS = {
    "or and": lambda inner, one: one | (one & inner),
    "not and": lambda inner, one: ~(one & inner),
    "and not": lambda inner, one: ~(inner & one),
}
LEAVES = {
    "numbers": lambda n: F.number == n,
    "elements": lambda n: F.days.contains(Decimal(n)),
}


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("leaf", LEAVES)
@pytest.mark.parametrize("is_indexed", [True, False], ids=["indexed", "guarded"])
def test_nested_conditions_are_answered_however_deep(tmp_path, step, leaf, is_indexed):
    with Storage(tmp_path / "deep.db") as storage:
        Deep(number=1, days=[Decimal(1)]).save(storage, key="a")
        Deep(number=2, days=[Decimal(2)]).save(storage, key="b")
        storage.ensure_indexes(Deep)
        if not is_indexed:
            sql = "INSERT INTO records VALUES ('f', '{\"number\": 3}', NULL)"
            storage.connection.execute(sql)
        asked = LEAVES[leaf](1)
        for level in range(1, 20):
            asked = STEPS[step](asked, LEAVES[leaf](level % 3))
            query = Deep.objects(storage).where(asked)
            matches = matcher(query.spec.predicate)
            found = [key for key, record in storage.records() if matches(key, record)]
            assert sorted(query.order_by("number").keys()) == sorted(found)
            assert query.count() == len(found)
            assert query[:1].update(number=2) == min(len(found), 1)
