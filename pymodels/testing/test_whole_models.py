"""A model that validates as a whole is updated as a whole (law 18)."""

from collections.abc import Callable
from typing import Any

import pytest
from pydantic import ValidationError, ValidationInfo, field_validator, model_validator

from pymodels.errors import InvalidRecord, WriteInterrupted
from pymodels.models.model import Model
from pymodels.storage import BaseStorage
from pymodels.testing.models import Person


class Span(Model):
    """Two fields that a validator of the model looks at; a third that it makes."""

    low: int
    high: int
    length: int | None = None

    @model_validator(mode="after")
    def ordered(self) -> "Span":
        """Refuse what ends before it begins."""
        if self.low > self.high:
            raise ValueError("it ends before it begins")
        self.length = self.high - self.low
        return self


class Interval(Model):
    """Two fields of which one looks at the other."""

    low: int = 0
    high: int

    @field_validator("high")
    @classmethod
    def ordered(cls, value: int, info: ValidationInfo) -> int:
        """Refuse what ends before it begins."""
        assert info.field_name == "high"
        if value < info.data["low"]:
            raise ValueError("it ends before it begins")
        return value


class Shelf(Model):
    """A model that validates as a whole, inside one that does not."""

    name: str
    span: Span | None = None


class Watched(Model):
    """A model whose validator calls a function once."""

    low: int
    high: int

    @model_validator(mode="after")
    def called(self) -> "Watched":
        """Call the function."""
        if _waiting:
            _waiting.pop()()
        return self


_waiting: list[Callable[[], Any]] = []


@pytest.mark.parametrize("model", [Span, Interval])
def test_18_an_update_validates_the_whole_record(
    storage: BaseStorage, model: type[Any]
) -> None:
    storage["a"] = {"low": 1, "high": 5, "other": "kept"}
    asked = model.objects(storage)
    assert asked.update(high=3) == 1
    assert asked.update(low=4, high=6) == 1
    before = storage["a"]
    assert (before["low"], before["high"], before["other"]) == (4, 6, "kept")
    for values in {"low": 7}, {"high": 3}:
        with pytest.raises(InvalidRecord, match=r"(?s)'a'.*before it begins") as caught:
            asked.update(**values)
        assert caught.value.key == "a"
        assert storage["a"] == before
    assert asked.get(low=4).high == 6


def test_18_what_a_validator_makes_of_it_is_written(storage: BaseStorage) -> None:
    storage["old"] = {"low": 1, "high": 5}
    Span(low=1, high=5).save(storage, key="new")
    assert Span.objects(storage).update(high=9) == 2
    assert storage["old"] == storage["new"] == {"low": 1, "high": 9, "length": 8}


def test_18_a_value_of_its_own_is_refused_before_anything(
    storage: BaseStorage,
) -> None:
    storage["a"] = {"low": 1, "high": 5}
    with pytest.raises(ValidationError, match=r"Span\.low"):
        Span.objects(storage).update(low="x")
    with pytest.raises(InvalidRecord, match="'a'"):
        Interval.objects(storage).update(high="x")
    assert storage["a"] == {"low": 1, "high": 5}


def test_18_an_update_may_mend_a_record(storage: BaseStorage) -> None:
    storage["a"] = {"low": 9, "high": 5}
    assert Span.objects(storage).update(high=10) == 1
    assert storage.get(Span, "a").length == 1


def test_18_what_fails_is_told_with_what_is_done(storage: BaseStorage) -> None:
    """All or nothing, or as many as are told."""
    records = {f"{n:04}": {"low": 1, "high": 5} for n in range(600)}
    records["0599"]["low"] = 4
    for key, record in records.items():
        storage[key] = record
    done = 0
    try:
        Interval.objects(storage).update(high=3)
    except WriteInterrupted as error:
        done, cause = error.done, error.__cause__
    except InvalidRecord as error:
        cause = error
    assert isinstance(cause, InvalidRecord)
    assert cause.key == "0599"
    assert sum(record["high"] == 3 for _, record in storage.records()) == done < 600


def test_18_a_nested_model_is_validated_as_a_whole(storage: BaseStorage) -> None:
    Shelf(name="a", span=Span(low=1, high=5)).save(storage, key="a")
    shelves = Shelf.objects(storage)
    assert shelves.update(span__high=3) == 1
    with pytest.raises(InvalidRecord, match="before it begins"):
        shelves.update(span__low=4)
    assert storage.get(Shelf, "a").span == Span(low=1, high=3)
    assert shelves.update(span=Span(low=7, high=8), name="b") == 1
    assert storage["a"] == {"name": "b", "span": {"low": 7, "high": 8, "length": 1}}


def test_18_what_others_wrote_meanwhile_is_validated_too(
    storage: BaseStorage,
) -> None:
    storage["a"] = {"low": 1, "high": 5}
    _waiting.append(lambda: storage.replace(storage.encode("a", {"low": 3, "high": 4})))
    assert Watched.objects(storage).update(high=9) == 1
    assert storage["a"] == {"low": 3, "high": 9}


def test_18_slices_and_invalid_ones_too(storage: BaseStorage) -> None:
    for number in range(4):
        storage[str(number)] = {"low": number, "high": 2}
    spans = Span.objects(storage).order_by("low").skip_invalid()
    assert spans[:2].update(high=8) == 2
    assert spans[2:].update(low=1) == 1
    assert [storage[key]["low"] for key in "0123"] == [0, 1, 1, 3]


def test_18_an_override_is_validated_with_the_record(storage: BaseStorage) -> None:
    Span(low=1, high=5).save(storage, key="a")
    span = storage.get(Span, "a")
    assert span.convert_to(Interval, high=3).high == 3
    with pytest.raises(ValidationError, match="before it begins"):
        span.convert_to(Interval, high=0)
    with pytest.raises(ValidationError, match="before it begins"):
        storage.get(Interval, "a").convert_to(Span, low=6)


def test_18_a_plan_says_so(storage: BaseStorage) -> None:
    assert "as a whole" in str(Span.objects(storage).plan())
    assert "as a whole" in str(Interval.objects(storage).plan())
    assert "as a whole" not in str(Person.objects(storage).plan())
