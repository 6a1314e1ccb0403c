"""The first step of docs/write-a-backend.md: only the required hooks, and the kit."""

import importlib.util
from pathlib import Path

import pytest

from pymodels.testing import *

EXAMPLE = Path(__file__).parents[2] / "examples" / "first_backend.py"

# The examples are no package, and pytest puts nothing on the path of imports.
_spec = importlib.util.spec_from_file_location("first_backend", EXAMPLE)
first_backend = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(first_backend)


@pytest.fixture(scope="module")
def new_storage():
    return first_backend.Storage
