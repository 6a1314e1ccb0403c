"""ODMantic's models on MongoDB."""

from datetime import datetime
from typing import Any

import odmantic
from odmantic.query import desc
from pymongo import MongoClient

from benchmarks.contender import SPARE, Contender, Place
from benchmarks.contenders.mongodb import DOOMED, WANTED, with_datetime
from benchmarks.work import PAGE, Document


class Person(odmantic.Model):
    """In the main collection; ODMantic has no dates without a time."""

    first_name: str
    last_name: str
    age: int
    email: str
    score: float
    active: bool
    birth_date: datetime
    tags: list[str]

    model_config = {"collection": "people"}


class SparePerson(odmantic.Model):
    """In the spare collection."""

    first_name: str
    last_name: str
    age: int
    email: str
    score: float
    active: bool
    birth_date: datetime
    tags: list[str]

    model_config = {"collection": SPARE}


class Odmantic(Contender):
    """ODMantic's synchronous engine."""

    title = "ODMantic"
    layout = "documents as they are, the date as a datetime; an ObjectId"
    program = "import odmantic\nclass One(odmantic.Model):\n    name: str"

    def __init__(self, place: Place) -> None:
        self.client: MongoClient[Document] = MongoClient(place.url, w="majority")
        database = f"benchmark_{place.name}"
        self.engine = odmantic.SyncEngine(self.client, database=database)
        self.people = self.engine.get_collection(Person)

    def fill(self, documents: list[Document]) -> list[Any]:
        self.people.drop()
        made = [Person(**with_datetime(document)) for document in documents]
        # Its own bulk insert would take a round trip for each.
        found = self.people.insert_many([one.model_dump_doc() for one in made])
        return list(found.inserted_ids)

    def index(self) -> None:
        self.people.create_index([("age", 1), ("_id", 1)])
        self.people.create_index([("score", 1), ("_id", 1)])

    def empty(self) -> None:
        self.engine.remove(SparePerson)

    def stored(self) -> Any:
        return self.engine.find(SparePerson)

    def make(self, documents: list[Document]) -> list[Any]:
        return [SparePerson(**with_datetime(document)) for document in documents]

    def single(self, document: Document) -> None:
        self.engine.save(SparePerson(**with_datetime(document)))

    def bulk(self, documents: list[Document]) -> None:
        self.engine.save_all(self.make(documents))

    def instances(self, made: list[Any]) -> None:
        self.engine.save_all(made)

    def get(self, key: Any) -> Any:
        return self.engine.find_one(Person, Person.id == key)

    def save(self, loaded: Any) -> None:
        loaded.age += 1
        self.engine.save(loaded)

    def scan(self) -> int:
        number = 0
        for _ in self.engine.find(Person):
            number += 1
        return number

    def held(self) -> list[Any]:
        return list(self.engine.find(Person))

    def filter(self) -> list[Any]:
        order = (desc(Person.age), desc(Person.id))
        return list(self.engine.find(Person, WANTED, sort=order))

    def count(self) -> int:
        return self.engine.count(Person, WANTED)

    def narrow(self, low: float, high: float) -> int:
        return self.engine.count(Person, {"score": {"$gte": low, "$lte": high}})

    def page(self) -> list[Any]:
        order = (desc(Person.age), desc(Person.id))
        limit = PAGE.stop - PAGE.start
        found = self.engine.find(Person, sort=order, skip=PAGE.start, limit=limit)
        return list(found)

    def delete(self) -> int:
        return self.engine.remove(SparePerson, DOOMED)

    def close(self) -> None:
        self.client.close()
