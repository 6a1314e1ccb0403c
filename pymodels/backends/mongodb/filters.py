"""Filters of MongoDB as values: joined, turned round, and written down at the end.

The server tries a condition on each element of a list as well, and walks through
lists on a path; by the law neither is so. Each positive condition therefore comes
with the names where no list may stand, its own and those above it. Written down,
the conditions on one name become one, with one such guard.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from pymodels.backend import Path, Shape
from pymodels.backends.mongodb.documents import KINDS, stored_path

Form = dict[str, Any]
"""A filter, or the conditions on one name, as the server takes it."""

NO_LIST: Form = {"$type": "array"}
"""What a guard negates."""
LONGEST_PATH = 100
"""Names of a path; the server takes about 200, and no record of ours is so deep."""


@dataclass(frozen=True, slots=True)
class Filter:
    """Conditions that must all hold, and whether they say just what the law says.

    ``fields`` are pairs of a dotted name and conditions on it, ``singles`` the
    dotted names where no list may stand, ``others`` filters with an operator in
    front, as ``{"$or": [...]}``.
    """

    fields: tuple[tuple[str, Form], ...] = ()
    singles: frozenset[str] = frozenset()
    others: tuple[Form, ...] = ()
    exact: bool = True

    @property
    def is_everything(self) -> bool:
        """Whether it holds for every document."""
        return not (self.fields or self.singles or self.others)


ALWAYS = Filter()
NEVER = Filter((("_id", {"$in": []}),))
"""Of no document; the server reads nothing to know it."""


@dataclass(frozen=True, slots=True)
class FieldPath:
    """The path of a field in a document: ``name`` is dotted, ``parents`` are above it.

    ``shape`` is what is declared there; unmarked dates are read by it.
    """

    name: str
    parents: tuple[str, ...]
    shape: Shape | None = None

    @property
    def readings(self) -> tuple[str, ...]:
        """The kinds that an unmarked date is read as, the first that fits."""
        return self.shape.reads_text if self.shape else ()

    @property
    def expression(self) -> str:
        """The value, in an expression."""
        return f"${self.name}"

    def single(self, conditions: Form, *, exact: bool = True) -> Filter:
        """Give conditions on the value, which is not a list."""
        singles = frozenset((self.name, *self.parents))
        return Filter(((self.name, conditions),), singles, exact=exact)

    def any_value(self, conditions: Form, *, exact: bool = True) -> Filter:
        """Give conditions on the value, which may be a list."""
        return Filter(((self.name, conditions),), frozenset(self.parents), exact=exact)

    def mark(self, conditions: Form) -> Filter:
        """Give conditions on the value's mark."""
        names = (KINDS, *(f"{KINDS}.{name}" for name in (*self.parents, self.name)))
        return Filter(((names[-1], conditions),), frozenset(names))

    def below(self, name: str) -> "FieldPath":
        """Give the path of a name in the map that stands here."""
        shape = self.shape.stored_member(name) if self.shape else None
        return FieldPath(f"{self.name}.{name}", (*self.parents, self.name), shape)


def is_plain(name: str) -> bool:
    """Say whether a name can stand in a dotted name and means itself there."""
    return bool(name) and "." not in name and name[0] != "$"


def field_path(path: Path, shape: Shape | None) -> FieldPath | None:
    """Give the path of a field, None if it is too long or cannot be dotted."""
    if len(path) > LONGEST_PATH or not all(map(is_plain, path)):
        return None
    names = tuple(accumulate(stored_path(path), "{}.{}".format))
    return FieldPath(names[-1], names[:-1], shape)


def by_expression(expression: Any) -> Filter:
    """Give the filter of an expression, which must not fail for any document."""
    return Filter(others=({"$expr": expression},))


def among(values: list[Any]) -> Form:
    """Give the condition of being one of some BSON values."""
    return {"$eq": values[0]} if len(values) == 1 else {"$in": values}


def all_of(filters: Iterable[Filter]) -> Filter:
    """Join filters that must all hold."""
    terms = list(filters)
    if NEVER in terms:
        return NEVER
    return Filter(
        tuple(pair for term in terms for pair in term.fields),
        frozenset().union(*(term.singles for term in terms)),
        tuple(other for term in terms for other in term.others),
        all(term.exact for term in terms),
    )


def any_of(filters: Iterable[Filter]) -> Filter:
    """Join filters of which one must hold."""
    terms = [term for term in filters if term != NEVER]
    is_exact = all(term.exact for term in terms)
    if any(term.is_everything for term in terms):
        return Filter(exact=is_exact)
    if not terms:
        return NEVER
    if len(terms) == 1:
        return terms[0]
    return Filter(others=({"$or": list(map(form, terms))},), exact=is_exact)


def none_of(term: Filter) -> Filter:
    """Turn an exact filter into its complement."""
    if term.is_everything:
        return NEVER
    if term == NEVER:
        return ALWAYS
    match term:
        case Filter((), others=({"$or": terms},)) if not term.singles:
            return Filter(others=({"$nor": terms},))
        case Filter((), others=({"$nor": [other]},)) if not term.singles:
            return Filter(others=({"$and": [other]},))
    return Filter(others=({"$nor": [form(term)]},))


def form(whole: Filter) -> Form:
    """Write a filter down."""
    written: Form = {}
    apart: list[Form] = []
    guards = ((name, {"$not": NO_LIST}) for name in sorted(whole.singles))
    for name, conditions in (*whole.fields, *guards):
        known = written.setdefault(name, {})
        if known.keys() & conditions.keys():
            apart.append({name: conditions})
        else:
            known.update(conditions)
    refused: list[Form] = []
    for other in whole.others:
        match other:
            case {"$nor": terms}:
                refused += terms
            case {"$and": terms}:
                apart += terms
            case _ if written.keys() & other.keys():
                apart.append(other)
            case _:
                written.update(other)
    if refused:
        written["$nor"] = refused
    if apart:
        written["$and"] = apart
    return written


def depth(value: Any) -> int:
    """Say how deep a form is nested; the server takes some 200 levels."""
    deepest, waiting = 0, [(value, 1)]
    while waiting:
        part, level = waiting.pop()
        deepest = max(deepest, level)
        inside = part.values() if isinstance(part, dict) else part
        if isinstance(part, dict | list):
            waiting += [(inner, level + 1) for inner in inside]
    return deepest
