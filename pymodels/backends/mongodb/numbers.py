"""Numbers that are asked for, as BSON can hold them: exactly, or their neighbours.

The server compares all types of numbers by exact value. What may be asked for has
any number of digits, but what is stored is a double or has at most 34 of them.
"""

from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from math import inf, isfinite, nan, nextafter
from typing import Any

from bson.decimal128 import Decimal128

FINITE = {"$nin": [nan, inf, -inf]}
"""What our numbers are; beside a test that it is a number at all."""


def _context(rounding: str) -> Context:
    return Context(prec=34, rounding=rounding, Emin=-6143, Emax=6144, clamp=1, traps=[])


_DOWN, _UP = _context(ROUND_FLOOR), _context(ROUND_CEILING)


def exactly(number: Any) -> Any:
    """Give the BSON number of the same value; None if no stored one can have it."""
    if not isinstance(number, Decimal):
        return number
    near = _DOWN.create_decimal(number)
    if near == number:
        return Decimal128(near)
    double = float(number)
    return double if isfinite(double) and double == number else None


def highest_below(number: Decimal) -> Any:
    """Give the highest number below one that BSON cannot hold exactly."""
    double = float(number)
    if double > number:
        double = nextafter(double, -inf)
    near = _DOWN.create_decimal(number)
    return double if double > near else Decimal128(near)


def lowest_above(number: Decimal) -> Any:
    """Give the lowest number above one that BSON cannot hold exactly."""
    double = float(number)
    if double < number:
        double = nextafter(double, inf)
    near = _UP.create_decimal(number)
    return double if double < near else Decimal128(near)
