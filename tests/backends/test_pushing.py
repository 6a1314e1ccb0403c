"""The backend in which faults are planted is honest itself: it passes the kit."""

import pytest
from pushing import Storage

from pymodels.testing import *

thorough = False


@pytest.fixture(scope="module")
def new_storage():
    return Storage
