"""One update for all changes, batches whole or not at all, savepoints of our own."""

from datetime import UTC, date, datetime
from random import Random
from typing import Any

import mongod
import pytest
from mongo_places import places_on

from pymodels import DuplicateKey, EncodeError, F, Model, StorageError, Unsupported
from pymodels.backends.mongodb import patch
from pymodels.backends.mongodb.documents import encode
from pymodels.indexes import Index
from pymodels.law.changes import Changes, apply, between
from pymodels.law.values import same
from pymodels.testing.random.universe import any_value
from pymodels.testing.records import NAMES

pytestmark = pytest.mark.server


class Note(Model):
    text: str
    size: int | None = None
    marks: dict[str, Any] = {}


class Unique(Model):
    email: str | None = None

    class Meta:
        indexes = [Index("email", unique=True)]


@pytest.fixture(scope="module")
def places():
    with places_on(mongod.standalone_url()) as found:
        yield found


@pytest.fixture(scope="module")
def members():
    with places_on(mongod.replica_set().url) as found:
        yield found


@pytest.fixture
def storage(places):
    with places.storage() as opened:
        yield opened


@pytest.fixture
def replicated(members):
    with members.storage() as opened:
        yield opened


def changed(storage, record, changes):
    """Make changes on the server; give the record, and the document it became."""
    storage["a"] = record
    before = next(storage.fetch(["a"]))
    assert storage.patch("a", changes)
    after = next(storage.fetch(["a"]))
    # What an instance keeps is what the server has made.
    assert same(storage.decode(storage.patched(before, changes)), storage["a"])
    return storage["a"], after[1]


# Changes.


def test_plain_fields_are_set_without_a_pipeline():
    changes = Changes({("text",): "x"}, (("size",),))
    update = patch.update_for(changes)
    assert update == {
        "$set": {"text": "x"},
        "$unset": {"_kinds.text": "", "size": "", "_kinds.size": ""},
    }


@pytest.mark.parametrize("kinds", ["date", ["date"], [{"born": "naive"}], None, {}])
def test_a_date_is_set_whatever_a_foreign_note_of_kinds_is(storage, kinds):
    storage.connection.insert_one({"_id": "a", "text": "x", "_kinds": kinds})
    assert storage.patch("a", Changes({("born",): date(2020, 1, 1)}))
    assert storage["a"] == {"text": "x", "born": date(2020, 1, 1)}


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_any_name_is_changed_alone(storage, name):
    record = {name: {"a": 1}, "other": date(2020, 1, 1), f"{name}x": [1]}
    moment = datetime(2020, 1, 1, 12, tzinfo=UTC)
    for path in ((name,), (name, "a"), (name, name), ("made", name, "deep")):
        for value in (2, moment, {"$set": {"a.b": date(2021, 1, 1)}}):
            changes = Changes({path: value})
            found, _ = changed(storage, record, changes)
            assert same(found, apply(record, changes)), path
        changes = Changes(removes=(path,))
        found, _ = changed(storage, record, changes)
        assert same(found, apply(record, changes)), path


@pytest.mark.parametrize("there", [None, 1, "text", [{"a": 1}], date(2020, 1, 1), {}])
def test_a_place_that_is_no_map_is_written_whole(storage, there):
    whole = {"a": date(2021, 1, 1), "b": 2}
    changes = Changes({("m", "a"): date(2021, 1, 1)}, ancestors={("m", "a"): (whole,)})
    found, _ = changed(storage, {"m": there, "text": "x"}, changes)
    assert same(found, apply({"m": there, "text": "x"}, changes))


def test_marks_go_with_what_they_mark(storage):
    record = {"m": {"a": date(2020, 1, 1), "b": datetime(2020, 1, 1)}}
    _, document = changed(storage, record, Changes({("m", "a"): "text"}))
    assert document["_kinds"] == {"m": {"b": "naive"}}
    _, document = changed(storage, record, Changes({("m",): 1}))
    assert document["_kinds"] == {}
    _, document = changed(storage, {"m": {"a": 1}}, Changes({("m", "a"): 2}))
    assert "_kinds" not in document


def test_a_note_that_another_program_spoiled_is_made_anew(storage):
    storage.connection.insert_one({"_id": "a", "text": "x", "_kinds": "mine"})
    assert storage.patch("a", Changes({("m", "day"): date(2020, 1, 1)}))
    assert storage["a"] == {"text": "x", "m": {"day": date(2020, 1, 1)}}


def test_a_thousand_nested_changes_are_one_update(storage):
    record = {"marks": {f"m{n}": n for n in range(1_500)}, "text": "x"}
    storage["a"] = record
    note = storage.get(Note, "a")
    note.marks = {name: n + 1 for name, n in record["marks"].items()}
    note.save()
    assert storage["a"]["marks"] == note.marks


@pytest.mark.parametrize("seed", range(20))
def test_random_changes_are_made_as_in_python(storage, seed):
    random = Random(seed)

    def tree(depth: int) -> dict[str, Any]:
        return {
            name: tree(depth - 1)
            if depth and random.random() < 0.6
            else any_value(random)
            for name in random.sample(["a", "b", "a.b", "$c", "0", "_id", "_kinds"], 4)
        }

    for _ in range(20):
        old, new, standing = tree(2), tree(2), tree(2)
        changes = between(old, new)
        found, _ = changed(storage, standing, changes)
        assert same(found, apply(standing, changes))


# Batches.


def test_a_batch_with_a_taken_value_is_taken_back(storage):
    storage.ensure_indexes(Unique)
    Unique(email="b").save(storage, key="kept")
    batch = [Unique(email=text) for text in "abc"]
    with pytest.raises(DuplicateKey, match="email"):
        storage.save_many(batch)
    assert list(storage) == ["kept"]
    assert [one.key for one in batch] == [None] * 3


def test_a_batch_that_a_rule_of_the_collection_refuses_is_taken_back(storage):
    """A validator is another program's, and refuses what it likes."""
    name, database = storage.connection.name, storage.connection.database
    storage.ensure_indexes(Unique)
    database.command({"collMod": name, "validator": {"email": {"$ne": "b"}}})
    try:
        with pytest.raises(StorageError, match="validation"):
            storage.save_many(Unique(email=text) for text in "abc")
        assert list(storage) == []
    finally:
        database.command({"collMod": name, "validator": {}})


def test_a_batch_with_a_document_that_is_too_large_is_taken_back(storage):
    """It takes more than one message, and the driver notices in the last."""
    sizes = [15, 15, 15, 15, 17]
    with pytest.raises(EncodeError, match="too large"):
        storage.save_many(Note(text="x" * (size << 20)) for size in sizes)
    assert list(storage) == []


def test_a_batch_with_a_taken_value_writes_nothing_on_a_replica_set(replicated):
    replicated.ensure_indexes(Unique)
    Unique(email="b").save(replicated, key="kept")
    with pytest.raises(DuplicateKey, match="email"):
        replicated.save_many(Unique(email=text) for text in "abc")
    assert list(replicated) == ["kept"]


# Transactions.


def test_a_savepoint_puts_back_each_document_as_it_was(replicated):
    storage = replicated
    raw = {"_id": "raw", "$odd": 1, "d": datetime(2020, 1, 1), "text": "r", "n": -0.0}
    storage.connection.insert_one(raw)
    storage["a"], storage["b"] = {"text": "a"}, {"text": "b"}
    before = list(storage.connection.find_raw_batches(sort=[("_id", 1)]))

    def undone() -> None:
        with storage.transaction():
            Note.objects(storage).update(text="changed")
            Note.objects(storage).where(F.key == "b").delete()
            storage["raw"] = {"text": "other"}
            storage["new"] = {"text": "new"}
            storage.save_many([Note(text="many"), Note(text="more")])
            storage.delete("a")
            storage.clear()
            raise ZeroDivisionError

    with storage.transaction():
        with pytest.raises(ZeroDivisionError):
            undone()
        assert set(storage) == {"raw", "a", "b"}
    assert list(storage.connection.find_raw_batches(sort=[("_id", 1)])) == before


def test_a_taken_value_inside_ends_the_transaction_and_says_so(replicated):
    replicated.ensure_indexes(Unique)
    Unique(email="a").save(replicated)

    def taken() -> None:
        with replicated.transaction():
            Unique(email="b").save(replicated)
            with pytest.raises(DuplicateKey):
                Unique(email="a").save(replicated)

    with pytest.raises(StorageError, match="undone"):
        taken()
    assert len(replicated) == 1


def test_a_transaction_is_seen_by_nobody_else_before_its_end(members, replicated):
    with members.storage(collection=replicated.connection.name) as other:
        with replicated.transaction():
            replicated["a"] = {"text": "a"}
            assert "a" not in other
        assert "a" in other


def test_two_processes_that_change_one_record_are_told_to_try_again(
    members, replicated
):
    replicated["a"] = {"size": 0}

    def both(other):
        with other.transaction():
            assert other["a"] == {"size": 0}
            replicated["a"] = {"size": 1}
            other["a"] = {"size": 2}

    with members.storage(collection=replicated.connection.name) as other:
        with pytest.raises(TimeoutError, match="run again"):
            both(other)
        assert other["a"] == {"size": 1}


def test_a_lonely_server_says_that_it_has_no_transactions(storage):
    assert not storage.has_transactions
    with pytest.raises(Unsupported, match="replica set"), storage.transaction():
        pass


def test_a_document_without_dates_has_no_note():
    assert encode("a", {"text": "x", "list": [1, None]}).keys() == {
        "_id",
        "text",
        "list",
    }


def test_sync_waits_for_the_disk(storage):
    Note(text="x").save(storage)
    storage.sync()
