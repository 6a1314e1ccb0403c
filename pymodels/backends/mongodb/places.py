"""The place of a field in a document: its dotted name, its guards, its mark."""

from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from pymodels.backends.mongodb.documents import KINDS, stored_path
from pymodels.backends.mongodb.filters import Filter, Form
from pymodels.law.shapes import Shape
from pymodels.law.values import Path

LONGEST = 100
"""Names of a path; the server takes about 200, and no record of ours is so deep."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a value stands: ``name`` is dotted, ``parents`` are the names above.

    ``shape`` is what is declared there; unmarked dates read as it says.
    """

    name: str
    parents: tuple[str, ...]
    shape: Shape | None = None

    @property
    def texts(self) -> tuple[str, ...]:
        """The kinds that an unmarked date is read as, the first that fits."""
        return self.shape.reads_text if self.shape else ()

    @property
    def above(self) -> frozenset[str]:
        """The names above, where no list may stand."""
        return frozenset(self.parents)

    def single(self, conditions: Form) -> Filter:
        """Give conditions on the value, which is no list."""
        return Filter(((self.name, conditions),), frozenset((self.name, *self.parents)))

    def any_value(self, conditions: Form, *, exact: bool = True) -> Filter:
        """Give conditions on the value, which may be a list."""
        return Filter(((self.name, conditions),), self.above, exact=exact)

    def mark(self, conditions: Form) -> Filter:
        """Give conditions on the value's mark."""
        names = (KINDS, *(f"{KINDS}.{name}" for name in (*self.parents, self.name)))
        return Filter(((names[-1], conditions),), frozenset(names))

    def within(self, name: str) -> "Place":
        """Give the place of a name in the map that stands here."""
        shape = self.shape.stored_member(name) if self.shape else None
        return Place(f"{self.name}.{name}", (*self.parents, self.name), shape)

    @property
    def expression(self) -> str:
        """The value, in an expression."""
        return f"${self.name}"


def is_plain(name: str) -> bool:
    """Say whether a name can stand in a dotted name and means itself there."""
    return bool(name) and "." not in name and name[0] != "$"


def place(path: Path, shape: Shape | None) -> Place | None:
    """Give the place of a path, None if that is too long or has no dotted spelling."""
    if len(path) > LONGEST or not all(map(is_plain, path)):
        return None
    names = tuple(accumulate(stored_path(path), "{}.{}".format))
    return Place(names[-1], names[:-1], shape)


def cannot_fail(expression: Any) -> Filter:
    """Give a filter of an expression, which must not fail for any document."""
    return Filter(others=({"$expr": expression},))
