"""Values that no kind of ours fits, and mixed kinds, in documents of other programs."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import bson
import mongod
import pytest
from bson import (
    SON,
    DBRef,
    Decimal128,
    Int64,
    MaxKey,
    MinKey,
    ObjectId,
    Regex,
    Timestamp,
)
from bson.binary import Binary
from bson.code import Code
from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument
from mongo_places import places_on

import pymodels
from pymodels import F, InvalidRecord, Model, PyModelsError, RecordNotFound

pytestmark = pytest.mark.server

RAW = CodecOptions(document_class=RawBSONDocument)
TEXT = "5f0f0f0f0f0f0f0f0f0f0f0f"


class Inner(Model):
    name: str | None = None


class Film(Model):
    title: str
    released: date | None = None
    inner: Inner | None = None


class Open(Model):
    """Nothing but the title is declared."""

    title: str
    value: Any = None


@pytest.fixture(scope="module")
def places():
    with places_on(mongod.standalone_url()) as places:
        yield places


@pytest.fixture
def storage(places):
    with places.storage() as opened:
        yield opened


@pytest.fixture
def films(places, storage):
    """The storage's collection, as another program sees it."""
    return places.collection(storage)


def raw_of(films, key):
    """Give a document as the bytes that the server keeps."""
    return films.with_options(RAW).find_one({"_id": key}).raw


def titles(query):
    return [film.title for film in query]


# Values that no kind fits.


def handmade(tag, payload):
    """Give a document whose field "odd" is a BSON element that no driver writes."""
    body = tag + b"odd\0" + payload
    return (len(body) + 5).to_bytes(4, "little") + body + b"\0"


MILLISECONDS_OF_YEAR_12000 = 316_516_809_600_000
OTHERS: dict[str, Any] = {
    "ObjectId": ObjectId(TEXT),
    "Regex": Regex("^a", "i"),
    "regex that matches everything": Regex(".*"),
    "Code": Code("function() { return true }"),
    "Code with scope": Code("f()", {"x": 1}),
    "Timestamp": Timestamp(1, 2),
    "MinKey": MinKey(),
    "MaxKey": MaxKey(),
    "UUID": Binary(bytes(16), 4),
    "binary of the user's": Binary(b"abc", 128),
    "old binary": Binary(b"abc", 2),
    "NaN": float("nan"),
    "infinity": float("inf"),
    "minus infinity": float("-inf"),
    "decimal NaN": Decimal128("NaN"),
    "decimal infinity": Decimal128("Infinity"),
    "date after year 9999": bson.DatetimeMS(MILLISECONDS_OF_YEAR_12000),
    "date before year 1": bson.DatetimeMS(-(2**62)),
}
HANDMADE = {
    "undefined": handmade(b"\x06", b""),
    "symbol": handmade(b"\x0e", b"\x04\0\0\0abc\0"),
    "database pointer": handmade(b"\x0c", b"\x02\0\0\0a\0" + bytes(12)),
    "bad UTF-8": handmade(b"\x02", b"\x03\0\0\0\xff\xfe\0"),
    "surrogate": handmade(b"\x02", b"\x04\0\0\0\xed\xa0\x80\0"),
    "NUL in a string": handmade(b"\x02", b"\x04\0\0\0a\0b\0"),
    "a name twice": handmade(b"\x10", b"\x01\0\0\0\x10odd\0\x02\0\0\0"),
    "a bool of 2": handmade(b"\x08", b"\x01"),
    "padded decimal": handmade(b"\x13", Decimal128("1E+6144").bid),
}
SURVIVORS: dict[str, Any] = {
    **OTHERS,
    "DBRef": DBRef("films", ObjectId(TEXT), "elsewhere"),
    "64 bits that fit into 32": Int64(5),
    "minus zero": -0.0,
    "whole float": 5.0,
    "decimal of zeros": Decimal128("0E+3"),
    "map in its order": SON([("z", 1), ("a", 2)]),
    "list": [ObjectId(TEXT), {"deep": [Regex("x")]}],
    "hard names": {"a.b": 1, "$set": 2, "": 3},
}

each_other = pytest.mark.parametrize("value", OTHERS.values(), ids=OTHERS)


@pytest.mark.parametrize("value", SURVIVORS.values(), ids=SURVIVORS)
def test_a_save_leaves_other_values_byte_for_byte(storage, films, value):
    document = {
        "_id": "m",
        "odd": value,
        "title": "old",
        "inner": {"odd": value, "name": "old"},
        "odds": [value],
    }
    films.insert_one(RawBSONDocument(bson.encode(document)))
    film = storage.get(Film, "m")
    film.title = "new"
    film.inner.name = "new"
    film.save()
    expected = {**document, "title": "new", "inner": {"odd": value, "name": "new"}}
    assert raw_of(films, "m") == bson.encode(expected)


@pytest.mark.parametrize("body", HANDMADE.values(), ids=HANDMADE)
def test_a_save_leaves_what_no_driver_writes_byte_for_byte(storage, films, body):
    element = body[4:-1]
    document = RawBSONDocument(with_elements({"_id": "m", "title": "old"}, element))
    films.insert_one(document)
    film = storage.get(Film, "m")
    film.title = "new"
    film.save()
    expected = with_elements({"_id": "m", "title": "new"}, element)
    assert raw_of(films, "m") == expected
    assert Film.objects(storage).where(title="new").count() == 1
    assert titles(Film.objects(storage)) == ["new"]


def with_elements(document, element):
    body = bson.encode(document)[4:-1] + element
    return (len(body) + 5).to_bytes(4, "little") + body + b"\0"


@pytest.mark.parametrize("body", HANDMADE.values(), ids=HANDMADE)
def test_what_no_driver_writes_spoils_no_other_record(storage, films, body):
    storage["good"] = {"title": "good"}
    odd = with_elements({"_id": "odd", "title": "odd"}, body[4:-1])
    films.insert_one(RawBSONDocument(odd))
    assert sorted(storage) == ["good", "odd"]
    assert dict(storage.records()).keys() == {"good", "odd"}
    assert sorted(titles(Film.objects(storage).order_by("title"))) == ["good", "odd"]


@each_other
def test_another_value_is_present_and_equal_to_nothing(storage, films, value):
    films.insert_one({"_id": "m", "title": "M", "value": value})
    asked = Open.objects(storage)
    assert asked.where(value__exists=True).count() == 1
    assert asked.where(value=None).count() == 0
    for operand in (0, "", "a", True, b"abc", date(2020, 1, 1), [], {}, TEXT, 1e308):
        assert asked.where(value=operand).count() == 0
        assert asked.where(value__ne=operand).count() == 1
        assert asked.where(value__in=[operand]).count() == 0


@each_other
def test_another_value_has_no_order(storage, films, value):
    films.insert_one({"_id": "m", "title": "M", "value": value})
    asked = Open.objects(storage)
    moment = datetime(2020, 1, 1, tzinfo=UTC)
    for bound in (0, -1e308, "", b"", date(2020, 1, 1), moment):
        for lookup in ("gt", "gte", "lt", "lte"):
            assert asked.where(**{f"value__{lookup}": bound}).count() == 0
    assert asked.where(value__startswith="").count() == 0
    assert asked.where(value__contains="").count() == 0
    assert asked.where(value__contains=None).count() == 0
    assert asked.where(value__matches="").count() == 0
    assert asked.where(value__year=2020).count() == 0


@each_other
def test_another_value_in_a_list_or_map_is_equal_to_nothing(storage, films, value):
    films.insert_one({"_id": "l", "title": "list", "value": [1, value]})
    films.insert_one({"_id": "m", "title": "map", "value": {"a": 1, "b": value}})
    asked = Open.objects(storage)
    assert titles(asked.where(value__contains=1)) == ["list"]
    assert titles(asked.where(F.value.a == 1)) == ["map"]
    assert titles(asked.where(F.value.b.exists())) == ["map"]
    assert asked.where(value=[1]).count() == 0
    assert asked.where(value={"a": 1}).count() == 0


@each_other
def test_another_value_comes_after_everything_else(storage, films, value):
    films.insert_many(
        [
            {"_id": "0", "title": "odd", "value": value},
            {"_id": "1", "title": "number", "value": 5},
            {"_id": "2", "title": "text", "value": "x"},
            {"_id": "3", "title": "list", "value": [1]},
            {"_id": "4", "title": "yes", "value": True},
            {"_id": "5", "title": "date", "value": datetime(2020, 1, 1)},
            {"_id": "6", "title": "none"},
        ]
    )
    expected = ["none", "number", "text", "list", "yes", "date", "odd"]
    assert titles(Open.objects(storage).order_by("value")) == expected
    assert titles(Open.objects(storage).order_by("-value")) == expected[::-1]


@each_other
def test_another_value_is_no_declared_value(storage, films, value):
    films.insert_one({"_id": "m", "title": "M", "released": value})
    films.insert_one({"_id": "n", "title": value})
    assert Film.objects(storage).count() == 1
    with pytest.raises(RecordNotFound):
        storage.get(Film, "n")
    with pytest.raises(InvalidRecord) as caught:
        list(Film.objects(storage))
    assert caught.value.key == "m"


@each_other
def test_another_value_is_given_as_the_driver_gives_it(storage, films, value):
    films.insert_one({"_id": "m", "title": "M", "value": value})
    record = storage["m"]
    found = record["value"]
    assert found == value or repr(found) == repr(value) or str(found) == str(value)


@each_other
def test_a_copy_of_another_value_is_exact_or_refused(storage, films, value):
    films.insert_one({"_id": "m", "title": "M", "value": value})
    try:
        storage.get(Film, "m").save_as(key="copy")
    except PyModelsError:
        assert films.count_documents({}) == 1
        return
    raw = films.with_options(RAW)
    copy = raw.find_one({"_id": "copy"}, {"value": 1, "_id": 0})
    original = raw.find_one({"_id": "m"}, {"value": 1, "_id": 0})
    assert copy.raw == original.raw


# Mixed kinds in one field answer as they do in memory.

MIXED: list[Any] = [
    None,
    True,
    False,
    0,
    5,
    5.5,
    Decimal("5.0"),
    2**53 + 1,
    "",
    "5",
    "abc",
    "Straße",
    b"abc",
    [],
    [5],
    [5, "abc"],
    [[5]],
    [None],
    [{"a": 5}],
    {},
    {"a": 5},
    {"a": [5]},
    {"a": None},
    {"a": {"b": 5}},
    datetime(2020, 1, 1, tzinfo=UTC),
]
QUESTIONS: list[dict[str, Any]] = [
    *({"value": operand} for operand in MIXED),
    *({"value__contains": operand} for operand in (5, "abc", "b", None, [5], {"a": 5})),
    *({"value__gt": bound} for bound in (0, "", b"", MIXED[-1])),
    *({"value__lte": bound} for bound in (5, "5", b"abc", MIXED[-1])),
    {"value__in": [5, None, "abc", [5], {"a": 5}]},
    {"value__between": (0, 5.5)},
    {"value__exists": True},
    {"value__startswith": "a"},
    {"value__endswith": "c"},
    {"value__iequals": "STRASSE"},
    {"value__icontains": "B"},
    {"value__matches": "^a.c$"},
    {"value__like": "abc"},
    {"value__search": "abc OR 5"},
    {"value__year": 2020},
    {"value__contains_any": [5, "abc"]},
]


@pytest.fixture(scope="module")
def mixed(places):
    """The same records, written by the bare driver and kept in memory."""
    with places.storage() as ours, pymodels.get_storage("memory://") as memory:
        collection = places.collection(ours)
        memory["missing"] = {"title": "missing"}
        collection.insert_one({"_id": "missing", "title": "missing"})
        for number, value in enumerate(MIXED):
            key = f"{number:02}"
            memory[key] = {"title": key, "value": value}
            kept = Decimal128(value) if isinstance(value, Decimal) else value
            collection.insert_one({"_id": key, "title": key, "value": kept})
        yield ours, memory


@pytest.mark.parametrize("lookups", QUESTIONS, ids=repr)
def test_mixed_kinds_answer_as_in_memory(mixed, lookups):
    for name in ("where", "where_not"):
        asked = [getattr(Open.objects(one), name)(**lookups) for one in mixed]
        found, expected = (sorted(query.keys()) for query in asked)
        assert found == expected
        assert asked[0].count() == len(expected)


@pytest.mark.parametrize("name", ["value", "-value", "title", "-key"])
def test_mixed_kinds_are_ordered_as_in_memory(mixed, name):
    found, expected = (list(Open.objects(one).order_by(name).keys()) for one in mixed)
    assert found == expected


def test_values_of_mixed_kinds_are_those_of_memory(mixed):
    found, expected = (Open.objects(one).values("value") for one in mixed)
    assert found == expected


def test_a_path_through_a_list_reads_none(mixed):
    for asked in (
        F.value.a == 5,
        F.value.a.exists(),
        F.value.a.exists(False),
        F.value["0"] == 5,
    ):
        found, expected = (
            sorted(Open.objects(one).where(asked).keys()) for one in mixed
        )
        assert found == expected
