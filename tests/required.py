"""What a test does where its server cannot be had: skip, or fail where it must be."""

import os
from typing import NoReturn

import pytest

ENVIRONMENT = "PYMODELS_REQUIRE"


def skip_or_fail(name: str, reason: str) -> NoReturn:
    """Skip with a reason; fail if the environment says that the server is required.

    PYMODELS_REQUIRE names them with commas between: ``mongodb,tokyo_tyrant``.
    """
    required = {word.strip() for word in os.environ.get(ENVIRONMENT, "").split(",")}
    if name in required:
        pytest.fail(f"{name} is required by {ENVIRONMENT}, but {reason}")
    pytest.skip(f"{name}: {reason}")
