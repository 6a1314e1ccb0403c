"""Predicates as conditions of the library, in two forms each.

The *safe* conditions are true of at least the wanted rows, of any program's. The
*lean* ones are exact, or nearer, where the notes of kinds allow it: conditions look
at text, and only the notes tell the text ``49`` from the number. A verdict says for
a note what the lean conditions are worth in the rows that have it.
"""

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from typing import Any

from pymodels.backend import (
    KEY,
    LARGEST_INTEGER,
    SMALLEST_INTEGER,
    Kind,
    Shape,
    kind_of,
)
from pymodels.backend import predicates as p
from pymodels.backends._tokyo.columns import column_of
from pymodels.backends._tokyo.texts import (
    EMPTY,
    Unreadable,
    float_text,
    is_whole,
    spelled,
    text_bytes,
)
from pymodels.backends._tokyo.verdicts import (
    Judge,
    Kinds,
    Verdict,
    always_sound,
    has_kind,
    judged,
    of_words,
    opposite,
)
from pymodels.tokyo.search import KEY_COLUMN, Condition, Operator

LONGEST_PATTERN = 2_000


@dataclass(frozen=True, slots=True)
class Wanted:
    """One term: its conditions in both forms, and the verdict on a note."""

    safe: tuple[Condition, ...]
    lean: tuple[Condition, ...]
    judge: Judge
    exact: bool = False

    def __str__(self) -> str:
        return " and ".join(map(str, self.lean)) or "(by the note of kinds)"


NEVER = Condition(KEY_COLUMN, Operator.STREQ, b"")
"""True of no row: no key is empty."""
NOTHING = Wanted((NEVER,), (NEVER,), always_sound, exact=True)


def compile_term(node: p.Predicate) -> Wanted | None:
    """Give the conditions for a predicate; None where nothing helps."""
    match node:
        case p.Not(p.Everything()):
            return NOTHING
        case p.Not(term):
            return _negated(term)
        case p.Comparison(path) if len(path) > 1:
            return _below(node)
        case p.HasKind((name,), kinds=kinds):
            safe = () if Kind.NONE in kinds else (_present(node),)
            return Wanted(safe, (), has_kind(name, kinds), exact=True)
        case p.Comparison():
            return _compared(node)
    return None


def _below(node: p.Comparison) -> Wanted | None:
    """Look into a map no further than that it is there."""
    if _is_true_of_none(node):
        return None
    return _there(p.Exists(node.path[:1]), of_words(node.path[0], {"map"}))


def _is_true_of_none(node: p.Comparison) -> bool:
    match node:
        case p.Equal(value=None):
            return True
        case p.In(values=values):
            return None in values
    return False


def _compared(node: p.Comparison) -> Wanted | None:
    match node:
        case p.Equal(_, None):
            missing = replace(_present(node), negated=True)
            return Wanted((), (missing,), always_sound, exact=True)
        case p.Exists():
            return replace(_there(node), exact=True)
        case p.Equal(_, value, caseless=False):
            return _equal(node, (value,))
        case p.In(_, values):
            return _equal(node, values)
        case p.Less() | p.LessOrEqual() | p.Greater() | p.GreaterOrEqual():
            return _ordered(node)
        case p.DatePart(_, "year", value=year):
            numbers = (_number(node, Operator.NUMEQ, str(year)),)
            return Wanted(numbers, numbers, judged(node, {"date", "datetime", "naive"}))
        case p.StartsWith(_, text, caseless=False):
            return _text(node, Operator.STRBW, text)
        case p.EndsWith(_, text, caseless=False):
            return _text(node, Operator.STREW, text)
        case p.Contains(_, str(text), within=Kind.STRING, caseless=False):
            return _text(node, Operator.STRINC, text)
    return _there(node)


def _there(node: p.Comparison, judge: Judge = always_sound) -> Wanted:
    """Look no further than that the column is there."""
    there = (_present(node),)
    return Wanted(there, there, judge)


# Conditions.


def _column(node: p.Comparison) -> bytes:
    return KEY_COLUMN if node.path == KEY else column_of(node.path[0])


def _present(node: p.Comparison) -> Condition:
    return Condition(_column(node), Operator.STRBW, b"")


def _number(node: p.Comparison, operator: Operator, text: str) -> Condition:
    return Condition(_column(node), operator, text.encode())


def _text(node: p.Comparison, operator: Operator, text: str) -> Wanted:
    """Look for a piece of text; the empty piece is in every string."""
    piece = _encoded(text)
    if piece is None:
        return NOTHING
    found = (Condition(_column(node), operator, piece if text else b""),)
    if not text:
        found = (_present(node),)
    return Wanted(found, found, judged(node, {"str"}), exact=True)


def _encoded(text: str) -> bytes | None:
    """Give the bytes of a text; None for one that no record can hold."""
    if "\0" in text:
        return None
    try:
        return text_bytes(text)
    except UnicodeEncodeError:
        return None


_TEXTUAL = {"str", "bool", "date", "datetime", "naive", "bytes"}
_NUMBERS = {"int", "float", "decimal"}
_CLEAN = re.compile(rb"[^\x00-\x20,]+")
_SPECIAL = re.compile(rb"([.\[\]^$*+?{}()|\\])")


def _equal(node: p.Comparison, values: tuple[Any, ...]) -> Wanted | None:
    """Look for one of several values."""
    if any(value is None for value in values):
        return None
    if not values:
        return NOTHING
    if all(kind_of(value) is Kind.NUMBER for value in values):
        return _equal_numbers(node, values)
    try:
        told = [spelled(value) for value in values]
    except TypeError:
        told = []
    words = {word.partition(":")[0] for word, _ in told}
    if words & _NUMBERS:
        # 1, 1.0 and Decimal("1.00") are one number.
        words |= _NUMBERS
    there = (_present(node),)
    if not told or not words <= _TEXTUAL or _is_odd(values):
        # What is stored for a list is not always spelled alike.
        return _there(node, judged(node, words) if told else always_sound)
    texts = [one for _, text in told if (one := _encoded(str(text))) is not None]
    found = _one_of(_column(node), texts)
    # An empty string may be an empty value too, in a row of another program's.
    safe = there if found is None or EMPTY in texts else (found,)
    lean = there if found is None else (found,)
    exact = found is not None and len(words) == 1
    return Wanted(safe, lean, judged(node, words), exact)


def _is_odd(values: Iterable[Any]) -> bool:
    return any(isinstance(value, Unreadable) for value in values)


def _one_of(column: bytes, texts: list[bytes]) -> Condition | None:
    """Give the condition that a column is one of several texts."""
    if not texts:
        return NEVER
    if len(texts) == 1:
        return Condition(column, Operator.STREQ, texts[0])
    if all(map(_CLEAN.fullmatch, texts)):
        return Condition(column, Operator.STROREQ, b" ".join(texts))
    if EMPTY in texts:
        return None
    inside = b"|".join(_SPECIAL.sub(rb"\\\1", text) for text in texts)
    if len(inside) > LONGEST_PATTERN:
        return None
    return Condition(column, Operator.STRRX, b"^(" + inside + b")$")


_LEAN = {
    p.Less: Operator.NUMLT,
    p.LessOrEqual: Operator.NUMLE,
    p.Greater: Operator.NUMGT,
    p.GreaterOrEqual: Operator.NUMGE,
}
# Two numbers that differ may be one to the library, behind the sixteenth digit.
_SAFE = {Operator.NUMLT: Operator.NUMLE, Operator.NUMGT: Operator.NUMGE}


def _ordered(node: p.Comparison) -> Wanted:
    value: Any = getattr(node, "value")  # noqa: B009  # each of these has one
    operator = _LEAN[type(node)]
    match kind_of(value):
        case Kind.NUMBER:
            return _ordered_number(node, operator, value)
        case Kind.DATE | Kind.DATETIME:
            return _ordered_date(node, operator, value)
        case Kind.STRING:
            return _there(node, judged(node, {"str"}))
        case Kind.BYTES:
            return _there(node, judged(node, {"bytes"}))
    return NOTHING


def _ordered_date(node: p.Comparison, operator: Operator, value: date) -> Wanted:
    """Compare years, with which the texts of dates begin."""
    years = (_number(node, _SAFE.get(operator, operator), str(value.year)),)
    words = {"date"} if kind_of(value) is Kind.DATE else {"datetime", "naive"}
    return Wanted(years, years, judged(node, words))


def _ordered_number(
    node: p.Comparison, operator: Operator, value: int | float | Decimal
) -> Wanted:
    judge = judged(node, {"int"}, unsure={"float", "decimal"})
    if not SMALLEST_INTEGER <= value <= LARGEST_INTEGER:
        return _there(node, judge)
    edge = _around(value)[operator in {Operator.NUMLT, Operator.NUMLE}]
    safe = (_present(node),)
    if SMALLEST_INTEGER <= edge <= LARGEST_INTEGER:
        safe = (_number(node, _SAFE.get(operator, operator), format(edge, "f")),)
    up = operator in {Operator.NUMGE, Operator.NUMLT}
    bound = math.ceil(value) if up else math.floor(value)
    lean = (_number(node, operator, str(bound)),)
    return Wanted(safe, lean, judge, _holds_ints(node.declared))


def _equal_numbers(node: p.Comparison, values: tuple[Any, ...]) -> Wanted:
    judge = judged(node, {"int"}, unsure={"float", "decimal"})
    if not all(SMALLEST_INTEGER <= value <= LARGEST_INTEGER for value in values):
        return _there(node, judge)
    texts = dict.fromkeys(text for value in values for text in _texts_of(value))
    whole = [str(int(value)) for value in values if value == int(value)]
    safe = _number(node, Operator.NUMOREQ, " ".join(texts))
    lean = _number(node, Operator.NUMOREQ, " ".join(whole)) if whole else NEVER
    return Wanted((_single(safe),), (_single(lean),), judge, _holds_ints(node.declared))


def _single(condition: Condition) -> Condition:
    """Say a choice of one number as that number."""
    is_one = b" " not in condition.operand and condition is not NEVER
    return replace(condition, operator=Operator.NUMEQ) if is_one else condition


def _texts_of(value: int | float | Decimal) -> set[str]:
    """Give the texts of all numbers that are equal, of whatever type.

    A float is stored by the shortest text that reads back as it, which is not its
    exact value.
    """
    if value == int(value) and -_TOLD_APART < value < _TOLD_APART:
        return {str(int(value))}
    found = {format(Decimal(value), "f")}
    if float(value) == value:
        found.add(float_text(float(value)))
    return found


_TOLD_APART = 2**53
"""Below, the text of each whole number is the same, be it an int, float or Decimal."""
_WIDE = Context(prec=60)
_NEAR, _LAST_DIGIT = Decimal("1e-15"), Decimal("1e-18")


def _around(value: int | float | Decimal) -> tuple[Decimal, Decimal]:
    """Give numbers between which the texts of all equal numbers lie.

    The text of a float is as much as half a step off, and the library reads sixteen
    digits.
    """
    if value == int(value) and -_TOLD_APART < value < _TOLD_APART:
        return Decimal(int(value)), Decimal(int(value))
    exact = _WIDE.create_decimal(value)
    margin = _WIDE.multiply(abs(exact), _NEAR)
    step = Decimal(1) if abs(exact) >= _TOLD_APART else _LAST_DIGIT
    below = _WIDE.subtract(exact, margin)
    above = _WIDE.add(exact, margin)
    return (
        below.quantize(step, ROUND_FLOOR, _WIDE),
        above.quantize(step, ROUND_CEILING, _WIDE),
    )


def _holds_ints(declared: Shape | None) -> bool:
    return declared is not None and Kind.NUMBER in declared.kinds and is_whole(declared)


def _negated(term: p.Predicate) -> Wanted | None:
    """Give the complement of a single exact condition.

    Nothing is safe: a row in which the column is of another kind is wanted.
    """
    found = compile_term(term)
    if found is None or not found.exact:
        return None
    judge = found.judge
    if isinstance(term, p.HasKind):
        return Wanted((), (), lambda kinds: opposite(judge(kinds)), exact=True)
    if len(found.lean) != 1:
        return None
    lean = replace(found.lean[0], negated=not found.lean[0].negated)

    def unless_never(kinds: Kinds) -> Verdict:
        verdict = judge(kinds)
        return Verdict.UNSURE if verdict is Verdict.NEVER else verdict

    return Wanted((), (lean,), unless_never, exact=True)
