"""A memory backend that answers in a database's manner, to plant faults in.

It compiles predicates to functions that say True, False or NULL, and sorts, slices
and counts by itself, exactly. What it calls too hard (patterns, words) is left over;
what ignores case is offered as a superset. No backend for users: nothing is faster.
"""

from collections.abc import Callable, Iterator
from typing import Any

from pymodels.backends import memory
from pymodels.law import predicates as p
from pymodels.law.changes import Changes
from pymodels.law.values import (
    KEY,
    ORDERED,
    Kind,
    Path,
    Record,
    kind_of,
    read,
    sort_key,
)
from pymodels.querying.plan import Native, Order, Pushed, Row
from pymodels.querying.query import M

Truth = bool | None
Test = Callable[[str, Record], Truth]


class Query(memory.Query[M]):
    """Compiles, runs, sorts and slices; each step is a method, to be got wrong."""

    def compile(self, predicate: p.Predicate) -> Native | None:
        match predicate:
            case p.StartsWith(caseless=True) | p.EndsWith(caseless=True):
                text = self.leaf(p.HasKind(predicate.path, frozenset({Kind.STRING})))
                return Native(text, exact=False)
        test = self.test(predicate)
        return None if test is None else Native(test)

    def test(self, node: p.Predicate) -> Test | None:
        match node:
            case p.Everything():
                return lambda key, record: True
            case p.And(terms):
                return self.both([self.test(term) for term in terms])
            case p.Or(terms):
                return self.either([self.test(term) for term in terms])
            case p.Not(term):
                test = self.test(term)
                return None if test is None else self.opposite(test)
            case p.Comparison():
                return self.leaf(node)
        return None

    def both(self, tests: list[Test | None]) -> Test | None:
        known = [test for test in tests if test is not None]
        if len(known) < len(tests):
            return None
        return lambda key, record: all(test(key, record) for test in known)

    def either(self, tests: list[Test | None]) -> Test | None:
        known = [test for test in tests if test is not None]
        if len(known) < len(tests):
            return None
        return lambda key, record: any(test(key, record) for test in known)

    def opposite(self, test: Test) -> Test:
        return lambda key, record: test(key, record) is not True

    def read(self, key: str, record: Record, path: Path) -> Any:
        return key if path == KEY else read(record, path)

    def leaf(self, node: p.Comparison) -> Test | None:
        path = node.path
        if isinstance(node, p.HasKind):
            return lambda key, record: self.has_kind(key, record, path, node.kinds)
        if isinstance(node, p.Exists):
            return lambda key, record: self.read(key, record, path) is not None
        test = self.value_test(node)
        if test is None:
            return None

        def of_record(key: str, record: Record) -> Truth:
            value = self.read(key, record, path)
            return self.on_null(node) if value is None else test(value)

        return of_record

    def on_null(self, node: p.Comparison) -> Truth:
        """Say what a comparison makes of nothing: NULL, but for None itself."""
        match node:
            case p.Equal(value=None):
                return True
            case p.In(values=values) if None in values:
                return True
        return None

    def has_kind(
        self, key: str, record: Record, path: Path, kinds: frozenset[Kind]
    ) -> bool:
        if path == KEY:
            return Kind.STRING in kinds
        holder = read(record, path[:-1])
        there = isinstance(holder, dict) and path[-1] in holder
        return there and kind_of(holder[path[-1]]) in kinds

    def value_test(self, node: p.Comparison) -> Callable[[Any], Truth] | None:
        """Give the function of a value that is there; None for what is too hard."""
        match node:
            case p.Equal(value=wanted, caseless=False):
                return lambda value: self.equal(value, wanted)
            case p.In(values=values):
                return lambda value: any(self.equal(value, one) for one in values)
            case p.Less(value=wanted):
                return lambda value: self.less(value, wanted)
            case p.Greater(value=wanted):
                return lambda value: self.less(wanted, value)
            case p.LessOrEqual(value=wanted):
                return lambda value: (
                    self.ranged(value, wanted)
                    and (self.less(value, wanted) or self.equal(value, wanted))
                )
            case p.GreaterOrEqual(value=wanted):
                return lambda value: (
                    self.ranged(value, wanted)
                    and (self.less(wanted, value) or self.equal(value, wanted))
                )
            case p.StartsWith(value=text, caseless=False):
                return lambda value: self.starts(value, text)
            case p.Equal(value=text, caseless=True):
                return lambda value: (
                    isinstance(value, str) and self.folded(value) == text
                )
            case p.Contains(value=wanted, within=Kind.LIST):
                return lambda value: (
                    isinstance(value, list) and self.holds(value, wanted)
                )
            case p.DatePart(part=part, value=number):
                return lambda value: getattr(value, part, None) == number
        return None

    def equal(self, left: Any, right: Any) -> bool:
        return sort_key(left) == sort_key(right)

    def ranged(self, left: Any, right: Any) -> bool:
        """Whether two values are of one ordered kind."""
        return kind_of(left) in ORDERED and kind_of(left) is kind_of(right)

    def less(self, left: Any, right: Any) -> bool:
        if not self.ranged(left, right):
            return False
        one, other = sort_key(left), sort_key(right)
        return one < other and one[:-1] == other[:-1]

    def starts(self, value: Any, text: str) -> bool:
        return isinstance(value, str) and value.startswith(text)

    def folded(self, value: str) -> str:
        return value.casefold()

    def holds(self, value: list[Any], wanted: Any) -> bool:
        return any(self.equal(part, wanted) for part in value)

    def can_sort(self, order: tuple[Order, ...]) -> bool:
        return True

    def place(self, value: Any) -> Any:
        return sort_key(value)

    def sorted(self, rows: list[Row], order: tuple[Order, ...]) -> list[Row]:
        for one in reversed(order):
            rows.sort(
                key=lambda row, path=one.path: self.place(
                    self.read(row[0], row[1], path)
                ),
                reverse=one.descending,
            )
        return rows

    def found(self, pushed: Pushed) -> list[Row]:
        rows = [
            row
            for row in self.storage.scan()
            if all(test(*row) is True for test in pushed.natives)
        ]
        return self.sorted(rows, pushed.order)

    def run(self, pushed: Pushed) -> Iterator[Row]:
        return iter(self.found(pushed)[pushed.start : pushed.stop])

    def count_pushed(self, pushed: Pushed) -> int:
        return len(list(self.run(pushed)))

    def discard_pushed(self, pushed: Pushed) -> int:
        with self.storage.exclusive():
            return sum([self.storage.discard(row[0]) for row in list(self.run(pushed))])

    def patch_pushed(self, pushed: Pushed, changes: Changes) -> int:
        with self.storage.exclusive():
            keys = [row[0] for row in self.run(pushed)]
            return sum([self.storage.patch(key, changes) for key in keys])


class Storage(memory.Storage):
    """The same records; only the queries differ."""

    query_class = Query
