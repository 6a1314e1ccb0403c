"""A conditional write is one step (law 15): of several who want it, one gets it."""

import threading
from collections.abc import Callable
from typing import Any

import pytest

from pymodels.storage import BaseStorage
from pymodels.testing.models import Job

JOBS, THREADS = 24, 4

QUESTIONS: dict[str, Callable[[Any, str], Any]] = {
    "whole": lambda jobs, key: jobs.where(key=key, state="new"),
    "finished here": lambda jobs, key: jobs.where(key=key, state__matches="^n.w$"),
    "sliced": lambda jobs, key: jobs.where(key=key, state="new")[:1],
    "both": lambda jobs, key: jobs.where(key=key, state__matches="^n.w$")[:1],
}

each_question = pytest.mark.parametrize("ask", QUESTIONS.values(), ids=QUESTIONS)


def in_threads(work: Callable[[int], None]) -> None:
    """Run a function in threads that begin together; raise what they raise."""
    start, failures = threading.Barrier(THREADS), []

    def run(number: int) -> None:
        start.wait(60)
        try:
            work(number)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=run, args=(n,)) for n in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(300)
    assert not any(thread.is_alive() for thread in threads)
    for failure in failures:
        raise failure


@pytest.fixture
def keys_of_jobs(storage: BaseStorage) -> list[str]:
    """Put new jobs into the storage."""
    return storage.save_many([Job(state="new") for _ in range(JOBS)])


@each_question
def test_15_each_job_is_taken_once(
    storage: BaseStorage, keys_of_jobs: list[str], ask: Callable[[Any, str], Any]
) -> None:
    jobs = Job.objects(storage)
    taken: list[tuple[str, str]] = []

    def take(number: int) -> None:
        me = f"worker {number}"
        for key in keys_of_jobs:
            count = ask(jobs, key).update(state="taken", owner=me)
            taken.extend([(key, me)] * count)

    in_threads(take)
    assert sorted(key for key, _ in taken) == keys_of_jobs
    assert {key: job["owner"] for key, job in storage.records()} == dict(taken)


@each_question
def test_15_what_was_renewed_is_not_deleted(
    storage: BaseStorage, keys_of_jobs: list[str], ask: Callable[[Any, str], Any]
) -> None:
    jobs = Job.objects(storage)
    renewed, deleted = [], []

    def work(number: int) -> None:
        for key in keys_of_jobs:
            if number % 2:
                renewed.extend([key] * ask(jobs, key).update(state="renewed"))
            else:
                deleted.extend([key] * ask(jobs, key).delete())

    in_threads(work)
    assert sorted(renewed + deleted) == keys_of_jobs
    assert sorted(storage) == sorted(renewed)


def test_15_many_at_once_are_counted_once(
    storage: BaseStorage, keys_of_jobs: list[str]
) -> None:
    jobs = Job.objects(storage)
    counts = []

    def take(number: int) -> None:
        new = jobs.where(state__matches="^new$")
        counts.append(new.update(state="taken", owner=f"worker {number}"))

    in_threads(take)
    assert sum(counts) == len(keys_of_jobs)


def test_15_an_unchanged_record_counts(storage: BaseStorage) -> None:
    Job(state="new", owner="me").save(storage)
    jobs = Job.objects(storage).where(state__matches="n")
    assert jobs.update(owner="me") == 1
    assert jobs[:5].update(owner="me") == 1
