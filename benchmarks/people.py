"""The work that is measured: documents of eight fields, as dicts and instances."""

import random
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

from pymodels import Index, Model

NAMES = ["Ada", "Grace", "Guido", "Larry", "Barbara", "Edsger", "Niklaus", "Frances"]


class Person(Model):
    first_name: str
    last_name: str
    age: int
    email: str
    score: float
    active: bool
    birth_date: date
    tags: list[str]


class IndexedPerson(Person):
    class Meta:
        indexes = ["age", Index("email", unique=True)]


def documents(count: int, seed: int = 1) -> Iterator[dict[str, Any]]:
    """Give dicts of JSON's own values, dates as text."""
    chance = random.Random(seed)
    for number in range(count):
        yield {
            "first_name": chance.choice(NAMES),
            "last_name": f"{chance.choice(NAMES)}son{number % 1000}",
            "age": chance.randrange(100),
            "email": f"person{number}@example.org",
            "score": chance.random() * 100,
            "active": chance.random() < 0.5,
            "birth_date": str(date(1950, 1, 1) + timedelta(chance.randrange(20000))),
            "tags": [f"t{chance.randrange(20)}" for _ in range(chance.randrange(5))],
        }
