"""Filters of MongoDB as values: joined, turned round, and written down at the end.

The server tries a condition on each element of a list as well, and walks through
lists on a path; by the law neither is so. Each positive condition therefore comes
with the names where no list may stand, its own and those above it. Written down,
the conditions on one name become one, with one such guard.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

Form = dict[str, Any]
"""A filter, or the conditions on one name, as the server takes it."""

NO_LIST: Form = {"$type": "array"}
"""What a guard negates."""


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
        """Whether nothing is asked."""
        return not (self.fields or self.singles or self.others)


ALWAYS = Filter()
NEVER = Filter((("_id", {"$in": []}),))
"""Of no document; the server reads nothing to know it."""


def all_of(filters: Iterable[Filter]) -> Filter:
    """Join filters that must all hold."""
    found = list(filters)
    if NEVER in found:
        return NEVER
    return Filter(
        tuple(pair for one in found for pair in one.fields),
        frozenset().union(*(one.singles for one in found)),
        tuple(other for one in found for other in one.others),
        all(one.exact for one in found),
    )


def any_of(filters: Iterable[Filter]) -> Filter:
    """Join filters of which one must hold."""
    found = [one for one in filters if one != NEVER]
    if any(one.is_everything for one in found):
        return ALWAYS if all(one.exact for one in found) else Filter(exact=False)
    if not found:
        return NEVER
    if len(found) == 1:
        return found[0]
    is_exact = all(one.exact for one in found)
    return Filter(others=({"$or": list(map(form, found))},), exact=is_exact)


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


def form(found: Filter) -> Form:
    """Write a filter down."""
    written: Form = {}
    apart: list[Form] = []
    for name, conditions in found.fields:
        known = written.setdefault(name, {})
        if known.keys() & conditions.keys():
            apart.append({name: conditions})
        else:
            known.update(conditions)
    for name in sorted(found.singles):
        known = written.setdefault(name, {})
        if "$not" in known:
            apart.append({name: {"$not": NO_LIST}})
        else:
            known["$not"] = NO_LIST
    refused: list[Form] = []
    for other in found.others:
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
        waiting += [(inner, level + 1) for inner in _inside(part)]
    return deepest


def _inside(value: Any) -> Iterator[Any]:
    match value:
        case dict():
            yield from value.values()
        case list():
            yield from value
