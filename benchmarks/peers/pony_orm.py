"""Pony's entities on SQLite."""

from collections.abc import Callable, Iterable
from datetime import date
from typing import Any

from pony import orm

from benchmarks.contender import Contender, Place
from benchmarks.contenders.sqlite import file_of
from benchmarks.work import LOW_SCORE, OLDEST, PAGE, YOUNGEST, Document

database = orm.Database()


class Person(database.Entity):
    """In the main table."""

    first_name = orm.Required(str)
    last_name = orm.Required(str)
    age = orm.Required(int)
    email = orm.Required(str)
    score = orm.Required(float)
    active = orm.Required(bool)
    birth_date = orm.Required(date)
    tags = orm.Required(orm.Json)


class SparePerson(database.Entity):
    """In the spare table."""

    first_name = orm.Required(str)
    last_name = orm.Required(str)
    age = orm.Required(int)
    email = orm.Required(str)
    score = orm.Required(float)
    active = orm.Required(bool)
    birth_date = orm.Required(date)
    tags = orm.Required(orm.Json)


@database.on_connect(provider="sqlite")
def durable(opened: Any, connection: Any) -> None:
    """Set a new connection as all contenders have it."""
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")


class Pony(Contender):
    """Pony, with a session for each piece of work."""

    title = "Pony"
    layout = "a column for each field, tags as JSON; an integer key"
    program = (
        "from pony import orm\n"
        "database = orm.Database()\n"
        "class One(database.Entity):\n"
        "    name = orm.Required(str)\n"
        "database.bind('sqlite', ':memory:')\n"
        "database.generate_mapping(create_tables=True)"
    )

    def __init__(self, place: Place) -> None:
        database.bind("sqlite", file_of(place, "main"), create_db=True)
        database.generate_mapping(create_tables=True)
        self.session: Any = None

    def begin(self) -> None:
        """Begin a session that is not in another."""
        self.end()
        self.session = orm.db_session()
        self.session.__enter__()

    def end(self) -> None:
        """End the session, if there is one."""
        if self.session is not None:
            self.session.__exit__(None, None, None)
            self.session = None

    def each(
        self, method: Callable[..., Any], calls: Iterable[tuple[Any, ...]]
    ) -> list[Any]:
        """Give each piece of work its session; a save is in that of its load."""
        if method.__name__ not in {"save", "instances"}:
            self.begin()
        given = super().each(method, calls)
        self.end()
        return given

    def fill(self, documents: list[Document]) -> list[Any]:
        with orm.db_session:
            Person.select().delete(bulk=True)
            made = [Person(**document) for document in documents]
            orm.commit()
            return [one.id for one in made]

    def index(self) -> None:
        with orm.db_session:
            database.execute('CREATE INDEX by_age ON "Person" (age)')
            database.execute('CREATE INDEX by_score ON "Person" (score)')

    def empty(self) -> None:
        self.end()
        with orm.db_session:
            SparePerson.select().delete(bulk=True)

    def stored(self) -> Any:
        self.begin()
        return list(SparePerson.select())

    def make(self, documents: list[Document]) -> list[Any]:
        self.begin()
        return [SparePerson(**document) for document in documents]

    def single(self, document: Document) -> None:
        SparePerson(**document)
        orm.commit()

    def bulk(self, documents: list[Document]) -> None:
        for document in documents:
            SparePerson(**document)
        orm.commit()

    def instances(self, made: list[Any]) -> None:
        orm.commit()

    def get(self, key: Any) -> Any:
        return Person[key]

    def load(self, keys: list[Any]) -> list[Any]:
        self.begin()
        return super().load(keys)

    def save(self, loaded: Any) -> None:
        loaded.age += 1
        orm.commit()

    def scan(self) -> int:
        number = 0
        for _ in Person.select():
            number += 1
        return number

    def held(self) -> list[Any]:
        return list(Person.select())

    def wanted(self) -> Any:
        """Return the query of `filter` and `count`."""
        return Person.select(
            lambda person: orm.between(person.age, YOUNGEST, OLDEST) and person.active
        )

    def filter(self) -> list[Any]:
        return list(self.wanted().order_by(orm.desc(Person.age)))

    def count(self) -> int:
        number: int = self.wanted().count()
        return number

    def narrow(self, low: float, high: float) -> int:
        found = Person.select(lambda person: orm.between(person.score, low, high))
        number: int = found.count()
        return number

    def page(self) -> list[Any]:
        people = Person.select().order_by(orm.desc(Person.age), orm.desc(Person.id))
        return list(people[PAGE])

    def delete(self) -> int:
        found = SparePerson.select(
            lambda person: person.score <= LOW_SCORE and person.active
        )
        number: int = found.delete(bulk=True)
        orm.commit()
        return number

    def close(self) -> None:
        self.end()
        database.disconnect()
