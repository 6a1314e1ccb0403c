"""Empty places on real servers, each for one test: URLs to be opened."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType
from uuid import uuid4

import pytest
import tyrant
from required import check_installed


def mongod_module() -> ModuleType:
    """Import what starts a mongod, which needs the driver."""
    check_installed("mongodb")
    return import_module("mongod")


@contextmanager
def mongodb() -> Iterator[str]:
    """Give the URL of an empty database, which is dropped afterwards.

    It is on the replica set: a server that stands alone has no transactions.
    """
    mongod = mongod_module()
    url, name = mongod.replica_set().url, f"pymodels_tests_{uuid4().hex[:12]}"
    try:
        yield mongod.with_path(url, name)
    finally:
        with mongod.client_of(url) as client:
            client.drop_database(name)


@contextmanager
def tokyo_tyrant() -> Iterator[str]:
    """Give the URL of a new, empty file behind `pymodels serve`."""
    with tyrant.Server() as server:
        yield str(server.address)


SERVERS = {"mongodb": mongodb, "tokyo_tyrant": tokyo_tyrant}
"""By the name of the backend."""
ON_PAGES = {
    "mongodb://localhost/app": "mongodb",
    "tokyo-tyrant://localhost": "tokyo_tyrant",
}
"""URLs as the pages spell them, and where they lead in the tests."""
HAVE_NO_TRANSACTIONS = {"tokyo_tyrant"}
"""Programs and pages that need one are not for these."""


def check_able(server: str, text: str) -> None:
    """Skip what needs a transaction where there is none."""
    if server in HAVE_NO_TRANSACTIONS and ".transaction()" in text:
        pytest.skip(f"{server} has no transactions")
