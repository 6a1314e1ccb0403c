"""Many records in one table: loaded, indexed, asked and read in bounded memory."""

import tracemalloc

import pytest
from lengths import length

from pymodels import Model
from pymodels.backends.tokyo_cabinet import Storage

RECORDS = length(20_000, 1_000_000)
MOST_MEMORY = 4 * 2**20


class Person(Model):
    name: str
    city: str
    age: int

    class Meta:
        indexes = ["city", "age"]


@pytest.fixture(scope="module")
def storage(tmp_path_factory):
    path = tmp_path_factory.mktemp("large") / "people.tct"
    with Storage(path, bnum=2 * RECORDS) as made:
        made.save_many(
            Person(name=f"Ann {number}", city=f"city {number % 100}", age=number % 90)
            for number in range(RECORDS)
        )
        made.ensure_indexes(Person)
        yield made


def test_a_large_table_is_counted_and_asked_by_its_indexes(storage):
    people = Person.objects(storage)
    assert people.count() == len(storage) == RECORDS
    in_city = people.where(city="city 7")
    assert 'using an index: "city"' in str(in_city.plan())
    assert in_city.count() == RECORDS // 100
    old = people.where(age__gte=85)
    assert 'using an index: "age"' in str(old.plan())
    assert old.count() == sum(number % 90 >= 85 for number in range(RECORDS))
    assert in_city.where(age__lt=45).exists()


def test_a_large_table_is_read_in_bounded_memory(storage):
    tracemalloc.start()
    try:
        assert sum(1 for _ in Person.objects(storage)) == RECORDS
        assert sum(1 for _ in storage.records()) == RECORDS
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < MOST_MEMORY


def test_reading_goes_on_while_it_is_written(storage):
    seen = set()
    for number, person in enumerate(Person.objects(storage)):
        seen.add(person.key)
        if number % (RECORDS // 50) == 0:
            person.name += " who has become longer and moves to the end of the file"
            person.save()
            Person(name="new", city="nowhere", age=1).save(storage, key=f"new{number}")
    assert len(seen) == RECORDS
    assert Person.objects(storage).where(city="nowhere").delete() == 50
    assert len(storage) == RECORDS


def test_a_large_table_is_opened_again_and_trusted_when_that_pays(storage):
    path = storage.path
    storage.close()
    with Storage(path) as again:
        old = Person.objects(again).where(age=7)
        expected = sum(number % 90 == 7 for number in range(RECORDS))
        for _ in range(8):
            assert old.count() == expected
        assert 'using an index: "age"' in str(old.plan())
        assert Person.objects(again).where(city="city 3").delete() == RECORDS // 100
