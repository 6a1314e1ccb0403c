"""Datetimes to the millisecond, for databases that keep no more (law 2).

What is asked and what is saved is cut the same way, so that both still meet.
"""

from dataclasses import replace
from datetime import datetime
from typing import Any

from pymodels.law import predicates as p


def to_milliseconds(value: Any) -> Any:
    """Cut datetimes, those in lists and maps too; what has none is given as it is."""
    match value:
        case datetime():
            rest = value.microsecond % 1000
            return (
                value.replace(microsecond=value.microsecond - rest) if rest else value
            )
        case list():
            parts = [to_milliseconds(part) for part in value]
            return parts if _differ(parts, value) else value
        case tuple():
            parts = [to_milliseconds(part) for part in value]
            return tuple(parts) if _differ(parts, value) else value
        case dict():
            found = {name: to_milliseconds(part) for name, part in value.items()}
            return found if _differ(found.values(), value.values()) else value
    return value


def _differ(new: Any, old: Any) -> bool:
    return any(one is not other for one, other in zip(new, old, strict=True))


def asked_in_milliseconds(predicate: p.Predicate) -> p.Predicate:
    """Cut the datetimes that a predicate asks for; most ask for none."""
    match predicate:
        case p.And(terms):
            cut = tuple(map(asked_in_milliseconds, terms))
            return p.every(*cut) if _differ(cut, terms) else predicate
        case p.Or(terms):
            cut = tuple(map(asked_in_milliseconds, terms))
            return p.any_of(*cut) if _differ(cut, terms) else predicate
        case p.Not(term):
            other = asked_in_milliseconds(term)
            return predicate if other is term else p.negation(other)
        case p.In(values=values):
            found = to_milliseconds(values)
            return predicate if found is values else replace(predicate, values=found)
        case (
            p.Equal(value=value)
            | p.Less(value=value)
            | p.LessOrEqual(value=value)
            | p.Greater(value=value)
            | p.GreaterOrEqual(value=value)
            | p.Contains(value=value)
        ):
            found = to_milliseconds(value)
            return predicate if found is value else replace(predicate, value=found)
    return predicate
