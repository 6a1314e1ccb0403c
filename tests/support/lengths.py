"""How long tests run: in short with `make test`, in full with `make soak`."""

import os
from collections.abc import Iterator
from itertools import count
from random import SystemRandom
from typing import TypeVar

Length = TypeVar("Length", int, float)

IS_SOAK = bool(os.environ.get("PYMODELS_SOAK"))
FUZZ = os.environ.get("PYMODELS_FUZZ")


def length(short: Length, full: Length) -> Length:
    """Give the number of rounds, records or seconds of this run."""
    return full if IS_SOAK else short


def questions(short: int, full: int) -> int:
    """Give the number of random questions; ``PYMODELS_FUZZ`` says it if set."""
    return int(FUZZ) if FUZZ else length(short, full)


def seeds() -> Iterator[str]:
    """Yield seeds without end: always the same, or new ones in a fuzz."""
    for number in count():
        yield f"{SystemRandom().getrandbits(48):x}" if FUZZ else str(number)
