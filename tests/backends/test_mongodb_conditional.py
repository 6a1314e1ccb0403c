"""Conditional writes on MongoDB: batches, races of several clients, other values."""

import uuid

import bson
import pytest
from servers import mongodb

import pymodels
from pymodels import Model
from pymodels.backends.mongodb.writing import swap_all

pytestmark = pytest.mark.server


class Job(Model):
    state: str
    number: int = 0


@pytest.fixture
def storages():
    with (
        mongodb() as url,
        pymodels.get_storage(url) as one,
        pymodels.get_storage(url) as other,
    ):
        yield one, other


ODD = {
    "_id": "odd",
    "uuid": bson.Binary.from_uuid(uuid.UUID(int=1)),
    "code": bson.Code("x"),
    "regex": bson.Regex("a", "i"),
    "nan": float("nan"),
    "int": 1,
    "long": bson.Int64(1),
    "date": bson.DatetimeMS(10**15),
    "decimal": bson.Decimal128("1.0"),
    "$set": {"a.b": ["$$ROOT"]},
    "ref": bson.DBRef("c", 1),
    "id": bson.ObjectId(),
    "min": bson.MinKey(),
}


def test_what_a_client_read_before_is_not_written_over(storages):
    one, other = storages
    keys = one.save_many([Job(state="new", number=n) for n in range(5)])
    rows = list(one.fetch(keys))
    del other[keys[0]]
    changed = other.get(Job, keys[1])
    changed.number = 99
    changed.save()
    swaps = [(row, (row[0], {**row[1], "state": "taken"})) for row in rows]
    by_key = dict(zip((row[0] for row in rows), one.swap(swaps), strict=True))
    assert by_key == {key: key not in keys[:2] for key in keys}
    states = [job.state for job in Job.objects(other).order_by("key")]
    assert states == ["new", "taken", "taken", "taken"]
    assert keys[0] not in other
    rows = list(one.fetch(keys))
    changed.number = 100
    changed.save()
    assert sum(one.swap([(row, None) for row in rows])) == 3
    assert list(other) == [keys[1]]


def test_every_value_is_compared_as_it_was_read(storages):
    one, _ = storages
    one.connection.insert_one(ODD)
    (row,) = one.fetch(["odd"])
    assert one.swap([(row, (row[0], {**row[1], "more": 1}))]) == [True]
    (row,) = one.fetch(["odd"])
    assert row[1]["more"] == 1
    assert one.swap([(row, None)]) == [True]


def test_a_batch_that_fails_in_part_says_how_many_were_written(storages):
    one, _ = storages

    class Unique(Model):
        number: int

        class Meta:
            indexes = [pymodels.Index("number", unique=True)]

    one.ensure_indexes(Unique)
    keys = one.save_many([Unique(number=n) for n in range(4)])
    numbers = Unique.objects(one)
    with pytest.raises(pymodels.WriteInterrupted, match="number") as caught:
        numbers.where(key__matches="")[:].update(number=9)
    assert caught.value.done == 1
    assert sorted(numbers.values("number")).count(9) == 1
    assert len(keys) == len(one)


def test_a_batch_is_one_request(storages, monkeypatch):
    one, _ = storages
    one.save_many([Job(state="new") for _ in range(400)])
    requests = []
    bulk_write = type(one.collection).bulk_write

    def counted(self, operations, **options):
        requests.append(len(operations))
        return bulk_write(self, operations, **options)

    monkeypatch.setattr(type(one.collection), "bulk_write", counted)
    assert Job.objects(one).where(state__matches="n.w").update(state="old") == 400
    assert Job.objects(one).where(state__matches="o.d").delete() == 400
    assert requests == [400, 400]


def test_nothing_to_write_is_no_request(storages):
    one, _ = storages
    assert swap_all(one.collection, [], one) == []


def test_changed_instances_are_saved_in_batches(storages, monkeypatch):
    one, other = storages
    jobs = [Job(state="new", number=n) for n in range(300)]
    one.save_many(jobs)
    requests = []
    bulk_write = type(one.collection).bulk_write

    def counted(self, operations, **options):
        requests.append(len(operations))
        return bulk_write(self, operations, **options)

    monkeypatch.setattr(type(one.collection), "bulk_write", counted)
    for job in jobs:
        job.state = "old"
    one.save_many(jobs)
    assert requests == [300]
    assert Job.objects(other).where(state="old").count() == 300


def test_a_changed_instance_whose_record_is_gone_undoes_the_batch(storages):
    one, other = storages
    jobs = [Job(state="new", number=n) for n in range(3)]
    keys = one.save_many(jobs)
    del other[keys[1]]
    for job in jobs:
        job.state = "old"
    with pytest.raises(pymodels.RecordNotFound, match=keys[1]):
        one.save_many(jobs)
    assert Job.objects(other).where(state="new").count() == 2
