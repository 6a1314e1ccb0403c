"""MongoDB: the bare driver, and PyModels."""

from datetime import datetime
from typing import Any

from pymongo import MongoClient
from uuid_utils.compat import uuid7

from benchmarks.contender import SPARE, Contender, Place
from benchmarks.contenders import ours
from benchmarks.work import LOW_SCORE, OLDEST, PAGE, YOUNGEST, Document

WANTED: Document = {"age": {"$gte": YOUNGEST, "$lte": OLDEST}, "active": True}
DOOMED: Document = {"score": {"$lte": LOW_SCORE}, "active": True}


def with_datetime(document: Document) -> Document:
    """Return a copy as the driver takes it: BSON has no dates without a time."""
    born = document["birth_date"]
    return {**document, "birth_date": datetime(born.year, born.month, born.day)}


class Raw(Contender):
    """The driver and its dicts, by its defaults."""

    title = "pymongo"
    layout = "documents as they are; a text key (UUID 7)"
    program = "import pymongo"

    def __init__(self, place: Place) -> None:
        self.client: MongoClient[Document] = MongoClient(place.url, w="majority")
        name = f"benchmark_{place.name}"
        self.main = self.client[name]["people"]
        self.spare = self.client[name][SPARE]

    def documents(self, given: list[Document]) -> list[Document]:
        """Return documents with keys."""
        return [{"_id": str(uuid7()), **with_datetime(one)} for one in given]

    def fill(self, documents: list[Document]) -> list[Any]:
        self.main.drop()
        return list(self.main.insert_many(self.documents(documents)).inserted_ids)

    def index(self) -> None:
        self.main.create_index([("age", 1), ("_id", 1)])
        self.main.create_index([("score", 1), ("_id", 1)])

    def empty(self) -> None:
        self.spare.delete_many({})

    def stored(self) -> Any:
        return self.spare.find()

    def make(self, documents: list[Document]) -> list[Any]:
        return self.documents(documents)

    def single(self, document: Document) -> None:
        self.spare.insert_one({"_id": str(uuid7()), **with_datetime(document)})

    def bulk(self, documents: list[Document]) -> None:
        self.spare.insert_many(self.documents(documents))

    def instances(self, made: list[Any]) -> None:
        self.spare.insert_many(made)

    def get(self, key: Any) -> Any:
        return self.main.find_one({"_id": key})

    def load(self, keys: list[Any]) -> list[Any]:
        return [(key, self.get(key)["age"]) for key in keys]

    def save(self, loaded: Any) -> None:
        key, age = loaded
        self.main.update_one({"_id": key}, {"$set": {"age": age + 1}})

    def scan(self) -> int:
        number = 0
        for _ in self.main.find():
            number += 1
        return number

    def held(self) -> list[Any]:
        return list(self.main.find())

    def filter(self) -> list[Any]:
        return list(self.main.find(WANTED).sort([("age", -1), ("_id", -1)]))

    def count(self) -> int:
        return self.main.count_documents(WANTED)

    def narrow(self, low: float, high: float) -> int:
        return self.main.count_documents({"score": {"$gte": low, "$lte": high}})

    def page(self) -> list[Any]:
        people = self.main.find().sort([("age", -1), ("_id", -1)])
        return list(people.skip(PAGE.start).limit(PAGE.stop - PAGE.start))

    def delete(self) -> int:
        return self.spare.delete_many(DOOMED).deleted_count

    def close(self) -> None:
        self.client.close()


class Ours(ours.Ours):
    """PyModels on MongoDB."""

    layout = "natural documents with a note of kinds; a key in order of time"

    def settings(self, place: Place, name: str) -> dict[str, Any]:
        return {
            "backend": "pymodels.backends.mongodb",
            "uri": place.url,
            "database": f"benchmark_{place.name}",
            "collection": name,
        }
