"""Predicates to SQL over a JSON body and a note of kinds, exactly as the law says.

Every form was compared with the evaluator on random records; the table is in
`docs/backends/sqlite.md`. Whether a form is exact does not depend on what is assumed
of the table, so that a plan holds whatever the table is found to be.
"""

from dataclasses import replace
from typing import Any

from pymodels.backend import KEY, Kind, Shape, is_naive, json_body, kind_of
from pymodels.backend import predicates as p
from pymodels.backends._sql.numbers import (
    compare_number,
    equal_numbers,
    is_finite,
    is_in,
    number_between,
)
from pymodels.backends._sql.terms import ALWAYS, NEVER, Sql, joined
from pymodels.backends._sql.values import Columns, SqlValue, value_at

DEEPEST = 8
"""Levels of `|` and `~` in each other; SQLite's parser has a stack of 100 places."""


def compile_predicate(node: p.Predicate, columns: Columns) -> Sql | None:
    """Turn a predicate into SQL, None where it has to be looked at in Python."""
    if node.levels > DEEPEST:
        return None
    match node:
        case p.Comparison(path) if path == KEY:
            return _on_key(node, SqlValue(columns.key, "", "", "", is_key=True))
        case p.Comparison(path):
            at = value_at(columns, path, node.declared)
            return None if at is None else compare(node, at)
        case p.Everything():
            return ALWAYS
        case p.Not(term):
            inner = compile_predicate(term, columns)
            if inner is None or not inner.exact:
                return None
            return Sql(f"({inner.text}) IS NOT TRUE", inner.parameters)
        case p.And(terms):
            return joined(" AND ", [compile_predicate(term, columns) for term in terms])
        case p.Or(terms):
            return joined(" OR ", [compile_predicate(term, columns) for term in terms])
    return None


def compile_range(low: p.Predicate, high: p.Predicate, columns: Columns) -> Sql | None:
    """Compile neighbouring terms that are the two ends of a range as one.

    That reads the value only once; None where it is not so, or needs more guards.
    """
    match low, high:
        case p.GreaterOrEqual(path, first), p.LessOrEqual(other, last) if (
            path == other != KEY and kind_of(first) is kind_of(last) is Kind.NUMBER
        ):
            at = value_at(columns, path, low.declared)
            return number_between(first, last, at) if at else None
    return None


OPERATORS: dict[type, str] = {
    p.Less: "<",
    p.LessOrEqual: "<=",
    p.Greater: ">",
    p.GreaterOrEqual: ">=",
}


def compare(node: p.Comparison, at: SqlValue) -> Sql | None:
    """Compile a comparison of one value."""
    match node:
        case (
            p.Less(value=value)
            | p.LessOrEqual(value=value)
            | p.Greater(value=value)
            | p.GreaterOrEqual(value=value)
        ):
            return ordered(OPERATORS[type(node)], value, at)
        case p.HasKind(kinds=kinds):
            return has_kind(kinds, at)
        case p.Equal(value=value, caseless=False):
            return one_of((value,), at)
        case p.In(values=values):
            return one_of(values, at)
        case p.Exists():
            return Sql(f"{at.rank}>0" if at.rank else f"{at.value} IS NOT NULL")
        case p.Contains(value=value, within=within):
            return contains(value, within, at, node.caseless)
        case p.DatePart(part=part, value=number):
            return date_part(part, number, at)
    return text_test(node, at)


def _on_key(node: p.Comparison, key: SqlValue) -> Sql | None:
    """Compile a comparison of the key, which is a string and always there."""
    match node:
        case p.Exists():
            return ALWAYS
        case p.HasKind(kinds=kinds):
            return ALWAYS if Kind.STRING in kinds else NEVER
        case p.DatePart():
            return NEVER
        case p.In(values=values):
            texts = tuple(value for value in values if type(value) is str)
            return compare(replace(node, values=texts), key)
        case p.Contains():
            if node.within is Kind.LIST:
                return NEVER
            node = replace(node, within=Kind.STRING)
    value = getattr(node, "value", "")
    return compare(node, key) if type(value) is str else NEVER


def has_kind(kinds: frozenset[Kind], at: SqlValue) -> Sql:
    """Present, with one of the kinds."""
    if kinds == frozenset(Kind):
        return Sql(f"{at.type} IS NOT NULL")
    tests = [_kind_test(kind, at) for kind in sorted(kinds)]
    return Sql(f"({' OR '.join(tests)})") if tests else NEVER


def _kind_test(kind: Kind, at: SqlValue) -> str:
    match kind:
        case Kind.NONE:
            return f"{at.type}='null'"
        case Kind.NUMBER:
            test = f"{at.type} IN ('integer','real')"
            test += f" AND {is_finite(at)}" if at.foreign else ""
            decimal = f" OR {at.has_mark('decimal')}" if at.decimals else ""
            return f"({test}){decimal}"
        case Kind.STRING:
            return f"({at.is_string})"
        case Kind.BOOL:
            return f"{at.type} IN ('true','false')"
        case Kind.LIST:
            return f"{at.type}='array'"
        case Kind.MAP:
            return f"{at.type}='object'"
        case Kind.OTHER:
            if not at.foreign:
                return "0"
            return f"({at.type} IN ('integer','real') AND NOT {is_finite(at)})"
    return at.has_mark(*MARKS[kind])


MARKS: dict[Kind, tuple[str, ...]] = {
    Kind.BYTES: ("bytes",),
    Kind.DATE: ("date",),
    Kind.DATETIME: ("datetime", "naive"),
}


def ordered(operator: str, value: Any, at: SqlValue) -> Sql:
    """Compare with a value of an ordered kind; of any other it is false."""
    match kind_of(value):
        case Kind.NUMBER:
            return compare_number(operator, value, at)
        case Kind.STRING:
            needs_floor = operator in {"<", "<="} and not at.rank and not at.is_key
            floor = f" AND {at.value}>=''" if needs_floor else ""
            return Sql(f"({at.value}{operator}?{floor} AND {at.is_string})", (value,))
        case Kind.DATE | Kind.DATETIME:
            text = f"({at.value}{operator}? AND {at.has_mark(mark_of(value))})"
            return Sql(text, (value.isoformat(),))
        case Kind.BYTES:
            test = f"pm_bytes({at.value}){operator}?"
            return Sql(f"({at.has_mark('bytes')} AND {test})", (value,))
    return NEVER


def mark_of(value: Any) -> str:
    """Give the mark of a date or datetime."""
    if kind_of(value) is Kind.DATE:
        return "date"
    return "naive" if is_naive(value) else "datetime"


def one_of(values: tuple[Any, ...], at: SqlValue) -> Sql | None:
    """Equal to one of several values: one arm a kind, not one a value."""
    arms: list[Sql | None] = []
    numbers: list[Any] = []
    texts: dict[str, list[Any]] = {}
    for value in values:
        match kind_of(value):
            case Kind.NONE:
                arms.append(Sql(f"{at.rank}=0" if at.rank else f"{at.value} IS NULL"))
            case Kind.BOOL:
                is_bool = at.has_type("true" if value else "false")
                arms.append(Sql(f"({at.value}={int(value)} AND {is_bool})"))
            case Kind.NUMBER:
                numbers.append(value)
            case Kind.STRING:
                texts.setdefault("", []).append(value)
            case Kind.DATE | Kind.DATETIME:
                texts.setdefault(mark_of(value), []).append(value.isoformat())
            case Kind.BYTES:
                test = f"pm_bytes({at.value})=?"
                arms.append(Sql(f"({at.has_mark('bytes')} AND {test})", (value,)))
            case Kind.LIST | Kind.MAP:
                arms.append(_same(value, at))
    if numbers:
        arms.append(equal_numbers(numbers, at))
    for mark, spellings in texts.items():
        test, parameters = is_in(at.value, spellings)
        guard = at.has_mark(mark) if mark else at.is_string
        arms.append(Sql(f"({test} AND {guard})", parameters))
    return joined(" OR ", arms)


def _same(value: Any, at: SqlValue) -> Sql:
    """Equal as a whole list or map."""
    test = at.has_type("array" if kind_of(value) is Kind.LIST else "object")
    if at.shape is not None and _reads_text_below(at.shape):
        # Only the shape tells which texts of a foreign row are dates.
        return Sql(test, exact=False)
    parameters = json_body.value_json(value)
    return Sql(f"({test} AND pm_same({at.value},{at.mark},?,?))", parameters)


def _reads_text_below(shape: Shape, seen: frozenset[int] = frozenset()) -> bool:
    if id(shape) in seen:
        return False
    seen |= {id(shape)}
    below = [member.shape for member in shape.members.values()]
    below += [part for part in (shape.items, shape.rest) if part is not None]
    return any(part.reads_text or _reads_text_below(part, seen) for part in below)


def contains(
    value: Any, within: Kind | None, at: SqlValue, caseless: bool
) -> Sql | None:
    """A string with the text in it, or a list with an equal element."""
    arms: list[Sql | None] = []
    if within is not Kind.LIST and type(value) is str:
        text = f"pm_fold({at.value})" if caseless else at.value
        arms.append(Sql(f"({at.is_string} AND instr({text},?)>0)", (value,)))
    if within is not Kind.STRING:
        arms.append(_has_element(value, at))
    return joined(" OR ", arms)


def _has_element(value: Any, at: SqlValue) -> Sql | None:
    """A list with an equal element: the same comparison, of each element."""
    items = at.shape.items if at.shape else None
    mark = f"json_extract({at.kinds},e.fullkey)"
    element = SqlValue("e.value", "e.type", mark, at.kinds, items, foreign=at.foreign)
    found = Sql("e.type='null'") if value is None else one_of((value,), element)
    if found is None:
        return None
    exists = f"EXISTS(SELECT 1 FROM json_each({at.below}) e WHERE {found.text})"
    text = f"({at.has_type('array')} AND {exists})"
    return Sql(text, found.parameters, found.exact)


def date_part(part: str, number: int, at: SqlValue) -> Sql:
    """A date or datetime with that year, month or day."""
    guard = at.has_mark("date", "datetime", "naive")
    if part == "year":
        ends = (f"{number:04d}-", f"{number:04d}.")
        return Sql(f"({at.value}>=? AND {at.value}<? AND {guard})", ends)
    start = 6 if part == "month" else 9
    return Sql(f"(substr({at.value},{start},2)=? AND {guard})", (f"{number:02d}",))


def text_test(node: p.Comparison, at: SqlValue) -> Sql | None:
    """Compile what looks into a string."""
    guard, value = at.is_string, at.value
    match node:
        case p.StartsWith(value=wanted, caseless=False):
            return _prefix(wanted, at)
        case p.StartsWith(value=wanted):
            test = f"substr(pm_fold({value}),1,{len(wanted)})=?"
        case p.EndsWith(value=""):
            return Sql(f"({guard})")
        case p.EndsWith(value=wanted, caseless=caseless):
            folded = f"pm_fold({value})" if caseless else value
            test = f"substr({folded},-{len(wanted)})=?"
        case p.Equal(value=wanted):
            test = f"pm_fold({value})=?"
        case p.Matches(pattern=wanted, caseless=caseless):
            test = f"pm_matches({value},?,{int(caseless)})"
        case p.Words(words=words, mode=mode):
            test, wanted = f"pm_words({value},?,'{mode}')", json_body.to_json(words)
        case _:
            return None
    return Sql(f"({guard} AND {test})", (wanted,))


def _prefix(wanted: str, at: SqlValue) -> Sql:
    """A string between the prefix and what comes after all that begin with it."""
    if not wanted:
        return Sql(f"({at.is_string})")
    end = after_prefix(wanted)
    if end is None:
        return Sql(f"({at.value}>=? AND {at.is_string})", (wanted,))
    test = f"{at.value}>=? AND {at.value}<?"
    return Sql(f"({test} AND {at.is_string})", (wanted, end))


def after_prefix(prefix: str) -> str | None:
    """Give the smallest text after all that begin with the prefix."""
    while prefix:
        last = ord(prefix[-1])
        prefix = prefix[:-1]
        if last < 0x10FFFF:
            # Surrogates are no characters: after U+D7FF comes U+E000.
            return prefix + chr(0xE000 if last == 0xD7FF else last + 1)
    return None
