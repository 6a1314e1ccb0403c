"""Slices of slices, without steps and without counting from the end."""

import sys
from operator import index

from pymodels.errors import QueryError


def sliced(start: int, stop: int | None, at: int | slice) -> tuple[int, int | None]:
    """Take an index or a slice out of records `start` to `stop`.

    Gives the new start and stop. Steps and negative numbers are a `QueryError`:
    they would need to know how many records there are.
    """
    if isinstance(at, int) or not isinstance(at, slice):
        first = _checked(at)
        return _within(start, stop, first, first + 1)
    if at.step is not None:
        raise QueryError(f"a query takes no steps: {at.step!r}")
    first = 0 if at.start is None else _checked(at.start)
    last = None if at.stop is None else _checked(at.stop)
    return _within(start, stop, first, last)


def _checked(number: object) -> int:
    found = index(number)  # type: ignore[arg-type]  # raises TypeError for what is no number
    if found < 0:
        raise QueryError(
            f"a query counts from its beginning, not {found}; reverse the order instead"
        )
    # No storage holds so many records, and no database takes larger numbers.
    return min(found, sys.maxsize)


def _within(
    start: int, stop: int | None, first: int, last: int | None
) -> tuple[int, int | None]:
    new_start = min(start + first, sys.maxsize)
    new_stop = None if last is None else min(start + last, sys.maxsize)
    if stop is not None:
        new_start = min(new_start, stop)
        new_stop = stop if new_stop is None else min(new_stop, stop)
    if new_stop is not None:
        new_stop = max(new_stop, new_start)
    return new_start, new_stop
