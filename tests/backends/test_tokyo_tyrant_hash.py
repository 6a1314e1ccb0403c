"""Tokyo Tyrant passes the kit on a hash file behind `pymodels serve`."""

import pytest
from tyrant_storages import Fresh

from pymodels.testing import *

pytestmark = pytest.mark.server

thorough = False


@pytest.fixture(scope="module")
def new_storage():
    fresh = Fresh(kind="HASH")
    yield fresh
    fresh.close()
