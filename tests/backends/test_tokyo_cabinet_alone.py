"""What a table answers alone, membership included: nothing is left over, and exact."""

from datetime import UTC, date, datetime

import pytest

from pymodels import F, Model, ResidualForbidden
from pymodels.backends.tokyo_cabinet import Storage


class Sample(Model):
    whole: int
    text: str
    flag: bool | None = None
    day: date | None = None
    moment: datetime | None = None
    raw: bytes | None = None


class Indexed(Sample):
    class Meta:
        indexes = ["whole", "text", "flag", "day", "moment", "raw"]


class OtherKinds(Model):
    """The same columns, of other kinds."""

    whole: str
    text: list[str]


DAY, MOMENT = date(2026, 1, 31), datetime(2026, 1, 31, 7, tzinfo=UTC)
ALONE = {
    "everything": ({}, 8),
    "number": ({"whole": 3}, 1),
    "numbers": ({"whole__in": [1, 2, 99]}, 2),
    "below": ({"whole__lt": 3}, 3),
    "above a float": ({"whole__gte": 5.5}, 2),
    "between": ({"whole__between": (2, 4)}, 3),
    "text": ({"text": "t4"}, 1),
    "texts": ({"text__in": ["t4", "t5", "a b"]}, 2),
    "beginning": ({"text__startswith": "t"}, 8),
    "end": ({"text__endswith": "7"}, 1),
    "piece": ({"text__contains": "6"}, 1),
    "other": ({"text__ne": "t1"}, 7),
    "empty": ({"text": ""}, 0),
    "flag": ({"flag": True}, 4),
    "none": ({"flag": None}, 4),
    "there": ({"flag__exists": True}, 4),
    "day": ({"day": DAY}, 8),
    "moment": ({"moment": MOMENT}, 8),
    "bytes": ({"raw": b"abc"}, 8),
    "key": ({"key": "k1"}, 1),
    "two": ({"whole__gt": 1, "text__startswith": "t"}, 6),
}


@pytest.fixture(params=[Sample, Indexed])
def model(request):
    return request.param


@pytest.fixture
def storage(tmp_path, model):
    with Storage(tmp_path / "samples.tct", residual="forbid") as opened:
        opened.ensure_indexes(model)
        for n in range(8):
            model(
                whole=n,
                text=f"t{n}",
                flag=True if n % 2 else None,
                day=DAY,
                moment=MOMENT,
                raw=b"abc",
            ).save(opened, key=f"k{n}")
        OtherKinds(whole="3", text=["t4"]).save(opened, key="other")
        yield opened


@pytest.mark.parametrize("name", ALONE)
def test_a_table_answers_alone_whatever_other_models_wrote(storage, model, name):
    where, count = ALONE[name]
    query = model.objects(storage).where(**where)
    assert query.plan().is_pushed
    assert query.count() == len(list(query)) == count
    assert len(list(query.order_by("-key")[:2])) == min(count, 2)


def test_a_table_removes_alone(storage, model):
    assert model.objects(storage).where(whole__lt=3).delete() == 3
    assert len(storage) == 6


def test_order_by_a_column_and_alternatives_are_left_over(storage, model):
    for query in (
        model.objects(storage).order_by("whole"),
        model.objects(storage).where((F.whole == 1) | (F.text == "t2")),
    ):
        with pytest.raises(ResidualForbidden):
            list(query)


def test_the_same_answers_come_of_a_file_opened_again(tmp_path, storage, model):
    storage.close()
    with Storage(tmp_path / "samples.tct", residual="forbid") as again:
        for where, count in ALONE.values():
            assert model.objects(again).where(**where).count() == count
