"""Values of BSON that no kind fits, wherever they stand: kept by what is done beside.

The table is that of `test_foreign_values`; clauses 3.4 to 3.6 of the law.
"""

from datetime import UTC, datetime
from typing import Any

import bson
import mongod
import pytest
from bson import DBRef, Decimal128, Int64, MaxKey, MinKey, ObjectId, Regex, Timestamp
from bson.binary import Binary
from bson.code import Code
from mongo_places import places_on

import pymodels
from pymodels import EncodeError, Model
from pymodels.testing.each import each

pytestmark = pytest.mark.server


class Inner(Model):
    name: str = ""


class Holder(Model):
    title: str
    number: float = 0.0
    anything: Any = None
    data: dict[str, Any] = {}
    values: list[Any] = []
    lists: list[list[Any]] = []
    inner: Inner = Inner()


class Other(Model):
    title: str
    data: dict[str, Any] = {}


@pytest.fixture(scope="module")
def places():
    with places_on(mongod.standalone_url()) as places:
        yield places


@pytest.fixture
def storage(places):
    with places.storage() as opened:
        yield opened


@pytest.fixture
def documents(places, storage):
    return places.collection(storage)


ODD: dict[str, Any] = {
    "ObjectId": ObjectId("5f0f0f0f0f0f0f0f0f0f0f0f"),
    "NaN": float("nan"),
    "infinity": float("inf"),
    "UUID": Binary(bytes(16), 4),
    "binary of the user's": Binary(b"abc", 128),
    "Code": Code("f()"),
    "Code with scope": Code("f()", {"x": 1}),
    "Regex": Regex("^a", "i"),
    "Timestamp": Timestamp(1, 2),
    "MinKey": MinKey(),
    "MaxKey": MaxKey(),
    "decimal NaN": Decimal128("NaN"),
    "date after year 9999": bson.DatetimeMS(316_516_809_600_000),
    "64 bits that fit into 32": Int64(5),
    "DBRef": DBRef("films", 1),
    "empty name": {"": 1},
    "hard names": {"a.b": 1, "$set": 2},
    "padded decimal": Decimal128("1.50"),
}


def document(odd):
    return {
        "_id": "k",
        "title": "old",
        "anything": odd,
        "data": {"odd": odd, "deep": [{"odd": odd}], "map": {"odd": odd}},
        "values": [1, odd, {"odd": odd}],
        "lists": [[1], [odd, 2]],
        "inner": {"name": "n", "odd": odd},
        "unknown": [odd, {"deep": odd}],
    }


def save_unchanged(one):
    one.save()


def save_another_field(one):
    one.title = "new"
    one.save()


def save_in_the_map(one):
    one.data["new"] = 1
    one.save()


def save_in_the_lists(one):
    one.values.append(2)
    one.lists.append([3])
    one.save()


def update_by_query(one):
    assert Holder.objects(one.storage).update(title="new") == 1


def update_by_residual(one):
    found = Holder.objects(one.storage).where(title__matches="(?i)OLD(?<!x)")
    assert "afterwards, here" in str(found.plan())
    assert found.update(title="new", inner__name="m") == 1


def convert(one):
    one.convert_to(Other, title="new").save()


def convert_and_change_the_map(one):
    one = one.convert_to(Other)
    one.data["new"] = 1
    one.save()


CHANGES: list[tuple[Any, Any]] = [
    (save_unchanged, lambda one: None),
    (save_another_field, lambda one: one.update(title="new")),
    (save_in_the_map, lambda one: one["data"].update(new=1)),
    (
        save_in_the_lists,
        lambda one: (one["values"].append(2), one["lists"].append([3])),
    ),
    (update_by_query, lambda one: one.update(title="new")),
    (
        update_by_residual,
        lambda one: (one.update(title="new"), one["inner"].update(name="m")),
    ),
    (convert, lambda one: one.update(title="new")),
    (convert_and_change_the_map, lambda one: one["data"].update(new=1)),
]


@each("act, change", CHANGES, ids=lambda one: one.__name__)
def test_odd_values_stay_as_they_are(storage, documents, act, change):
    for name, odd in ODD.items():
        storage.clear()
        documents.insert_one(document(odd))
        act(storage.get(Holder, "k"))
        expected = document(odd)
        change(expected)
        raw = documents.with_options(RAW).find_one({"_id": "k"}).raw
        assert raw == bson.encode(expected), (name, bson.decode(raw))


RAW = bson.codec_options.CodecOptions(document_class=bson.raw_bson.RawBSONDocument)


@each("name", ODD)
def test_an_odd_number_in_a_declared_field_stays(storage, documents, name):
    if name not in {"NaN", "infinity"}:
        return
    documents.insert_one({"_id": "k", "title": "old", "number": ODD[name]})
    one = storage.get(Holder, "k")
    one.title = "new"
    one.save()
    assert repr(storage["k"]["number"]) == repr(ODD[name])


@each("name", ODD)
def test_a_record_is_put_beside_its_odd_values(storage, documents, name):
    documents.insert_one(document(ODD[name]))
    storage["k"] = {**storage["k"], "title": "new"}
    assert repr(storage["k"]) == repr({**storage["k"], "title": "new"})
    storage.get(Holder, "k").save_as(key="copy")
    assert repr(storage["copy"]) == repr(storage["k"])


JSON_HOLDS = {"infinity", "64 bits that fit into 32", "DBRef", "empty name"}
JSON_HOLDS |= {"hard names", "padded decimal"}


@each("name", ODD)
def test_a_copy_elsewhere_is_exact_or_refused(storage, documents, tmp_path, name):
    documents.insert_one(document(ODD[name]))
    one = storage.get(Holder, "k")
    with pymodels.get_storage(
        f"sqlite:///{tmp_path}/{list(ODD).index(name)}.db"
    ) as other:
        if name in JSON_HOLDS:
            one.save_as(key="copy", storage=other)
            assert repr(other["copy"]) == repr(storage["k"])
            return
        with pytest.raises(EncodeError):
            one.save_as(key="copy", storage=other)
        assert len(other) == 0


def test_a_new_odd_value_is_refused_beside_an_old_one(storage, documents):
    documents.insert_one(document(ODD["ObjectId"]))
    one = storage.get(Holder, "k")
    one.data["new"] = ObjectId()
    with pytest.raises(EncodeError, match="a ObjectId cannot be stored"):
        one.save()


class Moment(Model):
    title: str
    at: datetime | None = None
    more: list[datetime] = []


def test_a_moment_in_a_text_keeps_its_microseconds(storage, documents):
    text = "2020-01-01T10:00:00.123456+00:00"
    record = {"_id": "k", "title": "old", "at": text, "more": [text]}
    documents.insert_one(record)
    one = storage.get(Moment, "k")
    one.title = "new"
    one.save()
    assert documents.find_one() == {**record, "title": "new"}


def test_a_mark_that_does_not_fit_is_not_believed(storage, documents):
    at = datetime(2020, 1, 1, 10)
    kinds = {"at": "date", "title": "datetime", "more": ["naive"]}
    documents.insert_one(
        {"_id": "k", "title": "old", "at": at, "more": [at, at], "_kinds": kinds}
    )
    moment = at.replace(tzinfo=UTC)
    assert storage["k"] == {"title": "old", "at": moment, "more": [moment, moment]}
