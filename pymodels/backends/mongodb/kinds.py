"""What kind a value is: the server's types, but for what is in none of our kinds."""

from dataclasses import replace
from typing import Any

from pymodels.backends.mongodb.dates import IN_RANGE, Kinds, dated
from pymodels.backends.mongodb.filters import Filter, any_of
from pymodels.backends.mongodb.numbers import FINITE
from pymodels.backends.mongodb.places import Place
from pymodels.law import predicates as p
from pymodels.law.values import Kind, kind_of

TYPES: dict[Kind, tuple[str, ...]] = {
    Kind.NONE: ("null", "undefined"),
    Kind.NUMBER: ("number",),
    Kind.STRING: ("string", "symbol"),
    Kind.MAP: ("object",),
    Kind.BYTES: ("binData",),
    Kind.BOOL: ("bool",),
}
DATES: dict[Kind, Kinds] = {
    Kind.DATE: frozenset({"date"}),
    Kind.DATETIME: frozenset({"naive", "datetime"}),
}


def has_kind(kinds: frozenset[Kind], at: Place) -> Filter:
    """Give the filter for a value that is there, of one of the kinds.

    No condition can tell bytes from other binary values: only we can.
    """
    branches = []
    types = [name for kind in sorted(kinds & TYPES.keys()) for name in TYPES[kind]]
    if types:
        # After the other conditions: a range would be looked at before them.
        finite = FINITE if Kind.NUMBER in kinds else {}
        found = at.single({"$type": types[0] if len(types) == 1 else types, **finite})
        branches.append(replace(found, exact=Kind.BYTES not in kinds))
    if Kind.LIST in kinds:
        branches.append(at.any_value({"$type": "array"}))
    dates: Kinds = frozenset().union(*(DATES[kind] for kind in kinds & DATES.keys()))
    if dates:
        branches.append(dated(at, IN_RANGE, dates))
    return any_of(branches)


def kinds_left(node: p.Predicate) -> frozenset[Kind] | None:
    """Give the kinds that a condition leaves to a value that is there for sure.

    None where it may hold for what is not there, or leaves many.
    """
    match node:
        case p.HasKind(kinds=kinds):
            return kinds
        case p.Equal(caseless=True) | p.StartsWith() | p.EndsWith():
            return frozenset({Kind.STRING})
        case p.Matches() | p.Words():
            return frozenset({Kind.STRING})
        case p.Contains(within=within):
            return frozenset({within or Kind.STRING, within or Kind.LIST})
        case p.DatePart():
            return frozenset(DATES)
        case p.In(values=values):
            return _kinds_of(*values)
    asked: Any = getattr(node, "value", None)
    return _kinds_of(asked)


def _kinds_of(*values: Any) -> frozenset[Kind] | None:
    found = frozenset(map(kind_of, values))
    return None if Kind.NONE in found else found
