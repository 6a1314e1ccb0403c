"""What a replica set promises of a write, and what is said where it cannot."""

import threading
from contextlib import contextmanager

import mongod
import pytest
from mongo_places import places_on

import pymodels
from pymodels import Model, StorageBusy, StorageError, WriteUncertain

pytestmark = pytest.mark.server


class Note(Model):
    text: str
    number: int = 0


@pytest.fixture(scope="module")
def servers():
    return mongod.replica_set()


@pytest.fixture(scope="module")
def places(servers):
    with places_on(servers.url) as places:
        yield places


@pytest.fixture
def storage(places):
    with places.storage() as opened:
        yield opened


@pytest.fixture
def opened(servers, places):
    """Give the function that opens a storage with options of a URL."""
    found = []

    def opened(options, collection="concerns"):
        url = f"{mongod.with_path(servers.url, places.name)}&{options}"
        found.append(pymodels.get_storage(url, collection=collection))
        return found[-1]

    yield opened
    for storage in found:
        storage.close()
    places.database["concerns"].drop()


@contextmanager
def failing(servers, *commands, times=1, **data):
    """Let the primary fail these commands of ours, each so many times."""
    primary = servers.primary()
    data = {"failCommands": list(commands), "appName": "pymodels", **data}
    mode = {"times": times}
    primary.command("configureFailPoint", "failCommand", mode=mode, data=data)
    try:
        yield
    finally:
        primary.command("configureFailPoint", "failCommand", mode="off")


@contextmanager
def without_a_secondary(servers):
    """Let one secondary hang."""
    primary = servers.primary()
    hanging = next(member for member in servers.members if member is not primary)
    hanging.stop()
    try:
        yield
    finally:
        hanging.resume()
        servers.wait()


WRITES = {
    "save": lambda s: Note(text="new").save(s, key="new"),
    "replace": lambda s: s.__setitem__("kept", {"text": "x"}),
    "update by query": lambda s: Note.objects(s).update(number=7),
    "delete by query": lambda s: Note.objects(s).delete(),
    "save_many": lambda s: s.save_many([Note(text="a"), Note(text="b")]),
    "delete": lambda s: s.delete("kept"),
    "clear": lambda s: s.clear(),
}


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
@pytest.mark.parametrize("concern", ["w=4", "w=nowhere"])
def test_a_concern_that_nobody_can_meet_leaves_writes_uncertain(opened, concern, write):
    easy, hard = opened("w=majority"), opened(concern)
    Note(text="kept").save(easy, key="kept")
    before = dict(easy.records())
    with pytest.raises(WriteUncertain) as caught:
        write(hard)
    assert caught.value.__cause__ is not None
    # It was written all the same: hence "uncertain", never "failed".
    assert write is WRITES["save_many"] or dict(easy.records()) != before


def test_a_concern_that_takes_too_long_leaves_the_write_uncertain(servers, opened):
    storage = opened("w=3&wtimeoutMS=300")
    Note(text="kept").save(storage, key="kept")
    with without_a_secondary(servers):
        with pytest.raises(WriteUncertain):
            Note(text="new").save(storage, key="new")
        assert storage.get(Note, "new").text == "new"
        majority = opened("w=majority")
        Note(text="more").save(majority)


def test_a_lost_answer_is_asked_for_again(servers, storage):
    """Retried by the driver, and done once: the server knows the number."""
    Note(text="kept").save(storage, key="kept")
    with failing(servers, "insert", closeConnection=True):
        Note(text="new").save(storage, key="new")
    with failing(servers, "update", closeConnection=True):
        note = storage.get(Note, "kept")
        note.number = 7
        note.save()
    with failing(servers, "delete", closeConnection=True):
        storage.delete("kept")
    assert list(storage) == ["new"]


def test_an_answer_that_is_lost_again_leaves_the_write_uncertain(servers, storage):
    with (
        failing(servers, "insert", times=2, closeConnection=True),
        pytest.raises(WriteUncertain),
    ):
        Note(text="new").save(storage, key="new")


def test_an_update_of_many_is_not_asked_again(servers, storage):
    Note(text="kept").save(storage, key="kept")
    with (
        failing(servers, "update", closeConnection=True),
        pytest.raises(WriteUncertain),
    ):
        Note.objects(storage).update(number=7)


def test_a_commit_without_an_answer_is_asked_again(servers, storage):
    with (
        failing(servers, "commitTransaction", closeConnection=True),
        storage.transaction(),
    ):
        Note(text="new").save(storage, key="new")
    assert "new" in storage


def test_a_commit_that_nobody_answers_is_uncertain(servers, storage):
    def commit():
        with storage.transaction():
            Note(text="new").save(storage, key="new")

    with (
        failing(servers, "commitTransaction", times=2, closeConnection=True),
        pytest.raises(WriteUncertain),
    ):
        commit()
    # It would hold its locks for a minute yet.
    servers.primary().command("killAllSessions", [])
    with storage.transaction():
        storage["after"] = {"text": "after"}
    assert "after" in storage


def test_a_write_that_is_lost_in_a_transaction_has_failed_with_all(servers, storage):
    def write():
        with storage.transaction():
            Note(text="first").save(storage, key="first")
            with failing(servers, "insert", times=2, closeConnection=True):
                Note(text="second").save(storage, key="second")

    with pytest.raises(StorageError):
        write()
    assert len(storage) == 0
    with storage.transaction():
        Note(text="again").save(storage, key="again")
    assert list(storage) == ["again"]


def test_a_conflict_is_busy_and_undoes_everything(places, storage):
    Note(text="kept").save(storage, key="kept")
    name = storage.connection.name
    with places.storage(collection=name) as other:

        def quarrel():
            with other.transaction():
                other["first"] = {"text": "first"}
                with storage.transaction():
                    storage["kept"] = {"text": "mine"}
                    other["kept"] = {"text": "theirs"}

        with pytest.raises(StorageBusy, match="again"):
            quarrel()
        assert dict(storage.records()) == {"kept": {"text": "kept", "number": 0}}
        with other.transaction():
            other["kept"] = {"text": "theirs"}
        assert storage["kept"]["text"] == "theirs"
    storage.clear()


def test_transactions_of_threads_add_up(places, storage):
    """Those of one storage take turns; those of two are told to try again."""
    storage["sum"] = {"text": "sum", "number": 0}
    with places.storage(collection=storage.connection.name) as other:
        errors = []

        def count_up(one):
            done = 0
            while done < 10:
                try:
                    with one.transaction():
                        note = one.get(Note, "sum")
                        note.number += 1
                        note.save()
                except StorageBusy:
                    continue
                except Exception as error:
                    errors.append(error)
                    return
                done += 1

        threads = [
            threading.Thread(target=count_up, args=[one])
            for one in (storage, other, storage, other)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert errors == []
    assert storage["sum"]["number"] == 40
    storage.clear()


def test_a_secondary_alone_takes_no_writes(servers, places):
    primary = servers.primary()
    secondary = next(member for member in servers.members if member is not primary)
    url = f"{secondary.url}{places.name}?directConnection=true"
    with pymodels.get_storage(url) as storage:
        with pytest.raises(StorageError, match=secondary.address):
            Note(text="x").save(storage)
        with (
            pytest.raises(StorageError, match=secondary.address),
            storage.transaction(),
        ):
            storage["a"] = {"text": "x"}


def test_reading_from_secondaries_is_an_option_of_the_url(opened):
    Note(text="kept").save(opened("w=3"), key="kept")
    storage = opened("readPreference=secondary")
    assert storage.get(Note, "kept").text == "kept"
    assert Note.objects(storage).where(text="kept").count() == 1


def test_a_set_of_which_one_member_is_named_is_found_whole(servers, places):
    url = f"{servers.members[1].url}{places.name}?replicaSet={servers.name}"
    with pymodels.get_storage(url) as storage:
        Note(text="x").save(storage, key="found")
        with storage.transaction():
            storage.delete("found")
        assert len(storage) == 0
