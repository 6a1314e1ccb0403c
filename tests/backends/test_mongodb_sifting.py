"""Members among the records of other models, however rare they are."""

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


@pytest.mark.parametrize("order", [(), ("rating",), ("-rating",), ("city", "-rating")])
@pytest.mark.parametrize("every", [1, 2, 3, 10, 1000])
def test_members_are_found_however_rare_they_are(storage, every, order):
    fill(storage, range(0, 1000, every), [n for n in range(1000) if n % every])
    query = Visit.objects(storage).where(rating__gte=100).order_by(*order)
    found = [visit.rating for visit in query]
    assert sorted(found) == [n for n in range(0, 1000, every) if n >= 100]
    assert found == [record["rating"] for _, record in query.records()] or not order


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
