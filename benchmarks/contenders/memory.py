"""Memory: PyModels and a dict of dicts that plain pydantic validates."""

import operator
from datetime import date
from itertools import count
from typing import Any

from pydantic import BaseModel

from benchmarks.contender import Contender, Place
from benchmarks.contenders import ours
from benchmarks.work import LOW_SCORE, OLDEST, PAGE, YOUNGEST, Document


class Plain(BaseModel):
    """A person as pydantic alone has it."""

    first_name: str
    last_name: str
    age: int
    email: str
    score: float
    active: bool
    birth_date: date
    tags: list[str]


class Raw(Contender):
    """What one would write without a library: dicts in, instances out."""

    title = "dict and pydantic"
    layout = "a dict of dicts; each is validated when it is loaded"
    program = "import pydantic\nclass One(pydantic.BaseModel):\n    name: str"

    def __init__(self, place: Place) -> None:
        self.main: dict[str, Document] = {}
        self.spare: dict[str, Document] = {}
        self.numbers = count()

    def fill(self, documents: list[Document]) -> list[Any]:
        self.main = {str(next(self.numbers)): document for document in documents}
        return list(self.main)

    def index(self) -> None:
        """Do nothing: a dict has no indexes."""

    def empty(self) -> None:
        self.spare = {}

    def stored(self) -> Any:
        return self.spare.values()

    def make(self, documents: list[Document]) -> list[Any]:
        return [Plain(**document) for document in documents]

    def single(self, document: Document) -> None:
        self.spare[str(next(self.numbers))] = Plain(**document).model_dump()

    def bulk(self, documents: list[Document]) -> None:
        self.instances(self.make(documents))

    def instances(self, made: list[Any]) -> None:
        self.spare.update({str(next(self.numbers)): one.model_dump() for one in made})

    def load(self, keys: list[Any]) -> list[Any]:
        return [(key, self.get(key)) for key in keys]

    def get(self, key: Any) -> Any:
        return Plain.model_validate(self.main[key])

    def save(self, loaded: Any) -> None:
        key, person = loaded
        person.age += 1
        self.main[key] = person.model_dump()

    def scan(self) -> int:
        number = 0
        for document in self.main.values():
            Plain.model_validate(document)
            number += 1
        return number

    def held(self) -> list[Any]:
        return [Plain.model_validate(document) for document in self.main.values()]

    def wanted(self) -> list[Document]:
        """Return the dicts that `filter` and `count` are about."""
        return [
            document
            for document in self.main.values()
            if YOUNGEST <= document["age"] <= OLDEST and document["active"]
        ]

    def filter(self) -> list[Any]:
        found = sorted(self.wanted(), key=operator.itemgetter("age"), reverse=True)
        return [Plain.model_validate(document) for document in found]

    def count(self) -> int:
        return len(self.wanted())

    def narrow(self, low: float, high: float) -> int:
        return sum(low <= document["score"] <= high for document in self.main.values())

    def page(self) -> list[Any]:
        found = sorted(self.main.values(), key=operator.itemgetter("age"), reverse=True)
        return [Plain.model_validate(document) for document in found[PAGE]]

    def delete(self) -> int:
        doomed = [
            key
            for key, document in self.spare.items()
            if document["score"] <= LOW_SCORE and document["active"]
        ]
        for key in doomed:
            del self.spare[key]
        return len(doomed)


class Ours(ours.Ours):
    """PyModels in memory."""

    layout = "a dict of records; no indexes"

    def settings(self, place: Place, name: str) -> dict[str, Any]:
        return {"backend": "pymodels.backends.memory", "name": name}
