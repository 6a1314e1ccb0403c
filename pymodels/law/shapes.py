"""What a model declares about one place in its records, without pydantic.

`fields.py` makes shapes from types; lookups are checked against them, and codecs
read foreign text by them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pymodels.law.values import Kind, Path

EVERY_KIND = frozenset(Kind) - {Kind.OTHER}


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
    """

    kinds: frozenset[Kind] = EVERY_KIND
    name: str = ""
    members: Mapping[str, Member] = field(default_factory=dict)
    rest: "Shape | None" = None
    items: "Shape | None" = None
    reads_text: tuple[str, ...] = ()
    operand: Callable[[Any], Any] | None = None
    computed: frozenset[str] = frozenset()

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


ANYTHING = Shape(name="Any")
"""Declared as Any: every kind, with everything below it."""
# It lies below itself, which a frozen value can only be told afterwards.
object.__setattr__(ANYTHING, "rest", ANYTHING)
object.__setattr__(ANYTHING, "items", ANYTHING)

KEY_SHAPE = Shape(frozenset({Kind.STRING}), name="key")
