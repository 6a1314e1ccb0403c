"""A filter in MongoDB's own language, as a condition among ours."""

from dataclasses import dataclass
from typing import Any

from pymodels.backends.mongodb.filters import Form
from pymodels.predicates import And, Not, Or, Predicate


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class NativeFilter(Predicate):
    """What the server understands and we do not; it goes to it as it is."""

    form: Form

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
