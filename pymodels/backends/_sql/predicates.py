"""Predicates to SQL over a JSON body and a note of kinds, exactly as the law says.

Every form was compared with the evaluator on random records; the table is in
`docs/backends/sqlite.md`.
"""

from collections.abc import Mapping, Sequence

from pymodels.backends._sql.numbers import number_between
from pymodels.backends._sql.terms import (
    ALWAYS,
    NEVER,
    Columns,
    Place,
    Sql,
    is_pushable,
    joined,
    nesting,
    place,
)
from pymodels.backends._sql.text import contains, date_part, text_test
from pymodels.backends._sql.values import equal, has_kind, is_text, one_of, ordered
from pymodels.law import predicates as p
from pymodels.law.json_body import to_json
from pymodels.law.values import KEY, Kind, kind_of
from pymodels.querying.plan import Native

MOST_PARAMETERS = 10_000
LONG = 2_000
DEEPEST = 30
"""Parentheses in each other; SQLite's parser has a stack of 100 places."""


def native(found: Sql | None) -> Native | None:
    """Wrap a compiled predicate for the planner, unless it is too much for SQL."""
    if found is None or len(found.parameters) > MOST_PARAMETERS:
        return None
    if len(found.text) > LONG and nesting(found.text) > DEEPEST:
        return None
    return Native(found, found.exact)


def compile_predicate(node: p.Predicate, columns: Columns) -> Sql | None:
    """Turn a predicate into SQL, None where it has to be looked at in Python."""
    match node:
        case p.Everything():
            return ALWAYS
        case p.Not(term):
            inner = compile_predicate(term, columns)
            if inner is None or not inner.exact:
                return None
            return Sql(f"({inner.text}) IS NOT TRUE", inner.parameters)
        case p.And(terms):
            return joined(" AND ", [compile_predicate(t, columns) for t in terms])
        case p.Or(terms):
            return joined(" OR ", [compile_predicate(t, columns) for t in terms])
        case p.Comparison(path) if path == KEY:
            return _on_key(node, columns.key)
        case p.Comparison(path) if all(map(is_pushable, path)):
            return compare(node, place(columns, path, node.declared), columns)
    return None


def compile_terms(
    terms: Sequence[p.Predicate], columns: Columns, known: Mapping[int, Sql]
) -> list[Sql | None]:
    """Compile terms that must all hold; ``known`` has some already, by identity.

    Two neighbours that are the ends of one range become one.
    """
    found: list[Sql | None] = []
    waiting = iter(zip(terms, [*terms[1:], p.EVERYTHING], strict=True))
    for term, following in waiting:
        merged = compile_range(term, following, columns)
        if merged is not None:
            next(waiting)
        own = known.get(id(term))
        found.append(merged or own or compile_predicate(term, columns))
    return found


def compile_range(low: p.Predicate, high: p.Predicate, columns: Columns) -> Sql | None:
    """Compile two neighbouring terms as one range of numbers, if they are one."""
    match low, high:
        case p.GreaterOrEqual(path, first), p.LessOrEqual(other, last) if (
            path == other != KEY and all(map(is_pushable, path))
        ):
            if kind_of(first) is kind_of(last) is Kind.NUMBER:
                at = place(columns, path, low.declared)
                return number_between(first, last, at)
    return None


OPERATORS: dict[type, str] = {
    p.Less: "<",
    p.LessOrEqual: "<=",
    p.Greater: ">",
    p.GreaterOrEqual: ">=",
}


def compare(node: p.Comparison, at: Place, columns: Columns) -> Sql | None:
    """Compile a comparison of the value at a place."""
    match node:
        case p.Exists():
            return Sql(f"{at.rank}>0" if at.rank else f"{at.value} IS NOT NULL")
        case p.HasKind(kinds=kinds):
            return has_kind(kinds, at, columns.usual)
        case p.Equal(value=value, caseless=False):
            return equal(value, at)
        case p.In(values=values):
            return one_of(values, at)
        case (
            p.Less(value=value)
            | p.LessOrEqual(value=value)
            | p.Greater(value=value)
            | p.GreaterOrEqual(value=value)
        ):
            return ordered(OPERATORS[type(node)], value, at)
        case p.Contains(value=value, within=within):
            return contains(value, within, at, node.caseless)
        case p.DatePart(part=part, value=number):
            return date_part(part, number, at)
        case p.StartsWith() | p.EndsWith() | p.Equal() | p.Matches() | p.Words():
            return text_test(node, at.value, is_text(at))
    return None


# The key is a string, and there.


def _on_key(node: p.Comparison, key: str) -> Sql | None:
    match node:
        case p.Exists():
            return ALWAYS
        case p.HasKind(kinds=kinds):
            return ALWAYS if Kind.STRING in kinds else NEVER
        case p.Equal(value=value, caseless=False):
            return Sql(f"{key}=?", (value,)) if type(value) is str else NEVER
        case p.In(values=values):
            texts = [value for value in values if type(value) is str]
            listed = "SELECT value FROM json_each(?)"
            return Sql(f"{key} IN ({listed})", (to_json(texts),))
        case (
            p.Less(value=value)
            | p.LessOrEqual(value=value)
            | p.Greater(value=value)
            | p.GreaterOrEqual(value=value)
        ):
            if type(value) is not str:
                return NEVER
            return Sql(f"{key}{OPERATORS[type(node)]}?", (value,))
        case p.Contains(value=value, within=within, caseless=caseless):
            if within is Kind.LIST or type(value) is not str:
                return NEVER
            folded = f"pm_fold({key})" if caseless else key
            return Sql(f"instr({folded},?)>0", (value,)) if value else ALWAYS
        case p.DatePart():
            return NEVER
    return text_test(node, key, "1")
