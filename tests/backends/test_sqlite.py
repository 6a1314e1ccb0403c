"""The SQLite backend passes the kit, on a fresh file each time."""

from itertools import count

import pytest

from pymodels.backends.sqlite import Storage
from pymodels.testing import *


@pytest.fixture(scope="module")
def new_storage(tmp_path_factory):
    folder, numbers = tmp_path_factory.mktemp("sqlite"), count()

    def opened(**settings):
        return Storage(folder / f"{next(numbers)}.db", **settings)

    return opened
