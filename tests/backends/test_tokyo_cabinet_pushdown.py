"""What a table answers alone, membership included: nothing is left over, and exact."""

from datetime import UTC, date, datetime
from decimal import Decimal
from random import Random
from typing import Any, Literal

import pytest

from pymodels import Model, ResidualForbidden
from pymodels.backends.tokyo_cabinet import Storage
from pymodels.law.evaluate import matcher
from pymodels.testing.random.universe import POOLS, any_value, random_records


class Sample(Model):
    """A field of each kind; some are asked for, so that membership is not empty."""

    type: Literal["sample"] = "sample"
    whole: int
    text: str
    flag: bool | None = None
    day: date | None = None
    moment: datetime | None = None
    raw: bytes | None = None
    anything: Any = None

    class Meta:
        must_not_have = {"text__startswith": "_"}
        indexes = ["whole", "text", "flag", "day", "moment", "raw"]


class Other(Model):
    """Other records in the same table, with fields of the same names."""

    whole: str
    text: int


def clean(random):
    """Give records whose fields are of their declared kinds, and others' records."""
    found = {}
    for number in range(80):
        record = {"type": "sample"}
        for name in ("whole", "text", "flag", "day", "moment", "raw"):
            if name in {"whole", "text"} or random.random() < 0.6:
                record[name] = random.choice(POOLS[name])
        if random.random() < 0.2:
            record["day"] = None
        found[f"s{number}"] = record
    for number in range(20):
        whole = random.choice(["7", "1", "abc", ""])
        text = random.choice([7, 1, -1, ["a"]])
        found[f"o{number}"] = {"whole": whole, "text": text}
    return found


def mixed(random):
    """Give records of which some hold other kinds, in fields that are declared."""
    found = random_records(random, 60)
    for record in found.values():
        record["type"] = "sample"
        for name in ("whole", "text"):
            if random.random() < 0.9:
                record[name] = random.choice(POOLS[name])
        if random.random() < 0.1:
            record[random.choice(list(Sample.model_fields))] = any_value(random)
    return found


MAKERS = {"clean": clean, "mixed": mixed}


@pytest.fixture(scope="module", params=MAKERS)
def records(request):
    return MAKERS[request.param](Random(request.param))


@pytest.fixture(
    scope="module", params=["new", "indexed", "reopened", "indexed, reopened"]
)
def storage(request, records, tmp_path_factory):
    path = tmp_path_factory.mktemp("pushdown") / "records.tct"
    with Storage(path) as made:
        if "indexed" in request.param:
            made.ensure_indexes(Sample)
        for key, record in records.items():
            made[key] = record
        if "reopened" in request.param:
            made.close()
        with Storage(path, residual="forbid") as opened:
            yield opened


OPERANDS: dict[str, list[Any]] = {
    "whole": [0, 1, 7, 2**53 + 1, 2**63 - 1, -(2**63), 0.5, 1.0, Decimal("6.5")],
    "text": ["a", "ab", "é", "\uffff", "😀", "q'z", "1", "\\", "$gt", "one two", ""],
    "flag": [True, False],
}
PIECES = ["a", "aß", "é", "%", "_", "*", "[", "wo, o", " ", "", "\\", '"']


def cases():
    """Give what design 3.1 lists for tables: field, lookup and operand."""
    for field, values in OPERANDS.items():
        for value in values:
            yield field, "equals", value
            yield field, "ne", value
        # The empty string is looked for among words without blanks and commas.
        yield field, "in", [value for value in values if value not in {0.5, ""}]
        yield field, "in", values[:2]
        yield field, "in", []
        yield field, "exists", True
        yield field, "exists", False
    for value in OPERANDS["whole"]:
        for lookup in ("gt", "gte", "lt", "lte"):
            yield "whole", lookup, value
    yield "text", "in", ["a", "", "é"]
    yield "whole", "between", (0, 7)
    yield "whole", "between", (7, 0)
    for piece in PIECES:
        for lookup in ("startswith", "endswith", "contains"):
            yield "text", lookup, piece
    for key in ("s1", "o1", "nobody"):
        yield "key", "equals", key
    yield "key", "startswith", "s"
    for value in (date(2020, 2, 29), date(1, 1, 1)):
        yield "day", "equals", value
        yield "day", "in", [value, date(9999, 12, 31)]
    yield "moment", "equals", datetime(2020, 2, 29, tzinfo=UTC)
    yield "moment", "equals", datetime(2020, 2, 29)
    yield "raw", "in", [b"", b"a", b"\xff"]
    yield "anything", "equals", "a"
    yield "day", "equals", None


CASES = list(cases())


@pytest.mark.parametrize("field", sorted({field for field, _, _ in CASES}))
def test_what_is_promised_runs_in_the_database(storage, records, field):
    for _, lookup, value in [case for case in CASES if case[0] == field]:
        query = Sample.objects(storage).where(**{f"{field}__{lookup}": value})
        judge(query, records)
    everything = Sample.objects(storage)
    assert judge(everything, records), "nothing is there, so nothing was tested"


def test_what_must_all_hold_runs_in_the_database(storage, records):
    query = Sample.objects(storage).where(whole__gt=0, flag__exists=True)
    assert judge(query, records)
    judge(query.where(text__contains="a", day__exists=False), records)
    judge(query.where(key__startswith="s", text__ne="a", whole__lte=7), records)


def judge(query, records):
    """Fail unless the keys that are found are those that the evaluator finds."""
    matches = matcher(query.spec.predicate)
    expected = {key for key, record in records.items() if matches(key, record)}
    assert query.plan().is_pushed
    assert query.count() == len(expected), str(query.plan())
    assert set(query.keys()) == expected
    in_order = sorted(expected)
    assert list(query.order_by("key").keys()) == in_order
    assert list(query.order_by("-key")[1:4].keys()) == in_order[::-1][1:4]
    assert query[2:5].count() == len(in_order[2:5])
    return expected


def test_deleting_runs_in_the_database_and_removes_just_these(records, tmp_path):
    for number, (field, lookup, value) in enumerate(CASES[::5]):
        with Storage(tmp_path / f"{number}.tct", residual="forbid") as storage:
            storage.ensure_indexes(Sample)
            for key, record in records.items():
                storage[key] = record
            query = Sample.objects(storage).where(**{f"{field}__{lookup}": value})
            gone = judge(query, records)
            assert query.delete() == len(gone)
            assert set(storage) == records.keys() - gone


def test_what_is_not_promised_is_refused_or_finished_here(tmp_path):
    with Storage(tmp_path / "a.tct", residual="forbid") as storage:
        query = Sample.objects(storage)
        for left in (
            query.order_by("whole"),
            query.where(text__icontains="a"),
            query.where(day__gt=date(2020, 1, 1)),
            query.where(whole=1) | query.where(whole=2),
        ):
            assert not left.plan().is_pushed
            with pytest.raises(ResidualForbidden):
                list(left)


def test_a_plan_shows_the_conditions_and_the_index_that_is_used(tmp_path):
    with Storage(tmp_path / "a.tct") as storage:
        Sample(whole=7, text="a").save(storage)
        query = Sample.objects(storage).where(whole__gte=7, text="a")
        assert "scanning the whole table" in str(query.plan())
        storage.ensure_indexes(Sample)
        shown = str(query.plan())
        assert "whole NUMGE '7'" in shown
        assert 'using an index: "whole"' in shown
        # Another kind in the column: the index may be out of order.
        Other(whole="abc", text=1).save(storage)
        assert 'using an index: "whole"' not in str(query.plan())
        assert query.count() == 1


def test_a_decimal_index_that_was_out_of_order_is_made_anew(tmp_path):
    path = tmp_path / "a.tct"
    with Storage(path) as storage:
        storage.ensure_indexes(Sample)
        for number in range(200):
            storage[f"odd{number}"] = {"whole": f"{number}x" if number % 2 else "abc"}
            Sample(whole=number, text="a").save(storage)
        for number in range(200):
            del storage[f"odd{number}"]
    with Storage(path) as storage:
        query = Sample.objects(storage)
        for _ in range(8):
            assert query.where(whole__lt=50).count() == 50
        assert 'using an index: "whole"' in str(query.where(whole=7).plan())
        for number in range(200):
            assert query.where(whole=number).count() == 1
