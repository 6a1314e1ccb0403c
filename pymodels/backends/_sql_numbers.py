"""Exact comparisons of numbers in SQL: int, float and Decimal by value.

A database compares 64-bit integers and doubles exactly. A Decimal operand that
is neither is replaced by a neighbour, and the operator's strictness follows from
the side on which the neighbour lies. Decimals in records are text with a mark
and compare by a Python function.
"""

from decimal import Decimal
from typing import Any

from pymodels.values import LARGEST_INTEGER, SMALLEST_INTEGER

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


def compare_number(
    operator: str, value: Number, column: str, kind: str, decimal: str, finite: str
) -> tuple[str, tuple[Any, ...]]:
    """Compile a comparison with a number.

    ``column`` and ``kind`` are SQL for the value and its JSON type, ``decimal``
    says that it is a Decimal, ``finite`` that a foreign number fits.
    """
    exact = str(Decimal(value))
    marked = f"({decimal} AND pm_compare({column},?){operator}0)"
    near, side = neighbour(value)
    asked = native_operator(operator, side)
    if asked is None:
        return marked, (exact,)
    guards = f"{column}{asked}?"
    if asked in {">", ">="}:
        guards += f" AND {column}<''"
    if any(_HOLDS[asked](boolean, near) for boolean in (0, 1)):
        guards += f" AND ({column} NOT IN (0,1) OR {kind} NOT IN ('true','false'))"
    if asked != "=" or abs(near) > LARGEST_INTEGER:
        guards += f" AND {finite}"
    return f"(({guards}) OR {marked})", (near, exact)


MOST_BOUND = 64


def equal_numbers(
    values: list[Number], column: str, kind: str, decimal: str, finite: str
) -> tuple[str, tuple[Any, ...]]:
    """Compile equality with one of several numbers."""
    natives = [near for near, side in map(neighbour, values) if side == 0]
    texts = [sort_text(Decimal(value)) for value in values]
    wanted, parameters = _listed(texts)
    marked = f"({decimal} AND pm_number({column}) IN ({wanted}))"
    if not natives:
        return marked, parameters
    if len(natives) > MOST_BOUND:
        arms, bound = _long_list(natives, column)
    else:
        arms = f"{column} IN ({','.join('?' * len(natives))})"
        bound = tuple(natives)
    if any(native in {0, 1} for native in natives):
        arms += f" AND ({column} NOT IN (0,1) OR {kind} NOT IN ('true','false'))"
    return f"(({arms} AND {finite}) OR {marked})", bound + parameters


def _listed(texts: list[str]) -> tuple[str, tuple[Any, ...]]:
    if len(texts) <= MOST_BOUND:
        return ",".join("?" * len(texts)), tuple(texts)
    quoted = ",".join(f'"{text}"' for text in texts)
    return "SELECT value FROM json_each(?)", (f"[{quoted}]",)


def _long_list(natives: list[int | float], column: str) -> tuple[str, tuple[Any, ...]]:
    spelled = ",".join(map(repr, natives))
    return f"{column} IN (SELECT value FROM json_each(?))", (f"[{spelled}]",)


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
