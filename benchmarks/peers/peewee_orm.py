"""Peewee's models on SQLite."""

from typing import Any

import peewee
from playhouse.sqlite_ext import JSONField

from benchmarks.contender import Contender, Place
from benchmarks.contenders.sqlite import file_of
from benchmarks.work import LOW_SCORE, OLDEST, PAGE, YOUNGEST, Document

database = peewee.SqliteDatabase(None)
BATCH = 1000
"""SQLite takes at most 32,766 values in a statement."""


class Columns(peewee.Model):
    """The columns of a person."""

    first_name = peewee.TextField()
    last_name = peewee.TextField()
    age = peewee.IntegerField()
    email = peewee.TextField()
    score = peewee.FloatField()
    active = peewee.BooleanField()
    birth_date = peewee.DateField()
    tags = JSONField()

    class Meta:
        """Where it is."""

        database = database


class Person(Columns):
    """In the main table."""


class SparePerson(Columns):
    """In the spare table."""


class Peewee(Contender):
    """Peewee."""

    title = "Peewee"
    layout = "a column for each field, tags as JSON; an integer key"
    program = "import peewee\nclass One(peewee.Model):\n    name = peewee.TextField()"

    def __init__(self, place: Place) -> None:
        pragmas = {"journal_mode": "wal", "synchronous": "full"}
        database.init(file_of(place, "main"), pragmas=pragmas)
        database.create_tables([Person, SparePerson])

    def fill(self, documents: list[Document]) -> list[Any]:
        Person.delete().execute()
        self.insert(Person, documents)
        found = Person.select(Person.id).order_by(Person.id).tuples()
        return [key for (key,) in found]

    def insert(self, model: Any, documents: list[Document]) -> None:
        """Insert dicts in batches of one transaction."""
        with database.atomic():
            for batch in peewee.chunked(documents, BATCH):
                model.insert_many(batch).execute()

    def index(self) -> None:
        Person.add_index(Person.age)
        Person.add_index(Person.score)
        Person.create_table()

    def empty(self) -> None:
        SparePerson.delete().execute()

    def stored(self) -> Any:
        return SparePerson.select()

    def make(self, documents: list[Document]) -> list[Any]:
        return [SparePerson(**document) for document in documents]

    def single(self, document: Document) -> None:
        SparePerson.create(**document)

    def bulk(self, documents: list[Document]) -> None:
        self.insert(SparePerson, documents)

    def instances(self, made: list[Any]) -> None:
        with database.atomic():
            SparePerson.bulk_create(made, batch_size=BATCH)

    def get(self, key: Any) -> Any:
        return Person.get_by_id(key)

    def save(self, loaded: Any) -> None:
        loaded.age += 1
        loaded.save(only=[Person.age])

    def scan(self) -> int:
        number = 0
        for _ in Person.select().iterator():
            number += 1
        return number

    def held(self) -> list[Any]:
        return list(Person.select())

    def wanted(self) -> Any:
        """Return the query of `filter` and `count`."""
        ages = Person.age.between(YOUNGEST, OLDEST)
        return Person.select().where(ages, Person.active == True)  # noqa: E712  # peewee makes SQL of it

    def filter(self) -> list[Any]:
        return list(self.wanted().order_by(Person.age.desc()))

    def count(self) -> int:
        number: int = self.wanted().count()
        return number

    def narrow(self, low: float, high: float) -> int:
        number: int = Person.select().where(Person.score.between(low, high)).count()
        return number

    def page(self) -> list[Any]:
        people = Person.select().order_by(Person.age.desc(), Person.id.desc())
        return list(people.limit(PAGE.stop - PAGE.start).offset(PAGE.start))

    def delete(self) -> int:
        low, active = SparePerson.score <= LOW_SCORE, SparePerson.active
        number: int = SparePerson.delete().where(low, active).execute()
        return number

    def close(self) -> None:
        database.close()
