"""What would end or block the process that has a file open, found out before.

The library checks some things by assertions, which are compiled in on some systems
and cannot be caught: an empty key, and an empty value in a column that has a lexical
or a decimal index. A regular expression may ask for more memory than there is, and
numbers may be too large for the library to add up.
"""

import os
import re
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import quote_from_bytes, unquote_to_bytes

from pymodels.tokyo.search import LARGEST_LIMIT, SUFFIXES, IndexType

SORTED = frozenset({IndexType.LEXICAL, IndexType.DECIMAL})
"""The types of index that hold no empty value."""
MOST_REPEATED = 1_000
LONGEST_PATTERN = 4_096
MOST_BUCKETS = 2**28
LONGEST_FILE_NAME = 255
_LIMITS = {b"setlimit", b"limit", b"setmax", b"max"}
_NUMBER = re.compile(rb"[\x01-\x20]*([+-]?)(\d*)")


# Indexes.


def indexes_of(path: Path) -> dict[bytes, IndexType]:
    """Give the columns of a table that have an index, and which.

    Index files lie beside the table, with the column's name in theirs.
    """
    start = f"{path.name}.idx."
    names = (name for name in os.listdir(path.parent) if name.startswith(start))
    return indexes_named(name.removeprefix(start) for name in names)


def indexes_named(names: Iterable[str]) -> dict[bytes, IndexType]:
    """Read the names of index files, without the table's own: ``age.dec``."""
    split = (name.rpartition(".") for name in names)
    return {
        unquote_to_bytes(column): SUFFIXES[suffix]
        for column, _, suffix in split
        if suffix in SUFFIXES
    }


def index_file(column: bytes, kind: IndexType) -> str:
    """Name the file of an index, without the table's own name."""
    quoted = quote_from_bytes(column, safe="-_.!~*'()")
    suffixes = {found: suffix for suffix, found in SUFFIXES.items()}
    return f"{quoted}.{suffixes[kind]}"


def is_too_long(path: str | os.PathLike[str], column: bytes) -> bool:
    """Say whether no file can have the name of an index on a column.

    The library would keep such an index in mind all the same.
    """
    name = f"{os.path.basename(path)}.idx.{index_file(column, IndexType.LEXICAL)}"
    return len(os.fsencode(name)) > LONGEST_FILE_NAME


def empty_column(
    columns: Iterable[tuple[bytes, bytes]], indexed: frozenset[bytes]
) -> bytes | None:
    """Find a column with an empty value that one of some sorted indexes would take.

    To an index a column's name ends at its first NUL.
    """
    for name, value in columns:
        if not value and name.partition(b"\0")[0] in indexed:
            return name
    return None


# Numbers and patterns.


def limited(argument: bytes) -> bytes:
    """Give an argument of a search with limits that the library can add up."""
    name, *numbers = argument.split(b"\0")
    if name.lower() not in _LIMITS:
        return argument
    return b"\0".join((name, *(b"%d" % bounded(number) for number in numbers)))


def bounded(text: bytes) -> int:
    """Read a number as the library does, but no further than a limit may go."""
    sign, digits = _NUMBER.match(text).groups()  # type: ignore[union-attr]  # always
    number = min(int(digits.lstrip(b"0")[:12] or b"0"), LARGEST_LIMIT)
    return -number if sign == b"-" else number


def is_too_greedy(pattern: bytes) -> bool:
    """Say whether a regular expression repeats so much that memory would run out."""
    if len(pattern) > LONGEST_PATTERN:
        return True
    total = 1
    for repeated in re.findall(rb"\{([\d,\s]*)", pattern):
        numbers = [int(digits[-9:]) for digits in re.findall(rb"\d+", repeated)]
        total *= max(numbers, default=1) or 1
    return total > MOST_REPEATED


def is_tuning(text: bytes, records: int) -> bool:
    """Say whether the tuning of a file is one that no disk is filled by."""
    for part in text.split(b"#"):
        name, _, value = part.partition(b"=")
        if name.strip().lower() != b"bnum":
            continue
        digits = re.match(rb"\s*\+?(\d+)\s*$", value)
        if digits is None or int(digits[1][-12:]) > MOST_BUCKETS + 4 * records:
            return False
    return True
