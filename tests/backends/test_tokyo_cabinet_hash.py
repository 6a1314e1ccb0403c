"""The Tokyo Cabinet backend passes the kit on a hash, a fresh file each time."""

from itertools import count

import pytest

from pymodels.backends.tokyo_cabinet import Storage
from pymodels.testing import *

thorough = False


@pytest.fixture(scope="module")
def new_storage(tmp_path_factory):
    folder, numbers = tmp_path_factory.mktemp("cabinet"), count()

    def opened(**settings):
        return Storage(folder / f"{next(numbers)}.tch", kind="HASH", **settings)

    return opened
