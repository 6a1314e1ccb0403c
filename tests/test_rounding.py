"""Datetimes are cut to the millisecond where a database keeps no more (law 2)."""

from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import BaseModel

from pymodels import F, Model
from pymodels.backends import memory
from pymodels.querying.rounding import asked_in_milliseconds, to_milliseconds

FULL = datetime(2020, 2, 29, 12, 30, 45, 123_456, tzinfo=UTC)
CUT = FULL.replace(microsecond=123_000)


class Storage(memory.Storage):
    """Memory that keeps milliseconds only."""

    keeps_milliseconds = True

    def encode(self, key: str, record: dict[str, Any]) -> tuple[Any, ...]:
        return super().encode(key, to_milliseconds(record))

    def patched(self, row: Any, changes: Any) -> Any:
        return self.encode(row[0], super().patched(row, changes)[1])


class Visit(BaseModel):
    at: datetime


class Diary(Model):
    at: datetime
    others: list[datetime] = []
    named: dict[str, datetime] = {}
    pair: tuple[datetime, int] | None = None
    some: set[datetime] = set()
    visit: Visit | None = None
    anything: Any = None


def full_diary() -> Diary:
    return Diary(
        at=FULL,
        others=[FULL],
        named={"a": FULL},
        pair=(FULL, 1),
        some={FULL},
        visit=Visit(at=FULL),
        anything=[{"a": FULL}],
    )


@pytest.fixture
def storage():
    with Storage() as opened:
        yield opened


def test_a_saved_instance_agrees_with_what_is_stored(storage):
    diary = full_diary()
    key = diary.save(storage)
    assert diary == storage.get(Diary, key)
    assert diary.at == diary.others[0] == diary.visit.at == CUT
    assert diary.anything == [{"a": CUT}]
    assert diary.some == {CUT}


def test_instances_that_are_saved_together_agree_too(storage):
    one, other = full_diary(), full_diary()
    storage.save_many([one, other])
    assert one.at == other.named["a"] == CUT


def test_a_change_that_is_cut_away_is_no_change(storage):
    diary = full_diary()
    diary.save(storage)
    diary.at = FULL
    diary.save()
    assert diary.at == CUT
    assert storage.get(Diary, diary.key) == diary


@pytest.mark.parametrize("lookup", ["equals", "gte", "lte"])
def test_operands_are_cut_like_values(storage, lookup):
    full_diary().save(storage)
    diaries = Diary.objects(storage)
    assert diaries.where(**{f"at__{lookup}": FULL}).count() == 1
    assert diaries.where((F.at == FULL) & ~(F.at > FULL)).count() == 1
    assert diaries.where(at__in=[FULL]).count() == 1
    assert diaries.where(others__contains=FULL).count() == 1


def test_what_asks_for_no_datetime_stays_the_same_object():
    asked = (F.age > 18) & ((F.name == "a") | ~(F.words == ["a"]))
    assert asked_in_milliseconds(asked) is asked
    record = {"a": [1, {"b": CUT}]}
    assert to_milliseconds(record) is record
