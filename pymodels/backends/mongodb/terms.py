"""Predicates to filters, exactly as the law says.

Every form was compared with the evaluator on random documents of our own and of
other programs; the table is in `docs/backends/mongodb.md`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import inf, nan
from typing import Any

import bson

from pymodels.backend import KEY, Kind, Native, Path, Predicate, Shape, errors, kind_of
from pymodels.backend import predicates as p
from pymodels.backends.mongodb.dates import IN_RANGE, Kinds, dated, part_of
from pymodels.backends.mongodb.documents import types_of
from pymodels.backends.mongodb.equality import has_element, is_none, one_of
from pymodels.backends.mongodb.errors import NOT_BSON
from pymodels.backends.mongodb.filters import (
    ALWAYS,
    NEVER,
    FieldPath,
    Filter,
    Form,
    all_of,
    any_of,
    depth,
    field_path,
    form,
    none_of,
)
from pymodels.backends.mongodb.keys import IS_TEXT, compare_key, key_in_range, on_key
from pymodels.backends.mongodb.ranges import Range, in_range, intersection, range_of
from pymodels.backends.mongodb.text import pattern

DEEPEST = 100
"""Levels of a filter; the server takes about 200 in a whole command."""
LARGEST = 5 * 2**20
"""Bytes of a filter; three such still fit into one command."""
MOST_LEVELS = 90
"""Maps and lists in each other; a little less than is sent, for what is around it."""
DATES: dict[Kind, Kinds] = {
    Kind.DATE: frozenset({"date"}),
    Kind.DATETIME: frozenset({"naive", "datetime"}),
}
FINITE: Form = {"$nin": [nan, inf, -inf]}
"""What our numbers are; beside a test that it is a number at all."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class NativeFilter(Predicate):
    """What the server understands and we do not; it goes to it as it is."""

    form: Form

    def __post_init__(self) -> None:
        if depth(self.form) > MOST_LEVELS:
            raise errors.QueryError(
                f"native() takes a filter that nests at most {MOST_LEVELS} levels of "
                "maps and lists"
            )

    def identity(self) -> tuple[Any, ...]:
        """Give what makes two nodes the same: what was written."""
        return type(self).__name__, repr(self.form)

    def __str__(self) -> str:
        return f"native({self.form!r})"


def holds_native(predicate: Predicate) -> bool:
    """Say whether a native filter is somewhere in a tree."""
    match predicate:
        case NativeFilter():
            return True
        case p.Not(term):
            return holds_native(term)
        case p.And(terms) | p.Or(terms):
            return any(map(holds_native, terms))
    return False


def compiled(node: Predicate) -> Native | None:
    """Say a predicate as a filter for the planner, unless that is too much."""
    filter = compile_predicate(node)
    if filter is None:
        return None
    written = form(filter)
    size = size_of(written)
    if size > LARGEST or (size > DEEPEST and depth(written) > DEEPEST):
        return None
    return Native(filter, filter.exact)


def size_of(written: Form) -> int:
    """Give the bytes of a form, 0 if it cannot be written as BSON."""
    try:
        return len(bson.encode(written))
    except NOT_BSON:
        return 0  # the user's own filter: asking will say what is wrong with it


def compile_predicate(node: Predicate) -> Filter | None:
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
            known = [one for one in map(compile_predicate, terms) if one is not None]
            return any_of(known) if len(known) == len(terms) else None
        case p.Comparison():
            return _compare(node)
        case NativeFilter(written):
            return Filter(others=({"$and": [written]},))
    return None


def _conjunction(terms: Sequence[Predicate]) -> Filter | None:
    """Join terms; one that cannot be said is left out, and the rest is a superset."""
    pairs = [(term, compile_predicate(term)) for term in terms]
    known = [(term, one) for term, one in pairs if one is not None]
    if not known:
        return None
    whole = joined([term for term, _ in known], [one for _, one in known])
    return whole if len(known) == len(terms) else replace(whole, exact=False)


def joined(terms: Sequence[Predicate], filters: Sequence[Filter]) -> Filter:
    """Join the filters of terms that must all hold, as lean as they can be said.

    The ends of one range become one condition, and the kind of a value is not asked
    for where another condition leaves no other.
    """
    left: dict[Path, list[frozenset[Kind]]] = {}
    for term in terms:
        if isinstance(term, p.Comparison) and (kinds := _kinds_left(term)):
            left.setdefault(term.path, []).append(kinds)
    ranges: dict[Path, list[tuple[Range, Shape | None]]] = {}
    others: list[Filter] = []
    for term, one in zip(terms, filters, strict=True):
        match term:
            case p.HasKind(path, kinds=kinds):
                if not any(known <= kinds for known in left.get(path, ())):
                    others.append(one)
            case p.Comparison(path, declared=declared) if within := range_of(term):
                ranges.setdefault(path, []).append((within, declared))
            case _:
                others.append(one)
    whole = (_in_ranges(path, pairs) for path, pairs in ranges.items())
    return all_of([*whole, *others])


def _in_ranges(path: Path, pairs: Sequence[tuple[Range, Shape | None]]) -> Filter:
    within = intersection([one for one, _ in pairs])
    at = None if path == KEY else field_path(path, pairs[0][1])
    return in_range(within, at) if at else key_in_range(within)


def _kinds_left(node: p.Comparison) -> frozenset[Kind] | None:
    """Give the kinds that a condition leaves to a value that is there for sure.

    None where it may hold for what is not there, or asks for kinds itself.
    """
    values: tuple[Any, ...]
    match node:
        case p.HasKind() | p.Exists():
            return None
        case p.Equal(caseless=True) | p.StartsWith() | p.EndsWith():
            return frozenset({Kind.STRING})
        case p.Matches() | p.Words():
            return frozenset({Kind.STRING})
        case p.Contains(within=within):
            return frozenset({within or Kind.STRING, within or Kind.LIST})
        case p.DatePart():
            return frozenset(DATES)
        case p.In():
            values = node.values
        case _:
            values = (getattr(node, "value", None),)
    kinds = frozenset(map(kind_of, values))
    return None if Kind.NONE in kinds else kinds


def _compare(node: p.Comparison) -> Filter | None:
    within = range_of(node)
    if node.path == KEY:
        if within is not None:
            return key_in_range(within)
        return compare_key(node) or _on_text(node, None)
    at = field_path(node.path, node.declared)
    if at is None:
        return None
    if within is not None:
        return in_range(within, at)
    match node:
        case p.Exists():
            return none_of(is_none(at))
        case p.HasKind(kinds=kinds):
            return _has_kind(kinds, at)
        case p.Equal(value=value, caseless=False):
            return one_of((value,), at)
        case p.In(values=values):
            return one_of(values, at)
        case p.Contains():
            return _contains(node, at)
        case p.DatePart(part=part, value=number):
            return part_of(at, part, number)
    return _on_text(node, at)


def _has_kind(kinds: frozenset[Kind], at: FieldPath) -> Filter:
    """Give the filter for a value that is there, of one of the kinds.

    No condition can tell bytes from other binary values: only we can.
    """
    branches = []
    types = types_of(kinds - {Kind.LIST, *DATES})
    if types:
        # After the other conditions: a range would be looked at before them.
        finite = FINITE if Kind.NUMBER in kinds else {}
        is_type = {"$type": types[0] if len(types) == 1 else types, **finite}
        branches.append(at.single(is_type, exact=Kind.BYTES not in kinds))
    if Kind.LIST in kinds:
        branches.append(at.any_value({"$type": "array"}))
    marks: Kinds = frozenset().union(*(DATES[kind] for kind in kinds & DATES.keys()))
    if marks:
        branches.append(dated(at, IN_RANGE, marks))
    return any_of(branches)


def _contains(node: p.Contains, at: FieldPath) -> Filter:
    branches: list[Filter] = []
    if node.within is not Kind.STRING:
        branches.append(has_element(node.value, at))
    if node.within is not Kind.LIST and type(node.value) is str:
        branches.append(_on_text(node, at))
    return any_of(branches)


def _on_text(node: p.Comparison, at: FieldPath | None) -> Filter:
    """Compile what looks into a string: that of a field, or the key."""
    match node:
        case p.Words(words=words, mode="any"):
            return _inexact(any_of(_word(word, at) for word in words))
        case p.Words(words=words):
            return _inexact(all_of([_text({}, at), *(_word(one, at) for one in words)]))
        case p.Equal() | p.StartsWith() | p.EndsWith() | p.Contains():
            starts = isinstance(node, p.Equal | p.StartsWith)
            ends = isinstance(node, p.Equal | p.EndsWith)
            regex = pattern(
                node.value, starts=starts, ends=ends, caseless=node.caseless
            )
            if regex is not None:
                return _text({"$regex": regex}, at)
    return _inexact(_text({}, at))


def _word(word: str, at: FieldPath | None) -> Filter:
    """Give the filter for a text with a folded word in it, or around it."""
    regex = pattern(word, starts=False, ends=False, caseless=True)
    return _text({"$regex": regex} if regex else {}, at)


def _text(conditions: Form, at: FieldPath | None) -> Filter:
    """Give the filter for texts; a stored pattern is none, though it equals itself."""
    whole = {"$gte": "", **conditions}
    if at is not None:
        return at.single(whole)
    return _inexact(any_of([on_key(whole), on_key({"$not": IS_TEXT})]))


def _inexact(filter: Filter) -> Filter:
    return filter if filter == NEVER else replace(filter, exact=False)
