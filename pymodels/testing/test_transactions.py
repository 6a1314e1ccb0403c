"""Transactions, where the storage has them; skipped with its reason where not."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from pymodels.errors import DuplicateKey
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
