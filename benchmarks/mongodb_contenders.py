"""The same work on MongoDB by the bare driver and by PyModels."""

from collections.abc import Iterable, Iterator
from datetime import date, datetime
from itertools import count
from typing import Any

from pymongo import MongoClient

from benchmarks.people import IndexedPerson, Person, documents
from pymodels import get_storage
from pymodels.keys import new_key

Document = dict[str, Any]

SINGLE = 500
BULK = 20_000
WANTED: Document = {"age": {"$gte": 30, "$lte": 40}, "active": True}
OLD: Document = {"score": {"$lte": 10}, "active": True}


def people(number: int) -> Iterator[Document]:
    """Give documents of a person with real dates."""
    for document in documents(number):
        document["birth_date"] = date.fromisoformat(document["birth_date"])
        yield document


def with_datetime(document: Document) -> Document:
    """Give a copy as the driver takes it."""
    born = document["birth_date"]
    return {**document, "birth_date": datetime(born.year, born.month, born.day)}


def consume(items: Iterable[object]) -> None:
    """Let each item go again: a streamed scan."""
    for _ in items:
        pass


class Contender:
    """One way to do the work, in a collection of its own."""

    name: str

    def __init__(self, url: str, given: list[Document]) -> None:
        self.client: MongoClient[Document] = MongoClient(url, w="majority")
        self.collection = self.client["benchmark"][self.name]
        self.given = given
        self.instances: list[Any] = []
        self.ages = count(100)
        self.collection.drop()
        self.fill(len(given))

    def fill(self, number: int) -> None:
        """Begin with so many documents, in the contender's own layout."""
        self.collection.delete_many({})
        made = (with_datetime(document) for document in self.given[:number])
        self.collection.insert_many(
            [{"_id": self.key(), **document} for document in made]
        )
        self.after_fill()

    def key(self) -> Any:
        """Make a key as the contender makes its own."""
        return new_key()

    def after_fill(self) -> None:
        """Choose the records that are loaded or saved one by one."""
        found = self.collection.find({}, {"_id": 1}).limit(5000)
        self.keys = [document["_id"] for document in found][:: 5000 // SINGLE]

    def index(self) -> None:
        """Make the index that filter and order ask for."""
        self.collection.create_index([("age", 1), ("_id", 1)])

    def close(self) -> None:
        """Leave nothing behind."""
        self.collection.drop()
        self.client.close()


class Raw(Contender):
    """The driver and its dicts, by its defaults."""

    name = "raw"

    def scan(self) -> None:
        """Stream all documents."""
        consume(self.collection.find())

    def get(self) -> None:
        """Load documents by key, one by one."""
        for key in self.keys:
            self.collection.find_one({"_id": key})

    def filter(self) -> list[Any]:
        """Filter and sort."""
        return list(self.collection.find(WANTED).sort([("age", -1), ("_id", -1)]))

    def count(self) -> int:
        """Count what the filter finds."""
        return self.collection.count_documents(WANTED)

    def delete(self) -> None:
        """Delete by a query."""
        self.collection.delete_many(OLD)

    def single(self) -> None:
        """Insert one by one."""
        for document in self.given[:SINGLE]:
            self.collection.insert_one({"_id": new_key(), **with_datetime(document)})

    def bulk(self) -> None:
        """Insert many from dicts."""
        self.collection.insert_many(
            [{"_id": new_key(), **with_datetime(d)} for d in self.given[:BULK]]
        )

    def prepare_instances(self) -> None:
        """Make what is inserted by `existing`."""
        made = (with_datetime(document) for document in self.given[:BULK])
        self.instances = [{"_id": new_key(), **document} for document in made]

    def existing(self) -> None:
        """Insert many that were made before."""
        self.collection.insert_many(self.instances)

    def prepare_save(self) -> None:
        """Load what is changed by `save`."""

    def save(self) -> None:
        """Change one field of records, one by one."""
        age = next(self.ages)
        for key in self.keys:
            self.collection.update_one({"_id": key}, {"$set": {"age": age}})


class Ours(Contender):
    """PyModels."""

    name = "ours"

    def __init__(self, url: str, given: list[Document]) -> None:
        place = {"database": "benchmark", "collection": self.name}
        self.storage = get_storage(backend="mongodb", uri=url, **place)
        self.model: type[Person] = Person
        super().__init__(url, given)

    def fill(self, number: int) -> None:
        """Save them, so that the notes of kinds are there."""
        self.storage.clear()
        self.storage.save_many(Person(**document) for document in self.given[:number])
        self.after_fill()

    def index(self) -> None:
        """Make the indexes of the model that has some."""
        self.model = IndexedPerson
        self.storage.ensure_indexes(IndexedPerson)

    @property
    def wanted(self) -> Any:
        """The query that is filtered and counted."""
        return self.model.objects(self.storage).where(
            age__between=(30, 40), active=True
        )

    def scan(self) -> None:
        """Stream all records as instances."""
        consume(Person.objects(self.storage))

    def get(self) -> None:
        """Load records by key, one by one."""
        for key in self.keys:
            self.storage.get(Person, key)

    def filter(self) -> list[Any]:
        """Filter and sort."""
        return list(self.wanted.order_by("-age"))

    def count(self) -> int:
        """Count what the filter finds."""
        found: int = self.wanted.count()
        return found

    def delete(self) -> None:
        """Delete by a query."""
        Person.objects(self.storage).where(score__lte=10, active=True).delete()

    def single(self) -> None:
        """Insert one by one."""
        for document in self.given[:SINGLE]:
            Person(**document).save(self.storage)

    def bulk(self) -> None:
        """Insert many from dicts."""
        self.storage.save_many(Person(**document) for document in self.given[:BULK])

    def prepare_instances(self) -> None:
        """Make what is inserted by `existing`."""
        self.instances = [Person(**document) for document in self.given[:BULK]]

    def existing(self) -> None:
        """Insert many that were made before."""
        self.storage.save_many(self.instances)

    def prepare_save(self) -> None:
        """Load what is changed by `save`."""
        self.instances = self.storage.get_many(Person, self.keys)

    def save(self) -> None:
        """Change one field of records, one by one."""
        age = next(self.ages)
        for person in self.instances:
            person.age = age
            person.save()

    def close(self) -> None:
        """Leave nothing behind."""
        self.storage.close()
        super().close()
