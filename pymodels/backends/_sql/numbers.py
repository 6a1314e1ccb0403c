"""Exact comparisons of numbers in SQL: int, float and Decimal by value.

A database compares 64-bit integers and doubles exactly. A Decimal operand that
is neither is replaced by a neighbour, and the operator's strictness follows from
the side on which the neighbour lies. Decimals in records are text with a mark
and compare by a Python function.
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from pymodels.backends._sql.terms import NEVER, Place, Sql, joined
from pymodels.law.json_body import to_json
from pymodels.law.values import LARGEST_INTEGER, SMALLEST_INTEGER

Number = int | float | Decimal
EXACT_INTEGERS = 2**53
"""From here on every double is a whole number."""


def neighbour(value: Number) -> tuple[int | float, int]:
    """Give a native number next to a value, and the side on which it lies.

    The side is -1, 0 or 1: below, equal, above. No native number lies between
    the two.
    """
    if isinstance(value, float):
        return value, 0
    if isinstance(value, int):
        if SMALLEST_INTEGER <= value <= LARGEST_INTEGER:
            return value, 0
        value = Decimal(value)
    if value == value.to_integral_value() and in_range(value):
        return int(value), 0
    if abs(value) >= EXACT_INTEGERS and in_range(value):
        # Whole numbers may lie between the value and the nearest double.
        whole = int(value)
        return whole, -1 if whole < value else 1
    nearest = float(value)
    if nearest == value:
        return nearest, 0
    return nearest, -1 if nearest < value else 1


def in_range(value: Decimal) -> bool:
    """Say whether a whole Decimal fits into 64 bits."""
    return SMALLEST_INTEGER <= value <= LARGEST_INTEGER


_HOLDS = {
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
    "=": lambda a, b: a == b,
}


def native_operator(operator: str, side: int) -> str | None:
    """Give the operator that asks the same of the neighbour; None: never true."""
    if side == 0:
        return operator
    if operator == "=":
        return None
    # Below the value: x < value is x <= neighbour, x > value is x > neighbour.
    if side < 0:
        return "<=" if operator in {"<", "<="} else ">"
    return "<" if operator in {"<", "<="} else ">="


LARGEST = "1.7976931348623157e308"


def is_finite(at: Place) -> str:
    """A number that fits: only foreign rows can hold others."""
    return (
        f"({at.kinds} IS NOT NULL OR ({at.value}<={LARGEST} AND {at.value}>=-{LARGEST}"
        f" AND NOT ({at.type}='integer' AND typeof({at.value})='real')))"
    )


def compare_number(operator: str, value: Number, at: Place, decimal: str) -> Sql:
    """Compile a comparison with a number; ``decimal`` guards the stored Decimals."""
    near, side = neighbour(value)
    asked = native_operator(operator, side)
    arms: list[Sql | None] = []
    if asked is not None:
        arms.append(Sql(f"({_native(asked, near, at)})", (near,)))
    if decimal:
        text = f"({decimal} AND pm_compare({at.value},?){operator}0)"
        arms.append(Sql(text, (str(Decimal(value)),)))
    return joined(" OR ", arms) or NEVER


def _native(asked: str, near: int | float, at: Place) -> str:
    if at.rank:
        return f"{at.rank}=1 AND {at.value}{asked}?"
    guards = f"{at.value}{asked}?"
    if asked in {">", ">="}:
        guards += f" AND {at.value}<''"
    if any(_HOLDS[asked](boolean, near) for boolean in (0, 1)):
        guards += _is_no_bool(at)
    if at.foreign and (asked != "=" or abs(near) > LARGEST_INTEGER):
        guards += f" AND {is_finite(at)}"
    return guards


def _is_no_bool(at: Place) -> str:
    return f" AND ({at.value} NOT IN (0,1) OR {at.type} NOT IN ('true','false'))"


def number_between(low: Number, high: Number, at: Place) -> Sql | None:
    """Compile a range with both ends, where the value need be read only once.

    That is so where no Decimal is stored and no row is foreign; None elsewhere.
    """
    (first, first_side), (last, last_side) = neighbour(low), neighbour(high)
    if at.rank or at.foreign or at.decimals or first_side or last_side:
        return None
    # Text is above all numbers, so the upper end keeps it out.
    text = f"{at.value} BETWEEN ? AND ?"
    if any(first <= boolean <= last for boolean in (0, 1)):
        text += _is_no_bool(at)
    return Sql(f"({text})", (first, last))


MOST_BOUND = 64


def equal_numbers(values: list[Number], at: Place, decimal: str) -> Sql:
    """Compile equality with one of several numbers."""
    arms: list[Sql | None] = []
    natives = [near for near, side in map(neighbour, values) if side == 0]
    if natives:
        listed, parameters = _listed(natives)
        guards = f"{at.value} IN ({listed})"
        if at.rank:
            guards = f"{at.rank}=1 AND {guards}"
        elif any(native in {0, 1} for native in natives):
            guards += _is_no_bool(at)
        if at.foreign and not at.rank:
            guards += f" AND {is_finite(at)}"
        arms.append(Sql(f"({guards})", parameters))
    if decimal:
        listed, parameters = _listed([sort_text(Decimal(value)) for value in values])
        text = f"({decimal} AND pm_number({at.value}) IN ({listed}))"
        arms.append(Sql(text, parameters))
    return joined(" OR ", arms) or NEVER


def _listed(values: Sequence[Any]) -> tuple[str, tuple[Any, ...]]:
    """Give a list of parameters; a long one as a single parameter of JSON text."""
    if len(values) <= MOST_BOUND:
        return ",".join("?" * len(values)), tuple(values)
    return "SELECT value FROM json_each(?)", (to_json(list(values)),)


def sort_text(value: Decimal) -> str:
    """Give a text that orders numbers by value: the sign, the size, the digits.

    Equal numbers have the same text, whatever their digits: 1, 1.0 and 1E0.
    """
    if not value:
        return "1"
    digits = "".join(map(str, value.as_tuple().digits)).lstrip("0").rstrip("0")
    size = f"{value.adjusted() + 20_000_000:08d}"
    if value > 0:
        return "2" + size + digits
    reversed_digits = (size + digits).translate(_NINES)
    return "0" + reversed_digits + "~"


_NINES = str.maketrans("0123456789", "9876543210")
