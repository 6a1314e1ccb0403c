"""What MongoDB answers alone, membership included: nothing is left over, and exact."""

from datetime import UTC, date, datetime
from decimal import Decimal
from random import Random
from typing import Any, Literal

import mongod
import pytest
from bson.binary import Binary
from bson.objectid import ObjectId
from lengths import FUZZ, length
from mongo_places import places_on

from pymodels import F, Model, QueryError, ResidualForbidden
from pymodels.backends.mongodb.indexes import BY_CODE_POINT
from pymodels.law.evaluate import matcher
from pymodels.law.predicates import DEEPEST
from pymodels.law.values import same, sort_key
from pymodels.testing.random.universe import POOLS, any_value, random_records

pytestmark = pytest.mark.server


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
    day: date
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
            ("day", random.choice(POOLS["day"])),
            ("colour", random.choice(["red", "blue", "RED", None])),
        ):
            if random.random() < 0.9:
                record[name] = value
        if random.random() < 0.1:
            record[random.choice(list(Sample.model_fields))] = any_value(random)
        if random.random() < 0.1:
            record["hidden"] = random.choice([True, False, 1, None])
    return found


@pytest.fixture(scope="module")
def places():
    with places_on(mongod.standalone_url()) as found:
        yield found


@pytest.fixture(scope="module", params=["one", "two"])
def records(request):
    return random_samples(request.param)


def filled(places, records):
    opened = places.storage(residual="forbid")
    opened.insert_many([opened.encode(key, record) for key, record in records.items()])
    return opened


@pytest.fixture(scope="module")
def storage(records, places):
    with filled(places, records) as opened:
        yield opened


@pytest.fixture
def scratch(records, places):
    with filled(places, records) as opened:
        yield opened


@pytest.fixture
def empty(places):
    with places.storage() as opened:
        yield opened


def judge(query, records):
    """Fail unless the keys that are found are those that the evaluator finds."""
    matches = matcher(query.spec.predicate)
    expected = {key for key, record in records.items() if matches(key, record)}
    assert set(query.keys()) == expected
    assert query.count() == len(expected)
    return expected


MOMENTS = [datetime(2020, 2, 29, 12, 30, tzinfo=UTC), datetime(2020, 2, 29)]
OPERANDS: dict[str, list[Any]] = {
    "whole": [0, 1, 7, 2**53 + 1, 2**63 - 1, 2**70, 0.5, 1.0, Decimal("6.5")],
    "real": [0.0, 1, 0.1, 1e300, Decimal("0.1"), Decimal("1E-7000"), Decimal(10**40)],
    "money": [Decimal(0), Decimal("1.00"), 0.5, Decimal("9007199254740993")],
    "text": ["", "a", "ab", "é", "\uffff", "😀", "q'z", "1", "\\", "$gt"],
    "day": [date(2020, 2, 29), date(9999, 12, 31)],
    "moment": MOMENTS,
    "spot__city": ["a", "é", "ab"],
    "spot__zip": [1, 7],
    "colour": ["red", "blue"],
    "key": ["a", "é", "A1"],
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
        if field not in {"whole", "text", "day", "key"}:
            yield field, "equals", None
            yield field, "ne", None
            yield field, "in", [None, values[0]]
    for value in (True, False, None):
        yield "flag", "equals", value
        yield "flag", "ne", value
        yield "flag", "in", [value]
    for field in ("text", "spot__city"):
        for value in ("", "a", "aß", "é", "\ud7ff", "\U0010ffff", "%", "_", "*", "["):
            yield field, "startswith", value
            yield field, "contains", value
    for value in ("a", "é", "1"):
        yield "key", "startswith", value
    for field in ("words", "numbers", "counts", "spot", "money", "raw", "anything"):
        yield field, "exists", True
        yield field, "exists", False
        yield field, "equals", None
    for value in ("a", "", "é", ["a", "b"], []):
        yield "words", "contains", value
    for value in (1, 1.0, 2**53 + 1, Decimal(2), [1, 2]):
        yield "numbers", "contains", value
    yield "words", "equals", ["a", "b"]
    yield "words", "in", [["a"], []]
    yield "numbers", "equals", [1.0, Decimal(2)]
    yield "counts", "equals", {"b": 1, "a": 2}
    yield "spot", "equals", {"city": "a", "zip": None}
    yield "spot", "equals", {"city": "a"}


def more_cases():
    """Give what 3.1 of the design does not promise, and is done all the same."""
    for field in ("text", "spot__city"):
        for value in ("", "a", "B", "ß", "SS", "é", "İ", "😀", "%"):
            for lookup in ("endswith", "iequals", "icontains", "istartswith"):
                yield field, lookup, value
            yield field, "iendswith", value
        yield field, "contains_any", ["a", "é"]
    for field in ("day", "moment"):
        for lookup, numbers in {
            "year": (1, 1969, 2020, 9999),
            "month": (1, 2, 12),
            "day": (1, 29, 31),
        }.items():
            for number in numbers:
                yield field, lookup, number
    yield "numbers", "contains_any", [7, 2]
    for value in (b"", b"a", b"\xff"):
        yield "raw", "equals", value
        yield "raw", "in", [value, None]


PROMISED, MORE = list(cases()), list(more_cases())
ASKED = [*PROMISED, *MORE]


@pytest.mark.parametrize("field", sorted({field for field, _, _ in ASKED}))
def test_lookups_run_in_the_database(storage, records, field):
    found = 0
    for _, lookup, value in [case for case in ASKED if case[0] == field]:
        condition = {f"{field}__{lookup}": value}
        found += bool(judge(Sample.objects(storage).where(**condition), records))
        judge(Sample.objects(storage).where_not(**condition), records)
    assert found, "no question has an answer, so nothing was tested"


def conditions(random, depth=3):
    """Give a random tree of what is promised."""
    chance = random.random()
    if depth == 0 or chance < 0.3:
        field, lookup, value = random.choice(PROMISED)
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
        judge(Sample.objects(storage).where(condition), records)


ORDERS = [
    *(["whole"], ["-whole"], ["text"], ["-text"], ["flag"], ["day"], ["-day"]),
    *(["moment"], ["-moment"], ["real"], ["money"], ["-money"], ["key"]),
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
    shape = Sample.__pymodels_codec__.shape
    if path == ["key"]:
        return True
    for size in range(1, len(path) + 1):
        value = valued(record, path[:size])
        if value is not None and sort_key(value)[0] not in shape.at(path[:size]).kinds:
            return False
    return True


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


@pytest.mark.parametrize("field", ["whole", "text", "day", "words", "spot__city"])
def test_distinct_values_are_made_by_the_database(storage, records, field):
    asked = Sample.objects(storage).where(whole__gte=0)
    keys = judge(asked, records)
    there = [valued(records[key], field.split("__")) for key in keys]
    places = {sort_key(value) for value in there if value is not None}
    assert list(map(sort_key, asked.values(field))) == sorted(places)


# Writing by query, with nothing left over.


UPDATES: list[dict[str, Any]] = [
    {"whole": 5},
    {"text": "new", "real": 0.1},
    {"flag": None},
    {"day": date(2021, 1, 1)},
    {"moment": datetime(2021, 1, 1, tzinfo=UTC)},
    {"words": ["x", "y"], "numbers": []},
    {"counts": {"z": 1}},
]


@pytest.mark.parametrize("values", UPDATES, ids=str)
def test_updates_of_whole_fields_run_in_the_database(scratch, records, values):
    query = Sample.objects(scratch).where(F.whole.lt(8) | F.text.startswith("a"))
    keys = judge(query, records)
    told = counted(scratch)
    assert query.update(**values) == len(keys)
    assert counted(scratch)["update"] == told["update"] + 1
    for key, record in scratch.records():
        expected = {**records[key], **values} if key in keys else records[key]
        assert same(record, expected), (record, expected)


def counted(storage):
    """Give how many commands of each kind the server was sent, of anybody."""
    status = storage.connection.database.client.admin.command("serverStatus")
    commands = status["metrics"]["commands"]
    return {name: commands[name]["total"] for name in ("update", "delete")}


def test_deleting_runs_in_the_database(scratch, records):
    query = Sample.objects(scratch).where(text__gte="a").order_by("-whole")
    keys = list(query.keys())
    assert keys
    told = counted(scratch)
    assert query.delete() == len(keys)
    assert counted(scratch)["delete"] == told["delete"] + 1
    assert set(scratch) == records.keys() - set(keys)


def test_a_slice_is_changed_and_removed_alone(scratch, records):
    query = Sample.objects(scratch).order_by("text")[3:8]
    keys = list(query.keys())
    assert query.update(whole=5) == len(keys) == 5
    changed = {k for k, record in scratch.records() if not same(record, records[k])}
    assert changed <= set(keys)
    assert query.delete() == 5
    assert set(scratch) == records.keys() - set(keys)


# Indexes.


class Indexed(Model):
    """A model whose questions are to be answered by indexes."""

    name: str
    age: int
    born: date
    tags: list[str] = []
    spot: Spot | None = None


MANY = 500


@pytest.fixture(scope="module")
def people(places):
    with places.storage() as opened:
        for names in (["name"], ["age"], ["born"], ["tags"], ["spot.zip"]):
            keys = [(name, 1) for name in (*names, "_id")]
            opened.connection.create_index(keys)
        opened.save_many(
            Indexed(
                name=f"n{number % 100:02}",
                age=number % 50,
                born=date(1950 + number % 50, 1 + number % 12, 1),
                tags=[f"t{number % 25}"],
                spot=Spot(zip=number % 20),
            )
            for number in range(MANY)
        )
        yield opened


CONDITIONS: list[dict[str, Any]] = [
    {"name": "n07"},
    {"name__in": ["n07", "n08"]},
    {"name__startswith": "n0"},
    {"age__gte": 10, "age__lt": 12},
    {"age__between": (3, 4)},
    {"age": 7},
    {"born": date(1960, 11, 1)},
    {"born__between": (date(1960, 1, 1), date(1961, 12, 31))},
    {"born__year": 1962},
    {"tags__contains": "t3"},
    {"spot__zip": 3},
    {"spot__zip__gt": 18},
]


@pytest.mark.parametrize("condition", CONDITIONS, ids=str)
def test_an_index_finds_just_what_is_asked_for(people, condition):
    query = Indexed.objects(people).where(**condition)
    told = explained(query)
    assert told["nReturned"] == query.count() > 0
    assert told["totalDocsExamined"] == told["nReturned"]
    # One more to see where each range ends.
    assert told["totalKeysExamined"] <= told["nReturned"] + 2


@pytest.mark.parametrize("name", ["name", "-name", "age", "-born", "spot__zip", "key"])
def test_an_index_gives_the_order(people, name):
    told = explained(Indexed.objects(people).order_by(name)[:10])
    assert told["totalKeysExamined"] == told["totalDocsExamined"] == 10


def test_equality_and_a_slice_need_no_sort(people):
    told = explained(Indexed.objects(people).where(age=7)[:3])
    assert told["totalKeysExamined"] == 3


def test_a_page_after_a_key_reads_just_the_page(people):
    keys = list(Indexed.objects(people).order_by("key").keys())
    query = Indexed.objects(people).where(key__gt=keys[99])[:10]
    assert list(query.keys()) == keys[100:110]
    assert explained(query)["totalDocsExamined"] <= 11


def test_what_cannot_be_reads_nothing(people):
    query = Indexed.objects(people).where(age__gt=5, age__lt=5)
    assert explained(query)["totalDocsExamined"] == 0


def explained(query):
    """Give what the server says of running the find that the plan shows."""
    pushed = query.plan().pushed
    found = query.storage.connection.find(
        query._filter(pushed),
        sort=list(query._sorting(pushed.order).names) if pushed.order else None,
        skip=pushed.start,
        limit=(pushed.stop or 0) - pushed.start,
        collation=BY_CODE_POINT,
    )
    return found.explain()["executionStats"]


# Plans, and filters of MongoDB's own.


def test_a_plan_shows_filter_order_and_index(people):
    query = Indexed.objects(people).where(age=3).order_by("age")[2:5]
    text = str(query.plan())
    assert '"age": {"$eq": 3' in text
    assert 'sort {"age": 1, "_id": 1}' in text
    assert "skip 2" in text
    assert "limit 3" in text
    assert "IXSCAN age_1__id_1 (age: [3, 3], _id: [MinKey, MaxKey])" in text


class Timed(Model):
    at: datetime

    class Meta:
        indexes = ["-at"]


def test_naive_datetimes_are_put_first_only_where_there_are_any(empty):
    empty.ensure_indexes(Timed)
    for day in range(1, 20):
        empty[f"{day}"] = {"at": datetime(2020, 1, day, tzinfo=UTC)}
    query = Timed.objects(empty).order_by("-at")[:5]
    assert list(query.keys()) == ["19", "18", "17", "16", "15"]
    assert explained(query)["totalKeysExamined"] == 5
    empty["naive"] = {"at": datetime(2020, 1, 18)}
    assert list(query.keys()) == ["19", "18", "17", "16", "15"]
    assert "aggregate" in str(query.plan())
    first = Timed.objects(empty).order_by("at")[:2]
    assert list(first.keys()) == ["naive", "1"]


def test_the_membership_is_asked_once(people):
    text = str(Indexed.objects(people).where(name="n07").plan())
    assert text.count('"name": {') == 1
    assert '"name": {"$eq": "n07", "$not": {"$type": "array"}}' in text


def test_a_native_filter_goes_to_the_server_as_it_is(people):
    query = Indexed.objects(people).native(
        {"tags": {"$size": 1}, "age": {"$mod": [7, 3]}}
    )
    ages = {one.age for one in query}
    assert ages == {age for age in range(50) if age % 7 == 3}
    assert query.where(age__lt=20).count() == 10 * 3
    assert query.exists()
    assert "native({'tags'" in str(query.plan())
    assert query.plan().is_pushed


def test_a_native_filter_counts_where_python_looks_on(people):
    query = Indexed.objects(people).native({"age": {"$mod": [7, 3]}})
    found = list(query.where(name__matches=r"^n\d3$").order_by("age"))
    assert {one.age for one in found} <= {age for age in range(50) if age % 7 == 3}
    assert found


def test_a_native_filter_cannot_be_looked_at_in_python(people):
    one = Indexed.objects(people).native({"age": 3})
    other = Indexed.objects(people).where(name__matches="x")
    with pytest.raises(QueryError, match="native"):
        list(one | other)


def test_a_native_filter_is_a_dict(people):
    with pytest.raises(QueryError, match="native"):
        Indexed.objects(people).native("age > 3")


def test_what_is_wrong_with_a_native_filter_is_told(people):
    with pytest.raises(OSError, match="unknown operator"):
        list(Indexed.objects(people).native({"age": {"$older": 3}}))


def test_a_native_filter_updates_and_deletes(empty):
    empty["a"], empty["b"] = {"whole": 1}, {"whole": [1]}
    query = Unasking.objects(empty).native({"whole": 1})
    assert query.where(whole=1).update(text="x") == 1
    assert query.delete() == 2


# What the server cannot say.


@pytest.mark.parametrize(
    "condition",
    [{"text__matches": "^a"}, {"text__like": "one"}, {"raw__gt": b"a"}],
    ids=str,
)
def test_what_is_left_over_can_be_forbidden(storage, condition):
    with pytest.raises(ResidualForbidden):
        list(Sample.objects(storage).where(**condition))


def test_a_question_nested_too_deep_is_left_to_python(empty):
    empty["a"] = {"whole": 1}
    condition = F.whole.equals(1)
    for number in range(DEEPEST - 1):
        condition = ~(condition & F.text.ne(str(number)))
    query = Unasking.objects(empty).where(condition)
    assert not query.plan().is_pushed
    assert query.count() in {0, 1}


def test_a_question_that_is_too_long_is_left_to_python(empty):
    empty["a"] = {"text": "x"}
    many = [f"{number:0100}" for number in range(60_000)]
    assert Unasking.objects(empty).where(text__in=[*many, "x"]).count() == 1
    assert Unasking.objects(empty).where(text__startswith="x" * 6_000_000).count() == 0


# Keys, and what foreign programs do to orders.


def test_foreign_keys_come_after_texts(empty):
    ids = [ObjectId(), ObjectId()]
    empty.connection.insert_many([{"_id": key} for key in (*ids, 7, "zz", "a", 10)])
    keys = list(Unasking.objects(empty).order_by("key").keys())
    assert keys == ["a", "zz", "7", "10", *map(str, ids)]
    assert list(Unasking.objects(empty).order_by("-key").keys()) == keys[::-1]
    assert list(Unasking.objects(empty)[1:4].keys()) == keys[1:4]


class Blob(Model):
    raw: bytes | None = None


@pytest.mark.parametrize("names", [("raw",), ("-raw",), ("raw", "key")])
def test_foreign_keys_come_after_texts_in_an_order_that_python_makes(empty, names):
    ids = [ObjectId(), ObjectId(), Binary(b"2", 4), Binary(b"11"), True, 2.5, 7, 10]
    empty.connection.insert_many([{"_id": key} for key in (*ids, "zz", "a", None)])
    ordered = Blob.objects(empty).order_by(*names)
    assert not ordered.plan().is_pushed
    names = ("-key",) if names == ("-raw",) else ("key",)
    keys = list(Unasking.objects(empty).order_by(*names).keys())
    assert list(ordered.keys()) == keys


@pytest.mark.parametrize("names", [("-key", "text"), ("text", "-key", "whole")])
def test_foreign_keys_come_first_where_keys_fall_and_the_last_name_rises(empty, names):
    empty.connection.insert_many([{"_id": "a"}, {"_id": "b"}, {"_id": 7}])
    query = Unasking.objects(empty).order_by(*names)
    assert list(query[:2].keys()) == ["7", "b"]


@pytest.mark.parametrize("lookup", ["gt", "gte", "lt", "lte", "startswith"])
def test_ranges_of_keys_are_of_their_texts(empty, lookup):
    ids = [ObjectId(f"{digits:024x}") for digits in (1, 10, 16**23, 16**24 - 1, 16**20)]
    empty.connection.insert_many(
        [{"_id": key} for key in (*ids, 7, -5, "0a", "f", "é")]
    )
    keys = list(empty)
    bounds = ["0", "0a", "7", "-", "f", "g", "é", " ", *keys]
    bounds += [key[:5] for key in keys] + [f"{key}0" for key in keys]
    bounds += [f"{key[:-1]}g" for key in keys] + [key.upper() for key in keys]
    records = dict(empty.records())
    for bound in bounds:
        query = Unasking.objects(empty).where(**{f"key__{lookup}": bound})
        judge(query, records)


def test_lists_under_two_names_of_an_order_are_no_error(empty):
    empty.connection.insert_many(
        [{"_id": str(at), "whole": [], "text": [1]} for at in range(3)]
    )
    empty["x"] = {"whole": 1, "text": "a"}
    found = list(Unasking.objects(empty).order_by("whole", "text").keys())
    assert sorted(found) == ["0", "1", "2", "x"]


class Folded(Unasking):
    class Meta:
        indexes = ["text"]


def test_a_foreign_collation_changes_no_answer(places):
    database = places.database
    database.create_collection("folding", collation={"locale": "en", "strength": 1})
    with places.storage(collection="folding") as opened:
        opened.ensure_indexes(Folded)
        for key, text in {"1": "a", "2": "A", "3": "á", "4": "b"}.items():
            opened[key] = {"text": text}
        query = Unasking.objects(opened).where(text="a")
        assert list(query.keys()) == ["1"]
        assert explained(query)["totalKeysExamined"] == 1
        assert Unasking.objects(opened).where(text__in=["A", "á"]).count() == 2
        in_order = Unasking.objects(opened).order_by("text").keys()
        assert list(in_order) == ["2", "1", "4", "3"]
        assert Unasking.objects(opened).where(text__lt="b").update(whole=1) == 2
        assert Unasking.objects(opened).values("text") == ["A", "a", "b", "á"]
        assert Unasking.objects(opened).where(text="A").delete() == 1
