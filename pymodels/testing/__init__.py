"""The conformance kit: what every backend must do, as tests to run on it.

A backend's test file brings the kit in and says how to open a fresh, empty
storage; that is all::

    import pytest

    from pymodels.backends.memory import Storage
    from pymodels.testing import *


    @pytest.fixture(scope="module")
    def new_storage():
        return Storage

`new_storage` takes the settings of the contract (``residual``) by name. Tests that
a backend cannot pass are named in ``known_differences = {"test_name": "reason"}``;
they must then fail. Another form of a backend says ``thorough = False`` and is asked
less. ``PYMODELS_FUZZ=100000`` asks that many random queries, with new seeds each time;
``PYMODELS_SOAK=1`` does all at full length.
"""

from importlib import import_module

import pytest

_TESTS = (
    "test_keys",
    "test_roundtrip",
    "test_loading",
    "test_law",
    "test_queries",
    "test_lookups",
    "test_models",
    "test_saving",
    "test_saving_unchanged",
    "test_writers",
    "test_conditional_writes",
    "test_whole_models",
    "test_faults",
    "test_programs",
    "test_reference",
    "test_transactions",
    "test_errors",
)

pytest.register_assert_rewrite(*(f"{__name__}.{name}" for name in (*_TESTS, "random")))

_found = {
    name: value
    for module in ("fixtures", *_TESTS)
    for name, value in vars(import_module(f"{__name__}.{module}")).items()
    if name.startswith("test_") or isinstance(value, type(pytest.fixture(lambda: 0)))
}
globals().update(_found)

# Only tests and fixtures: a star-import must not hide names of whoever asks.
__all__ = list(_found)  # made of what is there
