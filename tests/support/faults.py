"""Backends that get one thing wrong, and the test of the kit that finds it."""

import os
from dataclasses import replace
from typing import Any

import pushing

from pymodels.law import predicates as p
from pymodels.law.changes import apply, between
from pymodels.law.values import KEY, Kind, kind_of, sort_key
from pymodels.querying.plan import Native, Plan
from pymodels.testing import (
    test_errors,
    test_faults,
    test_keys,
    test_queries,
    test_reference,
    test_roundtrip,
    test_saving,
    test_whole_models,
    test_writers,
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


def _sliced_too_early(self, spec=None):
    plan = Query._planned(self, spec)
    left = plan.residual
    if plan.is_pushed or not left.is_sliced:
        return plan
    pushed = replace(plan.pushed, order=left.order, start=left.start, stop=left.stop)
    return Plan(pushed, replace(left, start=0, stop=None))


# Not in the class, whose maker would refuse it.
SliceUnderAResidual._planned = _sliced_too_early


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


class DescendingKeyAscending(Query):
    """An order by the key alone has one direction."""

    def sorted(self, rows, order):
        if [one.path for one in order] == [KEY]:
            order = (replace(order[0], descending=False),)
        return super().sorted(rows, order)


class LessOrEqualForLessKeys(Query):
    """One sign too many, where keys are compared."""

    def leaf(self, node):
        if isinstance(node, p.Less) and node.path == KEY:
            return super().leaf(p.LessOrEqual(node.path, node.value))
        return super().leaf(node)


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


class RewritesTheRecord(Storage):
    """A patch that puts in place what the model declares, and nothing else."""

    def patch(self, key, changes, known=None):
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

    def patch(self, key, changes, known=None):
        if key not in self:
            return False
        old = self.__dict__.get("seen", {}).get(key, self[key])
        self.replace((key, apply(old, changes)))
        return True


class NestedMapsWhole(Storage):
    """A patch that writes the whole of a nested map."""

    def patch(self, key, changes, known=None):
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
        while new := [row for row in Storage.scan(self) if row[0] not in seen]:
            for row in new:
                seen.add(row[0])
                yield row
                yield row


class NeverCloses(Storage):
    """A handle that nobody gives back."""

    def __init__(self, **settings):
        super().__init__(**settings)
        self.handle = os.open(os.devnull, os.O_RDONLY)


class KeepsHalfABatch(Storage):
    """Records of a batch that failed stay."""

    def insert_many(self, rows):
        created = []
        for row in rows:
            created.append(self.insert(row))
        return created


class JudgesBeforeTheStep(Storage):
    """A conditional write that does not look again."""

    def swap(self, swaps):
        for before, after in swaps:
            if after is None:
                self.discard(before[0])
            else:
                self.replace(after)
        return [True] * len(swaps)


class ForgetsOneInAnUndo(Storage):
    """A rollback that puts back all records but one."""

    def rollback(self, depth):
        del self._local.undo[-1:]
        super().rollback(depth)


random_questions = test_reference.test_reference_answers_random_questions_alike
random_saves = test_writers.test_reference_random_saves_lose_nothing
all_values_survive = test_roundtrip.test_2_all_values_survive_in_one_record

FOUND_BY: list[tuple[type[Any], Any]] = [
    (NotOverNull, random_questions),
    (NoKindGuard, random_questions),
    (BoolsAreNumbers, random_questions),
    (SliceUnderAResidual, random_questions),
    (OrSplitLikeAnd, random_questions),
    (NotOverSuperset, random_questions),
    (StartsWithByLike, random_questions),
    (ListMatchedByElement, random_questions),
    (RangeByElement, random_questions),
    (PathThroughLists, random_questions),
    (NumbersAsFloats, random_questions),
    (TextWithoutCase, random_questions),
    (TextByUtf16, random_questions),
    (NoneLast, random_questions),
    (TiesInOneDirection, random_questions),
    (DescendingKeyAscending, random_questions),
    (LessOrEqualForLessKeys, random_questions),
    (LowerForCasefold, random_questions),
    (InWithoutNone, random_questions),
    (NoneExists, random_questions),
    (CountWithoutSlice, random_questions),
    (DeleteWithoutSlice, random_questions),
    (UpdateCountsChanged, random_questions),
    (MembershipForgotten, random_questions),
    (DescendingKeyAscending, test_keys.test_12_keys_are_ordered_by_code_point),
    (LessOrEqualForLessKeys, test_keys.test_12_keys_are_compared_by_code_point),
    (RewritesTheRecord, test_saving.test_a_save_writes_only_what_changed),
    (RewritesTheRecord, random_saves),
    (WritesWhatItRead, test_writers.test_two_writers_lose_nothing_of_each_other),
    (WritesWhatItRead, random_saves),
    (NestedMapsWhole, test_saving.test_nested_maps_are_patched_path_by_path),
    (DecimalsAsFloats, all_values_survive),
    (TextForDates, all_values_survive),
    (SeesRecordsTwice, test_queries.test_11_each_record_is_seen_once_while_they_change),
    (NeverCloses, test_errors.test_closing_lets_go_of_every_handle),
    (
        JudgesBeforeTheStep,
        test_whole_models.test_18_what_others_wrote_meanwhile_is_validated_too,
    ),
    (
        ForgetsOneInAnUndo,
        test_faults.test_16_a_write_that_fails_says_what_is_there,
    ),
    (KeepsHalfABatch, test_errors.test_a_batch_that_fails_is_not_kept_by_half),
]
"""Each fault with a test of the kit that must fail on it."""


def storage_with(fault: type[Any]) -> type[Storage]:
    """Give the storage that has a fault, in itself or in its queries."""
    if issubclass(fault, Query):
        return type(fault.__name__, (Storage,), {"query_class": fault})
    return fault
