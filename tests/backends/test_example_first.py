"""The first step of docs/write-a-backend.md: only the required hooks, and the kit."""

import sys
from importlib import import_module
from pathlib import Path

import pytest

from pymodels.testing import *

# The examples are no package, and pytest puts nothing on the path of imports.
sys.path.append(str(Path(__file__).parents[2]))
first_backend = import_module("examples.first_backend")

thorough = False


@pytest.fixture(scope="module")
def new_storage():
    return first_backend.Storage
