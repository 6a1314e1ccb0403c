"""Beanie's documents on MongoDB."""

from datetime import date
from typing import Any

import beanie
from pymongo import AsyncMongoClient

from benchmarks.contender import SPARE, AsynchronousContender, Place
from benchmarks.contenders.mongodb import DOOMED, WANTED
from benchmarks.work import PAGE, Document


class Fields(beanie.Document):
    """The fields of a person."""

    first_name: str
    last_name: str
    age: int
    email: str
    score: float
    active: bool
    birth_date: date
    tags: list[str]


class Person(Fields):
    """In the main collection."""

    class Settings:
        """Where it is."""

        name = "people"


class SparePerson(Fields):
    """In the spare collection."""

    class Settings:
        """Where it is."""

        name = SPARE


class Beanie(AsynchronousContender):
    """Beanie, in an event loop that is entered once for each piece of work."""

    title = "Beanie"
    layout = "documents as they are; an ObjectId"
    program = "import beanie\nclass One(beanie.Document):\n    name: str"

    async def open(self, place: Place) -> None:
        self.client: AsyncMongoClient[Document] = AsyncMongoClient(
            place.url, w="majority"
        )
        database = self.client[f"benchmark_{place.name}"]
        models = [Person, SparePerson]
        await beanie.init_beanie(database=database, document_models=models)

    def wait(self, coroutine: Any) -> Any:
        """Run one coroutine in the loop."""
        return self.loop.run_until_complete(coroutine)

    def fill(self, documents: list[Document]) -> list[Any]:
        self.wait(Person.delete_all())
        made = [Person(**document) for document in documents]
        return list(self.wait(Person.insert_many(made)).inserted_ids)

    def index(self) -> None:
        people = Person.get_pymongo_collection()
        self.wait(people.create_index([("age", 1), ("_id", 1)]))
        self.wait(people.create_index([("score", 1), ("_id", 1)]))

    def empty(self) -> None:
        self.wait(SparePerson.delete_all())

    def stored(self) -> Any:
        return self.wait(SparePerson.find_all().to_list())

    def make(self, documents: list[Document]) -> list[Any]:
        return [SparePerson(**document) for document in documents]

    async def single(self, document: Document) -> None:
        await SparePerson(**document).insert()

    async def bulk(self, documents: list[Document]) -> None:
        await SparePerson.insert_many(self.make(documents))

    async def instances(self, made: list[Any]) -> None:
        await SparePerson.insert_many(made)

    async def get(self, key: Any) -> Any:
        return await Person.get(key)

    def load(self, keys: list[Any]) -> list[Any]:
        return [self.wait(self.get(key)) for key in keys]

    async def save(self, loaded: Any) -> None:
        await loaded.set({"age": loaded.age + 1})

    async def scan(self) -> int:
        number = 0
        async for _ in Person.find_all():
            number += 1
        return number

    async def held(self) -> list[Any]:
        return await Person.find_all().to_list()

    async def filter(self) -> list[Any]:
        return await Person.find(WANTED).sort("-age", "-_id").to_list()

    async def count(self) -> int:
        return await Person.find(WANTED).count()

    async def narrow(self, low: float, high: float) -> int:
        return await Person.find({"score": {"$gte": low, "$lte": high}}).count()

    async def page(self) -> list[Any]:
        people = Person.find_all().sort("-age", "-_id")
        people = people.skip(PAGE.start).limit(PAGE.stop - PAGE.start)
        return await people.to_list()

    async def delete(self) -> int:
        deleted = await SparePerson.find(DOOMED).delete()
        return deleted.deleted_count if deleted else 0

    def close(self) -> None:
        self.wait(self.client.close())
        super().close()
