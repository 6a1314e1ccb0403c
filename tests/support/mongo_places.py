"""Empty collections for the tests of MongoDB, used again and again.

To make and drop a collection takes a replica set longer than many a test.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import mongod
from pymongo import MongoClient

from pymodels.backends.mongodb import Storage


class Places:
    """Collections of one database, which is dropped at the end."""

    def __init__(self, client: MongoClient[Any], url: str) -> None:
        self.database = client[f"pymodels_tests_{uuid4().hex[:12]}"]
        self.url = url
        self.given: dict[str, Storage] = {}

    def storage(self, **settings: Any) -> Storage:
        """Open a storage on an empty collection; use `collection` for a name."""
        name = settings.pop("collection", None) or self._empty()
        url_settings = Storage.url_settings(mongod.with_path(self.url, self.name))
        settings = {**url_settings, "collection": name, **settings}
        self.given[name] = Storage(**settings)
        return self.given[name]

    @property
    def name(self) -> str:
        return self.database.name

    def collection(self, storage: Storage) -> Any:
        """Give the collection of a storage, by a client of the tests' own."""
        names = [name for name, given in self.given.items() if given is storage]
        return self.database[names[0]]

    def _empty(self) -> str:
        """Give the name of an empty collection without indexes."""
        for name, storage in self.given.items():
            if storage.is_closed:
                self._cleared(name)
                return name
        return f"records{len(self.given)}"

    def _cleared(self, name: str) -> None:
        collection = self.database[name]
        collection.delete_many({})
        if len(list(collection.list_indexes())) > 1:
            collection.drop_indexes()


@contextmanager
def places_on(url: str) -> Iterator[Places]:
    """Give places on a server; close what is open and drop all at the end."""
    with mongod.client_of(url, w="majority") as client:
        places = Places(client, url)
        try:
            yield places
        finally:
            for storage in places.given.values():
                storage.close()
            client.drop_database(places.name)
