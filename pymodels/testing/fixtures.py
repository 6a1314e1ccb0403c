"""What the tests of the kit are given; a backend's test file adds `new_storage`."""

import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from pymodels.errors import Unsupported
from pymodels.storage import BaseStorage
from pymodels.testing.models import PEOPLE, Person

NewStorage = Callable[..., BaseStorage]
"""A factory of fresh, empty storages; it takes settings by name."""

QUESTIONS, FEW = 3_000, 120
"""Random questions to a backend's main form, and to another form of it."""


def is_soak() -> bool:
    """Say whether all is to be done at full length: ``PYMODELS_SOAK=1``."""
    return bool(os.environ.get("PYMODELS_SOAK"))


def keys(query: Any) -> list[str]:
    """Give a query's keys as a list."""
    return list(query.keys())


@pytest.fixture(scope="module")
def is_thorough(request: pytest.FixtureRequest) -> bool:
    """Say whether to ask much: of a backend's main form; of all in a soak."""
    is_main = getattr(request.module, "thorough", True)
    return is_soak() or (is_main and not os.environ.get("PYMODELS_QUICK"))


@pytest.fixture(scope="module")
def how_many(is_thorough: bool) -> int:
    """Give the number of random questions to ask."""
    return int(os.environ.get("PYMODELS_FUZZ") or (QUESTIONS if is_thorough else FEW))


@pytest.fixture
def storage(new_storage: NewStorage) -> Iterator[BaseStorage]:
    """Give a fresh, empty storage."""
    with new_storage() as opened:
        yield opened


@pytest.fixture
def people(storage: BaseStorage) -> BaseStorage:
    """Give a storage with a few people in it, under their names in small letters."""
    for person in PEOPLE:
        Person(**person).save(storage, key=str(person["name"]).lower())
    return storage


@pytest.fixture
def transactional(storage: BaseStorage) -> BaseStorage:
    """Give a fresh storage that has transactions, or skip."""
    try:
        with storage.transaction():
            pass
    except Unsupported:
        pytest.skip("the storage has no transactions")
    return storage


@pytest.fixture
def indexed(storage: BaseStorage) -> BaseStorage:
    """Give a fresh storage that has indexes, or skip."""
    try:
        storage.ensure_indexes(Person)
    except Unsupported:
        pytest.skip("the storage has no indexes")
    return storage


@pytest.fixture(autouse=True)
def known_difference(request: pytest.FixtureRequest) -> None:
    """Expect the tests in the module's `known_differences` to fail, strictly.

    Those in its `known_races` may fail: a race is not lost each time.
    """
    names = (request.node.name, getattr(request.node, "originalname", ""))
    for attribute, strict in (("known_differences", True), ("known_races", False)):
        known = getattr(request.module, attribute, {})
        for name in names:
            if name in known:
                expected = pytest.mark.xfail(reason=known[name], strict=strict)
                request.node.add_marker(expected)
                return
