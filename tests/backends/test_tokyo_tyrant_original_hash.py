"""Tokyo Tyrant passes the kit on a hash file behind the original server."""

import pytest
from tyrant_storages import Fresh

from pymodels.testing import *

pytestmark = pytest.mark.server

thorough = False
known_races = dict.fromkeys(
    (
        "test_threads_lose_nothing_of_each_other",
        "test_15_each_job_is_taken_once",
        "test_15_what_was_renewed_is_not_deleted",
        "test_15_many_at_once_are_counted_once",
    ),
    "the original server cannot change a record in one step: LostUpdateWarning",
)


@pytest.fixture(scope="module")
def new_storage():
    fresh = Fresh(is_original=True, kind="HASH", lost_updates="allow")
    yield fresh
    fresh.close()
