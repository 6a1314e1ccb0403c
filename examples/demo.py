"""Ask the same questions of two databases: python -m examples.demo.

The countries of the world and its 34,000 cities go into an SQLite file. A dozen
questions follow, each a function below. Then one line of settings changes, everything
is asked again, and the answers have to be the same.
"""

import sys
import time
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from rich import box
from rich.console import Console
from rich.table import Table

import pymodels
from examples import world
from examples.world import Capital, City, Country, Place, Stop
from pymodels import BaseStorage, F

Rows = list[dict[str, Any]]


class Answer(NamedTuple):
    """What came back to one question."""

    title: str
    rows: Rows
    seconds: float


console = Console(highlight=False)


def fill(db: BaseStorage) -> Rows:
    """Saving the world."""
    countries = world.countries()
    db.save_many(countries.values())
    cities = world.cities(countries)
    db.save_many(cities)
    return [{"records": len(db)}]


def models(db: BaseStorage) -> Rows:
    """One storage, many models."""
    return [
        {"model": model.__name__, "records": model.objects(db).count()}
        for model in (Country, City, Capital, Place, Stop)
    ]


def largest(db: BaseStorage) -> Rows:
    """The largest cities, their countries in one batch."""
    cities = City.objects(db).order_by("-population")[:8].prefetch("country")
    return [
        {
            "city": city.name,
            "country": city.country.load().name,
            "population": city.population,
        }
        for city in cities
    ]


def dutch(db: BaseStorage) -> Rows:
    """Where Dutch is spoken."""
    found = Country.objects(db).where(languages__contains="nl").order_by("name")
    return [
        {"country": country.name, "languages": ", ".join(country.languages)}
        for country in found
    ]


def in_the_netherlands(db: BaseStorage) -> Rows:
    """Cities of one country: a reference equals an instance."""
    netherlands = Country.objects(db).get(code="NL")
    cities = City.objects(db).where(country=netherlands).order_by("-population")
    return [{"city": city.name, "population": city.population} for city in cities[:4]]


def continents(db: BaseStorage) -> Rows:
    """Distinct values of a field."""
    names = Country.objects(db).values("continent")
    return [{"continents": ", ".join(names)}]


def near_the_poles(db: BaseStorage) -> Rows:
    """Near the poles: paths into a nested model."""
    latitude = F.location.latitude
    cities = City.objects(db).where((latitude > 69) | (latitude < -53))
    return [
        {"city": city.name, "latitude": city.location.latitude}
        for city in cities.order_by("-location__latitude")
    ]


def megacities_elsewhere(db: BaseStorage) -> Rows:
    """Ten million people and more, but not in Asia."""
    cities = City.objects(db).where(population__gte=10_000_000)
    cities = cities.where_not(timezone__startswith="Asia/").order_by("name")
    return [{"city": city.name, "population": city.population} for city in cities]


def burgs(db: BaseStorage) -> Rows:
    """Large cities called burg or Burg."""
    cities = large_burgs(db).order_by("name")
    return [{"city": city.name, "population": city.population} for city in cities]


def large_burgs(db: BaseStorage) -> pymodels.BaseQuery[City]:
    return City.objects(db).where(population__gte=700_000, name__icontains="burg")


def both(db: BaseStorage) -> Rows:
    """Country or city? One model that sees both."""
    places = Place.objects(db).where(name__in=["Monaco", "Luxembourg", "Singapore"])
    return [
        {"name": place.name, "type": place.type, "population": place.population}
        for place in places.order_by("name", "-population")
    ]


def sizes(db: BaseStorage) -> Rows:
    """Changing many records at once."""
    cities = City.objects(db)
    changed = {
        "megacity": cities.where(population__gte=10_000_000).update(size="megacity"),
        "town": cities.where(population__lt=50_000).update(size="town"),
    }
    return [
        {"size": size, "changed": changed[size], "now": cities.where(size=size).count()}
        for size in cities.values("size")
    ]


def visit(db: BaseStorage) -> Rows:
    """Two models save parts of one record."""
    city = City.objects(db).get(name="Reykjavík")
    stop = db.get(Stop, city.key)
    stop.visited, stop.stars = date(2026, 6, 21), 5
    stop.save()
    city.population += 1
    city.save()
    names = ("name", "population", "timezone", "visited", "stars")
    return [{name: db[city.key][name] for name in names}]


def bonn(db: BaseStorage) -> Rows:
    """The same record as another model: Bonn, capital again."""
    city = City.objects(db).get(name="Bonn")
    city.convert_to(Capital, capital=True).save()
    germany = Country.objects(db).get(code="DE")
    capitals = Capital.objects(db).where(country=germany).order_by("name")
    return [{"capital": capital.name, "of": germany.name} for capital in capitals]


QUESTIONS: list[Callable[[BaseStorage], Rows]] = [
    fill,
    models,
    largest,
    dutch,
    in_the_netherlands,
    continents,
    near_the_poles,
    megacities_elsewhere,
    burgs,
    both,
    sizes,
    visit,
    bonn,
]


def ask(db: BaseStorage) -> Iterator[Answer]:
    for question in QUESTIONS:
        title = (question.__doc__ or "").rstrip(".")
        started = time.perf_counter()
        rows = question(db)
        yield Answer(title, rows, time.perf_counter() - started)


def main(db: BaseStorage) -> list[Answer]:
    """Ask everything of one database and show the answers as they come."""
    answers = []
    for answer in ask(db):
        show(answer.title, answer.rows)
        answers.append(answer)
    console.print("The plan for the burgs: what the database does, what we do\n")
    console.print(str(large_burgs(db).plan()), "", markup=False)
    return answers


def show(title: str, rows: Rows) -> None:
    console.print(title, style="bold")
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name, value in rows[0].items():
        is_number = isinstance(value, int | float)
        table.add_column(name, justify="right" if is_number else "left")
    for row in rows:
        cells = (f"{v:,}" if isinstance(v, int) else str(v) for v in row.values())
        table.add_row(*cells)
    console.print(table)


def compare(before: list[Answer], after: list[Answer]) -> bool:
    """Show how long both took and whether both say the same."""
    pairs = list(zip(before, after, strict=True))
    times = [
        {
            "question": old.title,
            "sqlite": round(old.seconds * 1000),
            "memory": round(new.seconds * 1000),
        }
        for old, new in pairs
    ]
    show("What took how long, in milliseconds", times)
    different = [(old, new) for old, new in pairs if old.rows != new.rows]
    for old, new in different:
        show(f"sqlite: {old.title}", old.rows)
        show(f"memory: {new.title}", new.rows)
    if different:
        console.print(f"[red]{len(different)} answers differ[/]")
    else:
        console.print(f"[green]{len(before)} answers, the same from both databases[/]")
    return not different


def run() -> int:
    with TemporaryDirectory() as folder:
        # this is the only line to change to change the backend
        database = f"sqlite:///{Path(folder, 'world.db')}"
        with pymodels.get_storage(database) as db:
            answers = main(db)

    database = "memory://"
    console.print("[bold]Now the same with this line of settings:[/]")
    console.print(f'database = "{database}"', "", markup=False)
    with pymodels.get_storage(database) as db:
        answers_again = list(ask(db))
    return 0 if compare(answers, answers_again) else 1


if __name__ == "__main__":
    sys.exit(run())
