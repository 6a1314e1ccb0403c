"""Threads and processes at once on one SQLite file, checked against a model."""

import json
import random
import threading
import time
from contextlib import ExitStack

import pytest
from children import forked
from lengths import length
from workers import RECORDS, Shared, Tall, Worker, assert_same, thread_work

from pymodels.backends.sqlite import Storage

SECONDS = length(2.0, 60.0)
THREADS = 8
PROCESSES = 4
TIMEOUT = 30.0


@pytest.fixture
def path(tmp_path):
    return tmp_path / "shared.db"


def process_work(path, name, until):
    def work(report):
        with Storage(path, timeout=TIMEOUT) as storage:
            worker = Worker(name, storage)
            worker.run(until)
            report(worker.told())

    return work


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
        many = THREADS + PROCESSES
        assert_same(storage, [json.loads(line) for line in told], many)
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
