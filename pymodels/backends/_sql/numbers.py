"""Exact comparisons of numbers in SQL: int, float and Decimal by value.

A database compares 64-bit integers and doubles exactly. A Decimal operand that
is neither is replaced by a neighbour, and the operator's strictness follows from
the side on which the neighbour lies. Decimals in records are text with a mark
and compare by a Python function.
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from pymodels.backend import LARGEST_INTEGER, SMALLEST_INTEGER, json_body
from pymodels.backends._sql.terms import NEVER, Sql
from pymodels.backends._sql.values import RANKS, SqlValue

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
    near: int | float = float(value)
    if SMALLEST_INTEGER <= value <= LARGEST_INTEGER:
        # Whole numbers may lie between a large value and the nearest double.
        whole = int(value)
        near = whole if whole == value or abs(value) >= EXACT_INTEGERS else near
    return near, (near > value) - (near < value)


def native_operator(operator: str, side: int) -> str:
    """Give the operator that asks the same of the neighbour."""
    if side == 0:
        return operator
    # Below the value: x < value is x <= neighbour, x > value is x > neighbour.
    if side < 0:
        return "<=" if operator in {"<", "<="} else ">"
    return "<" if operator in {"<", "<="} else ">="


def compare_number(operator: str, value: Number, at: SqlValue) -> Sql:
    """Compile `<`, `<=`, `>` or `>=` with a number."""
    near, side = neighbour(value)
    operator_near = native_operator(operator, side)
    test = f"{at.value}{operator_near}?"
    if at.rank:
        test = f"{at.rank}={RANKS['integer']} AND {test}"
    else:
        is_above = operator_near[0] == ">"
        if is_above:
            test += f" AND {at.value}<''"
        if near <= 1 if is_above else near >= 0:
            test += is_not_bool(at)
        if at.foreign:
            test += f" AND {is_finite(at)}"
    decimal = at.is_decimal
    if not decimal:
        return Sql(f"({test})", (near,))
    exactly = f"{decimal} AND pm_compare({at.value},?){operator}0"
    return Sql(f"({test} OR ({exactly}))", (near, str(Decimal(value))))


def number_between(low: Number, high: Number, at: SqlValue) -> Sql | None:
    """Compile a range with both ends that reads the value once; None if it cannot."""
    (first, first_side), (last, last_side) = neighbour(low), neighbour(high)
    if at.rank or at.foreign or at.decimals or first_side or last_side:
        return None
    # Text is above all numbers, so the upper end keeps it out.
    may_be_bool = first <= 1 and last >= 0
    guard = is_not_bool(at) if may_be_bool else ""
    return Sql(f"({at.value} BETWEEN ? AND ?{guard})", (first, last))


LARGEST = "1.7976931348623157e308"


def is_not_bool(at: SqlValue) -> str:
    """Keep out the bools, which SQLite reads as 0 and 1."""
    return f" AND ({at.value} NOT IN (0,1) OR {at.type} NOT IN ('true','false'))"


def is_finite(at: SqlValue) -> str:
    """Test for a number that fits: only foreign rows can hold others."""
    return (
        f"({at.kinds} IS NOT NULL OR ({at.value}<={LARGEST} AND {at.value}>=-{LARGEST}"
        f" AND NOT ({at.type}='integer' AND typeof({at.value})='real')))"
    )


def equal_numbers(values: Sequence[Number], at: SqlValue) -> Sql:
    """Compile equality with one of several numbers."""
    arms, parameters = [], ()
    natives = [near for near, side in map(neighbour, values) if side == 0]
    if natives:
        test, parameters = is_in(at.value, natives)
        if at.rank:
            test = f"{at.rank}={RANKS['integer']} AND {test}"
        elif any(native in {0, 1} for native in natives):
            test += is_not_bool(at)
        if at.foreign and any(abs(native) > LARGEST_INTEGER for native in natives):
            test += f" AND {is_finite(at)}"
        arms.append(f"({test})")
    if decimal := at.is_decimal:
        spelled = [sort_text(Decimal(value)) for value in values]
        test, more = is_in(f"pm_number({at.value})", spelled)
        arms.append(f"({decimal} AND {test})")
        parameters += more
    return Sql(f"({' OR '.join(arms)})", parameters) if arms else NEVER


MOST_BOUND = 64


def is_in(expression: str, values: Sequence[Any]) -> tuple[str, tuple[Any, ...]]:
    """Test for one of several values: one parameter of JSON text if they are many."""
    if len(values) == 1:
        return f"{expression}=?", tuple(values)
    if len(values) <= MOST_BOUND:
        return f"{expression} IN ({','.join('?' * len(values))})", tuple(values)
    listed = f"{expression} IN (SELECT value FROM json_each(?))"
    return listed, (json_body.to_json(list(values)),)


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
