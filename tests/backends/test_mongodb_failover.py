"""A primary is killed while threads write: what was acknowledged is there.

Each write is acknowledged, has failed, or is uncertain, and no other thing.
"""

import threading
from collections.abc import Callable
from typing import Any

import mongod
import pytest
from lengths import length
from mongo_places import places_on

import pymodels
from pymodels import Model, StorageError, WriteUncertain

pytestmark = pytest.mark.server

ROUNDS = length(1, 5)
WRITERS = 4
MORE = 100


class Entry(Model):
    text: str
    number: int = 0


class Worker(threading.Thread):
    """A thread that repeats its work until it is told to stop."""

    def __init__(self, step: Callable[[int], None]) -> None:
        super().__init__(daemon=True)
        self.step = step
        self.stopping = threading.Event()
        self.unexpected: BaseException | None = None

    def run(self) -> None:
        number = 0
        while not self.stopping.is_set() and self.unexpected is None:
            try:
                self.step(number)
            except BaseException as error:
                self.unexpected = error
            number += 1


class Writer(Worker):
    """Creates records and counts up one of its own; notes what came of it."""

    def __init__(self, storage: Any, name: str) -> None:
        super().__init__(self.write)
        self.storage, self.called = storage, name
        self.outcomes: dict[str, str] = {}
        self.counter = Entry(text="counter")
        self.counter.save(storage, key=name)
        self.acknowledged = self.attempted = 0

    def write(self, number: int) -> None:
        key = f"{self.called}-{number}"
        entry = Entry(text=self.called, number=number)
        self.outcomes[key] = outcome(lambda: entry.save(self.storage, key=key))
        self.counter.number = self.attempted = number + 1
        if outcome(self.counter.save) == "acknowledged":
            self.acknowledged = self.attempted

    @property
    def count(self) -> int:
        return list(self.outcomes.values()).count("acknowledged")


class Reader(Worker):
    """Reads one record over and over."""

    def __init__(self, storage: Any, key: str) -> None:
        super().__init__(self.read)
        self.storage, self.key, self.count = storage, key, 0

    def read(self, number: int) -> None:
        try:
            assert self.storage.get(Entry, self.key).text == "counter"
        except StorageError:
            return
        self.count += 1


def outcome(write: Callable[[], object]) -> str:
    """Say what came of a write; any other error is none of those there may be."""
    try:
        write()
    except WriteUncertain:
        return "uncertain"
    except StorageError:
        return "failed"
    return "acknowledged"


@pytest.fixture
def servers():
    servers = mongod.replica_set()
    yield servers
    servers.restore()


@pytest.fixture
def places(servers):
    with places_on(servers.url) as places:
        yield places


@pytest.fixture
def url(servers, places):
    return mongod.with_path(servers.url, places.name)


@pytest.fixture
def storage(url):
    with pymodels.get_storage(url) as opened:
        yield opened


@pytest.fixture
def impatient(url):
    """Give a storage that does not ask a second time for a lost answer."""
    with pymodels.get_storage(f"{url}&retryWrites=false") as opened:
        yield opened


def wait_for_more(workers):
    """Wait until each worker has done some more."""
    goals = [worker.count + MORE for worker in workers]

    def is_reached() -> bool:
        for worker in workers:
            if worker.unexpected is not None:
                raise worker.unexpected
        return all(one.count >= goal for one, goal in zip(workers, goals, strict=True))

    mongod.until(is_reached, "the workers did not go on")


def kill_primary(servers, workers):
    """Kill the primary, let the others go on without it, and bring it back."""
    primary = servers.primary()
    primary.kill()
    assert servers.primary() is not primary
    wait_for_more(workers)
    primary.restart()
    servers.wait()


def test_no_acknowledged_write_is_lost(servers, storage, impatient):
    storages = [storage, impatient] * (WRITERS // 2)
    writers = [Writer(one, f"writer{n}") for n, one in enumerate(storages)]
    workers = [*writers, Reader(storage, "writer0")]
    for worker in workers:
        worker.start()
    try:
        for _ in range(ROUNDS):
            wait_for_more(workers)
            kill_primary(servers, workers)
    finally:
        for worker in workers:
            worker.stopping.set()
        for worker in workers:
            worker.join()
    there = set(storage)
    outcomes = {key: said for one in writers for key, said in one.outcomes.items()}
    acknowledged = {key for key, said in outcomes.items() if said == "acknowledged"}
    failed = {key for key, said in outcomes.items() if said == "failed"}
    assert acknowledged - there == set()
    assert failed & there == set()
    assert len(acknowledged) >= ROUNDS * WRITERS * MORE
    for writer in writers:
        final = storage.get(Entry, writer.called).number
        assert writer.acknowledged <= final <= writer.attempted


def test_a_primary_that_hangs_is_replaced(servers, storage):
    """The driver's monitor gives up on it; writes wait or are uncertain."""
    Entry(text="before").save(storage, key="before")
    primary = servers.primary()
    primary.stop()
    try:
        mongod.until(
            lambda: outcome(lambda: Entry(text="x").save(storage)) == "acknowledged",
            "nothing was acknowledged",
        )
        assert storage.get(Entry, "before").text == "before"
    finally:
        primary.resume()
        servers.wait()
    assert "before" in storage


def test_a_transaction_whose_primary_is_killed_is_all_or_nothing(servers, storage):
    Entry(text="kept", number=1).save(storage, key="kept")

    def move():
        with storage.transaction():
            storage["kept"] = {"text": "kept", "number": 0}
            servers.primary().kill()
            storage["new"] = {"text": "new", "number": 1}

    assert outcome(move) in {"failed", "uncertain"}
    servers.restore()
    assert storage["kept"]["number"] + ("new" in storage) == 1
    with storage.transaction():
        storage["new"] = {"text": "new", "number": 1}
    assert "new" in storage
