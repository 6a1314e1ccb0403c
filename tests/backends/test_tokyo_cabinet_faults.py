"""What goes wrong round a file of Tokyo Cabinet: clear errors, and no process ends."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from children import outcome

from pymodels import Model, SettingsError, StorageClosed, StorageError, Unsupported
from pymodels.backends._tokyo.texts import EMPTY
from pymodels.backends.tokyo_cabinet import Storage
from pymodels.errors import RecordNotFound
from pymodels.indexes import Index
from pymodels.tokyo.library import TokyoError
from pymodels.tokyo.search import IndexType

NOBODY = 65534


class Note(Model):
    text: str
    number: int = 0

    class Meta:
        indexes = ["text", "number"]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "notes.tct"


@pytest.fixture
def public_folder():
    """A folder that another user may enter, which pytest's own are not."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    folder.chmod(0o755)
    shutil.rmtree(folder)


def fill(path, count=100):
    with Storage(path) as storage:
        storage.save_many(Note(text=f"note {n}", number=n) for n in range(count))


# Opening.


def test_a_missing_library_is_told_with_the_package_of_each_system(tmp_path):
    program = """
import pymodels
try:
    pymodels.get_storage("tokyo-cabinet:///notes.tct")
except pymodels.StorageError as error:
    print(error)
"""
    result = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=tmp_path,
        env={**os.environ, "PYMODELS_TOKYOCABINET": str(tmp_path / "none.so")},
    )
    assert result.returncode == 0, result.stderr
    for word in ("libtokyocabinet9", "dnf", "pacman", "brew"):
        assert word in result.stdout


def test_a_missing_folder_is_told(tmp_path):
    with pytest.raises(StorageError, match="no folder"):
        Storage(tmp_path / "none" / "notes.tct")


@pytest.mark.parametrize("mode", ["write", "read"])
def test_only_create_makes_a_file(path, mode):
    with pytest.raises(StorageError, match="no such file"):
        Storage(path, mode=mode)
    assert not path.exists()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"bnum": 2**28 + 1}, "from 0 to 268435456"),
        ({"bnum": "5"}, "bnum"),
        ({"path": "\ud800.tct"}, "path"),
        ({"wait": float("nan")}, "wait"),
        ({"wait": -1}, "wait"),
        ({"sync": "no"}, "True or False"),
        ({"large": "no"}, "True or False"),
        ({"large": None}, "True or False"),
    ],
)
def test_a_wrong_setting_is_told_and_makes_no_file(path, settings, said):
    with pytest.raises(SettingsError, match=said):
        Storage(**{"path": path, **settings})
    assert not path.exists()


def test_a_file_is_not_made_under_the_name_of_another_kind(path):
    with pytest.raises(SettingsError, match="kind='HASH'"):
        Storage(path.with_suffix(".tch"))
    assert not path.with_suffix(".tch").exists()


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(StorageError, match="cannot be opened"):
        Storage(tmp_path)


@pytest.mark.parametrize("kind", ["HASH", "BTREE"])
def test_another_kind_of_file_is_told(path, kind):
    fill(path)
    with pytest.raises(StorageError, match="kind TABLE; kind asks for"):
        Storage(path, kind=kind)


@pytest.mark.parametrize("content", [b"x", b"some other program's file" * 100])
def test_a_foreign_file_is_told_and_left_as_it_is(path, content):
    path.write_bytes(content)
    with pytest.raises(StorageError, match="not a file of Tokyo Cabinet"):
        Storage(path)
    assert path.read_bytes() == content


@pytest.mark.parametrize("size", [40, 200, 256, 1000, 100_000])
def test_a_file_that_was_cut_short_is_told(path, size):
    fill(path)
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(StorageError, match=r"damaged|cut short"):
        Storage(path)


def test_a_damaged_place_ends_a_search_with_an_error(path):
    fill(path, 1000)
    data = path.read_bytes()
    start = data.rindex(b"note 500")
    path.write_bytes(data[: start - 60] + b"\0" * 200 + data[start + 140 :])

    def read(report):
        with Storage(path) as storage:
            try:
                report(len(list(Note.objects(storage))))
            except StorageError as error:
                report("damaged" in str(error))

    assert outcome(read) == ["True"]


@pytest.mark.parametrize("mode", ["create", "read"])
def test_a_file_that_one_may_not_read_is_told(public_folder, mode):
    path = public_folder / "notes.tct"
    fill(path)
    path.chmod(0o600)

    def attempt(report):
        if os.getuid() == 0:
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
        else:
            path.chmod(0)
        try:
            Storage(path, mode=mode)
        except StorageError as error:
            report("ermission" in str(error) or "may not" in str(error))

    assert outcome(attempt) == ["True"]


def test_a_file_that_one_may_only_read_is_read_and_not_written(public_folder):
    path = public_folder / "notes.tct"
    fill(path)
    path.chmod(0o444)

    def attempt(report):
        if os.getuid() == 0:
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
        with Storage(path, mode="read") as storage:
            report(len(storage))
        try:
            Storage(path, mode="write")
        except StorageError as error:
            report("may not" in str(error))

    assert outcome(attempt) == ["100", "True"]


def test_a_hard_link_to_an_open_file_is_refused(path):
    fill(path)
    link = path.with_name("link.tct")
    link.hardlink_to(path)
    with Storage(path), pytest.raises(StorageError, match="by its name"):
        Storage(link)
    with Storage(link) as storage:
        assert len(storage) == 100


def test_what_is_closed_says_so(path):
    storage = Storage(path)
    storage.close()
    storage.close()
    for use in (lambda: storage["a"], lambda: len(storage), lambda: list(storage)):
        with pytest.raises(StorageClosed):
            use()


def test_a_unique_index_is_unsupported(path):
    class Single(Model):
        text: str

        class Meta:
            indexes = [Index("text", unique=True)]

    with Storage(path) as storage, pytest.raises(Unsupported, match="unique"):
        storage.ensure_indexes(Single)


# What would end the process: each in a child, which lives to tell.


def in_child(path, work):
    def run(report):
        with Storage(path) as storage:
            work(storage, report)

    return outcome(run)


def refused(report, use):
    try:
        use()
    except (TokyoError, StorageError, ValueError) as error:
        report(type(error).__name__)
    else:
        report("done")


def test_an_empty_key_is_refused_or_finds_nothing(path):
    def work(storage, report):
        Note(text="a").save(storage, key="a")
        for use in (
            lambda: Note(text="x").save(storage, key=""),
            lambda: storage.__setitem__("", {"n": 1}),
            lambda: storage.connection.put(b"", {b"n": b"1"}),
            lambda: storage.connection.put_keep(b"", {b"n": b"1"}),
        ):
            refused(report, use)
        report("" in storage)
        try:
            report(storage[""])
        except (KeyError, RecordNotFound, ValueError):
            report("nothing")
        report(Note.objects(storage).where(key="").count())
        report(Note.objects(storage).where(key__in=["", "a"]).count())
        report(len(storage))

    said = in_child(path, work)
    assert "done" not in said[:4]
    assert said[4:] == ["False", "nothing", "0", "1", "1"]


def test_an_empty_text_in_an_indexed_column_is_stored(path):
    def work(storage, report):
        storage.ensure_indexes(Note)
        note = Note(text="")
        key = note.save(storage)
        report(storage.connection.get(key.encode())[b"text"] == EMPTY)
        Note(text="a").save(storage)
        note.text = "b"
        note.save()
        Note.objects(storage).update(text="")
        report(Note.objects(storage).where(text="").count())
        with storage.transaction():
            Note(text="").save(storage)
        report(len(storage))

    assert in_child(path, work) == ["True", "2", "3"]


@pytest.mark.parametrize("kind", [IndexType.LEXICAL, IndexType.DECIMAL])
def test_an_empty_value_beside_an_index_is_refused_below_too(path, kind):
    def work(storage, report):
        table = storage.connection
        table.set_index(b"text", kind)
        table.put(b"k", {b"text": b"1"})
        for use in (table.put, table.put_keep):
            refused(report, lambda use=use: use(b"k", {b"text": b"", b"x": b"1"}))
        report(table.get(b"k")[b"text"])

    assert in_child(path, work) == [*["TokyoError"] * 2, "b'1'"]


def test_an_index_over_a_foreign_empty_value_is_an_error_that_names_a_key(path):
    def work(storage, report):
        storage.connection.put(b"odd", {b"text": b"", b"number": b"1"})
        try:
            storage.ensure_indexes(Note)
        except StorageError as error:
            report("odd" in str(error) and "text" in str(error))
        storage["odd"] = {"text": "mended"}
        report(storage.ensure_indexes(Note))

    assert in_child(path, work) == ["True", "['text:lexical', 'number:decimal']"]


def test_an_index_over_a_name_with_a_nul_is_an_error_that_names_a_key(path):
    """To the library such a name ends at the NUL, and the value is empty."""

    def work(storage, report):
        storage.connection.put(b"odd", {b"text": b"t", b"number\0x": b""})
        try:
            storage.ensure_indexes(Note)
        except StorageError as error:
            report("odd" in str(error) and "number" in str(error))
        note = storage.get(Note, "odd")
        note.text = "u"
        note.save()
        report(storage.connection.get(b"odd"))
        report(storage.connection.out(b"odd"))

    row = {b"text": b"u", b"number\0x": b""}
    assert in_child(path, work) == ["True", str(row), "True"]


def test_a_foreign_empty_value_is_read_and_changed_beside_an_index(path):
    """The index is on another column; the empty one is kept as it is."""

    def work(storage, report):
        storage.connection.put(b"odd", {b"text": b"t", b"more": b""})
        storage.connection.set_index(b"text", IndexType.LEXICAL)
        note = storage.get(Note, "odd")
        note.text = ""
        note.save()
        report(storage["odd"])
        Note.objects(storage).where(text="").update(number=3)
        report(storage.get(Note, "odd").number)

    said = in_child(path, work)
    assert said[1:] == ["3"]
    assert "'more': ''" in said[0]


def test_a_pattern_that_asks_for_too_much_is_answered_or_refused(path):
    def work(storage, report):
        Note(text="a").save(storage)
        for pattern in ("(a{1,255}){1,255}", "((a{1,99}){1,99}){1,99}"):
            refused(
                report,
                lambda p=pattern: (
                    Note.objects(storage).where(text__in=[p, p + " x"]).count()
                ),
            )
        report(len(storage))

    assert in_child(path, work)[-1] == "1"
