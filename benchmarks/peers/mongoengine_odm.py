"""MongoEngine's documents on MongoDB."""

from typing import Any, ClassVar

import mongoengine

from benchmarks.contender import SPARE, Contender, Place
from benchmarks.work import LOW_SCORE, OLDEST, PAGE, YOUNGEST, Document


class Fields(mongoengine.Document):
    """The fields of a person."""

    first_name = mongoengine.StringField(required=True)
    last_name = mongoengine.StringField(required=True)
    age = mongoengine.IntField(required=True)
    email = mongoengine.StringField(required=True)
    score = mongoengine.FloatField(required=True)
    active = mongoengine.BooleanField(required=True)
    birth_date = mongoengine.DateField(required=True)
    tags = mongoengine.ListField(mongoengine.StringField())
    meta: ClassVar[Document] = {"abstract": True, "auto_create_index": False}


class Person(Fields):
    """In the main collection."""

    meta: ClassVar[Document] = {"collection": "people"}


class SparePerson(Fields):
    """In the spare collection."""

    meta: ClassVar[Document] = {"collection": SPARE}


class MongoEngine(Contender):
    """MongoEngine."""

    title = "MongoEngine"
    layout = "documents as they are; an ObjectId"
    program = (
        "import mongoengine\n"
        "class One(mongoengine.Document):\n"
        "    name = mongoengine.StringField()"
    )

    def __init__(self, place: Place) -> None:
        mongoengine.connect(f"benchmark_{place.name}", host=place.url, w="majority")

    def fill(self, documents: list[Document]) -> list[Any]:
        Person.drop_collection()
        made = [Person(**document) for document in documents]
        return [one.id for one in Person.objects.insert(made)]

    def index(self) -> None:
        Person.create_index(["age", "_id"])
        Person.create_index(["score", "_id"])

    def empty(self) -> None:
        SparePerson.objects.delete()

    def stored(self) -> Any:
        return SparePerson.objects

    def make(self, documents: list[Document]) -> list[Any]:
        return [SparePerson(**document) for document in documents]

    def single(self, document: Document) -> None:
        SparePerson(**document).save()

    def bulk(self, documents: list[Document]) -> None:
        self.instances(self.make(documents))

    def instances(self, made: list[Any]) -> None:
        SparePerson.objects.insert(made, load_bulk=False)

    def get(self, key: Any) -> Any:
        return Person.objects.get(id=key)

    def save(self, loaded: Any) -> None:
        loaded.age += 1
        loaded.save()

    def scan(self) -> int:
        number = 0
        for _ in Person.objects.no_cache():
            number += 1
        return number

    def held(self) -> list[Any]:
        return list(Person.objects)

    def wanted(self) -> Any:
        """Return the query of `filter` and `count`."""
        return Person.objects(age__gte=YOUNGEST, age__lte=OLDEST, active=True)

    def filter(self) -> list[Any]:
        return list(self.wanted().order_by("-age", "-id"))

    def count(self) -> int:
        number: int = self.wanted().count()
        return number

    def narrow(self, low: float, high: float) -> int:
        number: int = Person.objects(score__gte=low, score__lte=high).count()
        return number

    def page(self) -> list[Any]:
        return list(Person.objects.order_by("-age", "-id")[PAGE])

    def delete(self) -> int:
        number: int = SparePerson.objects(score__lte=LOW_SCORE, active=True).delete()
        return number

    def close(self) -> None:
        mongoengine.disconnect()
