"""SQLAlchemy's mapped classes on SQLite."""

from collections.abc import Callable, Iterable
from datetime import date
from typing import Any

from sqlalchemy import JSON, Index, create_engine, delete, event, func, insert, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from benchmarks.contender import Contender, Place
from benchmarks.contenders.sqlite import file_of
from benchmarks.work import LOW_SCORE, OLDEST, PAGE, YOUNGEST, Document


class Base(DeclarativeBase):
    """What both mapped classes share."""


class Columns:
    """The columns of a person."""

    id: Mapped[int] = mapped_column(primary_key=True)
    first_name: Mapped[str]
    last_name: Mapped[str]
    age: Mapped[int]
    email: Mapped[str]
    score: Mapped[float]
    active: Mapped[bool]
    birth_date: Mapped[date]
    tags: Mapped[list[str]] = mapped_column(JSON)


class Person(Columns, Base):
    """In the main table."""

    __tablename__ = "people"


class SparePerson(Columns, Base):
    """In the spare table."""

    __tablename__ = "spare"


def durable(driver: Any, record: Any) -> None:
    """Set a new connection as all contenders have it."""
    driver.execute("PRAGMA journal_mode=WAL")
    driver.execute("PRAGMA synchronous=FULL")


class SqlAlchemy(Contender):
    """SQLAlchemy, with a session for each piece of work."""

    title = "SQLAlchemy"
    layout = "a column for each field, tags as JSON; an integer key"
    program = (
        "from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column\n"
        "class Base(DeclarativeBase): pass\n"
        "class One(Base):\n"
        "    __tablename__ = 'one'\n"
        "    id: Mapped[int] = mapped_column(primary_key=True)\n"
        "    name: Mapped[str]"
    )

    def __init__(self, place: Place) -> None:
        self.engine = create_engine(f"sqlite:///{file_of(place, 'main')}")
        event.listen(self.engine, "connect", durable)
        Base.metadata.create_all(self.engine)
        self.renew()

    def renew(self) -> None:
        """Begin a session."""
        self.session = Session(self.engine, expire_on_commit=False)

    def each(
        self, method: Callable[..., Any], calls: Iterable[tuple[Any, ...]]
    ) -> list[Any]:
        """Give each piece of work its session; a save is in that of its load."""
        if method.__name__ != "save":
            self.renew()
        given = super().each(method, calls)
        self.session.close()
        return given

    def fill(self, documents: list[Document]) -> list[Any]:
        self.renew()
        self.session.execute(delete(Person))
        self.session.execute(insert(Person), documents)
        self.session.commit()
        return list(self.session.scalars(select(Person.id).order_by(Person.id)))

    def index(self) -> None:
        for name in ("age", "score"):
            Index(f"by_{name}", getattr(Person, name)).create(self.engine)

    def empty(self) -> None:
        self.renew()
        self.session.execute(delete(SparePerson))
        self.session.commit()

    def stored(self) -> Any:
        self.renew()
        return list(self.session.scalars(select(SparePerson)))

    def make(self, documents: list[Document]) -> list[Any]:
        return [SparePerson(**document) for document in documents]

    def single(self, document: Document) -> None:
        self.session.add(SparePerson(**document))
        self.session.commit()

    def bulk(self, documents: list[Document]) -> None:
        self.session.execute(insert(SparePerson), documents)
        self.session.commit()

    def instances(self, made: list[Any]) -> None:
        self.session.add_all(made)
        self.session.commit()

    def get(self, key: Any) -> Any:
        return self.session.get(Person, key)

    def load(self, keys: list[Any]) -> list[Any]:
        self.renew()
        return super().load(keys)

    def save(self, loaded: Any) -> None:
        loaded.age += 1
        self.session.commit()

    def scan(self) -> int:
        number = 0
        people = select(Person).execution_options(yield_per=1000)
        for _ in self.session.scalars(people):
            number += 1
        return number

    def held(self) -> list[Any]:
        return list(self.session.scalars(select(Person)))

    def wanted(self, what: Any) -> Any:
        """Return the query of `filter` and `count`."""
        ages = Person.age.between(YOUNGEST, OLDEST)
        return what.where(ages, Person.active.is_(True))

    def filter(self) -> list[Any]:
        found = self.wanted(select(Person)).order_by(Person.age.desc())
        return list(self.session.scalars(found))

    def count(self) -> int:
        counted = self.wanted(select(func.count()).select_from(Person))
        return int(self.session.scalar(counted))

    def narrow(self, low: float, high: float) -> int:
        counted = select(func.count()).select_from(Person)
        counted = counted.where(Person.score.between(low, high))
        return self.session.scalar(counted) or 0

    def page(self) -> list[Any]:
        people = select(Person).order_by(Person.age.desc(), Person.id.desc())
        return list(self.session.scalars(people.slice(PAGE.start, PAGE.stop)))

    def delete(self) -> int:
        low = SparePerson.score <= LOW_SCORE
        doomed = delete(SparePerson).where(low, SparePerson.active.is_(True))
        number = self.session.execute(doomed).rowcount
        self.session.commit()
        return int(number)

    def close(self) -> None:
        self.session.close()
        self.engine.dispose()
