"""Predicates to filters, exactly as the law says.

Every form was compared with the evaluator on random documents of our own and of
other programs; the table is in `docs/backends/mongodb.md`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

import bson

from pymodels.backends.mongodb.dates import part_of
from pymodels.backends.mongodb.equality import has_element, is_none, one_of
from pymodels.backends.mongodb.errors import NOT_BSON
from pymodels.backends.mongodb.filters import (
    ALWAYS,
    NEVER,
    Filter,
    Form,
    all_of,
    any_of,
    depth,
    form,
    none_of,
)
from pymodels.backends.mongodb.key_terms import key_range, key_text, not_text, on_key
from pymodels.backends.mongodb.kinds import has_kind, kinds_left
from pymodels.backends.mongodb.native import NativeFilter
from pymodels.backends.mongodb.places import Place, place
from pymodels.backends.mongodb.ranges import Range, in_range, intersection, range_of
from pymodels.backends.mongodb.text import pattern
from pymodels.law import predicates as p
from pymodels.law.shapes import Shape
from pymodels.law.values import KEY, Kind, Path
from pymodels.querying.plan import Native

DEEPEST = 100
"""Levels of a filter; the server takes about 200 in a whole command."""
LARGEST = 5 * 2**20
"""Bytes of a filter; three such still fit into one command."""


def native(found: Filter | None) -> Native | None:
    """Wrap a compiled predicate for the planner, unless it is too much."""
    if found is None:
        return None
    written = form(found)
    size = _size(written)
    if size > LARGEST or (size > DEEPEST and depth(written) > DEEPEST):
        return None
    return Native(found, found.exact)


def _size(written: Form) -> int:
    try:
        return len(bson.encode(written))
    except NOT_BSON:
        return 0  # the user's own filter: asking will say what is wrong with it


def compile_predicate(node: p.Predicate) -> Filter | None:
    """Turn a predicate into a filter, None where it has to be looked at in Python."""
    match node:
        case p.Everything():
            return ALWAYS
        case p.Not(term):
            inner = compile_predicate(term)
            return none_of(inner) if inner and inner.exact else None
        case p.And(terms):
            return _conjunction(terms)
        case p.Or(terms):
            return _disjunction(terms)
        case p.Comparison(path) if path == KEY:
            return on_key(node, range_of(node)) or _on_text(node, None)
        case p.Comparison(path):
            at = place(path, node.declared)
            return compare(node, at) if at else None
        case NativeFilter(written):
            return Filter(others=({"$and": [written]},))
    return None


def _disjunction(terms: Iterable[p.Predicate]) -> Filter | None:
    found = [compile_predicate(term) for term in terms]
    known = [one for one in found if one is not None]
    return any_of(known) if len(known) == len(found) else None


def _conjunction(terms: Sequence[p.Predicate]) -> Filter | None:
    """Join terms; one that cannot be said is left out, and the rest is a superset."""
    found = [compile_predicate(term) for term in terms]
    known = [(term, one) for term, one in zip(terms, found, strict=True) if one]
    if not known:
        return None
    whole = joined([term for term, _ in known], [one for _, one in known])
    return whole if len(known) == len(found) else replace(whole, exact=False)


def joined(terms: Sequence[p.Predicate], compiled: Sequence[Filter]) -> Filter:
    """Join compiled terms that must all hold, as lean as they can be said.

    The ends of one range become one condition, and the kind of a value is not asked
    for where another condition leaves no other.
    """
    left = _kinds_left(terms)
    ranges: dict[Path, list[tuple[Range, Shape | None]]] = {}
    others: list[Filter] = []
    for term, one in zip(terms, compiled, strict=True):
        match term:
            case p.HasKind(path, kinds=kinds):
                if not any(found <= kinds for found in left.get(path, ())):
                    others.append(one)
            case p.Comparison(path) if within := range_of(term):
                ranges.setdefault(path, []).append((within, term.declared))
            case _:
                others.append(one)
    return all_of([*(_ranged(path, ends) for path, ends in ranges.items()), *others])


def _kinds_left(terms: Iterable[p.Predicate]) -> dict[Path, list[frozenset[Kind]]]:
    """Give for each path the kinds that conditions other than on kinds leave."""
    left: dict[Path, list[frozenset[Kind]]] = {}
    for term in terms:
        kinds = None if isinstance(term, p.HasKind) else kinds_left(term)
        if kinds is not None and isinstance(term, p.Comparison):
            left.setdefault(term.path, []).append(kinds)
    return left


def _ranged(path: Path, ends: Iterable[tuple[Range, Shape | None]]) -> Filter:
    found, declared = zip(*ends, strict=True)
    within = intersection(found)
    at = None if path == KEY else place(path, declared[0])
    return in_range(within, at) if at else key_range(within)


def compare(node: p.Comparison, at: Place) -> Filter | None:
    """Compile a comparison of the value at a place."""
    within = range_of(node)
    if within is not None:
        return in_range(within, at)
    match node:
        case p.Exists():
            return none_of(is_none(at))
        case p.HasKind(kinds=kinds):
            return has_kind(kinds, at)
        case p.Equal(value=value, caseless=False):
            return one_of((value,), at)
        case p.In(values=values):
            return one_of(values, at)
        case p.Contains():
            return _contains(node, at)
        case p.DatePart(part=part, value=number):
            return part_of(at, part, number)
    return _on_text(node, at)


def _contains(node: p.Contains, at: Place) -> Filter:
    branches: list[Filter] = []
    if node.within is not Kind.STRING:
        branches.append(has_element(node.value, at))
    if node.within is not Kind.LIST and type(node.value) is str:
        branches.append(_on_text(node, at))
    return any_of(branches)


def _on_text(node: p.Comparison, at: Place | None) -> Filter:
    """Compile what looks into a string: that of a place, or the key."""
    match node:
        case p.Words(words=words, mode="any"):
            return _inexact(any_of(_folded(word, at) for word in words))
        case p.Words(words=words):
            return _inexact(all_of([_text({}, at), *(_folded(w, at) for w in words)]))
    found = _pattern(node)
    if found is None:
        return _inexact(_text({}, at))
    return _text({"$regex": found} if found else {}, at)


def _pattern(node: p.Comparison) -> str | None:
    match node:
        case p.Equal(value=text):
            return pattern(text, starts=True, ends=True, caseless=True)
        case p.StartsWith(value=text):
            return text and pattern(text, starts=True, ends=False, caseless=True)
        case p.EndsWith(value=text, caseless=caseless):
            return text and pattern(text, starts=False, ends=True, caseless=caseless)
        case p.Contains(value=text, caseless=caseless):
            return text and pattern(text, starts=False, ends=False, caseless=caseless)
    return None


def _folded(word: str, at: Place | None) -> Filter:
    """Give the filter for a text with a folded word in it, or around it."""
    found = pattern(word, starts=False, ends=False, caseless=True)
    return _text({"$regex": found} if found else {}, at)


def _text(conditions: Form, at: Place | None) -> Filter:
    """Give the filter for texts; a stored pattern is none, though it equals itself."""
    whole = {"$gte": "", **conditions}
    if at is not None:
        return at.single(whole)
    return _inexact(any_of([key_text(whole), not_text()]))


def _inexact(found: Filter) -> Filter:
    return found if found == NEVER else replace(found, exact=False)
