"""The Tokyo Cabinet backend passes the kit on a table whose columns are indexed."""

from itertools import count

import pytest

from pymodels.backends.tokyo_cabinet import Storage
from pymodels.testing import *
from pymodels.testing import models
from pymodels.testing.random import universe

thorough = False


class Indexed(universe.Declared):
    """Every column of the random records that can be indexed is."""

    class Meta:
        indexes = ["flag", "whole", "text", "raw", "day", "moment", "short"]


class IndexedPerson(models.Person):
    """So are those of the people."""

    class Meta:
        indexes = ["name", "age"]


@pytest.fixture(scope="module")
def new_storage(tmp_path_factory):
    folder, numbers = tmp_path_factory.mktemp("cabinet"), count()

    def opened(**settings):
        storage = Storage(folder / f"{next(numbers)}.tct", **settings)
        storage.ensure_indexes(Indexed, IndexedPerson)
        return storage

    return opened
