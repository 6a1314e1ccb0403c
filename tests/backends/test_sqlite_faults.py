"""What goes wrong round an SQLite file: clear errors, and all is well afterwards."""

import gc
import os
import resource
import shutil
import signal
import sqlite3
import sys
import tempfile
import threading
import time
from contextlib import closing, contextmanager, nullcontext
from pathlib import Path

import pytest
from children import forked, outcome

from pymodels import F, Model, Reference, StorageBusy, StorageClosed, StorageError
from pymodels.backends.sqlite import Storage

NOBODY = 65534
DRIVER = (sqlite3.Connection, sqlite3.Cursor)
SHORT = 0.2
LONG = 10.0


class Note(Model):
    text: str
    number: int = 0

    class Meta:
        indexes = ["number"]


class Letter(Model):
    about: Reference[Note]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "notes.db"


@pytest.fixture
def storage(path):
    with Storage(path) as opened:
        yield opened


@pytest.fixture
def public_folder():
    """A folder that another user may enter, which pytest's own are not."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    folder.chmod(0o755)
    shutil.rmtree(folder)


def fill(storage, count):
    return storage.save_many(Note(text=f"note {n}", number=n) for n in range(count))


def descriptors(path):
    """Count the descriptors that this process has on a database and its log."""
    found = 0
    for number in os.listdir("/proc/self/fd"):
        try:
            found += os.readlink(f"/proc/self/fd/{number}").startswith(str(path))
        except FileNotFoundError:
            continue
    return found


@contextmanager
def at_most(seconds):
    start = time.monotonic()
    yield
    assert time.monotonic() - start < seconds


def in_thread(work):
    """Run a function in another thread; give its result or raise its error."""
    found = []

    def run():
        try:
            found.append((work(), None))
        except BaseException as error:
            found.append((None, error))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    result, error = found[0]
    if error is not None:
        raise error
    return result


def assert_usable(storage):
    """Everything works: reading, writing, a transaction, a checkpoint."""
    before = len(storage)
    with storage.transaction():
        note = Note(text="after")
        note.save(storage)
    assert storage.get(Note, note.key).text == "after"
    storage.delete(note.key)
    assert len(storage) == before
    assert in_thread(lambda: Note(text="thread").save(storage)) in storage
    rows = storage.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    assert rows[0] == 0
    assert storage.connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


# Somebody else writes.


def hold(path):
    """Make the work of a child that holds the lock of writers until it is killed."""

    def work(report):
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            report("held")
            time.sleep(60)

    return work


WRITES = {
    "save": lambda storage: Note(text="new").save(storage),
    "save with a key": lambda storage: Note(text="x").save(
        storage, key="a", replace=True
    ),
    "save_many": lambda storage: storage.save_many([Note(text="a"), Note(text="b")]),
    "change": lambda storage: change(storage),
    "delete": lambda storage: storage.delete("a"),
    "clear": lambda storage: storage.clear(),
    "set": lambda storage: storage.__setitem__("a", {"text": "set"}),
    "update": lambda storage: Note.objects(storage).update(number=7),
    "delete by query": lambda storage: Note.objects(storage).delete(),
    "transaction": lambda storage: storage.transaction().__enter__(),
    "ensure_indexes": lambda storage: storage.ensure_indexes(Note),
}


def change(storage):
    note = storage.get(Note, "a")
    note.number += 1
    note.save()


@pytest.mark.parametrize("name", WRITES)
def test_a_write_beside_another_connection_is_busy_after_the_time_out(path, name):
    with Storage(path, timeout=SHORT) as storage:
        Note(text="first").save(storage, key="a")
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with at_most(LONG), pytest.raises(StorageBusy) as caught:
                WRITES[name](storage)
        assert isinstance(caught.value.__cause__, sqlite3.OperationalError)
        assert isinstance(caught.value, TimeoutError)
        assert storage.get(Note, "a").text == "first"
        assert_usable(storage)


def test_a_write_beside_another_process_is_busy_after_the_time_out(path):
    with Storage(path, timeout=SHORT) as storage:
        with forked(hold(path)) as child:
            assert child.line() == "held"
            with at_most(LONG), pytest.raises(StorageBusy):
                Note(text="new").save(storage)
            assert len(storage) == 0
        assert_usable(storage)


def test_a_write_waits_for_another_process_within_the_time_out(path):
    with Storage(path, timeout=30) as storage, forked(hold(path)) as child:
        assert child.line() == "held"
        timer = threading.Timer(SHORT, child.kill)
        timer.start()
        Note(text="new").save(storage, key="new")
        timer.join()
        assert "new" in storage


def test_reading_goes_on_while_another_process_writes(path):
    with Storage(path, timeout=SHORT) as storage:
        fill(storage, 3)
        with forked(hold(path)) as child:
            assert child.line() == "held"
            assert Note.objects(storage).count() == 3
            assert len(list(Note.objects(storage))) == 3


def test_a_file_can_be_opened_while_another_process_writes(path):
    Storage(path).close()
    with forked(hold(path)) as child:
        assert child.line() == "held"
        with Storage(path, timeout=SHORT) as storage:
            assert len(storage) == 0


def test_opening_a_new_file_beside_a_writer_is_busy_after_the_time_out(path):
    with forked(hold(path)) as child:
        assert child.line() == "held"
        with at_most(LONG), pytest.raises(StorageBusy):
            Storage(path, timeout=SHORT)


def test_another_thread_in_a_transaction_is_busy_after_the_time_out(path):
    with Storage(path, timeout=SHORT) as storage:
        with storage.transaction():
            Note(text="mine").save(storage)
            with at_most(LONG), pytest.raises(StorageBusy, match="another thread"):
                in_thread(lambda: Note(text="theirs").save(storage))
            with pytest.raises(StorageBusy):
                in_thread(lambda: storage.transaction().__enter__())
        assert [note.text for note in Note.objects(storage)] == ["mine"]
        assert_usable(storage)


def test_many_processes_may_open_a_new_file_at_once(tmp_path):
    def work(path, at):
        def run(report):
            time.sleep(max(0.0, at - time.time()))
            with Storage(path) as storage:
                Note(text="one").save(storage)

        return run

    for number in range(8):
        path, at = tmp_path / f"{number}.db", time.time() + 0.05
        with (
            forked(work(path, at)) as one,
            forked(work(path, at)) as two,
            forked(work(path, at)) as three,
        ):
            assert [one.wait(), two.wait(), three.wait()] == [0, 0, 0]
        with Storage(path) as storage:
            assert len(storage) == 3


# The disk is full.


def limit_pages(storage, more):
    connection = storage.connection
    pages = connection.execute("PRAGMA page_count").fetchone()[0] + more
    connection.execute(f"PRAGMA max_page_count={pages}")


def free_pages(storage):
    storage.connection.execute("PRAGMA max_page_count=1000000")


def test_a_full_disk_is_a_clear_error_and_the_storage_stays_usable(storage):
    limit_pages(storage, 4)
    done = 0

    def save():
        nonlocal done
        for _ in range(100):
            Note(text="x" * 1000).save(storage)
            done += 1

    with pytest.raises(StorageError, match="disk is full") as caught:
        save()
    assert caught.value.__cause__.sqlite_errorname == "SQLITE_FULL"
    assert 0 < done < 100
    assert len(storage) == done
    free_pages(storage)
    assert_usable(storage)


def test_a_full_disk_leaves_nothing_of_a_batch(storage):
    limit_pages(storage, 4)
    notes = [Note(text="x" * 1000) for _ in range(100)]
    with pytest.raises(StorageError, match="disk is full"):
        storage.save_many(notes)
    assert len(storage) == 0
    assert all(note.key is None for note in notes)
    free_pages(storage)
    storage.save_many(notes)
    assert_usable(storage)


def test_a_full_disk_undoes_a_whole_transaction(storage):
    Note(text="before").save(storage, key="before")
    limit_pages(storage, 4)

    def save():
        with storage.transaction():
            Note(text="inside").save(storage)
            storage.save_many(Note(text="x" * 1000) for _ in range(100))

    with pytest.raises(StorageError, match="disk is full"):
        save()
    assert list(storage) == ["before"]
    free_pages(storage)
    assert_usable(storage)


@pytest.mark.parametrize(
    "go_on",
    [
        lambda storage: Note(text="lost").save(storage),
        lambda storage: storage.save_many([Note(text="lost")]),
        lambda storage: storage.__setitem__("lost", {}),
        lambda storage: storage.delete("before"),
        lambda storage: Note.objects(storage).update(number=9),
        lambda storage: Note.objects(storage).count(),
        lambda storage: list(storage),
        lambda storage: storage.transaction().__enter__(),
        lambda storage: None,
    ],
    ids=[
        "save",
        "save_many",
        "set",
        "delete",
        "update",
        "count",
        "keys",
        "transaction",
        "commit",
    ],
)
def test_an_undone_transaction_refuses_to_go_on(storage, go_on):
    Note(text="before").save(storage, key="before")
    limit_pages(storage, 4)

    def undone():
        with storage.transaction():
            Note(text="inside").save(storage)
            try:
                storage.save_many(Note(text="x" * 1000) for _ in range(100))
            except StorageError:
                free_pages(storage)
            go_on(storage)

    with pytest.raises(StorageError, match="undid the transaction"):
        undone()
    assert list(storage) == ["before"]
    assert storage.get(Note, "before").number == 0
    assert_usable(storage)


def test_a_full_disk_in_a_savepoint_undoes_the_outer_transaction_too(storage):
    limit_pages(storage, 4)

    def undone():
        with storage.transaction():
            Note(text="outer").save(storage)
            try:
                with storage.transaction():
                    storage.save_many(Note(text="x" * 1000) for _ in range(100))
            except StorageError:
                free_pages(storage)

    with pytest.raises(StorageError, match="undid the transaction"):
        undone()
    assert len(storage) == 0
    assert_usable(storage)


def test_a_file_that_may_not_grow_is_a_clear_error(path):
    def work(report):
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        with Storage(path) as storage:
            resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, hard))
            done = 0
            try:
                for _ in range(1000):
                    Note(text="x" * 1000).save(storage)
                    done += 1
            except StorageError as error:
                report(error.__cause__.sqlite_errorname)
                report(error)
            try:
                with storage.transaction():
                    Note(text="y" * 100_000).save(storage)
            except StorageError as error:
                report(type(error).__name__)
            report(len(storage) == done)
            resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
            Note(text="after").save(storage)
            report(len(storage) - done)

    name, message, error, is_whole, after = outcome(work)
    assert name in {"SQLITE_IOERR_WRITE", "SQLITE_FULL"}
    assert "is the disk full" in message
    assert (error, is_whole, after) == ("StorageError", "True", "1")
    with Storage(path) as storage:
        assert_usable(storage)


# What may not be written, or read.


def as_nobody(work):
    """Run a function as a user whom files can refuse; root may do anything."""

    def run(report):
        if os.getuid() == 0:
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
        work(report)

    return outcome(run)


def save_in_transaction(storage):
    with storage.transaction():
        Note(text="new").save(storage)


def try_both(path):
    """Make the work of reading, and of writing, what may only be read."""

    def work(report):
        with Storage(path) as storage:
            report(len(list(Note.objects(storage))))
            report(Note.objects(storage).where(number__gte=1).count())
            for write in (
                lambda: Note(text="new").save(storage),
                lambda: storage.save_many([Note(text="new")]),
                lambda: save_in_transaction(storage),
                lambda: Note.objects(storage).delete(),
            ):
                try:
                    write()
                except StorageError as error:
                    report(error)

    return work


def test_a_read_only_file_can_be_read(public_folder):
    path = public_folder / "notes.db"
    with Storage(path) as storage:
        fill(storage, 3)
    path.chmod(0o444)
    public_folder.chmod(0o777)
    total, some, *errors = as_nobody(try_both(path))
    assert (total, some) == ("3", "2")
    assert len(errors) == 4
    assert all("may only be read" in error for error in errors)


def test_a_read_only_file_without_a_log_can_be_read_in_a_read_only_folder(
    public_folder,
):
    path = public_folder / "notes.db"
    with Storage(path) as storage:
        fill(storage, 3)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode=DELETE")
    path.chmod(0o444)
    public_folder.chmod(0o555)
    total, some, *errors = as_nobody(try_both(path))
    assert (total, some) == ("3", "2")
    assert len(errors) == 4
    assert all("may only be read" in error for error in errors)


def test_a_read_only_folder_can_be_read_while_a_writer_lives(public_folder):
    path = public_folder / "notes.db"
    with Storage(path) as storage:
        fill(storage, 3)
        for file in public_folder.iterdir():
            file.chmod(0o444)
        public_folder.chmod(0o555)
        total, some, *errors = as_nobody(try_both(path))
        public_folder.chmod(0o755)
    assert (total, some) == ("3", "2")
    assert all("may only be read" in error for error in errors)


def refusal(path):
    def work(report):
        try:
            Storage(path).close()
        except StorageError as error:
            report(error)

    return work


def test_a_log_in_a_read_only_folder_is_a_clear_error(public_folder):
    path = public_folder / "notes.db"
    with Storage(path) as storage:
        fill(storage, 3)
    path.chmod(0o444)
    public_folder.chmod(0o555)
    (message,) = as_nobody(refusal(path))
    assert "WAL" in message or "folder" in message


def test_a_file_that_may_not_be_read_is_a_clear_error(public_folder):
    path = public_folder / "notes.db"
    Storage(path).close()
    path.chmod(0o000)
    (message,) = as_nobody(refusal(path))
    assert "cannot be opened" in message


def test_a_folder_that_may_not_be_written_is_a_clear_error(public_folder):
    public_folder.chmod(0o555)
    (message,) = as_nobody(refusal(public_folder / "new.db"))
    assert "cannot be opened" in message


@pytest.mark.parametrize("content", [b"no", b"x" * 5000, b"SQLite format 3\0" * 100])
def test_what_is_no_database_is_refused_and_left_alone(path, content):
    path.write_bytes(content)
    with pytest.raises(StorageError) as caught:
        Storage(path)
    assert isinstance(caught.value.__cause__, sqlite3.DatabaseError)
    assert str(path) in str(caught.value)
    assert path.read_bytes() == content
    assert descriptors(path) == 0


def test_an_empty_file_is_an_empty_database(path):
    path.write_bytes(b"")
    with Storage(path) as storage:
        assert_usable(storage)


def test_a_folder_is_no_database(tmp_path):
    with pytest.raises(StorageError, match="cannot be opened"):
        Storage(tmp_path)


def test_a_missing_folder_is_not_made(tmp_path):
    with pytest.raises(StorageError, match="such a folder"):
        Storage(tmp_path / "missing" / "notes.db")
    assert list(tmp_path.iterdir()) == []


def test_a_newer_format_is_refused_and_left_alone(path):
    with Storage(path) as storage:
        Note(text="kept").save(storage, key="a")
        storage.connection.execute("UPDATE pymodels_formats SET format=99")
    with pytest.raises(StorageError, match="newer PyModels"):
        Storage(path)
    assert descriptors(path) == 0
    with Storage(path, table="others") as storage:
        assert_usable(storage)


def test_a_damaged_file_is_a_clear_error(path):
    with Storage(path) as storage:
        fill(storage, 2000)
    content = bytearray(path.read_bytes())
    content[8192:] = b"\xaa" * (len(content) - 8192)
    path.write_bytes(content)

    def read():
        with Storage(path) as storage:
            list(Note.objects(storage))

    with pytest.raises(StorageError, match="damaged"):
        read()


def test_a_table_that_is_gone_is_a_clear_error(storage):
    Note(text="a").save(storage, key="a")
    storage.connection.execute("DROP TABLE records")
    with pytest.raises(StorageError, match="no such table"):
        Note(text="b").save(storage)
    with pytest.raises(StorageError, match="no such table"):
        list(Note.objects(storage))


# Where the file is.


def test_the_working_folder_may_change(tmp_path, monkeypatch):
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    monkeypatch.chdir(first)
    with Storage("notes.db") as storage:
        monkeypatch.chdir(second)
        fill(storage, 3)
        readings = [iter(Note.objects(storage)) for _ in range(3)]
        assert [len(list(reading)) for reading in readings] == [3, 3, 3]
        assert in_thread(lambda: len(storage)) == 3
    assert list(second.iterdir()) == []


@pytest.mark.parametrize(
    "name",
    [
        "file:notes.db?mode=memory",
        "file::memory:",
        "a b#c?d=e%20f&g.db",
        "Zoë 日本.db",
        "' OR 1=1 --",
        "-",
    ],
)
def test_a_name_is_a_file_s_whatever_it_looks_like(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    for path in (name, str(tmp_path / f"{name} 2")):
        with Storage(path) as storage:
            fill(storage, 3)
            readings = [iter(Note.objects(storage)) for _ in range(3)]
            assert [len(list(reading)) for reading in readings] == [3, 3, 3]
    assert {file.name for file in tmp_path.iterdir()} == {name, f"{name} 2"}


def test_a_file_that_is_removed_is_not_made_anew(storage, path):
    fill(storage, 3)
    assert len(storage) == 3
    path.unlink()
    readings = [iter(Note.objects(storage)) for _ in range(5)]
    assert len(list(readings.pop())) == 3
    next(readings[0])
    with pytest.raises(StorageError, match="cannot be opened"):
        next(readings[1])
    assert not path.exists()


# Forked children.


def test_a_forked_child_is_refused_and_its_parent_goes_on(path):
    with Storage(path) as storage:
        keys = fill(storage, 10)
        started, unstarted = iter(Note.objects(storage)), iter(storage)
        next(started)
        note = storage.get(Note, keys[0])
        query = Note.objects(storage)

        def work(report):
            attempts = {
                "get": lambda: storage.get(Note, keys[0]),
                "save": lambda: Note(text="child").save(storage),
                "change": lambda: note.delete(),
                "count": query.count,
                "iterate": lambda: list(query),
                "unstarted": lambda: next(unstarted),
                "enter": storage.__enter__,
                "file": lambda: storage.file.write("DELETE FROM records"),
            }
            for name, attempt in attempts.items():
                try:
                    attempt()
                except StorageClosed as error:
                    if "forked" in str(error):
                        continue
                report(name)
            storage.close()
            gc.collect()
            with Storage(path) as own:
                Note(text="its own").save(own)

        assert outcome(work) == []
        assert len(list(started)) == 9
        assert len(storage) == 11
        assert_usable(storage)


def test_a_fork_inside_a_transaction_leaves_it_to_the_parent(path):
    with Storage(path) as storage:
        with storage.transaction():
            Note(text="parent").save(storage)

            def commit(report):
                try:
                    storage.commit(0)
                except StorageClosed:
                    report("refused")

            def fail(report):
                storage.rollback(0)
                storage.close()

            assert outcome(commit) == ["refused"]
            assert outcome(fail) == []
            assert [note.text for note in Note.objects(storage)] == ["parent"]
        assert len(storage) == 1
        assert_usable(storage)


def test_children_that_drop_everything_do_not_hurt_the_parent(path):
    storages = [Storage(path)]
    fill(storages[0], 50)
    reading = [iter(Note.objects(storages[0]))]
    next(reading[0])

    def work(report):
        reading.clear()
        storages.clear()
        gc.collect()

    for number in range(10):
        Note(text=f"before {number}").save(storages[0])
        assert outcome(work) == []
        Note(text=f"after {number}").save(storages[0])
    assert len(list(reading.pop())) == 49
    assert len(storages[0]) == 70
    assert_usable(storages[0])
    storages.pop().close()


# Closing.


def refused_calls(storage, note, letter):
    query = Note.objects(storage)
    return {
        "get": lambda: storage.get(Note, "a"),
        "get_many": lambda: storage.get_many(Note, ["a", "b"]),
        "save_many": lambda: storage.save_many([Note(text="x")]),
        "save_many, none": lambda: storage.save_many([]),
        "delete": lambda: storage.delete("a"),
        "clear": storage.clear,
        "sync": storage.sync,
        "records": storage.records,
        "transaction": lambda: storage.transaction().__enter__(),
        "ensure_indexes": lambda: storage.ensure_indexes(Note),
        "list_indexes": storage.list_indexes,
        "connection": lambda: storage.connection,
        "query": lambda: storage.query(Note),
        "with": storage.__enter__,
        "[key]": lambda: storage["a"],
        "[key] =": lambda: storage.__setitem__("a", {}),
        "del": lambda: storage.__delitem__("a"),
        "in": lambda: "a" in storage,
        "len": lambda: len(storage),
        "iter": lambda: iter(storage),
        "objects": lambda: Note.objects(storage),
        "query.count": query.count,
        "query.exists": query.exists,
        "query.first": query.first,
        "query.one": query.one,
        "query.get": lambda: query.get(number=1),
        "query.list": lambda: list(query),
        "query.ordered": lambda: list(query.order_by("text")),
        "query[0]": lambda: query[0],
        "query.keys": lambda: list(query.keys()),
        "query.records": lambda: list(query.records()),
        "query.values": lambda: query.values("text"),
        "query.in": lambda: note in query,
        "query.update": lambda: query.update(number=1),
        "query.delete": query.delete,
        "query.skip_invalid": lambda: list(query.skip_invalid()),
        "query.prefetch": lambda: list(Letter.objects(storage).prefetch("about")),
        "note.save": lambda: setattr(note, "number", 5) or note.save(),
        "note.save as new": lambda: Note(text="x").save(storage),
        "note.delete": note.delete,
        "note.refresh": note.refresh,
        "letter.about": letter.about.load,
        "save_as": lambda: note.save_as("other"),
    }


def test_after_close_every_method_refuses(path):
    storage = Storage(path)
    note = Note(text="a", number=1)
    note.save(storage, key="a")
    letter = Letter(about=note)
    key = letter.save(storage)
    letter = storage.get(Letter, key)
    calls = refused_calls(storage, note, letter)
    storage.close()
    storage.close()
    assert storage.is_closed
    allowed = []
    for name, call in calls.items():
        try:
            call()
        except StorageClosed:
            continue
        allowed.append(name)
    assert allowed == []
    assert repr(storage)
    assert storage
    assert descriptors(path) == 0


def test_closing_ends_a_running_iteration_with_a_clear_error(path):
    storage = Storage(path)
    fill(storage, 100)
    reading = iter(Note.objects(storage))
    next(reading)
    unstarted = iter(Note.objects(storage).order_by("text"))
    storage.close()
    with pytest.raises(StorageClosed, match="closed"):
        list(reading)
    with pytest.raises(StorageClosed, match="closed"):
        list(unstarted)
    assert descriptors(path) == 0


def test_closing_while_a_reader_is_busy_and_closed_beneath_closes_all(path):
    """Another thread that gives a reader back may close it before its lock is free."""
    storage = Storage(path)
    fill(storage, 100)
    reading = iter(Note.objects(storage))
    next(reading)
    (reader,) = storage.file._iterating.values()
    is_closed, is_told = threading.Event(), threading.Event()

    def hold():
        with reader.lock:
            reader.connection.close()
            is_closed.set()
            is_told.wait(0.1)

    thread = threading.Thread(target=hold)
    thread.start()
    is_closed.wait()
    storage.close()
    is_told.set()
    thread.join()
    with pytest.raises(StorageClosed, match="closed"):
        list(reading)
    assert descriptors(path) == 0


def test_closing_inside_a_transaction_undoes_it(path):
    storage = Storage(path)

    def close():
        with storage.transaction():
            Note(text="lost").save(storage)
            storage.close()

    with pytest.raises(StorageClosed):
        close()
    assert descriptors(path) == 0
    with Storage(path) as anew:
        assert len(anew) == 0


def test_closing_while_other_threads_read_and_write_never_crashes(path):
    def work(report):
        for number in range(25):
            storage = Storage(path, synchronous="off")
            threads = [
                threading.Thread(target=read_until_closed, args=(storage, report)),
                threading.Thread(target=get_until_closed, args=(storage, report)),
                threading.Thread(target=write_until_closed, args=(storage, report)),
            ]
            for thread in threads:
                thread.start()
            time.sleep(0.002 * (number % 7))
            storage.close()
            for thread in threads:
                thread.join()
            assert descriptors(path) == 0

    with Storage(path) as storage:
        fill(storage, 200)
        Note(text="a").save(storage, key="a")
    assert outcome(work) == ["closed"] * 75


def until_closed(report, attempt):
    try:
        while True:
            attempt()
    except StorageClosed:
        report("closed")
    except BaseException as error:
        report(repr(error))


def read_until_closed(storage, report):
    until_closed(report, lambda: list(storage.query(Note).where(number__gte=0)))


def get_until_closed(storage, report):
    until_closed(report, lambda: storage.get(Note, "a"))


def write_until_closed(storage, report):
    until_closed(report, lambda: storage.__setitem__("b", {"text": "b"}))


# Cursors and connections.


def walked(storage):
    """Say whether the log can be moved into the file, so that nobody reads."""
    storage["more"] = {"text": str(time.monotonic_ns())}
    row = storage.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    return row[0] == 0


READINGS = {
    "instances": lambda storage: iter(Note.objects(storage)),
    "ordered": lambda storage: iter(Note.objects(storage).order_by("-number")),
    "filtered": lambda storage: iter(Note.objects(storage).where(F.number >= 0)),
    "python": lambda storage: iter(Note.objects(storage).skip_invalid()),
    "keys": lambda storage: iter(storage),
    "records": lambda storage: storage.records(),
    "query keys": lambda storage: Note.objects(storage).keys(),
    "query records": lambda storage: Note.objects(storage).records(),
}


@pytest.mark.parametrize("name", READINGS)
def test_a_dropped_iteration_gives_its_connection_back(storage, path, name):
    fill(storage, 100)
    storage.connection.execute("PRAGMA busy_timeout=0")
    len(storage)
    before = None
    for _ in range(20):
        reading = READINGS[name](storage)
        next(reading)
        assert not walked(storage)
        del reading
        assert walked(storage)
        before = before or descriptors(path)
    assert descriptors(path) == before


def test_an_iteration_in_a_cycle_is_given_back_by_the_collector(storage, path):
    fill(storage, 100)
    gc.collect()
    storage.connection.execute("PRAGMA busy_timeout=0")
    for _ in range(50):
        holder = {"reading": iter(Note.objects(storage))}
        holder["self"] = holder
        next(holder["reading"])
    del holder
    gc.collect()
    assert walked(storage)
    assert_usable(storage)


def test_what_asks_once_leaves_no_reader_behind(storage):
    keys = fill(storage, 30)
    query = Note.objects(storage)
    storage.connection.execute("PRAGMA busy_timeout=0")
    for ask in (
        lambda: storage.get(Note, keys[0]),
        lambda: storage.get_many(Note, keys),
        lambda: query[:2].count(),
        lambda: query.where(number=3).first(),
        lambda: query[3],
        lambda: query.exists(),
        lambda: query.where(number=3).one(),
        lambda: keys[0] in query,
        lambda: keys[0] in storage,
        lambda: len(storage),
        lambda: query.plan(),
        lambda: repr(query),
        lambda: query.values("number"),
        lambda: storage.list_indexes(),
    ):
        ask()
        assert walked(storage)


def test_an_error_in_the_reader_s_own_loop_gives_the_connection_back(storage):
    fill(storage, 100)
    storage.connection.execute("PRAGMA busy_timeout=0")

    def fail():
        for note in Note.objects(storage):
            raise RuntimeError(note.text)

    with pytest.raises(RuntimeError, match="note"):
        fail()
    assert walked(storage)


def test_threads_that_come_and_go_leave_no_connections(storage, path):
    keys = fill(storage, 10)

    def work():
        storage.get(Note, keys[0])
        Note.objects(storage).count()
        next(iter(Note.objects(storage)))

    work()
    before = descriptors(path)
    for _ in range(100):
        in_thread(work)
    assert descriptors(path) <= before + 2


def test_many_iterations_at_once_use_their_connections_again(storage, path):
    fill(storage, 10)
    counts = set()
    for _ in range(3):
        readings = [iter(Note.objects(storage)) for _ in range(40)]
        assert len({next(reading).text for reading in readings}) == 1
        counts.add(descriptors(path))
        for reading in readings:
            assert len(list(reading)) == 9
    # SQLite keeps the descriptors of closed connections, and uses them again.
    assert max(counts) - min(counts) <= 3
    assert len(storage.file._idle) < 40


def test_a_storage_that_is_dropped_keeps_no_file_open(path):
    def use():
        storage = Storage(path)
        fill(storage, 3)
        in_thread(lambda: len(storage))
        assert descriptors(path) > 0

    use()
    gc.collect()
    assert descriptors(path) == 0


# Transactions.


def test_an_exception_in_a_transaction_undoes_it(storage):
    keys = fill(storage, 3)

    def fail():
        with storage.transaction():
            Note(text="new").save(storage)
            storage.delete(keys[0])
            Note.objects(storage).update(number=9)
            assert len(storage) == 3
            raise RuntimeError("on purpose")

    with pytest.raises(RuntimeError, match="on purpose"):
        fail()
    assert sorted(storage) == sorted(keys)
    assert {note.number for note in Note.objects(storage)} == {0, 1, 2}
    assert_usable(storage)


def test_savepoints_undo_what_is_theirs(storage):
    def fail(name):
        with storage.transaction():
            storage[name] = {"text": name}
            with storage.transaction():
                storage[f"{name} inner"] = {"text": "inner"}
            raise RuntimeError("on purpose")

    with storage.transaction():
        storage["outer"] = {"text": "outer"}
        for name in "abc":
            with pytest.raises(RuntimeError, match="on purpose"):
                fail(name)
        with storage.transaction(), storage.transaction():
            storage["kept"] = {"text": "kept"}
            storage.save_many([])
        assert set(storage) == {"outer", "kept"}
    assert set(storage) == {"outer", "kept"}
    assert_usable(storage)


def test_other_threads_see_nothing_of_a_transaction(storage):
    with storage.transaction():
        storage["a"] = {"text": "mine"}
        assert "a" in storage
        assert in_thread(lambda: "a" in storage) is False
        assert in_thread(lambda: len(storage)) == 0
        assert in_thread(lambda: list(Note.objects(storage))) == []
    assert in_thread(lambda: "a" in storage) is True


def test_an_iteration_from_before_a_transaction_goes_on_as_it_was(storage):
    fill(storage, 50)
    reading = iter(Note.objects(storage))
    next(reading)
    with storage.transaction():
        storage.clear()
        assert list(Note.objects(storage)) == []
        assert len(list(reading)) == 49
    assert len(storage) == 0


# Control-C.


def interrupted(count):
    for number in range(count):
        yield Note(text=f"note {number}")
    raise KeyboardInterrupt


def test_an_interrupted_bulk_save_keeps_whole_batches(storage):
    with pytest.raises(KeyboardInterrupt):
        storage.save_many(interrupted(4500))
    assert len(storage) == 4000
    assert_usable(storage)


def test_an_interrupted_transaction_is_undone(storage):
    with pytest.raises(KeyboardInterrupt), storage.transaction():
        storage.save_many(interrupted(4500))
    assert len(storage) == 0
    assert_usable(storage)


def test_an_interrupted_read_gives_the_connection_back(storage):
    fill(storage, 100)
    storage.connection.execute("PRAGMA busy_timeout=0")

    def read():
        for note in Note.objects(storage):
            if note.number == 50:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        read()
    assert walked(storage)


@pytest.mark.parametrize("is_whole", [False, True], ids=["batch", "transaction"])
def test_an_interrupt_after_any_call_of_the_driver_leaves_no_half(path, is_whole):
    def work(storage):
        with storage.transaction() if is_whole else nullcontext():
            fill(storage, 20)

    def run(report):
        rounds = 0
        with Storage(path) as storage:
            while interrupted_after(rounds + 1, lambda: work(storage)):
                rounds += 1
                assert not storage.connection.in_transaction, f"after {rounds} calls"
                assert len(storage) % 20 == 0, f"after {rounds} calls"
            assert_usable(storage)
        report(rounds)

    # Python loses count of its own stack by such interrupts: hence the child.
    assert int(outcome(run)[0]) >= 3


def test_sync_does_not_wait_for_a_running_read(path):
    with Storage(path, timeout=60) as storage:
        fill(storage, 20)
        reading = iter(Note.objects(storage))
        next(reading)
        Note(text="later").save(storage)
        start = time.monotonic()
        storage.sync()
        assert time.monotonic() - start < 30
        assert len(list(reading)) == 19


def test_a_read_that_is_dropped_after_close_is_silent(path):
    with Storage(path) as storage:
        fill(storage, 20)
        reading = iter(Note.objects(storage))
        next(reading)
    # An error in a dropped generator would be an unraisable one, which pytest reports.
    del reading
    gc.collect()


def nested(storage):
    with storage.transaction():
        Note(text="outer").save(storage)
        with storage.transaction():
            Note(text="inner").save(storage)


WORKS = {
    "save": lambda storage: Note(text="new").save(storage),
    "save_many": lambda storage: fill(storage, 20),
    "change": change,
    "update": lambda storage: Note.objects(storage).update(text="updated"),
    "delete": lambda storage: Note.objects(storage).where(number=7).delete(),
    "get": lambda storage: storage.get(Note, "a"),
    "count": lambda storage: Note.objects(storage).count(),
    "iterate": lambda storage: list(Note.objects(storage).where(number__gte=0)),
    "transaction": nested,
    "half": lambda storage: next(iter(Note.objects(storage).order_by("text"))),
}


@pytest.mark.parametrize("name", WORKS)
def test_an_interrupt_at_any_moment_leaves_nothing_open(path, name):
    """At the start of each function of the backend, and after each that it calls."""

    def run(report):
        with Storage(path, timeout=SHORT, synchronous="off") as storage:
            Note(text="first", number=1).save(storage, key="a")
            WORKS[name](storage)
            assert walked(storage)
            storage.connection.execute("PRAGMA busy_timeout=0")
            rounds = 0
            while interrupted_at(rounds + 1, lambda: WORKS[name](storage)):
                rounds += 1
                # The interrupt holds the frames that it went through.
                gc.collect()
                assert not storage.connection.in_transaction, f"moment {rounds}"
                assert in_thread(lambda: walked(storage)), f"moment {rounds}"
            whole = Note.objects(storage).where(text__startswith="note")
            assert whole.count() % 20 == 0
        report(rounds)

    assert int(outcome(run)[0]) > 5


def interrupted_after(calls, work):
    """Interrupt after the nth call of the driver; say whether it came to that."""

    def is_moment(frame, event, function):
        owner = getattr(function, "__self__", None)
        return event == "c_return" and isinstance(owner, DRIVER)

    return interrupted_when(is_moment, calls, work)


def interrupted_at(moments, work):
    """Interrupt at the nth moment at which Python would look for a signal."""
    folder = str(Path(sys.modules[Storage.__module__].__file__).parent)

    def is_moment(frame, event, function):
        if not frame.f_code.co_filename.startswith(folder):
            return False
        return event in {"call", "c_return"}

    return interrupted_when(is_moment, moments, work)


def interrupted_when(is_moment, number, work):
    left = [number]

    def profile(frame, event, function):
        if is_moment(frame, event, function):
            left[0] -= 1
            if not left[0]:
                raise KeyboardInterrupt

    sys.setprofile(profile)
    try:
        work()
    except KeyboardInterrupt:
        return True
    finally:
        sys.setprofile(None)
    return False


def test_an_old_sqlite_is_refused_by_name(path, monkeypatch):
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 31, 1))
    with pytest.raises(StorageError, match=r"SQLite .*3\.38 or newer"):
        Storage(path)
