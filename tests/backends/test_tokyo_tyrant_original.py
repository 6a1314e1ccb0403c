"""Tokyo Tyrant passes the kit on a table behind the original server."""

import pytest
from tyrant_storages import Fresh

from pymodels.testing import *

pytestmark = pytest.mark.server

thorough = False
known_differences = {
    "test_threads_lose_nothing_of_each_other": "the original server cannot change a "
    "record in one step: LostUpdateWarning",
}


@pytest.fixture(scope="module")
def new_storage():
    fresh = Fresh(is_original=True, lost_updates="allow")
    yield fresh
    fresh.close()
