"""The predicate tree: what a query asks of one record.

Nodes are frozen values. They join with ``&``, ``|`` and ``~``, compare by kind
and value, and refuse to be used as a truth. What they mean is in `evaluate.py`.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from typing import Any, NoReturn

from pymodels.errors import QueryError
from pymodels.law.shapes import Shape
from pymodels.law.values import KEY, Kind, Path, sort_key

NO_TRUTH = (
    "a condition has no truth of its own: join conditions with &, | and ~ instead "
    "of and, or and not, ask `in` by .in_(...), and a range by .between(...)"
)
DEEPEST = 50
"""Levels of `|` and `~` in each other; whatever walks over a tree may recurse."""


class Predicate:
    """A condition on one record; immutable."""

    __slots__ = ()

    levels: int = 0
    """How many of `|` and `~` stand in each other, at most `DEEPEST`."""

    def __and__(self, other: "Predicate") -> "Predicate":
        return every(self, _checked(other))

    def __or__(self, other: "Predicate") -> "Predicate":
        return any_of(self, _checked(other))

    def __invert__(self) -> "Predicate":
        return negation(self)

    def __bool__(self) -> NoReturn:
        raise TypeError(NO_TRUTH)

    def identity(self) -> tuple[Any, ...]:
        """Give what makes two nodes the same: kinds and values, not spellings."""
        parts = (getattr(self, f.name) for f in fields(self) if f.compare)  # type: ignore[arg-type]  # each node is a dataclass
        return (type(self).__name__, *map(_identity, parts))

    def __repr__(self) -> str:
        return f"<{self}>"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Predicate):
            return NotImplemented
        return self.identity() == other.identity()

    def __hash__(self) -> int:
        return hash(self.identity())


def _identity(part: Any) -> Any:
    match part:
        case Predicate():
            return part.identity()
        case tuple() if part and isinstance(part[0], Predicate):
            return tuple(term.identity() for term in part)
        case frozenset():
            return part
        case tuple():
            return tuple(map(sort_key, part))
    return sort_key(part)


def _allowed(levels: int) -> int:
    if levels > DEEPEST:
        raise QueryError(
            f"a condition nests more than {DEEPEST} levels of | and ~ in each other; "
            "join conditions side by side, or ask `in` for one of many values"
        )
    return levels


def _checked(other: object) -> Predicate:
    if isinstance(other, Predicate):
        return other
    raise TypeError(f"a condition joins with a condition, not with {other!r}")


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Everything(Predicate):
    """True of every record."""

    def __str__(self) -> str:
        return "everything"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class And(Predicate):
    """True where all terms are."""

    terms: tuple[Predicate, ...]
    levels: int = field(default=-1, kw_only=True, compare=False)

    def __post_init__(self) -> None:
        # No level by itself: what is joined with membership stays as deep as it was.
        if self.levels < 0:
            found = (one.levels + isinstance(one, And) for one in self.terms)
            object.__setattr__(self, "levels", _allowed(max(found, default=0)))

    def __str__(self) -> str:
        return "(" + " & ".join(map(str, self.terms)) + ")"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Or(Predicate):
    """True where at least one term is."""

    terms: tuple[Predicate, ...]
    levels: int = field(default=-1, kw_only=True, compare=False)

    def __post_init__(self) -> None:
        if self.levels < 0:
            found = max((one.levels for one in self.terms), default=0)
            object.__setattr__(self, "levels", _allowed(found + 1))

    def __str__(self) -> str:
        return "(" + " | ".join(map(str, self.terms)) + ")"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Not(Predicate):
    """True exactly where the term is not."""

    term: Predicate
    levels: int = field(init=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "levels", _allowed(self.term.levels + 1))

    def __str__(self) -> str:
        return f"~{self.term}"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Comparison(Predicate):
    """Anything that looks at one path; ``declared`` is its shape, if it has one."""

    path: Path
    declared: Shape | None = field(default=None, kw_only=True, compare=False)

    def __str__(self) -> str:
        asked = ", ".join(
            repr(getattr(self, f.name))
            for f in fields(self)
            if f.name not in {"path", "declared", "caseless", "within"}
        )
        folded = " caseless" if getattr(self, "caseless", False) else ""
        return f"{spelled(self.path)} {type(self).__name__}({asked}){folded}"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Equal(Comparison):
    """Equal by value within one kind; None also where nothing is there."""

    value: Any
    caseless: bool = False


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Less(Comparison):
    """Before the value, within one kind."""

    value: Any


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class LessOrEqual(Comparison):
    """Before the value or equal to it, within one ordered kind."""

    value: Any


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Greater(Comparison):
    """After the value, within one kind."""

    value: Any


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class GreaterOrEqual(Comparison):
    """After the value or equal to it, within one ordered kind."""

    value: Any


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class In(Comparison):
    """Equal to one of the values."""

    values: tuple[Any, ...]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Contains(Comparison):
    """A string with the value in it, or a list with an equal element.

    ``within`` says which of the two: `Kind.STRING`, `Kind.LIST`, or None where
    nothing is declared and either will do.
    """

    value: Any
    within: Kind | None = None
    caseless: bool = False


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class StartsWith(Comparison):
    """A string that begins with the value."""

    value: str
    caseless: bool = False


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class EndsWith(Comparison):
    """A string that ends with the value."""

    value: str
    caseless: bool = False


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Matches(Comparison):
    """A string in which `re.search` finds the pattern."""

    pattern: str
    caseless: bool = False


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Words(Comparison):
    """A string with the words given: ``all``, ``any``, or as a ``phrase``."""

    words: tuple[str, ...]
    mode: str = "all"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class DatePart(Comparison):
    """A date or datetime whose ``year``, ``month`` or ``day`` is the value."""

    part: str
    value: int


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Exists(Comparison):
    """Present and not None."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class HasKind(Comparison):
    """Present, with one of the kinds; what is missing has no kind, not even none.

    Only membership asks this: it is the one place where storing a None and
    storing nothing are told apart.
    """

    kinds: frozenset[Kind]

    def __str__(self) -> str:
        names = "|".join(str(kind) for kind in sorted(self.kinds))
        return f"{spelled(self.path)} is {names}"


EVERYTHING = Everything()
NOTHING = Not(EVERYTHING)


def spelled(path: Path) -> str:
    """Spell a path as it is written in a lookup."""
    return "key" if path == KEY else "__".join(path)


def every(*terms: Predicate) -> Predicate:
    """Join terms that must all hold, without nesting."""
    found: list[Predicate] = []
    levels = 0
    for term in terms:
        levels = max(levels, term.levels)
        if isinstance(term, And):
            found.extend(term.terms)
        elif not isinstance(term, Everything):
            found.append(term)
    if not found:
        return EVERYTHING
    return found[0] if len(found) == 1 else And(tuple(found), levels=levels)


def any_of(*terms: Predicate) -> Predicate:
    """Join terms of which one must hold, without nesting; none of nothing holds."""
    found: list[Predicate] = []
    levels = 0
    for term in terms:
        if isinstance(term, Everything):
            return EVERYTHING
        found.extend(term.terms if isinstance(term, Or) else (term,))
        levels = max(levels, term.levels + (not isinstance(term, Or)))
    if not found:
        return NOTHING
    return found[0] if len(found) == 1 else Or(tuple(found), levels=_allowed(levels))


def negation(term: Predicate) -> Predicate:
    """Give the exact complement."""
    return term.term if isinstance(term, Not) else Not(term)


def terms_of(predicate: Predicate) -> tuple[Predicate, ...]:
    """Give the terms that must all hold."""
    match predicate:
        case And(terms):
            return terms
        case Everything():
            return ()
    return (predicate,)


def comparisons(predicate: Predicate) -> Iterator[Comparison]:
    """Walk over every comparison in a tree."""
    match predicate:
        case Comparison():
            yield predicate
        case Not(term):
            yield from comparisons(term)
        case And(terms) | Or(terms):
            for term in terms:
                yield from comparisons(term)
