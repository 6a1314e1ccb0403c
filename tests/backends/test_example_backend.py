"""The finished example of docs/write-a-backend.md passes the kit."""

import sys
from importlib import import_module
from itertools import count
from pathlib import Path

import pytest

from pymodels import Model, errors
from pymodels.testing import *

# The examples are no package, and pytest puts nothing on the path of imports.
sys.path.append(str(Path(__file__).parents[2]))
shelf_backend = import_module("examples.shelf_backend")

thorough = False


class Note(Model):
    text: str


@pytest.fixture(scope="module")
def new_storage(tmp_path_factory):
    folder, numbers = tmp_path_factory.mktemp("shelf"), count()

    def open_new(**settings):
        return shelf_backend.Storage(str(folder / str(next(numbers))), **settings)

    return open_new


def test_key_is_fetched_and_string_looked_for(new_storage):
    with new_storage() as storage:
        plan = str(Note.objects(storage).where(key="a", text="Ada").plan())
    assert "fetch ['a']" in plan
    assert 'scan for "Ada"' in plan
    assert "afterwards, here: (text Equal('Ada')" in plan


def test_records_outlive_the_storage(tmp_path):
    for text in ("one", "two"):
        with shelf_backend.Storage(str(tmp_path / "notes")) as storage:
            Note(text=text).save(storage)
    with shelf_backend.Storage(str(tmp_path / "notes")) as storage:
        assert Note.objects(storage).values("text") == ["one", "two"]


def test_file_that_cannot_be_opened_is_a_storage_error(tmp_path):
    with pytest.raises(errors.StorageError):
        shelf_backend.Storage(str(tmp_path / "nowhere" / "notes"))
