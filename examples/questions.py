"""What the demonstration asks: a dozen small functions over an open storage.

Each returns rows to show. None of them knows which database it asks.
"""

from collections.abc import Callable
from datetime import date
from typing import Any

from examples import world
from examples.world import Capital, City, Country, Place, Stop
from pymodels import BaseQuery, BaseStorage, F

Rows = list[dict[str, Any]]


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
    countries = Country.objects(db).where(languages__contains="nl")
    return [
        {"country": country.name, "languages": ", ".join(country.languages)}
        for country in countries.order_by("name")
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
    """Large places called burg or bourg, by regular expression."""
    return [
        {"name": place.name, "type": place.type, "population": place.population}
        for place in large_burgs(db).order_by("name")
    ]


def large_burgs(db: BaseStorage) -> BaseQuery[Place]:
    return Place.objects(db).where(population__gte=600_000, name__matches="bo?urg$")


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
