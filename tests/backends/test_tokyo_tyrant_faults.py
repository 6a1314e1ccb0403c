"""Servers that die, stop, or are far down a bad line: a right answer or an error."""

import signal
import threading
from contextlib import suppress
from random import Random, SystemRandom

import pytest
import tyrant
from lengths import IS_SOAK, length
from tyrant_proxy import Proxy

from pymodels import Model, PyModelsError, StorageBusy, StorageError, WriteUncertain
from pymodels.backends.tokyo_tyrant import Storage

pytestmark = pytest.mark.server

ROUNDS = range(length(1, 20))
STEPS = 400
TIMEOUT = 0.3


def seed_of(number):
    return SystemRandom().randrange(2**32) if IS_SOAK else number + 6


class Counter(Model):
    number: int
    name: str

    class Meta:
        indexes = ["name", "number"]


@pytest.fixture(scope="module", params=["pymodels serve", "ttserver"])
def server(request):
    with tyrant.Server(is_original=request.param == "ttserver") as started:
        yield started


@pytest.fixture
def storage(server):
    with Storage(**server.settings, lost_updates="allow") as opened:
        opened.clear()
        yield opened


class Known:
    """What each record may hold, by what was acknowledged and what was not."""

    def __init__(self, direct, proxy):
        self.direct, self.proxy = direct, proxy
        self.states = {}

    def wrote(self, key, before, after, write):
        """Write, and note what may be there then; None stands for no record."""
        try:
            write()
        except WriteUncertain:
            self.proxy.settle()
            self.states[key] = self.seen(key)
            assert self.states[key] in (before, after), key
        except StorageError:
            assert self.seen(key) == before, key
        else:
            self.states[key] = after
            assert self.seen(key) == after, key

    def seen(self, key):
        """Look past the bad line, when what was under way has come to its end."""
        found = self.direct.get_many(Counter, [key])
        return found[0].number if found else None

    def there(self):
        return {
            key: number for key, number in self.states.items() if number is not None
        }


@pytest.mark.parametrize("number", ROUNDS)
def test_over_a_bad_line_answers_are_right_or_errors(server, storage, number):
    seed = seed_of(number)
    random = Random(seed)
    settings = {"lost_updates": "allow", "timeout": TIMEOUT, "pool_size": 2}
    with Proxy(server.socket, seed, 2 * TIMEOUT) as proxy:
        known = Known(storage, proxy)
        bad = open_at_last(socket=proxy.socket, **settings)
        for step in range(STEPS):
            one_step(bad, known, random, step)
        bad.close()
        assert proxy.faults > 50
    found = {one.key: one.number for one in Counter.objects(storage)}
    assert found == known.there()


def open_at_last(**settings):
    for _ in range(20):
        try:
            return Storage(**settings)
        except StorageError:
            continue
    raise AssertionError("it never opens")


def one_step(bad, known, random, step):
    there = known.there()
    key = random.choice([*there, "k0"])
    try:
        match random.randrange(7):
            case 0 | 1:
                new = Counter(number=step, name=f"n{step % 5}")
                known.wrote(
                    f"k{step}", None, step, lambda: new.save(bad, key=f"k{step}")
                )
            case 2 if key in there:
                one = bad.get(Counter, key)
                assert one.number == there[key]
                one.number = -step
                known.wrote(key, there[key], -step, one.save)
            case 3 if key in there:
                known.wrote(key, there[key], None, lambda: bad.delete(key))
            case 4:
                least = random.randrange(STEPS)
                found = Counter.objects(bad).where(number__gte=least).count()
                assert found == sum(number >= least for number in there.values())
            case 5:
                found = {one.key: one.number for one in Counter.objects(bad)}
                assert found == there
            case _:
                assert (key in bad) == (key in there)
    except PyModelsError:
        pass


@pytest.fixture
def own(request):
    """Servers of one test's own: they are killed."""
    started = []

    def start(**settings):
        started.append(tyrant.Server(**settings))
        return started[-1]

    yield start
    for one in started:
        one.remove()


both_servers = pytest.mark.parametrize("is_original", [False, True])


@both_servers
def test_a_stopped_server_is_an_error_in_time_and_then_answers_again(own, is_original):
    server = own(is_original=is_original)
    with Storage(**server.settings, timeout=0.5, lost_updates="allow") as storage:
        Counter(number=1, name="a").save(storage, key="k")
        one = storage.get(Counter, "k")
        server.send(signal.SIGSTOP)
        try:
            with pytest.raises(WriteUncertain):
                storage["x"] = {"number": 2, "name": "b"}
            with pytest.raises(StorageBusy):
                Counter.objects(storage).count()
            one.number = 3
            with pytest.raises(StorageBusy):
                one.save()
        finally:
            server.send(signal.SIGCONT)
        assert storage.get(Counter, "k").number == 1
        assert {one.number for one in Counter.objects(storage)} <= {1, 2}


@both_servers
def test_a_server_that_is_gone_is_an_error_and_the_next_one_is_found(own, is_original):
    server = own(is_original=is_original)
    with Storage(**server.settings) as storage:
        Counter(number=1, name="a").save(storage, key="k")
        server.kill()
        with pytest.raises(StorageError, match="no connection"):
            storage.get(Counter, "k")
        with pytest.raises(StorageError) as failed:
            Counter(number=2, name="b").save(storage, key="l")
        assert not isinstance(failed.value, WriteUncertain)
        server.start()
        assert storage.get(Counter, "k").number == 1
        Counter(number=2, name="b").save(storage, key="l")
        assert len(storage) == 2


def written_until_it_dies(server, end):
    """Write from four threads until the server is ended; give what was acknowledged."""
    acknowledged, tried = {}, set()

    def write(writer):
        with Storage(**server.settings, timeout=20) as storage:
            for number in range(100_000):
                key = f"{writer}-{number}"
                tried.add(key)
                Counter(number=number, name=f"n{number % 10}").save(storage, key=key)
                acknowledged[key] = number

    def until_an_error(writer):
        with suppress(StorageError):
            write(writer)

    threads = [threading.Thread(target=until_an_error, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    while len(acknowledged) < end:
        threads[0].join(0.001)
    return threads, acknowledged, tried


@pytest.mark.parametrize("number", ROUNDS)
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL], ids=str)
def test_what_was_acknowledged_is_there_when_the_server_starts_again(own, how, number):
    random = Random(seed_of(number))
    server = own()
    with Storage(**server.settings) as storage:
        storage.ensure_indexes(Counter)
    threads, acknowledged, tried = written_until_it_dies(
        server, random.randrange(50, 900)
    )
    server._end(how)
    for thread in threads:
        thread.join()
    server.start()
    with Storage(**server.settings) as storage:
        found = {one.key: one.number for one in Counter.objects(storage)}
        assert acknowledged.items() <= found.items()
        assert found.keys() <= tried
        for name in range(10):
            wanted = {key for key, number in found.items() if number % 10 == name}
            query = Counter.objects(storage).where(name=f"n{name}")
            assert set(query.keys()) == wanted
            assert query.count() == len(wanted)
        some = [number for number in found.values() if number >= 100]
        assert Counter.objects(storage).where(number__gte=100).count() == len(some)


@pytest.mark.parametrize("number", ROUNDS)
def test_a_server_killed_in_mid_query_gives_an_error_or_the_whole_answer(own, number):
    server = own()
    with Storage(**server.settings, timeout=20) as storage:
        storage.save_many(Counter(number=n, name=f"n{n % 10}") for n in range(3_000))
        server.stop()
        server.start()
        outcomes = []

        def ask():
            try:
                for _ in range(1_000):
                    outcomes.append(sum(1 for _ in Counter.objects(storage)))
            except StorageError as error:
                outcomes.append(error)

        threads = [threading.Thread(target=ask) for _ in range(3)]
        for thread in threads:
            thread.start()
        threads[0].join(Random(seed_of(number)).random() / 2)
        server.kill()
        for thread in threads:
            thread.join()
        answers = [one for one in outcomes if isinstance(one, int)]
        assert set(answers) <= {3_000}
        assert len(outcomes) - len(answers) == 3


@pytest.mark.parametrize("kind", ["TABLE", "HASH"])
@pytest.mark.parametrize("delay", [number / 50 for number in ROUNDS])
def test_a_killed_server_has_each_batch_whole_or_not_at_all(kind, delay):
    counters = [Counter(number=number, name="x") for number in range(8000)]
    with tyrant.Server(kind=kind) as server:
        killing = threading.Timer(0.1 + delay, server.kill)
        with Storage(**server.settings, kind=kind) as storage:
            killing.start()
            with suppress(StorageError):
                storage.save_many(counters)
            killing.join()
        server.start()
        with Storage(**server.settings, kind=kind) as storage:
            assert len(storage) % 2000 == 0
