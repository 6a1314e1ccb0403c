"""A filter in MongoDB's own language, as a condition among ours."""

from dataclasses import dataclass
from typing import Any

from pymodels.backends.mongodb.filters import Form, depth
from pymodels.errors import QueryError
from pymodels.law.predicates import And, Not, Or, Predicate

MOST_LEVELS = 90
"""Maps and lists in each other; a little less than is sent, for what is around it."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class NativeFilter(Predicate):
    """What the server understands and we do not; it goes to it as it is."""

    form: Form

    def __post_init__(self) -> None:
        if depth(self.form) > MOST_LEVELS:
            raise QueryError(
                f"native() takes a filter that nests at most {MOST_LEVELS} levels of "
                "maps and lists"
            )

    def identity(self) -> tuple[Any, ...]:
        """Give what makes two nodes the same: what was written."""
        return type(self).__name__, repr(self.form)

    def __str__(self) -> str:
        return f"native({self.form!r})"


def holds_native(predicate: Predicate) -> bool:
    """Say whether a native filter is somewhere in a tree."""
    match predicate:
        case NativeFilter():
            return True
        case Not(term):
            return holds_native(term)
        case And(terms) | Or(terms):
            return any(map(holds_native, terms))
    return False
