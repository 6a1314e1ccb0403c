"""Changing and removing records of a query where the database cannot do it alone.

A conditional write is one step (law 15): each record is read, judged, and written only
if it is still as it was read; else it is read and judged again. So of two writers who
both want to take the same job, one gets it.
"""

import random
from collections.abc import Callable, Iterable
from itertools import islice
from time import monotonic, sleep
from typing import Protocol

from pymodels.errors import StorageBusy, cause_of, interrupted
from pymodels.querying.plan import Row

BATCH = 500
FIRST_WAIT = 0.001
"""Seconds before a lost race is run again; doubled each time, up to a tenth."""

Swap = tuple[Row, Row | None]
"""A row as it was read, and what shall be in its place; None to remove it."""


class Swapping(Protocol):
    """What is asked of a storage here."""

    def fetch(self, keys: Iterable[str]) -> Iterable[Row]:
        """Yield the rows of those keys that are there."""

    def swap(self, swaps: list[Swap]) -> list[bool]:
        """Write those records that are still as they were read; say for each."""


def write_each(
    storage: Swapping,
    keys: Iterable[str],
    fulfils: Callable[[Row], bool] | None,
    change: Callable[[Row], Row | None],
    patience: float,
    done: int = 0,
) -> int:
    """Change those records that fulfil a question when they are written; count them.

    Without ``fulfils`` they are known to. ``patience`` is how many seconds lost races
    are run again before a `StorageBusy`.
    Raises `WriteInterrupted` with how many were done if it fails after some were.
    """
    source = iter(keys)
    try:
        while batch := list(islice(source, BATCH)):
            for written in _rounds(storage, batch, fulfils, change, patience):
                done += written
    except Exception as error:
        if not done:
            raise
        raise interrupted(error, done) from cause_of(error)
    return done


def _rounds(
    storage: Swapping,
    keys: list[str],
    fulfils: Callable[[Row], bool] | None,
    change: Callable[[Row], Row | None],
    patience: float,
) -> Iterable[int]:
    """Give how many records were written in each round, until no race was lost."""
    deadline, wait = monotonic() + patience, FIRST_WAIT
    while True:
        rows = filter(fulfils, storage.fetch(keys)) if fulfils else storage.fetch(keys)
        swaps = [(row, change(row)) for row in rows]
        outcomes = storage.swap(swaps) if swaps else []
        yield sum(outcomes)
        keys = [
            row[0]
            for (row, _), was_written in zip(swaps, outcomes, strict=True)
            if not was_written
        ]
        if not keys:
            return
        if monotonic() > deadline:
            raise StorageBusy(
                f"others changed the record {keys[0]!r} each time before it could be "
                f"written, for {patience} seconds"
            )
        sleep(wait * random.random())  # no secret
        wait = min(wait * 2, 0.1)
