"""What would abort the process that has a Tokyo Cabinet file open, told before.

The library checks some things by assertions, which are compiled in on some systems
and cannot be caught: an empty key, and an empty value in a column that has a lexical
or a decimal index. A regular expression may ask for more memory than there is.
"""

import os
import re
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote_from_bytes, unquote_to_bytes

from pymodels.tokyo.search import IndexType

ORDERED = {".lex": IndexType.LEXICAL, ".dec": IndexType.DECIMAL}
KINDS = {**ORDERED, ".tok": IndexType.TOKEN, ".qgr": IndexType.QGRAM}
MOST_REPEATED = 1_000
LONGEST_PATTERN = 4_096
MOST_BUCKETS = 2**28
SMALL = 100
LONGEST_FILE_NAME = 255


def indexes_of(path: Path) -> dict[bytes, IndexType]:
    """Give the columns of a table that have an index, and which.

    Index files lie beside the table, with the column's name in theirs.
    """
    start = f"{path.name}.idx."
    return {
        unquote_to_bytes(one.name[len(start) : -len(one.suffix)]): KINDS[one.suffix]
        for one in path.parent.iterdir()
        if one.name.startswith(start) and one.suffix in KINDS
    }


def is_too_long(path: Path, column: bytes) -> bool:
    """Say whether no file can have the name of an index on a column.

    The library would keep such an index in mind all the same.
    """
    quoted = quote_from_bytes(column, safe="-_.!~*'()")
    return len(os.fsencode(f"{path.name}.idx.{quoted}.lex")) > LONGEST_FILE_NAME


def has_empty(columns: Sequence[bytes], indexed: frozenset[bytes]) -> bool:
    """Say whether names and values, by turns, have an empty one where none may be.

    To an index a name ends at its first NUL: such a one with an empty value is never
    good, whatever is indexed later.
    """
    if b"" not in columns:
        return False
    pairs = zip(columns[::2], columns[1::2], strict=False)  # a name may be left over
    return any(
        not value and (name in indexed or b"\0" in name) for name, value in pairs
    )


def has_empty_joined(value: bytes, indexed: frozenset[bytes]) -> bool:
    """Say the same of names and values joined with NUL."""
    if not indexed or not (b"\0\0" in value or value.endswith(b"\0")):
        return False
    return has_empty(value.split(b"\0"), indexed)


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
