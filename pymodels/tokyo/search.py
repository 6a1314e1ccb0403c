"""What to look for in a table: values, without a library or a wire in sight.

The library takes them as they are; a client of Tyrant spells them as arguments.
Columns and operands are bytes; the empty column is the key.
"""

from dataclasses import dataclass
from enum import IntEnum

KEY_COLUMN = b""


class Operator(IntEnum):
    """How a condition compares; the numbers are the library's."""

    STREQ = 0
    STRINC = 1
    STRBW = 2
    STREW = 3
    STRAND = 4
    STROR = 5
    STROREQ = 6
    STRRX = 7
    NUMEQ = 8
    NUMGT = 9
    NUMGE = 10
    NUMLT = 11
    NUMLE = 12
    NUMBT = 13
    NUMOREQ = 14
    FTSPH = 15
    FTSAND = 16
    FTSOR = 17
    FTSEX = 18


NEGATE, NO_INDEX = 1 << 24, 1 << 25
"""What is added to an operator's number."""


class Direction(IntEnum):
    """How a result is ordered."""

    STRASC = 0
    STRDESC = 1
    NUMASC = 2
    NUMDESC = 3


class IndexType(IntEnum):
    """What an index is for, and what may be asked of `set_index` besides."""

    LEXICAL = 0
    DECIMAL = 1
    TOKEN = 2
    QGRAM = 3
    OPT = 9998
    VOID = 9999


INDEX_KEEP = 1 << 24
"""Added to an index type: leave an index that is there alone, with error 21."""

SUFFIXES = {
    "lex": IndexType.LEXICAL,
    "dec": IndexType.DECIMAL,
    "tok": IndexType.TOKEN,
    "qgr": IndexType.QGRAM,
}
"""What the names of index files end with."""

LARGEST_LIMIT = 2**30 - 1
"""The library adds up how many rows to skip and to give, in an int of C; no table that
fits into memory has as many rows."""


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition on one column; a negated one is true of rows without it."""

    column: bytes
    operator: Operator
    operand: bytes
    negated: bool = False
    no_index: bool = False

    @property
    def number(self) -> int:
        """The operator with its flags, as the library and the wire know it."""
        return self.operator | NEGATE * self.negated | NO_INDEX * self.no_index

    def __str__(self) -> str:
        column = self.column.decode(errors="replace") or "(key)"
        operand = self.operand.decode(errors="backslashreplace")
        word = ("not " if self.negated else "") + self.operator.name
        return f"{column} {word} {operand!r}" + (" unindexed" if self.no_index else "")


@dataclass(frozen=True, slots=True)
class Ordering:
    """One column to order by; rows without it come last in either direction."""

    column: bytes
    direction: Direction


@dataclass(frozen=True, slots=True)
class Search:
    """Conditions that must all hold, an order, and which rows of the result.

    ``max`` below zero is no limit. Nothing may hold a NUL: to the library it is
    the end of the text.
    """

    conditions: tuple[Condition, ...] = ()
    order: Ordering | None = None
    max: int = -1
    skip: int = 0

    @property
    def limits(self) -> tuple[int, int] | None:
        """How many rows to give and to skip, as the library can add them up."""
        if self.max < 0 and self.skip <= 0:
            return None
        return min(self.max, LARGEST_LIMIT), min(self.skip, LARGEST_LIMIT)

    def __str__(self) -> str:
        parts = " and ".join(map(str, self.conditions)) or "all rows"
        if self.order is not None:
            column = self.order.column.decode(errors="replace") or "(key)"
            parts += f", ordered by {column} {self.order.direction.name}"
        if self.max >= 0 or self.skip > 0:
            parts += f", at most {self.max}, from {self.skip}"
        return parts
