"""Threads, processes and forks on files of Tokyo Cabinet, checked against a model."""

import json
import threading
import time
from contextlib import suppress

import pytest
from children import forked, outcome
from lengths import length
from workers import RECORDS, Own, Shared, Tall, assert_same, thread_work

from pymodels import StorageBusy, StorageClosed, StorageError
from pymodels.backends.tokyo_cabinet import Storage

SECONDS = length(1.5, 60.0)
THREADS = 8
FILES = {
    "table": {"path": "shared.tct"},
    "indexed": {"path": "shared.tct"},
    "hash": {"path": "shared.tch", "kind": "HASH"},
    "tree": {"path": "shared.tcb", "kind": "BTREE"},
}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "shared.tct"


@pytest.mark.parametrize("name", FILES)
def test_threads_lose_no_update(tmp_path, name):
    settings = {**FILES[name], "path": tmp_path / FILES[name]["path"]}
    with Storage(**settings) as storage, Storage(**settings) as other:
        if name == "indexed":
            storage.ensure_indexes(Own, Tall)
        for number in range(RECORDS):
            Shared().save(storage, key=str(number))
        until, told = time.monotonic() + SECONDS, []
        threads = [
            threading.Thread(target=thread_work, args=(one, f"{number}", until, told))
            for number, one in enumerate([storage, other] * (THREADS // 2))
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert_same(storage, [json.loads(line) for line in told], THREADS)


class UndoneError(Exception):
    """Leaves a transaction that must leave nothing."""


READINGS = {
    "no order": lambda storage: Tall.objects(storage),
    "by what changes": lambda storage: Tall.objects(storage).order_by("height"),
    "where it changes": lambda storage: Tall.objects(storage).where(height__gte=0),
    "by key": lambda storage: Tall.objects(storage).order_by("key"),
    "python": lambda storage: Tall.objects(storage).skip_invalid(),
}


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("reading", READINGS)
def test_raising_what_is_iterated_by_ends(tmp_path, name, reading):
    settings = {**FILES[name], "path": tmp_path / FILES[name]["path"]}
    with Storage(**settings) as storage:
        if name == "indexed":
            storage.ensure_indexes(Tall)
        storage.save_many(Tall(name=f"{n}", height=n) for n in range(300))
        seen = []
        for tall in READINGS[reading](storage):
            seen.append(tall.key)
            tall.height += 1000
            tall.name = "longer than it was, so that it moves " + tall.name
            tall.save()
            Tall(name="new", height=tall.height).save(storage)
            assert len(seen) <= 300
        assert len(set(seen)) == len(seen) == 300
        assert Tall.objects(storage).count() == 600
        assert Tall.objects(storage).where(height__lt=1000).count() == 0


def test_other_threads_neither_see_nor_join_a_transaction(path):
    with Storage(path) as storage:
        storage["a"] = {"n": 1}
        begun, told = threading.Event(), []

        def other():
            begun.wait()
            told.append(storage["a"]["n"])
            storage["b"] = {"n": 3}

        thread = threading.Thread(target=other)
        thread.start()
        with suppress(UndoneError), storage.transaction():
            storage["a"] = {"n": 2}
            begun.set()
            time.sleep(0.05)
            raise UndoneError
        thread.join()
        assert told == [1]
        assert storage["a"] == {"n": 1}
        assert storage["b"] == {"n": 3}


def test_a_second_storage_joins_the_transaction_of_its_thread(path):
    with Storage(path) as storage, Storage(path) as other:
        with suppress(UndoneError), storage.transaction():
            storage["a"] = {"n": 1}
            with other.transaction():
                other["b"] = {"n": 2}
            assert len(other) == 2
            raise UndoneError
        assert len(other) == 0


def test_one_path_spelled_in_many_ways_is_one_handle(path, monkeypatch):
    link = path.with_name("link.tct")
    with Storage(path) as storage:
        storage["a"] = {"n": 1}
        link.symlink_to(path)
        monkeypatch.chdir(path.parent)
        for other in (link, "shared.tct", f"{path.parent}/./shared.tct"):
            with Storage(other) as again:
                assert again["a"] == {"n": 1}
                assert again.connection is storage.connection
        storage["b"] = {}
    with Storage(path, mode="read") as storage:
        assert len(storage) == 2


def test_a_second_process_is_refused_at_once_or_waits(path):
    with Storage(path) as storage:
        storage["a"] = {"n": 1}

        def refused(report):
            try:
                Storage(path.with_name("link.tct"))
            except StorageBusy as error:
                report("setting wait" in str(error))

        def patient(report):
            report("waiting")
            with Storage(path.with_name("link.tct"), wait=60) as found:
                report(found["a"])

        # Forked before the file was open, as another program would be.
        path.with_name("link.tct").symlink_to(path)
        storage.close()
        with forked(holding(path)) as holder:
            assert holder.line() == "open"
            assert outcome(refused) == ["True"]
            with forked(patient) as child:
                assert child.line() == "waiting"
                holder.kill()
                holder.wait()
                assert child.line() == "{'n': 1}"


def holding(path, **settings):
    def work(report):
        with Storage(path, **settings):
            report("open")
            threading.Event().wait()

    return work


def test_readers_stand_beside_readers_and_not_beside_a_writer(path):
    with Storage(path) as storage:
        storage["a"] = {"n": 1}
    with forked(holding(path, mode="read")) as reader:
        assert reader.line() == "open"
        with Storage(path, mode="read") as storage:
            assert storage["a"] == {"n": 1}
        with pytest.raises(StorageBusy):
            Storage(path)


@pytest.mark.parametrize("beside", [Storage, lambda path: Storage(path, mode="read")])
def test_a_reader_refuses_to_write(path, beside):
    with Storage(path) as storage:
        storage["a"] = {"n": 1, "name": "x"}
    with beside(path), Storage(path, mode="read") as storage:
        for write in (
            lambda: storage.delete("a"),
            storage.clear,
            lambda: storage.replace(storage.encode("a", {})),
            lambda: Tall(name="x").save(storage),
            lambda: storage.ensure_indexes(Tall),
            lambda: Tall(name="x").save_as(storage=storage),
            lambda: storage.save_many([Tall(name="x")]),
            lambda: Tall.objects(storage).update(name="y"),
            lambda: Tall.objects(storage).delete(),
        ):
            with pytest.raises(StorageError, match="reading only"):
                write()
        with pytest.raises(StorageError, match="reading only"), storage.transaction():
            pass
        assert storage["a"] == {"n": 1, "name": "x"}


def test_a_forked_child_is_refused_and_harms_nothing(path):
    with Storage(path) as storage:
        storage["a"] = {"n": 1}
        rows = storage.scan()

        def child(report):
            for use in (
                lambda: storage["a"],
                lambda: storage.delete("a"),
                lambda: list(rows),
                lambda: Storage(path),
            ):
                try:
                    use()
                except (StorageClosed, StorageError) as error:
                    report(type(error).__name__)
            storage.close()
            report("closed")

        said = outcome(child)
        assert said[0] == said[1] == "StorageClosed"
        assert len(said) == 5
        storage["b"] = {"n": 2}
    with Storage(path) as storage:
        assert len(storage) == 2


def test_the_lock_holds_whatever_we_do_with_the_file(path):
    """To open and close a file gives up the lock that the process has on it."""
    with Storage(path) as storage:
        Tall(name="Ann", height=1).save(storage)
        storage.ensure_indexes(Tall)
        with Storage(path) as other:
            assert len(other) == 1
        storage.sync()
        str(Tall.objects(storage).plan())
        with pytest.raises(StorageError):
            Storage(path, kind="HASH")
        with forked(lambda report: report(attempt(path))) as child:
            assert child.line() == "refused"


def attempt(path):
    """Try to lock the file as another program would."""
    import fcntl

    with open(path, "r+b") as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return "refused"
    return "locked"


def test_what_is_closed_is_closed_for_all_of_its_iterators(path):
    storage = Storage(path)
    storage.save_many(Tall(name=f"{n}") for n in range(500))
    talls = iter(Tall.objects(storage))
    next(talls)
    storage.close()
    storage.close()
    with pytest.raises(StorageClosed):
        list(talls)
    with pytest.raises(StorageClosed):
        len(storage)
