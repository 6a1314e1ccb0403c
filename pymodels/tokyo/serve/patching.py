"""The conditional writes that `pymodels serve` adds to the protocol.

The steps of a patch are triples of a verb, a column and a value: all that compare must
hold, or nothing is changed. A swap compares a whole record, and writes or removes it.
`docs/serve.md` describes both for other clients.
"""

from collections.abc import Iterable, Sequence

from pymodels.tokyo.packing import unpack_map
from pymodels.tokyo.protocol import CHANGED, CUT, DONE, IS, NO, SET, WITH, WITHOUT

Columns = dict[bytes, bytes]
"""Of a hash, the value under the empty name."""
Swap = tuple[bytes, Columns, Columns | None]
"""A key, what must be there, and what shall be; None removes it."""


def patch_columns(columns: Columns, steps: Iterable[tuple[bytes, ...]]) -> bytes | None:
    """Change columns; say whether all is `DONE`, or something had `CHANGED` before.

    None for a verb that is not known.
    """
    before, outcome = dict(columns), DONE
    for verb, column, value in steps:
        if (verb == IS and before.get(column) != value) or (
            verb == NO and column in before
        ):
            outcome = CHANGED
        elif verb == SET:
            columns[column] = value
        elif verb == CUT:
            columns.pop(column, None)
        elif verb not in {IS, NO}:
            return None
    return outcome


def swaps_in(strings: Sequence[bytes], *, is_packed: bool) -> list[Swap] | None:
    """Read keys, records, verbs and records by turns; None for what makes no sense."""
    if len(strings) % 4 or not all(strings[::4]):
        return None

    def columns(stored: bytes) -> Columns:
        return unpack_map(stored) if is_packed else {b"": stored}

    found: list[Swap] = []
    for key, before, verb, after in zip(*(iter(strings),) * 4, strict=True):
        if verb not in {WITH, WITHOUT}:
            return None
        try:
            wanted = None if verb == WITHOUT else columns(after)
            found.append((key, columns(before), wanted))
        except (IndexError, ValueError):
            return None
    return found
