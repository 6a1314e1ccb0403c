"""The same work on MongoDB by two mappers: MongoEngine and Beanie."""

import asyncio
from datetime import date
from typing import Any, ClassVar

import beanie
import mongoengine
from pymongo import AsyncMongoClient

from benchmarks.mongodb_contenders import (
    BULK,
    OLD,
    SINGLE,
    WANTED,
    Contender,
    Document,
    consume,
)


class EnginePerson(mongoengine.Document):
    """A person as MongoEngine has it."""

    first_name = mongoengine.StringField(required=True)
    last_name = mongoengine.StringField(required=True)
    age = mongoengine.IntField(required=True)
    email = mongoengine.StringField(required=True)
    score = mongoengine.FloatField(required=True)
    active = mongoengine.BooleanField(required=True)
    birth_date = mongoengine.DateField(required=True)
    tags = mongoengine.ListField(mongoengine.StringField())
    meta: ClassVar[Document] = {"collection": "engine", "auto_create_index": False}


class BeaniePerson(beanie.Document):
    """A person as Beanie has it."""

    first_name: str
    last_name: str
    age: int
    email: str
    score: float
    active: bool
    birth_date: date
    tags: list[str]

    class Settings:
        """Where they are kept."""

        name = "beanie"


class Engine(Contender):
    """MongoEngine."""

    name = "engine"

    def __init__(self, url: str, given: list[Document]) -> None:
        mongoengine.connect("benchmark", host=url, w="majority")
        super().__init__(url, given)

    def key(self) -> Any:
        """Make an ObjectId."""
        return mongoengine.fields.ObjectId()

    def scan(self) -> None:
        """Stream all documents; without its cache, which holds them."""
        consume(EnginePerson.objects.no_cache())

    def get(self) -> None:
        """Load documents by key, one by one."""
        for key in self.keys:
            EnginePerson.objects.get(id=key)

    @property
    def wanted(self) -> Any:
        """The query that is filtered and counted."""
        return EnginePerson.objects(age__gte=30, age__lte=40, active=True)

    def filter(self) -> list[Any]:
        """Filter and sort."""
        return list(self.wanted.order_by("-age", "-id"))

    def count(self) -> int:
        """Count what the filter finds."""
        found: int = self.wanted.count()
        return found

    def delete(self) -> None:
        """Delete by a query."""
        EnginePerson.objects(score__lte=10, active=True).delete()

    def single(self) -> None:
        """Insert one by one."""
        for document in self.given[:SINGLE]:
            EnginePerson(**document).save()

    def bulk(self) -> None:
        """Insert many from dicts."""
        self.prepare_instances()
        self.existing()

    def prepare_instances(self) -> None:
        """Make what is inserted by `existing`."""
        self.instances = [EnginePerson(**document) for document in self.given[:BULK]]

    def existing(self) -> None:
        """Insert many that were made before."""
        EnginePerson.objects.insert(self.instances, load_bulk=False)

    def prepare_save(self) -> None:
        """Load what is changed by `save`."""
        self.instances = list(EnginePerson.objects(id__in=self.keys))

    def save(self) -> None:
        """Change one field of records, one by one."""
        age = next(self.ages)
        for person in self.instances:
            person.age = age
            person.save()

    def close(self) -> None:
        """Leave nothing behind."""
        super().close()
        mongoengine.disconnect()


class Beanie(Contender):
    """Beanie, in an event loop that is entered once for each piece of work."""

    name = "beanie"

    def __init__(self, url: str, given: list[Document]) -> None:
        self.loop = asyncio.new_event_loop()
        self.loop.run_until_complete(self.begin(url))
        super().__init__(url, given)

    async def begin(self, url: str) -> None:
        """Connect, as Beanie wants it."""
        self.asynchronous: AsyncMongoClient[Document] = AsyncMongoClient(
            url, w="majority"
        )
        await beanie.init_beanie(
            database=self.asynchronous["benchmark"], document_models=[BeaniePerson]
        )

    def key(self) -> Any:
        """Make an ObjectId."""
        return mongoengine.fields.ObjectId()

    def __getattribute__(self, name: str) -> Any:
        """Give each coroutine method as one that runs in the loop."""
        found = super().__getattribute__(name)
        if name == "begin" or not asyncio.iscoroutinefunction(found):
            return found
        return lambda: self.loop.run_until_complete(found())

    @property
    def wanted(self) -> Any:
        """The query that is filtered and counted."""
        return BeaniePerson.find(WANTED)

    async def scan(self) -> None:
        """Stream all documents."""
        async for _ in BeaniePerson.find_all():
            pass

    async def get(self) -> None:
        """Load documents by key, one by one."""
        for key in self.keys:
            await BeaniePerson.get(key)

    async def filter(self) -> list[Any]:
        """Filter and sort."""
        found: list[Any] = await self.wanted.sort("-age", "-_id").to_list()
        return found

    async def count(self) -> int:
        """Count what the filter finds."""
        found: int = await self.wanted.count()
        return found

    async def delete(self) -> None:
        """Delete by a query."""
        await BeaniePerson.find(OLD).delete()

    async def single(self) -> None:
        """Insert one by one."""
        for document in self.given[:SINGLE]:
            await BeaniePerson(**document).insert()

    async def bulk(self) -> None:
        """Insert many from dicts."""
        made = [BeaniePerson(**document) for document in self.given[:BULK]]
        await BeaniePerson.insert_many(made)

    def prepare_instances(self) -> None:
        """Make what is inserted by `existing`."""
        self.instances = [BeaniePerson(**document) for document in self.given[:BULK]]

    async def existing(self) -> None:
        """Insert many that were made before."""
        await BeaniePerson.insert_many(self.instances)

    async def prepare_save(self) -> None:
        """Load what is changed by `save`."""
        wanted = {"_id": {"$in": self.keys}}
        self.instances = await BeaniePerson.find(wanted).to_list()

    async def save(self) -> None:
        """Change one field of records, one by one."""
        age = next(self.ages)
        for person in self.instances:
            await person.set({"age": age})

    def close(self) -> None:
        """Leave nothing behind."""
        self.loop.run_until_complete(self.asynchronous.close())
        self.loop.close()
        super().close()
