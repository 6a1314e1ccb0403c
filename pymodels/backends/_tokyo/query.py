"""Queries of Tokyo files, whoever has them open: how they are compiled and looked at.

A search of a table comes in two forms. The *lean* one is exact, where each row is
known to be what its note of kinds says. The *safe* one finds at least the wanted rows
of any table; they are looked at again, here, before they are shown.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import islice
from typing import Any

from pymodels.backend import Instance, M
from pymodels.backends._tokyo.conditions import compile_term
from pymodels.backends._tokyo.forms import Form
from pymodels.errors import Unsupported
from pymodels.keys import is_key
from pymodels.law import predicates as p
from pymodels.law.changes import Changes
from pymodels.law.evaluate import matcher
from pymodels.law.shapes import Shape
from pymodels.law.values import KEY, Record
from pymodels.querying.plan import Native, Order, Pushed, Row
from pymodels.querying.query import BaseQuery
from pymodels.storage import BaseStorage
from pymodels.tokyo.search import (
    KEY_COLUMN,
    Condition,
    Direction,
    Operator,
    Ordering,
    Search,
)

NUMERIC = {Operator.NUMEQ, Operator.NUMGT, Operator.NUMGE, Operator.NUMLT}
NUMERIC |= {Operator.NUMLE, Operator.NUMBT, Operator.NUMOREQ}


class SearchedStorage(BaseStorage):
    """Records in one of the forms, and what these queries ask of a storage."""

    form: Form
    """How records are kept."""
    is_table: bool
    """Whether the file can be searched."""
    sorts_keys: bool
    """Whether the file gives its keys in order."""

    def scan_in(self, descending: bool | None) -> Iterator[Row]:
        """Yield all rows of a file that cannot be searched, in the order of keys."""
        raise Unsupported(f"{type(self).__name__}.scan_in is not written")

    def encode(self, key: str, record: Record) -> Row:
        """Turn a canonical record into a row."""
        return self.form.encode(key, record)

    def decode(self, row: Row, shape: Shape | None = None) -> Record:
        """Turn a row into its record."""
        return self.form.decode(row, shape)

    def loader(self, model: type[M]) -> Callable[[Row], M]:
        """Take the short way to instances, where there is one."""
        return self.form.loader(self, model) or super().loader(model)

    def sifter(self, model: type[M]) -> Callable[[Row], M | None] | None:
        """Let loading show membership, where it does."""
        return self.form.sifter(self, model)

    def dumper(self, model: type[Instance]) -> Callable[[str, Instance], Row]:
        """Take the short way from instances."""
        return self.form.dumper(self, model)

    def patched(self, row: Row, changes: Changes) -> Row:
        """Give a row with changes in it."""
        return self.form.patched(row, changes)


class SearchQuery(BaseQuery[M]):
    """A search of a table; of other kinds of file, the records of some keys."""

    storage: SearchedStorage

    def compile(self, predicate: p.Predicate) -> Native | None:
        """Say a predicate in conditions."""
        if not self.storage.is_table:
            keys = keys_in(predicate)
            return None if keys is None else Native(keys)
        found = compile_term(predicate)
        return None if found is None else Native(found, found.exact)

    def can_sort(self, order: tuple[Order, ...]) -> bool:
        """Sort by the key alone: rows without a column would come at the wrong end."""
        return self.storage.sorts_keys and all(one.path == KEY for one in order)

    def run(self, pushed: Pushed) -> Iterator[Row]:
        """Yield the rows of a search."""
        wanted = keys_asked(pushed)
        if wanted is not None:
            rows = self.storage.fetch(wanted)
            return self.looked_at(pushed, sorted_by_key(rows, pushed.order))
        if not self.storage.is_table:
            return self.looked_at(pushed, self.storage.scan_in(direction_of(pushed)))
        return self.found(pushed)

    def found(self, pushed: Pushed) -> Iterator[Row]:
        """Yield the rows of a search of a table."""
        raise Unsupported(f"{type(self).__name__}.found is not written")

    def looked_at(self, pushed: Pushed, rows: Iterable[Row]) -> Iterator[Row]:
        """Keep what is wanted indeed, and take the slice."""
        kept = iter(rows)
        if not isinstance(pushed.predicate, p.Everything):
            wanted = matcher(pushed.predicate)
            kept = (row for row in rows if wanted(row[0], self._decode(row)))
        return islice(kept, pushed.start, pushed.stop)


def search_of(pushed: Pushed, conditions: tuple[Condition, ...]) -> Search:
    """Give the search of some conditions in a pushed order; the slice is not in it."""
    return Search(conditions, ordering_of(pushed))


def sliced(search: Search, pushed: Pushed) -> Search:
    """Let a search that is exact take the slice too."""
    if pushed.stop is None and not pushed.start:
        return search
    most = -1 if pushed.stop is None else max(pushed.stop - pushed.start, 0)
    return replace(search, max=most, skip=pushed.start)


def ordering_of(pushed: Pushed) -> Ordering | None:
    """Give the order of keys that is asked for, if it is."""
    if not pushed.order:
        return None
    is_descending = pushed.order[0].descending
    direction = Direction.STRDESC if is_descending else Direction.STRASC
    return Ordering(KEY_COLUMN, direction)


def direction_of(pushed: Pushed) -> bool | None:
    """Say whether keys are wanted in descending order; None for no order."""
    return pushed.order[0].descending if pushed.order else None


def sorted_by_key(rows: Iterator[Row], order: tuple[Order, ...]) -> Iterator[Row]:
    """Give some rows in the order of their keys, if one is asked for."""
    if not order:
        return rows
    found = sorted(rows, key=lambda row: row[0], reverse=order[0].descending)
    return iter(found)


def keys_in(predicate: p.Predicate) -> tuple[Any, ...] | None:
    """Give the keys that a predicate asks for by name; None if it does not."""
    match predicate:
        case p.Equal((), str(key), caseless=False):
            return (key,)
        case p.In((), keys) if all(type(key) is str for key in keys):
            return tuple(dict.fromkeys(keys))
    return None


def keys_asked(pushed: Pushed) -> tuple[Any, ...] | None:
    """Give the keys of which one of the terms wants the records."""
    for term in p.terms_of(pushed.predicate):
        keys = keys_in(term)
        if keys is not None:
            return tuple(filter(is_key, keys))
    return None
