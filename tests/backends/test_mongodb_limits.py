"""What MongoDB cannot hold, or must hold only once: clear refusals."""

from typing import Any

import mongod
import pytest
from mongo_places import places_on

from pymodels import (
    DuplicateKey,
    EncodeError,
    F,
    Index,
    Model,
    QueryError,
    WriteInterrupted,
    WriteUncertain,
)
from pymodels.backends.mongodb.filters import depth
from pymodels.backends.mongodb.terms import MOST_LEVELS, NativeFilter
from pymodels.law.predicates import DEEPEST

pytestmark = pytest.mark.server

MEBIBYTE = 2**20


class Note(Model):
    text: str
    number: int = 0
    more: Any = None


class Member(Model):
    email: str | None = None
    number: int | None = None
    tags: list[str] = []
    words: list[str] = []

    class Meta:
        indexes = [Index("email", unique=True), Index("number", unique=True)]


@pytest.fixture(scope="module")
def places():
    with places_on(mongod.standalone_url()) as places:
        yield places


@pytest.fixture
def storage(places):
    with places.storage() as opened:
        yield opened


# Too much.


def test_a_document_over_16_mebibytes_is_refused(storage):
    Note(text="kept").save(storage, key="kept")
    large = "x" * (17 * MEBIBYTE)
    note = storage.get(Note, "kept")
    note.more = large
    for write in (
        lambda: Note(text="new", more=large).save(storage),
        lambda: storage.__setitem__("new", {"text": "x", "more": large}),
        lambda: storage.save_many([Note(text="a"), Note(text="b", more=large)]),
        lambda: Note.objects(storage).update(more=large),
        note.save,
        lambda: Note(text="new", more=["x" * MEBIBYTE] * 17).save(storage),
    ):
        with pytest.raises(EncodeError, match="16 MiB"):
            write()
        assert dict(storage.records()) == {
            "kept": {"text": "kept", "number": 0, "more": None}
        }


def test_a_document_that_would_grow_over_16_mebibytes_is_refused(storage):
    half = "x" * (9 * MEBIBYTE)
    storage["a"] = {"text": "kept", "half": half}
    note = storage.get(Note, "a")
    note.more = half
    with pytest.raises(EncodeError, match="16 MiB"):
        note.save()
    with pytest.raises(EncodeError, match="16 MiB"):
        Note.objects(storage).update(more=half)
    assert storage["a"] == {"text": "kept", "half": half}


def test_a_question_over_16_mebibytes_is_answered(storage):
    Note(text="kept").save(storage, key="kept")
    wanted = [f"{n:0100}" for n in range(200_000)]
    asked = Note.objects(storage)
    assert asked.where(text__in=[*wanted, "kept"]).count() == 1
    assert len(storage.get_many(Note, [*wanted, "kept"])) == 1


def test_a_hundred_levels_are_kept_and_found(storage):
    value: Any = "deep"
    for _ in range(98):
        value = [value]
    Note(text="deep", more=value).save(storage, key="a")
    assert storage.get(Note, "a").more == value
    assert Note.objects(storage).where(more=value).count() == 1
    assert Note.objects(storage).where(more__ne=value).count() == 0


def test_a_deep_condition_is_answered(storage):
    Note(text="x", number=1).save(storage)
    condition = F.number == 1
    while condition.levels < DEEPEST:
        condition = ~(condition & (F.number < 100))
    assert Note.objects(storage).where(condition).count() == 1
    condition = F.number == -1
    for n in range(300):
        condition = condition | (F.number == n)
    assert Note.objects(storage).where(condition).count() == 1


@pytest.mark.parametrize("levels", [100, 100_000])
def test_a_native_filter_that_nests_too_deep_is_refused(storage, levels):
    written: dict[str, Any] = {"number": 1}
    for _ in range(levels):
        written = {"$nor": [written]}
    with pytest.raises(QueryError, match="levels"):
        Note.objects(storage).native(written)


def test_a_native_filter_may_nest_as_deep_as_it_is_allowed_to(storage):
    Note(text="x", number=1).save(storage)
    written: dict[str, Any] = {"number": 1}
    while depth(written) < MOST_LEVELS - 1:
        written = {"$nor": [written]}
    found = Note.objects(storage).native(written)
    assert (
        found.count() + Note.objects(storage).where_not(NativeFilter(written)).count()
        == 1
    )
    assert "find" in str(found.plan())


# Unique indexes.


def test_none_and_missing_are_not_values(storage):
    storage.ensure_indexes(Member)
    for key in "abc":
        Member().save(storage, key=key)
    for key in "de":
        storage[key] = {"tags": []}
    Member(email="x", number=1).save(storage)
    for taken in (Member(email="x"), Member(number=1)):
        with pytest.raises(DuplicateKey, match=r"email|number"):
            taken.save(storage)
    assert len(storage) == 6


def test_a_unique_value_is_free_again_after_a_change(storage):
    storage.ensure_indexes(Member)
    member = Member(email="x")
    member.save(storage)
    member.email = None
    member.save()
    Member(email="x").save(storage)
    member.email = "x"
    with pytest.raises(DuplicateKey, match="email"):
        member.save()


def test_an_update_that_is_refused_says_how_many_records_it_had_changed(storage):
    storage.ensure_indexes(Member)
    for key in "abc":
        Member().save(storage, key=key)
    waiting = Member.objects(storage).where(email=None)
    with pytest.raises(
        WriteInterrupted, match=r"1 records were written.*email"
    ) as told:
        waiting.update(email="x")
    assert told.value.done == 1
    assert waiting.count() == 2
    with pytest.raises(DuplicateKey, match="email"):
        waiting[:1].update(email="x")
    with pytest.raises(DuplicateKey, match="email"):
        waiting.where(key="c").update(email="x")
    assert waiting.count() == 2


def test_an_update_that_makes_one_of_many_records_too_large_says_so(storage):
    half = "x" * (9 * MEBIBYTE)
    storage["a"], storage["b"] = {"text": "kept"}, {"text": "kept", "half": half}
    with pytest.raises(WriteInterrupted, match="16 MiB") as caught:
        Note.objects(storage).update(more=half)
    assert caught.value.done == 1
    assert "more" in storage["a"]
    assert "more" not in storage["b"]


def test_an_update_that_another_program_refuses_may_have_changed_some(storage):
    """A validator is another program's, and refuses what it likes."""
    name, database = storage.connection.name, storage.connection.database
    storage["a"], storage["b"] = {"text": "x"}, {"text": "x", "more": "fixed"}
    rule = {"$or": [{"more": {"$ne": "fixed"}}, {"number": {"$ne": 7}}]}
    database.command({"collMod": name, "validator": rule})
    try:
        with pytest.raises(WriteUncertain, match="how many records it had updated"):
            Note.objects(storage).update(number=7)
        assert storage["a"]["number"] == 7
    finally:
        database.command({"collMod": name, "validator": {}})


def test_duplicates_that_are_there_refuse_the_index(storage):
    for key in "ab":
        storage[key] = {"email": "x", "tags": [], "words": []}
    with pytest.raises(DuplicateKey):
        storage.ensure_indexes(Member)


def test_save_many_stops_at_a_taken_value(storage):
    storage.ensure_indexes(Member)
    Member(email="x").save(storage)
    members = [Member(email=f"{n}") for n in range(3)] + [Member(email="x")]
    with pytest.raises((DuplicateKey, WriteInterrupted)):
        storage.save_many(members)
    assert Member.objects(storage).where(email="x").count() == 1
