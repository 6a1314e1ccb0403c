"""The kit finds what backends get wrong: each class here has one fault planted."""

import subprocess
import sys
from dataclasses import replace
from inspect import signature
from pathlib import Path

import pushing
import pytest

from pymodels.law import predicates as p
from pymodels.law.changes import apply, between
from pymodels.law.values import Kind, kind_of, sort_key
from pymodels.querying.plan import Native, Plan
from pymodels.testing import test_queries, test_reference, test_saving, test_writers
from pymodels.testing.fixtures import NewStorage
from pymodels.testing.models import PEOPLE, Person
from pymodels.testing.test_roundtrip import (
    test_2_all_values_survive_in_one_record as all_values_survive,
)

Query, Storage = pushing.Query, pushing.Storage


class NotOverNull(Query):
    """In SQL, NOT of NULL is NULL."""

    def opposite(self, test):
        def inverted(key, record):
            truth = test(key, record)
            return None if truth is None else not truth

        return inverted


class NoKindGuard(Query):
    """In SQLite, any number is before any text."""

    def less(self, left, right):
        kinds = kind_of(left), kind_of(right)
        return super().less(left, right) or kinds == (Kind.NUMBER, Kind.STRING)


class BoolsAreNumbers(Query):
    """So they are in Python and in SQLite."""

    def equal(self, left, right):
        if isinstance(left, bool) or isinstance(right, bool):
            return left == right
        return super().equal(left, right)


class SliceUnderAResidual(Query):
    """Ten arrive, three survive, the caller asked for ten."""

    def _planned(self, spec=None):
        plan = super()._planned(spec)
        left = plan.residual
        if plan.is_pushed or not left.is_sliced:
            return plan
        pushed = replace(
            plan.pushed, order=left.order, start=left.start, stop=left.stop
        )
        return Plan(pushed, replace(left, start=0, stop=None))


class OrSplitLikeAnd(Query):
    """What cannot be pushed is left out of an Or, as it may be of an And."""

    def either(self, tests):
        return super().either([test for test in tests if test]) if any(tests) else None


class NotOverSuperset(Query):
    """The complement of too much is too little."""

    def compile(self, predicate):
        match predicate:
            case p.Not(p.StartsWith(caseless=True) as term):
                inner = super().compile(term)
                return Native(self.opposite(inner.form), exact=False)
        return super().compile(predicate)


class StartsWithByLike(Query):
    """LIKE ignores case and has wildcards."""

    def starts(self, value, text):
        if not isinstance(value, str) or len(value) < len(text):
            return False
        pairs = zip(value.lower(), text.lower(), strict=False)
        if "%" in text:
            return value.lower().startswith(text.lower().partition("%")[0])
        return all(wanted in (found, "_") for found, wanted in pairs)


class ListMatchedByElement(Query):
    """In MongoDB, {tags: "a"} finds the list that holds it."""

    def equal(self, left, right):
        if isinstance(left, list) and not isinstance(right, list):
            return any(super(type(self), self).equal(part, right) for part in left)
        return super().equal(left, right)


class RangeByElement(Query):
    """In MongoDB, {tags: {$gt: "a"}} finds a list with one such element."""

    def leaf(self, node):
        test = super().leaf(node)
        if not isinstance(node, p.Greater):
            return test
        return lambda key, record: (
            test(key, record)
            or any(
                self.less(node.value, part)
                for part in [self.read(key, record, node.path)]
                if isinstance(part, list)
                for part in part
            )
        )


class PathThroughLists(Query):
    """In MongoDB and JSON paths, a path may step into a list."""

    def read(self, key, record, path):
        if len(path) == 2 and isinstance(record.get(path[0]), list):
            for part in record[path[0]]:
                if isinstance(part, dict) and path[1] in part:
                    return part[path[1]]
        return super().read(key, record, path)


class NumbersAsFloats(Query):
    """Beyond 2**53, neighbours become the same."""

    def equal(self, left, right):
        numbers = (int, float)
        if type(left) in numbers and type(right) in numbers:
            return float(left) == float(right)
        return super().equal(left, right)


class TextWithoutCase(Query):
    """A collation that knows no case."""

    def place(self, value):
        return sort_key(value.lower() if isinstance(value, str) else value)


class TextByUtf16(Query):
    """By code units, an emoji is before the last character of two bytes."""

    def place(self, value):
        kind, *rest = sort_key(value)
        if isinstance(value, str):
            return (kind, value.encode("utf-16-be", "surrogatepass"))
        return (kind, *rest)


class NoneLast(Query):
    """As other databases have it."""

    def place(self, value):
        return (value is None, sort_key(value))


class TiesInOneDirection(Query):
    """The key ascending, whatever the direction of the last name."""

    def sorted(self, rows, order):
        fixed = [replace(one, descending=False) for one in order[-1:] if not one.path]
        return super().sorted(rows, (*order[: -1 if fixed else None], *fixed))


class LowerForCasefold(Query):
    """Half of it."""

    def folded(self, value):
        return value.lower()


class InWithoutNone(Query):
    """In SQL, NULL IN (NULL) is NULL."""

    def on_null(self, node):
        return None if isinstance(node, p.In) else super().on_null(node)


class NoneExists(Query):
    """In MongoDB, {$exists: true} finds a stored null."""

    def leaf(self, node):
        if isinstance(node, p.Exists) and len(node.path) == 1:
            return lambda key, record: node.path[0] in record
        return super().leaf(node)


class CountWithoutSlice(Query):
    """The database counts all of them."""

    def count_pushed(self, pushed):
        return len(self.found(pushed))


class DeleteWithoutSlice(Query):
    """A database knows no DELETE ... LIMIT."""

    def discard_pushed(self, pushed):
        return super().discard_pushed(replace(pushed, start=0, stop=None))


class UpdateCountsChanged(Query):
    """What was so already is not counted."""

    def patch_pushed(self, pushed, changes):
        rows = list(self.run(pushed))
        super().patch_pushed(pushed, changes)
        return sum(bool(between(row[1], apply(row[1], changes))) for row in rows)


class MembershipForgotten(Query):
    """All records, whatever the model asks of them."""

    def has_kind(self, key, record, path, kinds):
        return True


QUERY_FAULTS = [
    one
    for one in list(globals().values())
    if isinstance(one, type) and issubclass(one, Query) and one is not Query
]


def with_query(fault: type[Query]) -> NewStorage:
    """Give a factory of storages whose queries have a fault."""
    return type(fault.__name__, (Storage,), {"query_class": fault})


class RewritesTheRecord(Storage):
    """A patch that puts in place what the model declares, and nothing else."""

    def patch(self, key, changes):
        for _, record in self.fetch([key]):
            known = {member.stored for member in changes.shape.members.values()}
            kept = {name: value for name, value in record.items() if name in known}
            self.replace((key, apply(kept, changes)))
            return True
        return False


class WritesWhatItRead(Storage):
    """A patch of the record as it once was: the last writer wins."""

    def loader(self, model):
        load = super().loader(model)

        def remembering(row):
            self.__dict__.setdefault("seen", {}).setdefault(row[0], row[1])
            return load(row)

        return remembering

    def patch(self, key, changes):
        if key not in self:
            return False
        old = self.__dict__.get("seen", {}).get(key, self[key])
        self.replace((key, apply(old, changes)))
        return True


class NestedMapsWhole(Storage):
    """A patch that writes the whole of a nested map."""

    def patch(self, key, changes):
        for path, above in changes.ancestors.items():
            if key in self:
                self.replace((key, {**self[key], path[0]: above[0]}))
        return super().patch(key, changes)


class DecimalsAsFloats(Storage):
    """No kind of number but one."""

    def decode(self, row, shape=None):
        record = super().decode(row, shape)
        return {
            name: float(value) if type(value).__name__ == "Decimal" else value
            for name, value in record.items()
        }


class TextForDates(Storage):
    """Dates come out as text, as JSON has no others."""

    def decode(self, row, shape=None):
        record = super().decode(row, shape)
        return {
            name: value.isoformat() if hasattr(value, "isoformat") else value
            for name, value in record.items()
        }


class SeesRecordsTwice(Storage):
    """A scan that meets again what was just written."""

    def scan(self):
        seen = set()
        while new := [key for key in self._place.records if key not in seen]:
            for key in new:
                seen.add(key)
                if key in self._place.records:
                    yield key, self._place.records[key]
                    yield key, self._place.records[key]


STORAGE_FAULTS = {
    RewritesTheRecord: test_saving.test_a_save_writes_only_what_changed,
    WritesWhatItRead: test_writers.test_two_writers_lose_nothing_of_each_other,
    NestedMapsWhole: test_saving.test_nested_maps_are_patched_path_by_path,
    DecimalsAsFloats: all_values_survive,
    TextForDates: all_values_survive,
    SeesRecordsTwice: test_queries.test_11_each_record_is_seen_once_while_they_change,
}


def run(test, storage_class):
    """Run a test of the kit as pytest would, on a storage with a fault."""
    with storage_class() as storage:
        if "people" in signature(test).parameters:
            for person in PEOPLE:
                Person(**person).save(storage, key=person["name"].lower())
        test(storage)


def test_an_honest_backend_passes():
    for test in STORAGE_FAULTS.values():
        run(test, Storage)


@pytest.mark.parametrize("fault", QUERY_FAULTS, ids=lambda one: one.__name__)
def test_random_questions_find(fault):
    with pytest.raises(AssertionError) as caught:
        test_reference.test_reference_answers_random_questions_alike(with_query(fault))
    assert "this program shows it" in str(caught.value)


@pytest.mark.parametrize("fault", STORAGE_FAULTS, ids=lambda one: one.__name__)
def test_an_example_finds(fault):
    with pytest.raises(AssertionError):
        run(STORAGE_FAULTS[fault], fault)


@pytest.mark.parametrize("fault", [RewritesTheRecord, WritesWhatItRead])
def test_random_saves_find(fault):
    with pytest.raises(AssertionError):
        test_writers.test_reference_random_saves_lose_nothing(fault)


def test_a_failure_prints_a_program_that_runs(tmp_path):
    with pytest.raises(AssertionError) as caught:
        test_reference.test_reference_answers_random_questions_alike(
            with_query(NotOverNull)
        )
    program = tmp_path / "failure.py"
    program.write_text(str(caught.value).partition("shows it:")[2], "utf-8")
    command = [sys.executable, "-W", "error", str(program), "memory://"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result.stderr
    assert "found:" in result.stdout
    assert "matching:" in result.stdout
    assert len(program.read_text("utf-8").splitlines()) < 30


BACKEND = """
import pytest
from pymodels.backends.memory import Storage
from pymodels.testing import *


class Query(Storage.query_class):
    def count(self):
        return super().count() + 1


class Miscounting(Storage):
    query_class = Query


@pytest.fixture(scope="module")
def new_storage():
    return {storage}


known_differences = {{
    "test_10_all_ways_speak_of_the_same_records": "counts itself too",
    "test_10_delete_removes_just_the_slice": "none in truth",
}}
"""


def outcomes(folder: Path, storage: str) -> str:
    test = folder / "test_backend.py"
    test.write_text(BACKEND.format(storage=storage), "utf-8")
    wanted = "test_10_all_ways or test_10_delete"
    command = [sys.executable, "-m", "pytest", "-rA", "-q", str(test), "-k", wanted]
    command += ["-p", "no:cacheprovider", "--import-mode=importlib", "-c", "/dev/null"]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=60, cwd=folder
    ).stdout


def test_a_known_difference_is_expected_to_fail(tmp_path):
    told = outcomes(tmp_path, "Miscounting")
    assert "counts itself too" in told
    assert "1 failed" in told
    assert "1 xfailed" in told


def test_a_known_difference_that_is_cured_fails(tmp_path):
    told = outcomes(tmp_path, "Storage")
    assert "XPASS(strict)" in told
    assert "2 failed" in told
