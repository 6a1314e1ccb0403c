"""The right exception, with the right words; a question is never lost silently."""

import gc
import time
import warnings
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from pymodels.errors import (
    DuplicateKey,
    InvalidRecord,
    QueryError,
    ResidualForbidden,
    ResidualWarning,
    SettingsError,
    StorageClosed,
    StorageError,
    UnknownField,
    UnknownLookup,
    Unsupported,
)
from pymodels.indexes import Index
from pymodels.models.model import Model
from pymodels.querying.expressions import F
from pymodels.querying.query import BaseQuery
from pymodels.storage import BaseStorage
from pymodels.testing.each import each
from pymodels.testing.fixtures import NewStorage
from pymodels.testing.models import Anything, Catalogue, Person
from pymodels.testing.records import label
from pymodels.testing.test_models import CONDITIONS

People = BaseQuery[Person]
MANY, PATIENCE = 5, 5

REFUSED: list[tuple[type[Exception], str, Callable[[People], Any]]] = [
    (UnknownField, "agee", lambda q: q.where(agee=1)),
    (UnknownField, "wage", lambda q: q.order_by("wage")),
    (UnknownField, "wage", lambda q: q.values("wage")),
    (UnknownField, "town", lambda q: q.where(address__town="x")),
    (UnknownLookup, "gret", lambda q: q.where(age__gret=1)),
    (QueryError, "string", lambda q: q.where(name=5)),
    (QueryError, "string", lambda q: q.where(name__in=["a", 5])),
    (QueryError, "number", lambda q: q.where(age="5")),
    (QueryError, "number", lambda q: q.where(age=True)),
    (QueryError, "number", lambda q: q.where(age__between=("a", "b"))),
    (QueryError, "date", lambda q: q.where(born="2020-01-01")),
    (QueryError, "None", lambda q: q.where(age__gt=None)),
    (QueryError, "None", lambda q: q.where(F.age < None)),
    (QueryError, "required", lambda q: q.where(name=None)),
    (QueryError, "in takes", lambda q: q.where(name__in="abc")),
    (QueryError, "in takes", lambda q: q.where(name__in=5)),
    (QueryError, "two ends", lambda q: q.where(age__between=[1])),
    (QueryError, "True or False", lambda q: q.where(age__exists=1)),
    (QueryError, "regular expression", lambda q: q.where(name__matches="(")),
    (QueryError, "string", lambda q: q.where(age__startswith="1")),
    (QueryError, "string", lambda q: q.where(name__startswith=1)),
    (QueryError, "year", lambda q: q.where(age__year=2020)),
    (QueryError, "12", lambda q: q.where(born__month=13)),
    (QueryError, "quote", lambda q: q.where(name__search='"open')),
    (QueryError, "word", lambda q: q.where(name__search="a AND")),
    (QueryError, "element", lambda q: q.where(tags__contains=5)),
    (QueryError, "finite", lambda q: q.where(F.age == float("nan"))),
    (QueryError, "twice", lambda q: q.order_by("age", "-age")),
    (QueryError, "slice", lambda q: q[:1].where(age=1)),
    (QueryError, "slice", lambda q: q[1:].order_by("age")),
    (QueryError, "steps", lambda q: q[::2]),
    (QueryError, "beginning", lambda q: q[-1]),
    (QueryError, "beginning", lambda q: q[:-1]),
    (TypeError, "count", lambda q: len(q)),
    (TypeError, "exists", lambda q: bool(q)),
    (TypeError, "between", lambda q: 18 < F.age < 30),
    (TypeError, "&", lambda q: F.age > 1 and F.age < 3),
    (TypeError, "&", lambda q: not (F.age > 1)),
    (TypeError, "contains", lambda q: 1 in F.tags),
    (TypeError, "condition", lambda q: q.where(lambda person: True)),  # type: ignore[arg-type]  # refused
]


def _label(part: Any) -> str:
    return part if isinstance(part, str) else getattr(part, "__name__", "")


@each("error words question", REFUSED, ids=_label)
def test_a_question_without_sense_is_refused(
    people: BaseStorage,
    error: type[Exception],
    words: str,
    question: Callable[[People], Any],
) -> None:
    with pytest.raises(error, match=words):
        question(Person.objects(people))


def test_an_error_lists_what_is_known(people: BaseStorage) -> None:
    asked = Person.objects(people)
    with pytest.raises(UnknownField, match=r"did you mean 'age'.*name.*gender"):
        asked.where(agee=1)
    with pytest.raises(UnknownLookup, match="startswith"):
        asked.where(name__starts="x")


def test_a_closed_storage_refuses_everything(new_storage: NewStorage) -> None:
    storage = new_storage()
    ada = Person(name="Ada")
    ada.save(storage, key="ada")
    asked = Person.objects(storage)
    storage.close()
    storage.close()
    assert storage.is_closed
    uses: list[Callable[[], Any]] = [
        lambda: storage["ada"],
        lambda: storage.__setitem__("ada", {}),
        lambda: storage.__delitem__("ada"),
        lambda: "ada" in storage,
        lambda: len(storage),
        lambda: list(storage),
        lambda: list(storage.records()),
        lambda: storage.clear(),
        lambda: storage.get(Person, "ada"),
        lambda: storage.get_many(Person, ["ada"]),
        lambda: storage.save_many([Person(name="x")]),
        lambda: storage.delete("ada"),
        lambda: storage.ensure_indexes(Person),
        lambda: storage.transaction().__enter__(),
        lambda: Person.objects(storage),
        lambda: list(asked),
        lambda: asked.count(),
        lambda: asked.exists(),
        lambda: asked.first(),
        lambda: asked.delete(),
        lambda: asked.update(age=1),
        lambda: asked.values("age"),
        lambda: Person(name="x").save(storage),
        lambda: ada.refresh(),
        lambda: ada.delete(),
    ]
    for use in uses:
        with pytest.raises(StorageClosed, match="closed"):
            use()
    ada.age = 5
    with pytest.raises(StorageClosed):
        ada.save()
    with pytest.raises(StorageClosed), storage:
        pass
    assert repr(asked)
    assert repr(storage)


def test_leaving_the_context_closes(new_storage: NewStorage) -> None:
    with new_storage() as storage:
        assert not storage.is_closed
    assert storage.is_closed


def test_closing_lets_go_of_every_handle(new_storage: NewStorage) -> None:
    """What storages share may stay open; what each opened may not."""
    folder = Path("/proc/self/fd" if Path("/proc/self/fd").exists() else "/dev/fd")

    def opened() -> int:
        gc.collect()
        return len(list(folder.iterdir()))

    def use() -> None:
        with new_storage() as storage:
            storage.save_many([Person(name=str(number)) for number in range(3)])
            assert next(iter(Person.objects(storage))).key in storage

    use()
    before = opened()
    for _ in range(MANY):
        use()
    last = time.monotonic() + PATIENCE  # a driver may close in the background
    while opened() >= before + MANY and time.monotonic() < last:
        time.sleep(0.1)
    assert opened() < before + MANY


def test_an_unknown_setting_is_refused(new_storage: NewStorage) -> None:
    with pytest.raises((SettingsError, TypeError)):
        new_storage(no_such_setting=1)
    with pytest.raises(SettingsError, match="forbid"):
        new_storage(residual="never")


def _fill(storage: BaseStorage) -> None:
    for key, value in {"a": "one two", "b": 5, "c": date(2020, 1, 1)}.items():
        storage[key] = {"value": value}
    storage["d"] = {}


@each("lookup operand", [row[:2] for row in CONDITIONS], ids=label)
def test_forbidding_what_is_left_changes_no_answer(
    new_storage: NewStorage, lookup: str, operand: Any
) -> None:
    with new_storage() as allowing:
        _fill(allowing)
        query = Anything.objects(allowing).where(**{f"value__{lookup}": operand})
        expected = set(query.keys())
    with new_storage(residual="forbid") as forbidding:
        _fill(forbidding)
        query = Anything.objects(forbidding).where(**{f"value__{lookup}": operand})
        if query.plan().is_pushed:
            assert set(query.keys()) == expected
            assert query.count() == len(expected)
            return
        before = dict(forbidding.records())
        for act in (lambda: list(query), query.count, query.delete, query.exists):
            with pytest.raises(ResidualForbidden, match="Python"):
                act()
        assert dict(forbidding.records()) == before
    with new_storage(residual="warn") as warning:
        _fill(warning)
        query = Anything.objects(warning).where(**{f"value__{lookup}": operand})
        with pytest.warns(ResidualWarning, match="Python"):
            assert set(query.keys()) == expected
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert query.plan()


def test_a_record_error_is_what_python_expects(storage: BaseStorage) -> None:
    with pytest.raises(KeyError) as caught:
        storage["nobody"]
    assert str(caught.value).startswith("no record 'nobody'")
    storage["bad"] = {"whole": "x"}
    with pytest.raises(ValueError, match="does not validate") as invalid:
        storage.get(Catalogue, "bad")
    assert isinstance(invalid.value, InvalidRecord)


class Account(Model):
    """Records of which each has a name of its own."""

    email: str
    nick: str | None = None

    class Meta:
        must_have = {"kind": "account"}
        indexes = [Index("email", unique=True)]


def test_unique_indexes_refuse_a_second(indexed: BaseStorage) -> None:
    try:
        indexed.ensure_indexes(Account)
    except Unsupported:
        pytest.skip("the storage has no unique indexes")
    first, second = Account(email="a"), Account(email="b")
    first.save(indexed)
    second.save(indexed)
    with pytest.raises(DuplicateKey):
        Account(email="a").save(indexed)
    second.email = "a"
    with pytest.raises(DuplicateKey):
        second.save(indexed)
    with pytest.raises(DuplicateKey):
        indexed.save_many([Account(email="c"), Account(email="a")])
    with pytest.raises(DuplicateKey):
        Account.objects(indexed).where(email="b").update(email="a")
    # What is no account is not asked for a name of its own.
    indexed["other"] = {"email": "a"}
    assert Account.objects(indexed).values("email")[:2] == ["a", "b"]
    first.delete()
    second.save()
    assert Account.objects(indexed).where(email="a").one().same_record(second)


def test_a_batch_that_fails_is_not_kept_by_half(
    indexed: BaseStorage, transactional: BaseStorage
) -> None:
    try:
        indexed.ensure_indexes(Account)
    except Unsupported:
        pytest.skip("the storage has no unique indexes")
    Account(email="taken").save(indexed)
    batch = [Account(email=email) for email in ("a", "b", "taken", "c")]
    with pytest.raises(DuplicateKey):
        indexed.save_many(batch)
    assert Account.objects(indexed).values("email") == ["taken"]
    assert [one.key for one in batch] == [None] * 4


def test_indexes_change_no_answer(indexed: BaseStorage) -> None:
    names = indexed.ensure_indexes(Person)
    assert names == indexed.ensure_indexes(Person)
    assert set(names) <= set(indexed.list_indexes())
    indexed.save_many([Person(name=str(n % 3), age=n) for n in range(30)])
    asked = Person.objects(indexed).where(name="1")
    assert [one.age for one in asked.order_by("-age", "name")[:2]] == [28, 25]
    assert asked.count() == 10


def test_a_storage_error_is_an_oserror() -> None:
    assert issubclass(StorageError, OSError)
