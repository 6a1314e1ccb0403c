"""Threads and processes at once on one SQLite file, checked against a model.

About ten seconds of work; a minute if PYMODELS_SOAK is set.
"""

import json
import os
import random
import threading
import time
from contextlib import ExitStack

import pytest
from children import forked

from pymodels import Model
from pymodels.backends.sqlite import Storage

SECONDS = 60.0 if os.environ.get("PYMODELS_SOAK") else 6.0
THREADS = 8
PROCESSES = 4
RECORDS = 5
TIMEOUT = 30.0


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


@pytest.fixture
def path(tmp_path):
    return tmp_path / "shared.db"


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


def process_work(path, name, until):
    def work(report):
        with Storage(path, timeout=TIMEOUT) as storage:
            worker = Worker(name, storage)
            worker.run(until)
            report(worker.told())

    return work


def thread_work(storage, name, until, told):
    try:
        worker = Worker(name, storage)
        worker.run(until)
        told.append(worker.told())
    except BaseException as error:
        told.append(json.dumps(f"{name}: {error!r}"))


def test_threads_and_processes_lose_no_update(path):
    with Storage(path) as storage:
        for number in range(RECORDS):
            Shared().save(storage, key=str(number))
    until = time.monotonic() + SECONDS
    told = []
    with ExitStack() as stack:
        children = [
            stack.enter_context(forked(process_work(path, f"process{number}", until)))
            for number in range(PROCESSES)
        ]
        storage = stack.enter_context(Storage(path, timeout=TIMEOUT))
        threads = [
            threading.Thread(
                target=thread_work, args=(storage, f"thread{number}", until, told)
            )
            for number in range(THREADS)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for child in children:
            lines = child.reports.read().decode().splitlines()
            assert child.wait() == 0, lines
            told += lines
        assert_same(storage, [json.loads(line) for line in told])


def assert_same(storage, told):
    """The file holds the sum of what all workers say that they did."""
    failed = [line for line in told if isinstance(line, str)]
    assert failed == []
    assert len(told) == THREADS + PROCESSES
    shared = {one.key: one for one in Shared.objects(storage)}
    for name, _, counts, _, own in told:
        assert {key: shared[key].counts.get(name, 0) for key in shared} == counts
        query = Own.objects(storage).where(worker=name)
        assert {one.key: one.number for one in query} == own
    assert sum(one.total for one in shared.values()) == sum(line[3] for line in told)
    assert min(line[1] for line in told) > 0
    row = storage.connection.execute("PRAGMA integrity_check").fetchone()
    assert row == ("ok",)


READINGS = {
    "no order": lambda storage: Tall.objects(storage),
    "by what changes": lambda storage: Tall.objects(storage).order_by("height"),
    "where it changes": lambda storage: Tall.objects(storage).where(height__gte=0),
    "python": lambda storage: Tall.objects(storage).skip_invalid(),
}


@pytest.mark.parametrize("has_index", [True, False], ids=["index", "no index"])
@pytest.mark.parametrize("name", READINGS)
def test_raising_what_is_iterated_by_ends(path, name, has_index):
    with Storage(path, synchronous="off") as storage:
        if has_index:
            storage.ensure_indexes(Tall)
        storage.save_many(Tall(name=f"{n}", height=n) for n in range(500))
        seen = []
        for tall in READINGS[name](storage):
            seen.append(tall.key)
            tall.height += 1000
            tall.save()
            Tall(name="new", height=tall.height).save(storage)
            assert len(seen) <= 500
        assert len(set(seen)) == len(seen) == 500
        assert Tall.objects(storage).count() == 1000
        assert Tall.objects(storage).where(height__lt=1000).count() == 0


def test_raising_what_is_iterated_by_ends_in_a_transaction(path):
    with Storage(path, synchronous="off") as storage:
        storage.ensure_indexes(Tall)
        storage.save_many(Tall(name=f"{n}", height=n) for n in range(500))
        with storage.transaction():
            seen = []
            for tall in Tall.objects(storage).order_by("height"):
                seen.append(tall.key)
                tall.height += 1000
                tall.save()
        assert len(set(seen)) == len(seen) == 500


def test_an_iteration_sees_each_record_once_while_other_threads_write(path):
    with Storage(path, synchronous="off") as storage:
        storage.ensure_indexes(Tall)
        keys = set(storage.save_many(Tall(name=f"{n}", height=n) for n in range(2000)))
        done = threading.Event()
        errors = []

        def churn(seed):
            rng = random.Random(seed)
            mine = []
            try:
                while not done.is_set():
                    mine.append(Tall(name="new", height=9).save(storage))
                    tall = storage.get(Tall, rng.choice(mine))
                    tall.height += rng.randrange(3000)
                    tall.save()
                    Tall.objects(storage).where(name=f"{rng.randrange(2000)}").update(
                        height=rng.randrange(9000)
                    )
            except BaseException as error:
                errors.append(error)

        threads = [threading.Thread(target=churn, args=(seed,)) for seed in range(3)]
        for thread in threads:
            thread.start()
        try:
            for _ in range(5):
                seen = [tall.key for tall in Tall.objects(storage).order_by("height")]
                assert len(set(seen)) == len(seen)
                assert keys <= set(seen)
        finally:
            done.set()
            for thread in threads:
                thread.join()
        assert errors == []
