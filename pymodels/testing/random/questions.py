"""Questions: queries as data, which can be spelled and made smaller."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from pymodels.models.model import Model

METHODS = {"in": "in_", "is": "is_"}


def path_text(path: tuple[str, ...]) -> str:
    """Spell a path as an expression."""
    return "F.key" if not path else "F" + "".join(f"[{name!r}]" for name in path)


@dataclass(frozen=True)
class Leaf:
    """One lookup; as a keyword, or as an expression."""

    path: tuple[str, ...]
    lookup: str
    value: Any
    is_keyword: bool = False

    def __str__(self) -> str:
        value = repr(self.value)
        if self.lookup == "between":
            value = value[1:-1]
        return (
            f"{path_text(self.path)}.{METHODS.get(self.lookup, self.lookup)}({value})"
        )

    def keyword(self) -> str:
        """Spell it as an argument of `where`."""
        name = "__".join(self.path or ("key",))
        return f"**{{{name + '__' + self.lookup!r}: {self.value!r}}}"


@dataclass(frozen=True)
class Joined:
    """Terms joined by & or |."""

    sign: str
    terms: "tuple[Clause, ...]"

    def __str__(self) -> str:
        return "(" + f" {self.sign} ".join(map(str, self.terms)) + ")"


@dataclass(frozen=True)
class Inverted:
    """The complement of a term."""

    term: "Clause"

    def __str__(self) -> str:
        return f"~{self.term}"


Clause = Leaf | Joined | Inverted


@dataclass(frozen=True)
class Name:
    """A name to order by."""

    path: tuple[str, ...]
    is_descending: bool = False
    is_keyword: bool = False

    def __str__(self) -> str:
        sign = "-" if self.is_descending else ""
        if self.is_keyword:
            return repr(sign + "__".join(self.path or ("key",)))
        return sign + path_text(self.path)


@dataclass(frozen=True)
class Question:
    """A query, and what is asked of it."""

    model: type[Model]
    conditions: tuple[tuple[str, Clause], ...] = ()
    order: tuple[Name, ...] = ()
    start: int = 0
    stop: int | None = None
    action: str = "keys"
    path: tuple[str, ...] = ()
    value: Any = None

    def __str__(self) -> str:
        """Spell it as a Python expression over `storage`."""
        text = f"{self.model.__name__}.objects(storage)"
        for method, clause in self.conditions:
            is_keyword = isinstance(clause, Leaf) and clause.is_keyword
            asked = clause.keyword() if is_keyword else str(clause)  # type: ignore[union-attr]  # a Leaf
            text += f".{method}({asked})"
        if self.order:
            text += f".order_by({', '.join(map(str, self.order))})"
        if self.start or self.stop is not None:
            stop = "" if self.stop is None else self.stop
            text += f"[{self.start}:{stop}]"
        return text

    def smaller(self) -> "Iterator[Question]":
        """Yield questions that ask a little less."""
        for at, (method, clause) in enumerate(self.conditions):
            before, after = self.conditions[:at], self.conditions[at + 1 :]
            yield replace(self, conditions=before + after)
            for less in _smaller(clause):
                yield replace(self, conditions=(*before, (method, less), *after))
        if self.start or self.stop is not None:
            yield replace(self, start=0, stop=None)
        for at in range(len(self.order)):
            yield replace(self, order=self.order[:at] + self.order[at + 1 :])


def _smaller(clause: Clause) -> Iterator[Clause]:
    match clause:
        case Joined(sign, terms):
            yield from terms
            if len(terms) > 2:
                for at in range(len(terms)):
                    yield Joined(sign, terms[:at] + terms[at + 1 :])
            for at, term in enumerate(terms):
                for less in _smaller(term):
                    yield Joined(sign, (*terms[:at], less, *terms[at + 1 :]))
        case Inverted(term):
            yield term
            yield from map(Inverted, _smaller(term))
        case Leaf(path, "in" | "contains_any" as lookup, list(values), is_keyword):
            for at in range(len(values)):
                yield Leaf(path, lookup, values[:at] + values[at + 1 :], is_keyword)
