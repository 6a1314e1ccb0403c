"""Guards and comparisons in SQL: what says that a value is of a kind, and equal.

Each is exact: true of just the records of which the evaluator says so.
"""

from collections.abc import Sequence
from typing import Any

from pymodels.backends._sql.numbers import compare_number, equal_numbers, is_finite
from pymodels.backends._sql.terms import NEVER, RANKS, Place, Sql, joined
from pymodels.law.json_body import to_json, value_json
from pymodels.law.shapes import Shape
from pymodels.law.values import Kind, is_naive, kind_of


def is_text(at: Place) -> str:
    """A string: text without a mark, that is not read as something else."""
    if at.rank:
        return f"{at.rank}={RANKS['string']}"
    guard = f"{at.type}='text' AND {at.mark} IS NULL"
    if at.texts:
        guard += (
            f" AND ({at.kinds} IS NOT NULL"
            f" OR NOT pm_reads({at.value},'{' '.join(at.texts)}'))"
        )
    return guard


def is_marked(marks: Sequence[str], at: Place) -> str:
    """A text with one of the marks, or a foreign one that is read as such."""
    if at.rank:
        return _is_one(at.rank, [str(RANKS[mark]) for mark in marks])
    own = _is_one(at.mark, [f"'{mark}'" for mark in marks])
    read = [name for name in at.texts if name in marks or _reads(name, marks)]
    if not read:
        return own
    return (
        f"CASE WHEN {at.kinds} IS NULL THEN {at.type}='text' AND"
        f" pm_reads_as({at.value},'{' '.join(at.texts)}','{' '.join(marks)}')"
        f" ELSE {own} END"
    )


def _is_one(expression: str, spelled: Sequence[str]) -> str:
    if len(spelled) == 1:
        return f"{expression}={spelled[0]}"
    return f"{expression} IN ({','.join(spelled)})"


def _reads(name: str, marks: Sequence[str]) -> bool:
    return name == "datetime" and "naive" in marks


def is_typed(word: str, at: Place) -> str:
    """A value of one JSON type."""
    if at.rank:
        rank = {"array": "list", "object": "map", "true": "bool", "false": "bool"}
        return f"{at.rank}={RANKS[rank[word]]}"
    return f"{at.type}='{word}'"


def has_kind(kinds: frozenset[Kind], at: Place, usual: tuple[str, ...]) -> Sql:
    """Present, with one of the kinds."""
    if kinds == frozenset(Kind):
        return Sql(f"{at.type} IS NOT NULL")
    found = [_kind_test(kind, at, usual) for kind in sorted(kinds)]
    return Sql(f"({' OR '.join(found)})" if found else "0")


def _kind_test(kind: Kind, at: Place, usual: tuple[str, ...]) -> str:
    shortcut = ""
    if usual:
        notes = ",".join("'" + note.replace("'", "''") + "'" for note in usual)
        shortcut = f"{at.kinds} IN ({notes}) OR "
    match kind:
        case Kind.NONE:
            return f"{at.type}='null'"
        case Kind.NUMBER:
            decimal = f" OR ({at.type}='text' AND {is_marked(['decimal'], at)})"
            number = f"{at.type} IN ('integer','real')"
            number += f" AND {is_finite(at)}" if at.foreign else ""
            return f"({number})" + (decimal if at.decimals else "")
        case Kind.STRING:
            if at.texts:
                return f"({is_text(at)})"
            return f"({at.type}='text' AND ({shortcut}{at.mark} IS NULL))"
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
    marks = MARKS[kind]
    return f"({at.type}='text' AND ({shortcut}{is_marked(marks, at)}))"


MARKS: dict[Kind, tuple[str, ...]] = {
    Kind.BYTES: ("bytes",),
    Kind.DATE: ("date",),
    Kind.DATETIME: ("datetime", "naive"),
}


def equal(value: Any, at: Place) -> Sql | None:
    """Equal by value within one kind."""
    match kind_of(value):
        case Kind.NONE:
            return Sql(f"{at.rank}=0" if at.rank else f"{at.value} IS NULL")
        case Kind.BOOL:
            word = "true" if value else "false"
            return Sql(f"({at.value}={int(value)} AND {is_typed(word, at)})")
        case Kind.NUMBER:
            return ordered("=", value, at)
        case Kind.LIST | Kind.MAP:
            return _same(value, at)
        case Kind.OTHER:
            return NEVER
    return ordered("=", value, at)


def is_decimal(at: Place) -> str:
    """A Decimal; "" where there is none."""
    if not at.decimals:
        return ""
    guard = is_marked(["decimal"], at)
    return guard if at.rank else f"{at.value}>='' AND {guard}"


def ordered(operator: str, value: Any, at: Place) -> Sql | None:
    """Compare with a value of an ordered kind; of any other it is false."""
    match kind_of(value):
        case Kind.NUMBER:
            return compare_number(operator, value, at, is_decimal(at))
        case Kind.STRING:
            needs_floor = operator in {"<", "<="} and not at.rank
            after = f" AND {at.value}>=''" if needs_floor else ""
            text = f"({at.value}{operator}?{after} AND {is_text(at)})"
            return Sql(text, (value,))
        case Kind.DATE | Kind.DATETIME:
            mark = mark_of(value)
            text = f"({at.value}{operator}? AND {is_marked([mark], at)})"
            return Sql(text, (value.isoformat(),))
        case Kind.BYTES:
            text = f"({is_marked(['bytes'], at)} AND pm_bytes({at.value}){operator}?)"
            return Sql(text, (value,))
    return NEVER


def mark_of(value: Any) -> str:
    """Give the mark of a date or datetime."""
    if kind_of(value) is Kind.DATE:
        return "date"
    return "naive" if is_naive(value) else "datetime"


def _same(value: Any, at: Place) -> Sql:
    word = "array" if kind_of(value) is Kind.LIST else "object"
    if at.shape is not None and _reads_text_below(at.shape):
        # Which foreign texts are dates only the shape knows.
        return Sql(is_typed(word, at), exact=False)
    body, kinds = value_json(value)
    text = f"({is_typed(word, at)} AND pm_same({at.value},{at.mark},?,?))"
    return Sql(text, (body, kinds))


def _reads_text_below(shape: Shape, seen: frozenset[int] = frozenset()) -> bool:
    if id(shape) in seen:
        return False
    seen |= {id(shape)}
    below = [member.shape for member in shape.members.values()]
    below += [part for part in (shape.items, shape.rest) if part is not None]
    return any(part.reads_text or _reads_text_below(part, seen) for part in below)


def one_of(values: tuple[Any, ...], at: Place) -> Sql | None:
    """Equal to one of several: one arm a kind, not one a value."""
    arms: list[Sql | None] = []
    numbers = [v for v in values if kind_of(v) is Kind.NUMBER]
    if numbers:
        arms.append(equal_numbers(numbers, at, is_decimal(at)))
    texts = [v for v in values if kind_of(v) is Kind.STRING]
    if texts:
        arms.append(_text_in(texts, is_text(at), at))
    moments: dict[str, list[str]] = {}
    for value in values:
        kind = kind_of(value)
        if kind in {Kind.DATE, Kind.DATETIME}:
            moments.setdefault(mark_of(value), []).append(value.isoformat())
        elif kind not in {Kind.NUMBER, Kind.STRING}:
            arms.append(equal(value, at))
    for mark, spellings in moments.items():
        arms.append(_text_in(spellings, is_marked([mark], at), at))
    return joined(" OR ", arms)


MOST_BOUND = 64


def _text_in(texts: list[str], guard: str, at: Place) -> Sql:
    if len(texts) > MOST_BOUND:
        # One parameter, however many values: no limit, one prepared text.
        listed = "SELECT value FROM json_each(?)"
        return Sql(f"({at.value} IN ({listed}) AND {guard})", (to_json(texts),))
    marks = ",".join("?" * len(texts))
    return Sql(f"({at.value} IN ({marks}) AND {guard})", tuple(texts))
