"""What a model declares about one place in its records, without pydantic.

`fields.py` makes shapes from types; lookups are checked against them, and codecs
read foreign text by them.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

from pymodels.law.values import Kind, Path

EVERY_KIND = frozenset(Kind) - {Kind.OTHER}


class Reading(IntEnum):
    """From what a place is read as it is read from its record (law 14)."""

    RECORD = 0
    """The record alone."""
    UNMARKED = 1
    """JSON text without a note of kinds, too."""
    JSON = 2
    """Any JSON text, too."""
    VALUES = 3
    """The values that a driver gives, too."""


@dataclass(frozen=True, slots=True, eq=False)
class Member:
    """One declared name of a map: how it is stored, and what it may hold."""

    stored: str
    shape: "Shape"
    required: bool = True


@dataclass(frozen=True, slots=True, eq=False)
class Shape:
    """The kinds that a declared place admits, and what lies below it.

    ``name`` is the model or type, for messages. ``members`` are the declared
    names of a map and ``rest`` the shape of any other name, None where other
    names are not declared. ``items`` is the shape of a list's elements.
    ``reads_text`` names the kinds of text (``date``, ``datetime``, ``decimal``,
    ``bytes``) that a foreign record's string is read as here. ``operand`` turns
    what users ask for into what is stored: an instance into its key, say.
    ``only`` holds the value of a Literal that has just one.

    For the short ways: ``reading`` says from what the place itself may be read,
    ``types`` are the exact Python types of its values where these are stored
    without a serializer of the user's, and ``is_validated`` says that even they
    have to be validated. What lies below says so for itself. ``validates_as_whole``
    says that what lies below is not valid or invalid by itself, but with the rest.
    """

    kinds: frozenset[Kind] = EVERY_KIND
    name: str = ""
    members: Mapping[str, Member] = field(default_factory=dict)
    rest: "Shape | None" = None
    items: "Shape | None" = None
    reads_text: tuple[str, ...] = ()
    operand: Callable[[Any], Any] | None = None
    computed: frozenset[str] = frozenset()
    only: tuple[Any, ...] = ()
    reading: Reading = Reading.RECORD
    types: frozenset[type] = frozenset()
    is_validated: bool = False
    validates_as_whole: bool = False

    @property
    def admits_anything(self) -> bool:
        """Whether it is declared as Any, or as good as that."""
        below = self.rest is self.items is ANYTHING
        return below and self.kinds == EVERY_KIND

    def walk(self) -> "Iterator[Shape]":
        """Yield the shape and all that lie below it, each once."""
        seen: set[int] = set()
        waiting = [self]
        while waiting:
            shape = waiting.pop()
            if id(shape) in seen:
                continue
            seen.add(id(shape))
            yield shape
            waiting += [member.shape for member in shape.members.values()]
            waiting += [one for one in (shape.items, shape.rest) if one is not None]

    def stored_member(self, name: str) -> "Shape | None":
        """Give the shape of a name as it is spelled in the store."""
        for member in self.members.values():
            if member.stored == name:
                return member.shape
        return self.rest

    def step(self, name: str) -> "tuple[str, Shape | None]":
        """Follow a field name: how it is stored, and its shape if it is declared."""
        member = self.members.get(name)
        if member is None:
            return name, self.rest
        return member.stored, member.shape

    def at(self, path: Path) -> "Shape | None":
        """Give the shape at a path of field names."""
        return self.resolve(path)[1]

    def resolve(self, path: Path) -> "tuple[Path, Shape | None]":
        """Turn a path of field names into stored names and the shape at its end."""
        stored: list[str] = []
        shape: Shape | None = self
        for name in path:
            spelled, shape = shape.step(name) if shape else (name, None)
            stored.append(spelled)
        return tuple(stored), shape


ANYTHING = Shape(name="Any", reading=Reading.UNMARKED)
"""Declared as Any: every kind, with everything below it."""
# It lies below itself, which a frozen value can only be told afterwards.
object.__setattr__(ANYTHING, "rest", ANYTHING)
object.__setattr__(ANYTHING, "items", ANYTHING)

KEY_SHAPE = Shape(frozenset({Kind.STRING}), name="key")
