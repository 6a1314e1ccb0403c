"""Threads and processes that write one storage at once, and keep count of it."""

import json
import random
import time

from pymodels import Model

RECORDS = 5


class Shared(Model):
    kind: str = "shared"
    counts: dict[str, int] = {}
    total: int = 0

    class Meta:
        must_have = {"kind": "shared"}


class Own(Model):
    kind: str = "own"
    worker: str
    number: int

    class Meta:
        must_have = {"kind": "own"}
        indexes = ["worker"]


class Tall(Model):
    name: str
    height: int = 0

    class Meta:
        indexes = ["height"]


class Worker:
    """Does random things to shared records, and keeps count of what it did."""

    def __init__(self, name, storage):
        self.name = name
        self.storage = storage
        self.random = random.Random(name)
        self.counts = dict.fromkeys(map(str, range(RECORDS)), 0)
        self.total = 0
        self.own = {}
        self.steps = 0

    def run(self, until):
        actions = [self.patch, self.add, self.insert, self.remove, self.update]
        while time.monotonic() < until:
            self.random.choice(actions)()
            self.steps += 1
            if self.steps % 7 == 0:
                self.look()

    def patch(self):
        """Write a field that is this worker's alone, of a record that is all's."""
        key = self.random.choice(list(self.counts))
        shared = self.storage.get(Shared, key)
        assert shared.counts.get(self.name, 0) == self.counts[key]
        self.counts[key] += 1
        shared.counts[self.name] = self.counts[key]
        shared.save()

    def add(self):
        """Raise a number that all raise: read and written in one transaction."""
        key = self.random.choice(list(self.counts))
        with self.storage.transaction():
            shared = self.storage.get(Shared, key)
            shared.total += 1
            shared.save()
        self.total += 1

    def insert(self):
        number = self.random.randrange(100)
        if self.random.random() < 0.5:
            self.own[Own(worker=self.name, number=number).save(self.storage)] = number
            return
        batch = [Own(worker=self.name, number=number) for _ in range(5)]
        for key in self.storage.save_many(batch):
            self.own[key] = number

    def remove(self):
        if self.own:
            key = self.random.choice(list(self.own))
            self.storage.delete(key)
            del self.own[key]

    def update(self):
        number = self.random.randrange(100)
        query = Own.objects(self.storage).where(worker=self.name, number__lt=number)
        done = query.update(number=number)
        assert done == sum(was < number for was in self.own.values())
        self.own = {key: max(was, number) for key, was in self.own.items()}

    def look(self):
        """A worker sees all that it wrote, and each record once."""
        query = Own.objects(self.storage).where(worker=self.name)
        found = [(own.key, own.number) for own in query]
        assert len(found) == len(self.own)
        assert dict(found) == self.own
        assert query.count() == len(self.own)

    def told(self):
        return json.dumps([self.name, self.steps, self.counts, self.total, self.own])


def thread_work(storage, name, until, told):
    try:
        worker = Worker(name, storage)
        worker.run(until)
        told.append(worker.told())
    except BaseException as error:
        told.append(json.dumps(f"{name}: {error!r}"))


def assert_same(storage, told, many):
    """The file holds the sum of what all workers say that they did."""
    failed = [line for line in told if isinstance(line, str)]
    assert failed == []
    assert len(told) == many
    shared = {one.key: one for one in Shared.objects(storage)}
    for name, _, counts, _, own in told:
        assert {key: shared[key].counts.get(name, 0) for key in shared} == counts
        query = Own.objects(storage).where(worker=name)
        assert {one.key: one.number for one in query} == own
    assert sum(one.total for one in shared.values()) == sum(line[3] for line in told)
    assert min(line[1] for line in told) > 0
