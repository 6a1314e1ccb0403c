"""Membership by loading: what is asked of the server without it, and when with it."""

from datetime import date

import mongod
import pytest
from mongo_places import places_on
from pydantic import Field

from pymodels import F, InvalidRecord, Model

pytestmark = pytest.mark.server


class Visit(Model):
    city: str
    rating: int
    day: date


class Bounded(Visit):
    rating: int = Field(le=100)


class Rated(Model):
    """Another model of the same collection: no day, and a wider rating."""

    rating: int | str
    city: str | None = None


@pytest.fixture(scope="module")
def places():
    with places_on(mongod.standalone_url()) as made:
        yield made


@pytest.fixture
def storage(places):
    with places.storage() as opened:
        yield opened


def fill(storage, visits, others):
    """Save records of two models, those of the first spread among the others."""
    made = [Visit(city=f"c{n % 7}", rating=n, day=date(2000, 1, 1)) for n in visits]
    made += [Rated(rating=n, city=f"c{n % 7}") for n in others]
    made.sort(key=lambda one: one.rating)
    storage.save_many(made)


def finds(storage):
    """Give the filters by rating that the server is asked, from now on."""
    database = storage.connection.database
    database.drop_collection("system.profile")
    database.command("profile", 2)

    def found():
        database.command("profile", 0)
        asked = database["system.profile"].find({"op": "query"}).sort("ts")
        own = [one for one in asked if one["ns"].endswith(storage.connection.name)]
        filters = [one["command"]["filter"] for one in own]
        return [one for one in filters if "rating" in one]

    return found


def asks_kinds(asked):
    return "$type" in str(asked.get("city"))


@pytest.mark.parametrize("order", [(), ("rating",), ("-rating",), ("city", "-rating")])
@pytest.mark.parametrize("every", [1, 2, 3, 10, 1000])
def test_members_are_found_however_rare_they_are(storage, every, order):
    fill(storage, range(0, 1000, every), [n for n in range(1000) if n % every])
    query = Visit.objects(storage).where(rating__gte=100).order_by(*order)
    found = [visit.rating for visit in query]
    assert sorted(found) == [n for n in range(0, 1000, every) if n >= 100]
    assert found == [record["rating"] for _, record in query.records()] or not order


def test_the_server_is_not_asked_for_what_loading_shows(storage):
    fill(storage, range(300), range(300, 350))
    asked = finds(storage)
    assert len(list(Visit.objects(storage).where(rating__gte=0))) == 300
    (only,) = asked()
    assert not asks_kinds(only)


def test_the_server_is_asked_where_members_are_rare(storage):
    fill(storage, range(0, 5000, 50), [n for n in range(5000) if n % 50])
    asked = finds(storage)
    found = list(Visit.objects(storage).where(rating__gte=0).order_by("rating"))
    assert [one.rating for one in found] == list(range(0, 5000, 50))
    first, second = asked()
    assert not asks_kinds(first)
    assert asks_kinds(second)


def test_an_invalid_record_comes_after_the_valid_ones_before_it(storage):
    fill(storage, range(5), ())
    storage["bad"] = {"city": "c", "rating": 2**63 - 1, "day": date(2000, 1, 1)}
    reading = iter(Bounded.objects(storage).where(rating__gte=0).order_by("rating"))
    assert [next(reading).rating for _ in range(5)] == list(range(5))
    with pytest.raises(InvalidRecord):
        next(reading)


def test_a_record_of_another_kind_in_a_required_field_is_no_member(storage):
    fill(storage, range(5), ())
    storage["text"] = {"city": "c", "rating": "7", "day": date(2000, 1, 1)}
    storage["list"] = {"city": "c", "rating": [7], "day": date(2000, 1, 1)}
    storage["naive"] = {"city": "c", "rating": 7, "day": "2000-01-01"}
    query = Visit.objects(storage).where(F.city.startswith("c"))
    assert sorted(one.rating for one in query) == list(range(5))
    assert query.count() == 5
