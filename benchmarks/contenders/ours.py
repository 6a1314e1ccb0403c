"""PyModels: the same code on every database."""

from datetime import date
from typing import Any, ClassVar

from benchmarks.contender import SPARE, Contender, Place
from benchmarks.work import LOW_SCORE, OLDEST, PAGE, YOUNGEST, Document
from pymodels import Model, get_storage


class Person(Model):
    """A person."""

    first_name: str
    last_name: str
    age: int
    email: str
    score: float
    active: bool
    birth_date: date
    tags: list[str]


class IndexedPerson(Person):
    """The same, with indexes."""

    class Meta:
        indexes = ["age", "score"]


class Ours(Contender):
    """PyModels."""

    title = "PyModels"
    program: ClassVar[str] = (
        "import pymodels\nclass One(pymodels.Model):\n    name: str"
    )

    def __init__(self, place: Place) -> None:
        """Open two storages."""
        self.main = get_storage(self.settings(place, "main"))
        self.spare = get_storage(self.settings(place, SPARE))
        self.model: type[Person] = Person

    def settings(self, place: Place, name: str) -> dict[str, Any]:
        """Return the settings of one storage."""
        raise NotImplementedError

    def fill(self, documents: list[Document]) -> list[Any]:
        self.main.clear()
        return self.main.save_many(Person(**document) for document in documents)

    def index(self) -> None:
        self.main.ensure_indexes(IndexedPerson)
        self.model = IndexedPerson

    def empty(self) -> None:
        self.spare.clear()

    def stored(self) -> Any:
        return Person.objects(self.spare)

    def make(self, documents: list[Document]) -> list[Any]:
        return [Person(**document) for document in documents]

    def single(self, document: Document) -> None:
        Person(**document).save(self.spare)

    def bulk(self, documents: list[Document]) -> None:
        self.spare.save_many(Person(**document) for document in documents)

    def instances(self, made: list[Any]) -> None:
        self.spare.save_many(made)

    def get(self, key: Any) -> Any:
        return self.main.get(Person, key)

    def save(self, loaded: Any) -> None:
        loaded.age += 1
        loaded.save()

    def scan(self) -> int:
        number = 0
        for _ in Person.objects(self.main):
            number += 1
        return number

    def held(self) -> list[Any]:
        return list(Person.objects(self.main))

    def wanted(self) -> Any:
        """Return the query of `filter` and `count`."""
        return self.model.objects(self.main).where(
            age__between=(YOUNGEST, OLDEST), active=True
        )

    def filter(self) -> list[Any]:
        return list(self.wanted().order_by("-age"))

    def count(self) -> int:
        number: int = self.wanted().count()
        return number

    def narrow(self, low: float, high: float) -> int:
        return self.model.objects(self.main).where(score__between=(low, high)).count()

    def page(self) -> list[Any]:
        return list(self.model.objects(self.main).order_by("-age")[PAGE])

    def delete(self) -> int:
        found = Person.objects(self.spare).where(score__lte=LOW_SCORE, active=True)
        return found.delete()

    def close(self) -> None:
        self.main.close()
        self.spare.close()
