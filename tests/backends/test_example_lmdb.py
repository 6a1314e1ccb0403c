"""A backend over LMDB, written from docs/write-a-backend.md alone, passes the kit."""

import sys
from functools import partial
from importlib import import_module
from itertools import count
from pathlib import Path

import pytest

from pymodels import Model, errors
from pymodels.testing import *

lmdb = pytest.importorskip("lmdb")

# The examples are no package, and pytest puts nothing on the path of imports.
sys.path.append(str(Path(__file__).parents[2]))
lmdb_backend = import_module("examples.lmdb_backend")

thorough = False
MEBIBYTE = 1 << 20


class Note(Model):
    text: str


@pytest.fixture(scope="module")
def new_storage(tmp_path_factory):
    folder, numbers = tmp_path_factory.mktemp("lmdb"), count()

    def open_new(**settings):
        path = str(folder / str(next(numbers)))
        return lmdb_backend.Storage(path, map_size=64 * MEBIBYTE, **settings)

    with pytest.MonkeyPatch.context() as patch:
        # To wait for the disk would take most of the time.
        patch.setattr(lmdb, "open", partial(lmdb.open, sync=False))
        yield open_new


@pytest.fixture
def notes(storage):
    """Give more records than one step of a scan reads."""
    storage.save_many(Note(text=str(number)) for number in range(1_200))
    return storage


def test_it_is_short():
    text = Path(lmdb_backend.__file__).read_text("utf-8")
    assert len(text.splitlines()) < 150


def test_records_outlive_the_storage(tmp_path):
    for text in ("one", "two"):
        with lmdb_backend.Storage(str(tmp_path)) as storage:
            Note(text=text).save(storage)
    with lmdb_backend.Storage(str(tmp_path)) as storage:
        assert Note.objects(storage).values("text") == ["one", "two"]


def test_scan_goes_on_after_its_transaction(notes):
    with notes.transaction():
        found = iter(Note.objects(notes))
        next(found)
        notes.clear()
        Note(text="last").save(notes, key="~")
    assert [note.text for note in found][-1] == "last"


def test_scan_says_that_the_storage_was_closed(notes):
    found = iter(Note.objects(notes))
    next(found)
    notes.close()
    with pytest.raises(errors.StorageClosed):
        list(found)


def test_full_map_is_a_storage_error_and_the_transaction_goes_on(tmp_path):
    with lmdb_backend.Storage(str(tmp_path), map_size=MEBIBYTE) as storage:
        with storage.transaction():
            storage["first"] = {"text": "kept"}
            with pytest.raises(errors.StorageError, match="MDB_MAP_FULL"):
                storage["large"] = {"text": "x" * 2 * MEBIBYTE}
            storage["second"] = {"text": "kept"}
        assert set(storage) == {"first", "second"}
