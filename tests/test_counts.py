"""What questions and saves cost, counted and not timed: a guard against more.

Each number is the most there may be: what is true today, or the goal if it is reached.
"""

import sqlite3
import subprocess
import sys
from contextlib import contextmanager

import pytest
import tyrant
from journeys import journey
from servers import mongod_module

from pymodels import Model
from pymodels.backends import memory, sqlite, tokyo_tyrant
from pymodels.tokyo.connections import Connection

PEOPLE = 30


class Person(Model):
    name: str
    age: int = 0


def acts(storage):
    """Give what is counted, by name; each is prepared and then done once."""
    people = Person.objects(storage)
    keys = storage.save_many([Person(name=f"n{n}", age=n) for n in range(PEOPLE)])
    # What is learned once is learned before.
    changed, gone = storage.get_many(Person, keys[:2])
    changed.name = "once"
    changed.save()
    assert people.where(age__gt=5).order_by("name").count() == PEOPLE - 6
    changed.name = "twice"
    return {
        "get": lambda: storage.get(Person, keys[3]),
        "get many": lambda: storage.get_many(Person, keys),
        "all": lambda: list(people),
        "some": lambda: list(people.where(age__gt=5).order_by("name")[:10]),
        "first": lambda: people.order_by("age").first(),
        "count": lambda: people.where(age__gt=5).count(),
        "exists": lambda: people.where(age__gt=5).exists(),
        "values": lambda: people.values("age"),
        "save new": lambda: Person(name="new").save(storage),
        "save changed": lambda: changed.save(),
        "save unchanged": lambda: changed.save(),
        "save many": lambda: storage.save_many([Person(name="x") for _ in range(100)]),
        "update": lambda: people.where(age__gt=5).update(age=7),
        "delete one": lambda: gone.delete(),
        "delete": lambda: people.where(age=7).delete(),
    }


def counted(storage, counting):
    """Do everything; give the counts by name."""
    counts = {}
    for name, act in acts(storage).items():
        with counting() as calls:
            act()
        counts[name] = len(calls)
    return counts


MOST = {
    # SQLite, MongoDB, Tokyo Tyrant
    "get": (1, 1, 1),
    "get many": (1, 1, 2),
    "all": (1, 1, 1),
    "some": (4, 1, 1),
    "first": (4, 1, 1),
    "count": (4, 1, 1),
    "exists": (4, 1, 1),
    "values": (4, 1, 1),
    "save new": (1, 1, 1),
    "save changed": (1, 1, 1),
    "save unchanged": (0, 0, 0),
    "save many": (102, 1, 1),
    "update": (4, 1, 4),
    "delete one": (1, 1, 1),
    "delete": (4, 1, 3),
}
"""Statements, commands and requests: SQLite asks for facts in the same transaction."""


def most(found, place):
    """Fail if anything takes more than it did."""
    assert found.keys() == MOST.keys()
    more = {name: n for name, n in found.items() if n > MOST[name][place]}
    assert more == {}


def test_statements_of_sqlite(tmp_path, monkeypatch):
    run = []
    connect = sqlite3.connect

    def traced(*arguments, **settings):
        connection = connect(*arguments, **settings)
        connection.set_trace_callback(run.append)
        return connection

    @contextmanager
    def counting():
        run.clear()
        yield run

    monkeypatch.setattr(sqlite3, "connect", traced)
    with sqlite.Storage(tmp_path / "people.db") as storage:
        most(counted(storage, counting), 0)


@pytest.mark.server
def test_commands_of_mongodb():
    mongo_places = pytest.importorskip("mongo_places")
    with (
        mongo_places.places_on(mongod_module().standalone_url()) as places,
        places.storage() as storage,
    ):
        collection = places.collection(storage)
        wanted = {"ns": collection.full_name}

        @contextmanager
        def counting():
            run = []
            places.database.command("profile", 2)
            yield run
            places.database.command("profile", 0)
            run += places.database["system.profile"].find(wanted)
            places.database.drop_collection("system.profile")

        most(counted(storage, counting), 1)


@pytest.mark.server
def test_requests_of_tokyo_tyrant(monkeypatch):
    run = []
    exchange = Connection.exchange

    def noted(self, frames, commands):
        run.append(commands)
        return exchange(self, frames, commands)

    @contextmanager
    def counting():
        run.clear()
        yield run

    monkeypatch.setattr(Connection, "exchange", noted)
    with (
        tyrant.Server() as server,
        tokyo_tyrant.Storage(**server.settings) as storage,
    ):
        most(counted(storage, counting), 2)


def modules_after(program):
    """Give the modules of ours that a program has imported at its end."""
    program += (
        "\nimport sys; print(*[m for m in sys.modules if m.startswith('pymodels')])"
    )
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60
    )
    assert result.returncode == 0, result.stderr
    return [name for name in result.stdout.split() if name.startswith("pymodels")]


def test_modules_that_are_imported_at_the_start():
    opened = "import pymodels; pymodels.get_storage('{}')"
    assert len(modules_after("import pymodels")) <= 44
    assert len(modules_after(opened.format("memory://"))) <= 51
    assert len(modules_after(opened.format("sqlite:///:memory:"))) <= 66


def test_files_on_the_way_of_a_save_on_memory():
    with memory.Storage() as storage:
        Person(name="first").save(storage)
        way = journey(lambda: Person(name="Ada").save(storage))
    # The goal is 6 files, 10 moves and 6 climbs.
    assert len(way.files) <= 9, way.files
    assert way.moves <= 11
    assert way.climbs <= 3


def test_files_on_the_way_of_a_question_on_sqlite(tmp_path):
    with sqlite.Storage(tmp_path / "people.db") as storage:
        people = Person.objects(storage)
        storage.save_many([Person(name=f"n{n}", age=n) for n in range(PEOPLE)])

        def ask():
            (found,) = people.where(age__gt=27, name__ne="n28").order_by("name")
            assert found.age == 29

        ask()
        way = journey(ask)
    # The goal is 10 files and 50 moves; one condition makes 43 of them.
    assert len(way.files) <= 19, way.files
    assert way.moves <= 56
