"""What a test does where its backend cannot be had: skip, or fail where it must be."""

import os
from importlib.util import find_spec
from typing import NoReturn

import pytest

from pymodels.tokyo.library import is_installed

ENVIRONMENT = "PYMODELS_REQUIRE"


def skip_or_fail(name: str, reason: str) -> NoReturn:
    """Skip with a reason; fail if the environment says that the backend is required.

    PYMODELS_REQUIRE names them with commas between: ``mongodb,tokyo_tyrant``.
    """
    required = {word.strip() for word in os.environ.get(ENVIRONMENT, "").split(",")}
    if name in required:
        pytest.fail(f"{name} is required by {ENVIRONMENT}, but {reason}")
    pytest.skip(f"{name}: {reason}")


def lacking(backend: str) -> str:
    """Say what a backend's module needs and this machine lacks; "" if nothing."""
    if backend == "mongodb" and find_spec("pymongo") is None:
        return "pymongo is not installed"
    if backend in {"tokyo_cabinet", "tokyo_tyrant"} and not is_installed():
        return "the Tokyo Cabinet library is not installed"
    return ""


def check_installed(backend: str) -> None:
    """Skip, or fail, where a backend lacks what it needs."""
    if reason := lacking(backend):
        skip_or_fail(backend, reason)
