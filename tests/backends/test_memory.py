"""The memory backend passes the kit."""

import pytest

from pymodels.backends.memory import Storage
from pymodels.testing import *


@pytest.fixture(scope="module")
def new_storage():
    return Storage
