"""Transactions, where the storage has them; skipped with its reason where not."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from pymodels.errors import DuplicateKey, StorageBusy
from pymodels.storage import BaseStorage
from pymodels.testing.models import Person


class OnPurpose(Exception):
    """What goes wrong in a transaction."""


@contextmanager
def undone(storage: BaseStorage) -> Iterator[None]:
    """Let a transaction fail at its end."""
    with suppress(OnPurpose), storage.transaction():
        yield
        raise OnPurpose


def test_what_is_written_inside_stays(transactional: BaseStorage) -> None:
    with transactional.transaction() as inside:
        assert inside is transactional
        Person(name="Ada").save(inside, key="ada")
        assert "ada" in inside
    assert transactional["ada"]["name"] == "Ada"


def test_a_failure_undoes_all(transactional: BaseStorage) -> None:
    storage = transactional
    storage["kept"] = {"name": "kept", "age": 1}
    storage["gone"] = {"name": "gone"}
    before = dict(storage.records())
    with undone(storage):
        Person(name="Ada").save(storage, key="ada")
        kept = storage.get(Person, "kept")
        kept.age = 2
        kept.save()
        Person.objects(storage).where(name="gone").delete()
        Person.objects(storage).update(gender="x")
        storage.save_many([Person(name="1"), Person(name="2")])
        storage["kept"] = {"name": "other"}
    assert dict(storage.records()) == before


def test_clear_can_be_undone(transactional: BaseStorage) -> None:
    transactional["a"] = {"name": "a"}
    with undone(transactional):
        transactional.clear()
        assert len(transactional) == 0
    assert list(transactional) == ["a"]


def test_one_inside_another_is_a_savepoint(transactional: BaseStorage) -> None:
    storage = transactional
    with storage.transaction():
        storage["outer"] = {"name": "outer"}
        with undone(storage):
            storage["inner"] = {"name": "inner"}
            storage["outer"] = {"name": "changed"}
        assert dict(storage.records()) == {"outer": {"name": "outer"}}
        with storage.transaction():
            storage["second"] = {"name": "second"}
    assert set(storage) == {"outer", "second"}


def test_an_outer_failure_undoes_the_inner_one(transactional: BaseStorage) -> None:
    storage = transactional
    with undone(storage), storage.transaction():
        storage["inner"] = {"name": "inner"}
    assert len(storage) == 0


def test_an_error_that_is_caught_inside_undoes_nothing(
    transactional: BaseStorage,
) -> None:
    storage = transactional
    storage["taken"] = {"name": "taken"}
    with storage.transaction():
        storage["first"] = {"name": "first"}
        with pytest.raises(DuplicateKey):
            Person(name="x").save(storage, key="taken")
        storage["second"] = {"name": "second"}
    assert set(storage) == {"taken", "first", "second"}


def test_a_batch_with_a_failure_is_not_written(transactional: BaseStorage) -> None:
    storage = transactional
    good, bad = Person(name="good"), Person(name="bad")
    bad.__dict__["name"] = object()
    with pytest.raises(ValueError):
        storage.save_many([good, bad])
    assert len(storage) == 0
    assert good.key is None


def test_a_query_sees_what_was_written_inside(transactional: BaseStorage) -> None:
    with transactional.transaction():
        Person(name="Ada", age=36).save(transactional)
        asked = Person.objects(transactional).where(age__gt=30)
        assert asked.count() == 1
        assert asked.update(age=1) == 1
        assert asked.count() == 0


def test_threads_do_not_share_a_transaction(transactional: BaseStorage) -> None:
    storage, errors = transactional, []

    def count_up() -> None:
        try:
            for _ in range(20):
                with storage.transaction():
                    record = storage["sum"]
                    storage["sum"] = {"name": "sum", "age": record["age"] + 1}
        except Exception as error:
            errors.append(error)

    storage["sum"] = {"name": "sum", "age": 0}
    threads = [threading.Thread(target=count_up) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert storage["sum"]["age"] == 80


# What a rollback puts back (law 17).


def test_17_what_was_first_saved_inside_is_new_again(
    transactional: BaseStorage,
) -> None:
    ada = Person(name="Ada")
    with undone(transactional):
        ada.save(transactional)
        ada.age = 36
        ada.save()
    assert ada.key is None
    key = ada.save(transactional)
    assert transactional[key]["age"] == 36


def test_17_what_was_changed_inside_is_changed_again(
    transactional: BaseStorage,
) -> None:
    ada = Person(name="Ada", age=1)
    key = ada.save(transactional)
    with undone(transactional):
        ada.age = 2
        ada.save()
    assert transactional[key]["age"] == 1
    ada.save()
    assert transactional[key]["age"] == 2


def test_17_what_was_deleted_inside_has_its_key_again(
    transactional: BaseStorage,
) -> None:
    ada = Person(name="Ada")
    key = ada.save(transactional)
    with undone(transactional):
        ada.delete()
        assert ada.key is None
    assert ada.key == key
    ada.age = 5
    ada.save()
    assert transactional[key]["age"] == 5


def test_17_what_was_loaded_inside_is_compared_with_what_is_there(
    transactional: BaseStorage,
) -> None:
    storage = transactional
    first = Person(name="Ada", age=1)
    key = first.save(storage)
    with undone(storage):
        first.age = 2
        first.save()
        loaded = storage.get(Person, key)
        found = Person.objects(storage).one()
        other = Person(name="Ada", age=1)
        other.save(storage, key="other")
        other.refresh()
    assert (loaded.age, found.age) == (2, 2)
    loaded.save()
    assert storage[key]["age"] == 2
    found.age = 1
    found.save()
    assert storage[key]["age"] == 1
    assert other.key is None


def test_17_a_savepoint_puts_back_its_own_part(transactional: BaseStorage) -> None:
    storage = transactional
    outside, inside = Person(name="outside"), Person(name="inside")
    with storage.transaction():
        outside.save(storage)
        with undone(storage):
            outside.age = 7
            outside.save()
            inside.save(storage)
        assert inside.key is None
        outside.save()
    assert outside.key is not None
    assert storage[outside.key]["age"] == 7
    assert len(storage) == 1


def test_17_what_was_saved_in_a_batch_is_new_again(transactional: BaseStorage) -> None:
    people = [Person(name=str(number)) for number in range(3)]
    with undone(transactional):
        transactional.save_many(people)
    assert [person.key for person in people] == [None] * 3
    assert len(transactional.save_many(people)) == len(transactional) == 3


def test_what_waits_for_the_commit_is_called_after_it(
    transactional: BaseStorage,
) -> None:
    storage, called = transactional, []
    storage.on_commit(lambda: called.append("at once"))
    with storage.transaction():
        storage.on_commit(lambda: called.append("after"))
        with undone(storage):
            storage.on_commit(lambda: called.append("never"))
        assert called == ["at once"]
    assert called == ["at once", "after"]
    with undone(storage):
        storage.on_commit(lambda: called.append("never"))
    assert called == ["at once", "after"]


def test_a_transaction_belongs_to_its_task(transactional: BaseStorage) -> None:
    storage = transactional

    async def failing(started: asyncio.Event, tried: asyncio.Event) -> None:
        with undone(storage):
            Person(name="inside").save(storage, key="inside")
            started.set()
            await tried.wait()

    async def other(started: asyncio.Event, tried: asyncio.Event) -> None:
        await started.wait()
        try:
            with pytest.raises(StorageBusy):
                Person(name="other").save(storage, key="other")
        finally:
            tried.set()

    async def both() -> None:
        started, tried = asyncio.Event(), asyncio.Event()
        await asyncio.gather(failing(started, tried), other(started, tried))
        Person(name="other").save(storage, key="other")

    asyncio.run(both())
    assert list(storage) == ["other"]


def test_a_task_that_was_started_inside_is_inside(transactional: BaseStorage) -> None:
    storage = transactional

    async def child() -> None:
        Person(name="child").save(storage, key="child")

    async def parent() -> None:
        with undone(storage):
            await asyncio.create_task(child())
            assert "child" in storage

    asyncio.run(parent())
    assert len(storage) == 0
