"""What only Tokyo Tyrant does: its settings, its server's limits, what it pushes."""

import os
import signal
import threading
import warnings
from datetime import date, datetime

import pytest
import tyrant

import pymodels
from pymodels import (
    F,
    LostUpdateWarning,
    Model,
    SettingsError,
    StorageBusy,
    StorageClosed,
    StorageError,
    Unsupported,
    WriteUncertain,
)
from pymodels.backends.tokyo_tyrant import Storage
from pymodels.indexes import Index
from pymodels.tokyo.client import Refused
from pymodels.tokyo.search import IndexType

pytestmark = pytest.mark.server


class Person(Model):
    name: str
    age: int | None = None
    is_glad: bool | None = None
    born: date | None = None
    seen: datetime | None = None

    class Meta:
        indexes = ["name", ("age", "-name"), "born"]


class Aged(Model):
    """The same records, of which the age is another kind of thing."""

    name: str
    age: str


class Plain(Model):
    name: str


class OneIndex(Model):
    name: str

    class Meta:
        indexes = ["name"]


class TwoIndexes(OneIndex):
    age: int = 0

    class Meta:
        indexes = ["age"]


@pytest.fixture(scope="module")
def server():
    with tyrant.Server() as started:
        yield started


@pytest.fixture(scope="module")
def original():
    with tyrant.Server(is_original=True) as started:
        yield started


@pytest.fixture
def storage(server):
    with Storage(**server.settings) as opened:
        opened.clear()
        for column in opened.indexes.all():
            opened.client.set_index(column, IndexType.VOID)
        yield opened


@pytest.fixture
def people(storage):
    storage.save_many(
        Person(name=f"p{n:02}", age=n, is_glad=n % 2 == 0, born=date(1950 + n, 1, 1))
        for n in range(50)
    )
    return storage


def is_exact(query):
    """Say whether the server alone answers."""
    return "exact by the notes" in str(query.plan())


# Settings.


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"kind": "BTREE"}, "TABLE, HASH"),
        ({"port": "x"}, "takes a number"),
        ({"timeout": 0}, "takes a number"),
        ({"timeout": float("nan")}, "takes a number"),
        ({"timeout": float("inf")}, "to 86400"),
        ({"timeout": 1e300}, "to 86400"),
        ({"pool_size": 0}, "takes a number"),
        ({"host": ""}, "takes a name"),
        ({"socket": ""}, "takes a path"),
        ({"socket": "\ud800"}, "no file"),
        ({"lost_updates": "maybe"}, "warn, allow, forbid"),
    ],
)
def test_a_wrong_setting_is_named(settings, said):
    with pytest.raises(SettingsError, match=said):
        Storage(**settings)


@pytest.mark.parametrize(
    ("url", "settings"),
    [
        ("tokyo-tyrant://", {}),
        ("tokyo-tyrant://example.org", {"host": "example.org"}),
        ("tokyo-tyrant://h:99/", {"host": "h", "port": 99}),
        ("tokyo-tyrant://[::1]:99", {"host": "::1", "port": 99}),
        ("tokyo-tyrant:///run/a%20b", {"socket": "/run/a b"}),
    ],
)
def test_a_url_says_where_the_server_is(url, settings):
    assert Storage.url_settings(url) == settings


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"host": "localhost", "socket": "/s"}, "host and socket"),
        ({"port": 1978, "socket": "/s"}, "port and socket"),
        ({"host": "h", "port": 1, "socket": "/s"}, "host, port and socket"),
        ({"url": "tokyo-tyrant://h?socket=/s"}, "host and socket"),
        ({"url": "tokyo-tyrant:///s?port=1978"}, "port and socket"),
        ({"url": "tokyo-tyrant:///s", "host": "h"}, "host and socket"),
    ],
)
def test_a_socket_and_a_port_exclude_each_other(settings, named):
    backend = {} if "url" in settings else {"backend": "tokyo_tyrant"}
    with pytest.raises(SettingsError, match=f"^{named} exclude each other"):
        pymodels.get_storage({**backend, **settings})


@pytest.mark.parametrize("rest", ["u:p@host", "host/table", "host:x", "host:99999"])
def test_a_wrong_url_is_refused(rest):
    with pytest.raises(SettingsError):
        Storage.url_settings(f"tokyo-tyrant://{rest}")


def test_a_storage_is_opened_by_url_and_spells_it(server):
    with pymodels.get_storage(f"tokyo-tyrant://{server.socket}") as storage:
        assert str(storage) == f"tokyo-tyrant://{server.socket}"
        assert storage.connection.count() == len(storage)


@pytest.mark.parametrize("host", ["my..host", "x" * 70, "\ud800"])
def test_what_can_be_no_host_is_named(host):
    with pytest.raises(StorageError, match="no connection"):
        Storage(host=host, timeout=1)


def test_a_socket_is_where_it_was_when_the_storage_was_opened(server, monkeypatch):
    monkeypatch.chdir(server.folder)
    with Storage(socket="socket") as storage:
        monkeypatch.chdir("/")
        assert str(storage) == f"tokyo-tyrant://{server.socket}"
        assert storage.client.address.path == server.socket


def test_a_socket_may_have_a_short_name_in_a_deep_folder(server, tmp_path, monkeypatch):
    folder = tmp_path / ("x" * 100)
    folder.mkdir()
    (folder / "s").symlink_to(server.socket)
    monkeypatch.chdir(folder)
    with Storage(socket="s") as storage:
        assert len(storage) >= 0


def test_a_server_s_file_of_another_kind_is_refused(server):
    with pytest.raises(SettingsError, match="'table'"):
        Storage(**server.settings, kind="HASH")


def test_nobody_who_listens_is_a_clear_error():
    with pytest.raises(StorageError, match="pymodels serve"):
        Storage(port=tyrant.free_port(), host="127.0.0.1")


# What the server does alone.


@pytest.mark.parametrize(
    ("lookups", "number"),
    [
        ({"name": "p07"}, 1),
        ({"name__in": ["p07", "p08", "x y"]}, 2),
        ({"name__startswith": "p0"}, 10),
        ({"name__endswith": "7"}, 5),
        ({"name__contains": "1"}, 14),
        ({"age": 7}, 1),
        ({"age__in": [7, 8]}, 2),
        ({"age__gt": 7}, 42),
        ({"age__between": (7, 9)}, 3),
        ({"is_glad": True}, 25),
        ({"name__ne": "p07"}, 49),
        ({"age__exists": True}, 50),
        ({"name__startswith": "p", "age__lt": 5, "is_glad": False}, 2),
    ],
)
def test_what_is_promised_runs_on_the_server(people, lookups, number):
    with Storage(socket=people.client.address.path, residual="forbid") as forbidding:
        query = Person.objects(forbidding).where(**lookups)
        assert is_exact(query)
        assert query.count() == number
        assert len(list(query)) == number
        assert query.delete() == number
        assert len(forbidding) == 50 - number


def test_keys_are_ordered_and_sliced_on_the_server(people):
    query = Person.objects(people).where(age__gte=10).order_by("-key")
    keys = sorted(people, reverse=True)
    assert query[5:8].plan().is_pushed
    assert list(query[5:8].keys()) == keys[5:8]


def test_rows_of_another_model_are_told_apart_by_their_notes(people):
    Aged(name="odd", age="7").save(people)
    query = Person.objects(people).where(age=7)
    assert is_exact(query)
    assert query.count() == 1
    assert Aged.objects(people).where(age="7").count() == 1


def test_rows_of_other_programs_are_looked_at(people):
    people.connection.put(b"theirs", {b"name": b"q", b"age": b"7 years"})
    query = Person.objects(people).where(age=7)
    assert not is_exact(query)
    assert query.count() == 1
    people.connection.put(b"theirs", {b"name": b"q", b"age": b"7"})
    assert query.count() == 2
    assert query.delete() == 2
    assert len(people) == 49


def test_what_others_write_meanwhile_is_noticed(people):
    query = Person.objects(people).where(age=7)
    assert query.count() == 1
    with Storage(socket=people.client.address.path) as another:
        Aged(name="odd", age="7").save(another)
        Person(name="new", age=7).save(another)
        another.connection.put(b"theirs", {b"name": b"q", b"age": b"7"})
    assert query.count() == 3


def test_a_long_result_comes_in_pieces(storage):
    storage.save_many(Person(name=f"n{n}", age=n) for n in range(5_000))
    found = Person.objects(storage).where(age__gte=1_000)
    assert found.count() == 4_000
    assert sorted(one.age for one in found) == list(range(1_000, 5_000))
    keys = list(found.order_by("key")[500:3_500].keys())
    assert keys == sorted(found.keys())[500:3_500]


def test_records_too_large_for_one_answer_come_in_smaller_ones(storage):
    large = "x" * (2 * 2**20)
    for number in range(50):
        storage[f"k{number}"] = {"name": large, "age": number}
    ages = {record["age"] for _, record in storage.records()}
    assert ages == set(range(50))
    assert len(storage.get_many(Person, [f"k{n}" for n in range(50)])) == 50


def test_a_record_that_is_too_large_is_a_clear_error(storage):
    with pytest.raises(StorageError, match="too large"):
        storage["k"] = {"name": "x" * (65 * 2**20)}
    storage["k"] = {"name": "x"}


@pytest.mark.parametrize("which", ["server", "original"])
def test_values_with_a_nul_of_other_programs_stay_whole(request, which):
    served = request.getfixturevalue(which)
    odd = {b"name": b"a\0b\0c", b"b": b"x"}
    with Storage(**served.settings, lost_updates="allow") as storage:
        storage.clear()
        Person(name="ours", age=1).save(storage, key="k")
        storage.connection.put(b"odd", odd)
        storage.connection.put(b"odder", {b"v": b"1\x002"})
        found = dict(storage.records())
        assert found.keys() == {"k", "odd", "odder"}
        assert found["odd"].keys() == {"name", "b"}
        assert [one.name for one in Person.objects(storage).where(age=1)] == ["ours"]
        one = storage.get(Person, "k")
        one.save_as("copy")
        assert storage.connection.get(b"odd") == odd


# Indexes.


def test_indexes_are_made_listed_and_made_anew(people):
    names = people.ensure_indexes(Person)
    expected = {"name:lexical", "age:decimal", "born:lexical"}
    assert expected <= {*" ".join(names).split()}
    assert expected <= set(people.list_indexes())
    assert set(people.reindex()) == expected
    assert set(people.reindex(Person)) == expected
    plan = str(Person.objects(people).where(name="p07").plan())
    assert 'using an index: "name"' in plan
    plan = str(Person.objects(people).where(age=7).plan())
    assert 'using an index: "age"' in plan


def test_unique_indexes_are_refused(storage):
    class Unique(Person):
        class Meta:
            indexes = [Index("name", unique=True)]

    with pytest.raises(Unsupported):
        storage.ensure_indexes(Unique)


@pytest.mark.parametrize("which", ["server", "original"])
def test_no_index_is_made_over_an_empty_value(storage, request, which):
    served = request.getfixturevalue(which)
    with Storage(**served.settings) as opened:
        opened.clear()
        opened.connection.put(b"k", {b"name": b""})
        with pytest.raises(StorageError, match="empty value"):
            opened.ensure_indexes(Person)
        with pytest.raises(StorageError, match="empty value"):
            opened.reindex(Person)
        assert len(opened) == 1


def test_an_original_server_is_not_ended_by_an_empty_value(original):
    with Storage(**original.settings, lost_updates="allow") as storage:
        storage.clear()
        storage.connection.put(b"k", {b"name": b"", b"age": b"1"})
        storage.connection.set_index(b"born", IndexType.LEXICAL)
        with Storage(**original.settings, lost_updates="allow") as another:
            another.save_many([Person(name="", age=2)])
            copy = next(iter(another.fetch(["k"])))
            another.replace(("copy", *copy[1:]))
            storage.connection.out(b"k")
            storage.connection.out(b"copy")
            another.ensure_indexes(Person)
            with pytest.raises(StorageError, match="bears no empty value"):
                another.replace(("copy", *copy[1:]))
        assert len(storage) == 1
        for column in (b"name", b"age", b"born"):
            storage.connection.set_index(column, IndexType.VOID)


def test_an_original_server_s_index_is_used_once_it_was_made_anew(original):
    with Storage(**original.settings, lost_updates="allow") as storage:
        storage.clear()
        storage.save_many(Person(name=f"p{n}", age=n) for n in range(20))
        storage.ensure_indexes(Person)
        query = Person.objects(storage).where(name="p7")
        assert "scanning the whole table" in str(query.plan())
        assert "name:lexical" in storage.reindex(Person)
        assert 'using an index: "name"' in str(query.plan())
        assert query.count() == 1
        original.kill()
        original.start()
        assert query.count() == 1
        assert "scanning the whole table" in str(query.plan())
        assert "name:lexical" in storage.reindex()
        assert query.one().age == 7
        for column in (b"name", b"age", b"born"):
            storage.connection.set_index(column, IndexType.VOID)


# Changes to one record.


def test_a_change_is_one_step(storage):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Person(name="a", age=0).save(storage, key="k")

        def count_up():
            for _ in range(100):
                one = storage.get(Person, "k")
                one.born = date.fromordinal(1 + one.age)
                one.save()

        threads = [threading.Thread(target=count_up) for _ in range(4)]
        for thread in threads:
            thread.start()
        for number in range(200):
            one = storage.get(Person, "k")
            one.age = number
            one.save()
        for thread in threads:
            thread.join()
    assert storage["k"]["age"] == 199
    assert storage["k"]["born"] is not None


def test_an_original_server_is_warned_of_once(original):
    with Storage(**original.settings) as storage:
        storage.clear()
        one = Person(name="a", age=1)
        one.save(storage)
        one.age = 2
        with pytest.warns(LostUpdateWarning, match="pymodels serve"):
            one.save()
        one.age = 3
        one.save()
        assert storage[one.key]["age"] == 3


def test_lost_updates_can_be_forbidden(original):
    with Storage(**original.settings, lost_updates="forbid") as storage:
        storage.clear()
        one = Person(name="a", age=1)
        one.save(storage)
        one.age = 2
        with pytest.raises(Unsupported, match="atomic patch"):
            one.save()
        assert storage[one.key]["age"] == 1


def test_lost_updates_can_be_allowed(original):
    with Storage(**original.settings, lost_updates="allow") as storage:
        storage.clear()
        one = Person(name="a", age=1)
        one.save(storage)
        one.age = 2
        one.save()
        assert storage[one.key]["age"] == 2


# Connections.


def test_more_threads_than_connections_wait(server):
    with Storage(**server.settings, pool_size=2, timeout=20) as storage:
        storage.clear()

        def write(writer):
            for number in range(50):
                Person(name="a", age=number).save(storage, key=f"{writer}-{number}")

        threads = [threading.Thread(target=write, args=(n,)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(storage) == 400


def test_a_thread_that_waits_for_too_long_is_told(server):
    with Storage(**server.settings, pool_size=1, timeout=0.2) as storage:
        with storage.client._pool.lent(), pytest.raises(StorageBusy, match="pool_size"):
            len(storage)
        assert len(storage) >= 0


def test_a_forked_child_is_refused(storage):
    storage["k"] = {"name": "a"}
    child = os.fork()
    if not child:
        try:
            storage["k"]
        except StorageClosed:
            os._exit(0)
        os._exit(1)
    assert os.waitpid(child, 0)[1] == 0
    assert storage["k"] == {"name": "a"}


def test_what_a_read_only_server_refuses_is_an_error(tmp_path):
    path = tmp_path / "x.tct"
    with tyrant.Server(path) as server, Storage(**server.settings) as storage:
        Person(name="a", age=1).save(storage, key="k")
        server.stop()
    with (
        tyrant.Server(path, "--readonly") as server,
        Storage(**server.settings) as storage,
    ):
        one = storage.get(Person, "k")
        assert Person.objects(storage).where(age=1).count() == 1
        one.age = 2
        for write in (
            one.save,
            one.delete,
            storage.clear,
            lambda: Person(name="b").save(storage, key="l"),
            lambda: Person(name="b").save(storage),
            lambda: storage.save_many([Person(name="b")]),
            lambda: storage.ensure_indexes(Person),
            lambda: Person.objects(storage).where(age=1).delete(),
            lambda: Person.objects(storage).where(age=1).update(age=3),
        ):
            with pytest.raises((Refused, StorageError)):
                write()
        assert storage["k"]["age"] == 1


def test_a_read_only_server_makes_no_index_and_says_so(tmp_path):
    path = tmp_path / "x.tct"
    with tyrant.Server(path) as server, Storage(**server.settings) as storage:
        storage.ensure_indexes(OneIndex)
        server.stop()
    with (
        tyrant.Server(path, "--readonly") as server,
        Storage(**server.settings) as storage,
    ):
        assert storage.ensure_indexes(OneIndex) == ["name:lexical"]
        assert storage.ensure_indexes(Plain) == []
        for make in (storage.ensure_indexes, storage.reindex):
            with pytest.raises(Refused, match="read-only and refused the index on"):
                make(TwoIndexes)
        assert storage.list_indexes() == ["name:lexical"]


def test_a_hash_has_no_indexes_to_make_anew(tmp_path):
    with (
        tyrant.Server(tmp_path / "x.tch") as server,
        Storage(**server.settings, kind="HASH") as storage,
    ):
        assert storage.reindex() == storage.reindex(Person) == []


def test_an_uncertain_write_says_so(server):
    with Storage(**server.settings, timeout=0.3) as storage:
        storage.clear()
        server.send(signal.SIGSTOP)
        try:
            with pytest.raises(WriteUncertain, match="nobody knows"):
                Person(name="a").save(storage, key="k")
        finally:
            server.send(signal.SIGCONT)


def test_expressions_and_other_lookups_agree_with_python(people):
    query = Person.objects(people)
    assert query.where((F.age < 5) | (F.name == "p40")).count() == 6
    assert query.where(born__year=1960).one().age == 10
    assert query.where(name__icontains="P1").count() == 10
    assert [one.age for one in query.order_by("-age")[:3]] == [49, 48, 47]
    assert query.where(age__lt=3).update(is_glad=None) == 3
    assert query.where(is_glad=None).count() == 3


def calls(storage):
    return int(storage.connection.stat()["cnt_misc"])


def test_a_save_asks_once_where_nobody_else_has_written(storage):
    person = Person(name="Ada", age=36)
    person.save(storage)
    before = calls(storage)
    person.age = 37
    person.save()
    assert calls(storage) == before + 1
    assert storage[person.key]["age"] == 37


def test_a_save_keeps_what_others_have_written_since(storage):
    person = Person(name="Ada", age=36)
    person.save(storage)
    other = storage.get(Person, person.key)
    other.age, other.is_glad = 40, True
    other.save()
    person.age = 37
    person.save()
    assert storage[person.key]["age"] == 37
    assert storage[person.key]["is_glad"] is True


def test_a_save_of_what_is_gone_says_so(storage):
    person = Person(name="Ada")
    person.save(storage)
    del storage[person.key]
    person.name = "Eve"
    with pytest.raises(pymodels.RecordNotFound):
        person.save()
    assert person.key not in storage
