"""What goes wrong between us and a server: clear errors, and all is well afterwards."""

import os
import signal
import threading
import time
from contextlib import contextmanager
from typing import Any

import mongod
import pytest
from children import outcome
from mongo_places import places_on

import pymodels
from pymodels import (
    DuplicateKey,
    Index,
    Model,
    StorageClosed,
    StorageError,
    Unsupported,
    WriteInterrupted,
    WriteUncertain,
)

pytestmark = pytest.mark.server

MEBIBYTE = 2**20


class Note(Model):
    text: str
    number: int = 0
    more: Any = None


class Unique(Model):
    email: str

    class Meta:
        indexes = [Index("email", unique=True)]


@pytest.fixture(scope="module")
def server():
    return mongod.standalone()


@pytest.fixture(scope="module")
def places(server):
    with places_on(server.url) as places:
        yield places


@pytest.fixture
def storage(places):
    with places.storage() as opened:
        yield opened


@contextmanager
def failing(server, *commands, times=1, **data):
    """Let the server fail these commands of ours, each so many times."""
    data = {"failCommands": list(commands), "appName": "pymodels", **data}
    mode = {"times": times}
    server.command("configureFailPoint", "failCommand", mode=mode, data=data)
    try:
        yield
    finally:
        server.command("configureFailPoint", "failCommand", mode="off")


def save_new(storage):
    Note(text="new").save(storage, key="new")


def save_replacing(storage):
    Note(text="new").save(storage, key="kept", replace=True)


def save_changed(storage):
    note = storage.get(Note, "kept")
    note.number = 7
    note.save()


WRITES = {
    "insert": save_new,
    "update": save_changed,
    "delete": lambda storage: storage.delete("kept"),
}
ALL_WRITES = {
    "save": ("insert", save_new),
    "replace": ("update", save_replacing),
    "set": ("update", lambda s: s.__setitem__("kept", {"text": "x"})),
    "change": ("update", save_changed),
    "delete": ("delete", lambda s: s.delete("kept")),
    "clear": ("delete", lambda s: s.clear()),
    "save_many": ("insert", lambda s: s.save_many([Note(text="a"), Note(text="b")])),
    "update by query": ("update", lambda s: Note.objects(s).update(number=7)),
    "delete by query": ("delete", lambda s: Note.objects(s).delete()),
    "delete slice": ("delete", lambda s: Note.objects(s)[:1].delete()),
    "sync": ("delete", lambda s: s.sync()),
}
each_write = pytest.mark.parametrize(
    ("command", "write"), ALL_WRITES.values(), ids=ALL_WRITES
)


# The answer is lost.


@each_write
def test_a_write_without_an_answer_is_uncertain(server, storage, command, write):
    Note(text="kept").save(storage, key="kept")
    with (
        failing(server, command, closeConnection=True),
        pytest.raises(WriteUncertain) as caught,
    ):
        write(storage)
    assert server.address in str(caught.value)
    assert caught.value.__cause__ is not None
    write(storage)


@each_write
def test_a_write_that_took_too_long_is_uncertain(server, storage, command, write):
    Note(text="kept").save(storage, key="kept")
    with failing(server, command, errorCode=50), pytest.raises(WriteUncertain):
        write(storage)


@pytest.mark.parametrize("code", [13, 59, 96, 20])
def test_a_write_that_the_server_refuses_has_failed(server, storage, code):
    with (
        failing(server, "insert", errorCode=code),
        pytest.raises(StorageError) as caught,
    ):
        save_new(storage)
    assert not isinstance(caught.value, WriteUncertain)
    assert len(storage) == 0


def test_a_read_is_asked_again(server, storage):
    Note(text="kept").save(storage, key="kept")
    with failing(server, "find", closeConnection=True):
        assert storage.get(Note, "kept").text == "kept"
    with failing(server, "aggregate", closeConnection=True):
        assert Note.objects(storage).count() == 1


def test_a_read_that_fails_twice_is_an_error(server, storage):
    Note(text="kept").save(storage, key="kept")
    reads = [
        lambda: storage.get(Note, "kept"),
        lambda: storage["kept"],
        lambda: list(Note.objects(storage)),
        lambda: Note.objects(storage).where(number__gt=-1).count(),
        lambda: len(storage),
        lambda: "kept" in storage,
        lambda: Note.objects(storage).values("text"),
    ]
    for read in reads:
        commands = ("find", "aggregate", "count", "distinct")
        with (
            failing(server, *commands, times=2, closeConnection=True),
            pytest.raises(StorageError) as caught,
        ):
            read()
        assert not isinstance(caught.value, WriteUncertain)
        read()


def test_a_cursor_that_the_server_has_forgotten_is_an_error(server, storage):
    storage.save_many(Note(text="x" * 100, number=n) for n in range(5000))
    notes = iter(Note.objects(storage))
    next(notes)
    with failing(server, "getMore", errorCode=43), pytest.raises(StorageError):
        list(notes)
    assert sum(1 for _ in Note.objects(storage)) == 5000


def test_a_batch_that_breaks_off_says_how_many_were_saved(server, storage):
    notes = [Note(text="x", number=n) for n in range(5000)]

    def given():
        for note in notes:
            if note.number == 4500:
                server.command(
                    "configureFailPoint",
                    "failCommand",
                    mode={"times": 1},
                    data={"failCommands": ["insert"], "closeConnection": True},
                )
            yield note

    try:
        with pytest.raises(WriteUncertain, match="4000 records were") as caught:
            storage.save_many(given())
    finally:
        server.command("configureFailPoint", "failCommand", mode="off")
    assert caught.value.done == 4000
    assert len(storage) >= 4000
    assert isinstance(caught.value.__cause__, WriteUncertain)


@pytest.mark.parametrize(
    "failure",
    [{"closeConnection": True}, {"errorCode": 50}, {"errorCode": 13}],
    ids=str,
)
def test_a_batch_that_cannot_be_taken_back_is_uncertain(server, storage, failure):
    storage.ensure_indexes(Unique)
    with (
        failing(server, "delete", **failure),
        pytest.raises(
            WriteUncertain, match=r"email.*2 records .* may be left"
        ) as caught,
    ):
        storage.save_many([Unique(email=one) for one in "abac"])
    assert isinstance(caught.value.__cause__, DuplicateKey)
    assert sorted(Unique.objects(storage).values("email")) == ["a", "b"]


def test_a_batch_that_is_refused_is_taken_back(storage):
    storage.ensure_indexes(Unique)
    with pytest.raises(DuplicateKey) as caught:
        storage.save_many([Unique(email=one) for one in "abac"])
    assert len(storage) == 0
    assert not hasattr(caught.value, "__notes__")


# The server is gone for a while.


def test_a_server_that_was_restarted_is_found_again(server, storage):
    Note(text="kept").save(storage, key="kept")
    storage.sync()
    server.restart()
    assert storage.get(Note, "kept").text == "kept"
    server.restart()
    with pymodels.get_storage(f"{server.url}other") as other:
        assert len(other) == 0
    Note(text="more").save(storage)
    assert len(storage) == 2


@pytest.mark.parametrize("count", [199, 2000, 2001])
def test_a_server_that_is_killed_keeps_all_that_save_many_has_given(
    server, storage, count
):
    storage.save_many(Note(text=f"{number}") for number in range(count))
    server.kill()
    server.restart()
    assert len(storage) == count


def test_save_many_goes_on_after_a_server_was_killed_between_batches(server, storage):
    def given():
        for number in range(5000):
            if number == 4500:
                server.kill()
                server.restart()
                # The driver looks at a connection that was idle, and makes a new one.
                time.sleep(1.5)
            yield Note(text=f"{number}")

    keys = storage.save_many(given())
    assert len(storage.get_many(Note, keys)) == len(storage) == 5000


def test_batches_before_one_that_fails_are_kept(server, storage):
    storage.ensure_indexes(Unique)
    numbers = (*range(4500), 3, *range(4500, 6500))
    given = [Unique(email=str(number)) for number in numbers]
    with pytest.raises(WriteInterrupted) as caught:
        storage.save_many(given)
    server.kill()
    server.restart()
    assert caught.value.done == len(storage) == 4000
    assert [one.key is None for one in given] == [False] * 4000 + [True] * 2501


def test_a_write_after_a_restart_goes_through_or_is_reported(server, storage):
    Note(text="kept").save(storage, key="kept")
    server.restart()
    try:
        save_new(storage)
    except StorageError:
        save_replacing(storage)
    assert len(storage) >= 1


def test_a_server_that_is_gone_is_named(server, places):
    url = mongod.with_path(server.url, places.name) + "?timeout=0.3"
    with pymodels.get_storage(url) as storage:
        server.kill()
        try:
            for use in (save_new, len, lambda s: list(Note.objects(s))):
                with pytest.raises(StorageError, match=server.address):
                    use(storage)
        finally:
            server.restart()
        assert len(storage) == 0


def test_a_server_that_hangs_makes_writes_uncertain(server, places):
    options = "?socketTimeoutMS=300&timeout=1&collection=hanging"
    url = mongod.with_path(server.url, places.name) + options
    with pymodels.get_storage(url) as storage:
        Note(text="kept").save(storage, key="kept")
        server.stop()
        try:
            with pytest.raises(WriteUncertain):
                save_new(storage)
            with pytest.raises(StorageError) as caught:
                storage.get(Note, "kept")
            assert not isinstance(caught.value, WriteUncertain)
        finally:
            server.resume()
        assert mongod.until(lambda: "new" in storage, "the write was not seen")
        storage.clear()


# Used after the end, in a child, by many, and interrupted.

USES = [
    len,
    list,
    lambda s: s["a"],
    lambda s: "a" in s,
    lambda s: list(s.records()),
    lambda s: s.get(Note, "a"),
    lambda s: s.get_many(Note, ["a"]),
    lambda s: s.delete("a"),
    lambda s: s.clear(),
    lambda s: s.sync(),
    lambda s: s.ensure_indexes(Note),
    lambda s: s.list_indexes(),
    lambda s: s.connection,
    lambda s: s.save_many([Note(text="x")]),
    lambda s: Note(text="x").save(s),
    lambda s: list(Note.objects(s)),
    lambda s: s.transaction().__enter__(),
]


def test_a_closed_storage_refuses_everything(places):
    storage = places.storage()
    asked = Note.objects(storage)
    Note(text="x").save(storage)
    started = iter(asked)
    storage.close()
    storage.close()
    for use in USES:
        with pytest.raises(StorageClosed, match="was closed"):
            use(storage)
    for ask in (list, lambda q: q.count(), lambda q: q.delete(), lambda q: q.first()):
        with pytest.raises(StorageClosed):
            ask(asked)
    with pytest.raises(StorageClosed):
        list(started)


def test_a_forked_child_must_open_its_own(server, places, storage):
    Note(text="parent").save(storage, key="p")
    url = mongod.with_path(server.url, places.name)
    name = storage.connection.name

    def child(report):
        for use in USES:
            with pytest.raises(StorageClosed, match="forked"):
                use(storage)
        storage.close()
        with pymodels.get_storage(url, collection=name) as own:
            Note(text="child").save(own, key="c")
            report(sorted(own))

    assert outcome(child) == ["['c', 'p']"]
    assert sorted(storage) == ["c", "p"]
    Note(text="parent again").save(storage)


def test_threads_share_a_storage(storage):
    errors = []

    def work(name):
        try:
            for n in range(30):
                note = Note(text=name, number=n)
                note.save(storage)
                note.number += 1000
                note.save()
                mine = Note.objects(storage).where(text=name)
                assert mine.count() == n + 1
                assert len(list(mine)) == n + 1
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=[f"{n}"]) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert Note.objects(storage).where(number__gte=1000).count() == 240


@contextmanager
def interrupted_after(seconds):
    """Press ctrl-C after a while."""
    timer = threading.Timer(seconds, os.kill, [os.getpid(), signal.SIGINT])
    timer.start()
    try:
        with pytest.raises(KeyboardInterrupt) as caught:
            yield caught
    finally:
        timer.cancel()
        timer.join()


def test_an_interrupt_leaves_the_storage_usable(server, storage):
    Note(text="kept").save(storage, key="kept")
    blocked = {"blockConnection": True, "blockTimeMS": 1500}
    for command, use in {**WRITES, "find": lambda s: s.get(Note, "kept")}.items():
        with failing(server, command, **blocked), interrupted_after(0.3):
            use(storage)
        storage.clear()
        Note(text="kept").save(storage, key="kept")
        assert storage.get(Note, "kept").number == 0


def test_an_interrupted_batch_that_cannot_be_taken_back_says_so(server, storage):
    blocked = {"blockConnection": True, "blockTimeMS": 1500, "errorCode": 13}
    with (
        failing(server, "insert", "delete", times=2, **blocked),
        interrupted_after(0.3) as caught,
    ):
        storage.save_many([Note(text="a"), Note(text="b")])
    assert "2 records of the batch may be left" in str(caught.value.__notes__)


def test_an_abandoned_iteration_leaves_no_cursor(server, storage):
    storage.save_many(Note(text="x" * 100, number=n) for n in range(5000))
    notes = iter(Note.objects(storage))
    next(notes)
    del notes
    status = server.command("serverStatus")["metrics"]["cursor"]["open"]["total"]
    assert mongod.until(
        lambda: (
            status == 0
            or not server.command("serverStatus")["metrics"]["cursor"]["open"]["total"]
        ),
        "a cursor stayed open",
    )


def test_there_are_no_transactions_on_a_server_that_stands_alone(storage):
    with pytest.raises(Unsupported, match="replica set"), storage.transaction():
        pass
    Note(text="x").save(storage)
    assert len(storage) == 1
