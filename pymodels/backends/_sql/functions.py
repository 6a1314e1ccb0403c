"""The Python functions that our SQL calls; none of them ever raises.

An exception inside a function would reach the user as nothing but "user-defined
function raised exception", so each answers 0 or NULL for what it cannot read.
They are used in queries only, never in an index: other programs could not write
the table then.
"""

import json
from base64 import b64decode
from collections.abc import Callable
from decimal import ROUND_FLOOR, Decimal, InvalidOperation
from functools import lru_cache
from math import inf, nextafter
from typing import Any

from pymodels.backend import (
    LARGEST_INTEGER,
    SMALLEST_INTEGER,
    equal,
    evaluate,
    json_body,
)
from pymodels.backends._sql.numbers import EXACT_INTEGERS, sort_text


def _decimal(text: Any) -> Decimal | None:
    try:
        number = Decimal(text)
    except (InvalidOperation, TypeError, ValueError):
        return None
    return number if number.is_finite() else None


_operand = lru_cache(256)(Decimal)


def pm_compare(text: Any, other: str) -> int | None:
    """-1, 0 or 1: a stored decimal against the exact text of a number."""
    number, operand = _decimal(text), _operand(other)
    if number is None:
        return None
    return (number > operand) - (number < operand)


def pm_number(value: Any) -> str | None:
    """A text that orders numbers by value; see `sort_text`."""
    number = _decimal(value)
    return None if number is None else sort_text(number)


def _below(number: Decimal) -> int | float:
    """Give the largest native number that is not above a Decimal."""
    if SMALLEST_INTEGER <= number <= LARGEST_INTEGER:
        whole = int(number.to_integral_value(ROUND_FLOOR))
        if whole == number or abs(whole) >= EXACT_INTEGERS:
            return whole
    near = float(number)
    return nextafter(near, -inf) if near > number else near


def pm_below(text: Any) -> int | float | None:
    """The native number that a stored decimal is sorted with."""
    number = _decimal(text)
    return None if number is None else _below(number)


def pm_above(text: Any) -> str | None:
    """A text that orders decimals above one native number; "" for the number."""
    number = _decimal(text)
    if number is None:
        return None
    return "" if number == _below(number) else sort_text(number)


def pm_bytes(text: Any) -> bytes | None:
    """The bytes behind a stored base64 text."""
    try:
        return b64decode(text, validate=True)
    except (TypeError, ValueError):
        return None


def pm_fold(text: Any) -> str | None:
    """The casefolded text."""
    return text.casefold() if isinstance(text, str) else None


def pm_matches(text: Any, pattern: str, caseless: int) -> bool:
    """Whether `re.search` finds the pattern."""
    if not isinstance(text, str):
        return False
    return evaluate.compiled(pattern, bool(caseless)).search(text) is not None


@lru_cache(64)
def _words(words: str, mode: str) -> Callable[[str], bool]:
    return evaluate.words_test(tuple(json.loads(words)), mode)


def pm_words(text: Any, words: str, mode: str) -> bool:
    """Whether a text has all, or any, of the words, or them as a phrase."""
    return isinstance(text, str) and _words(words, mode)(text)


@lru_cache(64)
def _value(body: str, kinds: str | None) -> Any:
    note = "{}" if kinds is None else f'{{"value":{kinds}}}'
    return json_body.decode("", f'{{"value":{body}}}', note)["value"]


def pm_same(body: Any, kinds: Any, wanted: str, wanted_kinds: str | None) -> bool:
    """Whether a stored list or map equals another as a whole."""
    try:
        value = _value.__wrapped__(body, kinds)
    except (ValueError, TypeError):
        return False
    return equal(value, _value(wanted, wanted_kinds))


@lru_cache(4096)
def pm_kind(text: Any, names: str) -> str:
    """The mark that a foreign text is read with, declared as one of the kinds.

    "" for a string, which is the canonical form of none of them.
    """
    if not isinstance(text, str):
        return ""
    value = json_body.read_text(text, tuple(names.split()))
    return "" if isinstance(value, str) else json_body.spelled(value)[1]


FUNCTIONS = {
    function.__name__: function
    for function in (
        pm_compare,
        pm_number,
        pm_below,
        pm_above,
        pm_bytes,
        pm_fold,
        pm_matches,
        pm_words,
        pm_same,
        pm_kind,
    )
}
"""Name to function; all are deterministic."""
