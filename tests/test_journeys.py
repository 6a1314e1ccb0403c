"""The journeys that docs/architecture.md draws are those that the calls take."""

import re
import runpy
from collections.abc import Callable, Iterator

import pytest
from imports import PACKAGE, name_of
from journeys import journey

import pymodels
from pymodels import Model

ROOT = PACKAGE.parent
PAGE = (ROOT / "docs" / "architecture.md").read_text("utf-8")


class Person(Model):
    name: str
    age: int | None = None


def section(heading: str) -> str:
    text = PAGE.partition(f"\n{heading}\n")[2]
    return re.split(r"^#+ ", text, maxsplit=1, flags=re.M)[0]


def drawn(heading: str) -> list[tuple[str, str]]:
    """Give the modules and functions of a journey of the page."""
    steps = re.findall(r"^  (\S+\.py) +(\S+)", section(heading), re.M)
    return [(name_of(PACKAGE / file), function) for file, function in steps]


@pytest.fixture
def memory() -> Iterator[pymodels.BaseStorage]:
    with pymodels.get_storage("memory://") as storage:
        yield storage


def check(heading: str, work: Callable[[], object]) -> None:
    way, steps = journey(work), drawn(heading)
    assert [module for module, _ in steps] == list(way.files)
    assert [step for step in steps if step not in way.functions] == []


def test_a_query(tmp_path):
    with pymodels.get_storage(f"sqlite:///{tmp_path / 'people.db'}") as storage:
        Person(name="Ada", age=36).save(storage)

        def ask() -> None:
            for _ in Person.objects(storage).where(age__gt=18).order_by("-name"):
                pass

        ask()
        check("### A query", ask)


def test_a_save_of_a_new_record(memory):
    Person(name="Guido").save(memory)
    ada = Person(name="Ada", age=36)
    check("### A save of a new record", lambda: ada.save(memory))


def test_a_save_of_a_changed_record(memory):
    key = Person(name="Ada", age=35).save(memory)
    ada = memory.get(Person, key)
    ada.age = 36
    ada.save()
    ada.age = 37
    check("### A save of a changed record", ada.save)


def test_rooms_are_those_of_the_layers():
    """A row of several rooms names what all of them together may import."""
    may_import = runpy.run_path(str(ROOT / "tests" / "test_layers.py"))["MAY_IMPORT"]
    rows = re.findall(r"^\| (`.+?) \| .+? \| ?(.*?) ?\|$", section("## Rooms"), re.M)
    on_page = {
        tuple(re.findall(r"`([\w.]+)`", rooms)): set(others.replace("`", "").split())
        for rooms, others in rows
    }
    told = {
        rooms: {other for room in rooms for other in may_import[room].split()}
        for rooms in on_page
    }
    assert on_page == told
    assert {room for rooms in on_page for room in rooms} == may_import.keys() - {
        "backends"
    }
