"""The MongoDB backend passes the kit, on a replica set of three."""

import mongod
import pytest
from mongo_places import places_on

from pymodels.testing import *

pytestmark = pytest.mark.server

thorough = False
known_differences = {
    "test_2_keeps_datetime_microseconds": "the server stores milliseconds",
}


@pytest.fixture(scope="module")
def new_storage():
    with places_on(mongod.replica_set().url) as places:
        yield places.storage
