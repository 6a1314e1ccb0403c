"""Empty places on real servers, each for one test: URLs to be opened."""

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

import mongod


@contextmanager
def mongodb() -> Iterator[str]:
    """Give the URL of an empty database, which is dropped afterwards.

    It is on the replica set: a server that stands alone has no transactions.
    """
    url, name = mongod.replica_set().url, f"pymodels_tests_{uuid4().hex[:12]}"
    try:
        yield mongod.with_path(url, name)
    finally:
        with mongod.client_of(url) as client:
            client.drop_database(name)


SERVERS = {"mongodb": mongodb}
"""By the name of the backend."""
ON_PAGES = {"mongodb://localhost/app": "mongodb"}
"""URLs as the pages spell them, and where they lead in the tests."""
