"""`F`: fields and paths that compare to predicates.

>>> from pymodels import F
>>> F.age >= 18
<age GreaterOrEqual(18)>
>>> (F.address.city == "Delft") | ~F.name.startswith("A")
<(address__city Equal('Delft') | ~name StartsWith('A'))>
"""

from typing import Any, NoReturn

from pymodels.law import predicates as p
from pymodels.law.values import KEY, Path
from pymodels.querying.lookups import ask


class Expression:
    """A path that can be compared; names are not checked against any model.

    Nested names are attributes, or items where a name is odd or would be one of
    the methods here: ``F.address["startswith"]``. ``F.key`` is the record's key;
    ``F["key"]`` is a field of that name.
    """

    __slots__ = ("_path",)
    _path: Path

    def __init__(self, path: Path) -> None:
        object.__setattr__(self, "_path", path)

    def __getattr__(self, name: str) -> "Expression":
        # copy, pickle and inspection ask for such names; no field has them.
        if name.startswith("__"):
            raise AttributeError(name)
        return Expression((*self._path, name))

    def __getitem__(self, name: str) -> "Expression":
        if not isinstance(name, str) or not name:
            raise TypeError(f"a field is named by a string, not by {name!r}")
        return Expression((*self._path, name))

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"an expression is not assigned to: {name}")

    def __eq__(self, value: object) -> p.Predicate:  # type: ignore[override]  # a condition, not a truth
        return ask(self._path, "equals", value)

    def __ne__(self, value: object) -> p.Predicate:  # type: ignore[override]  # a condition, not a truth
        return ask(self._path, "ne", value)

    def __hash__(self) -> int:
        return hash(self._path)

    def __lt__(self, value: Any) -> p.Predicate:
        return ask(self._path, "lt", value)

    def __le__(self, value: Any) -> p.Predicate:
        return ask(self._path, "lte", value)

    def __gt__(self, value: Any) -> p.Predicate:
        return ask(self._path, "gt", value)

    def __ge__(self, value: Any) -> p.Predicate:
        return ask(self._path, "gte", value)

    def __neg__(self) -> "Descending":
        return Descending(self._path)

    def __bool__(self) -> NoReturn:
        raise TypeError(p.NO_TRUTH)

    def __contains__(self, value: object) -> NoReturn:
        raise TypeError(f"ask .contains({value!r}): `in` would lose the condition")

    def __iter__(self) -> NoReturn:
        raise TypeError("an expression is one field, not several")

    def __repr__(self) -> str:
        return f"F.{p.spelled(self._path)}"

    def equals(self, value: Any) -> p.Predicate:
        """Equal by value within one kind; None also matches what is missing."""
        return ask(self._path, "equals", value)

    is_ = equals

    def ne(self, value: Any) -> p.Predicate:
        """The exact complement of `equals`."""
        return ask(self._path, "ne", value)

    def gt(self, value: Any) -> p.Predicate:
        """Greater, within one kind."""
        return ask(self._path, "gt", value)

    def gte(self, value: Any) -> p.Predicate:
        """Greater or equal, within one kind."""
        return ask(self._path, "gte", value)

    def lt(self, value: Any) -> p.Predicate:
        """Less, within one kind."""
        return ask(self._path, "lt", value)

    def lte(self, value: Any) -> p.Predicate:
        """Less or equal, within one kind."""
        return ask(self._path, "lte", value)

    def between(self, low: Any, high: Any) -> p.Predicate:
        """Within a range, both ends included."""
        return ask(self._path, "between", (low, high))

    def in_(self, values: Any) -> p.Predicate:
        """Equal to one of an iterable of values."""
        return ask(self._path, "in", values)

    def exists(self, present: bool = True) -> p.Predicate:
        """Present and not None; with False, the complement."""
        return ask(self._path, "exists", present)

    def contains(self, value: Any) -> p.Predicate:
        """A string with the text in it, or a list with an equal element."""
        return ask(self._path, "contains", value)

    def contains_any(self, values: Any) -> p.Predicate:
        """Contains at least one of several values."""
        return ask(self._path, "contains_any", values)

    def startswith(self, text: str) -> p.Predicate:
        """A string that begins with the text."""
        return ask(self._path, "startswith", text)

    def endswith(self, text: str) -> p.Predicate:
        """A string that ends with the text."""
        return ask(self._path, "endswith", text)

    def iequals(self, text: str) -> p.Predicate:
        """A string equal to the text after casefolding both."""
        return ask(self._path, "iequals", text)

    def icontains(self, text: str) -> p.Predicate:
        """A string with the text in it after casefolding both."""
        return ask(self._path, "icontains", text)

    def istartswith(self, text: str) -> p.Predicate:
        """A string that begins with the text after casefolding both."""
        return ask(self._path, "istartswith", text)

    def iendswith(self, text: str) -> p.Predicate:
        """A string that ends with the text after casefolding both."""
        return ask(self._path, "iendswith", text)

    def matches(self, pattern: str) -> p.Predicate:
        """A string in which `re.search` finds the pattern."""
        return ask(self._path, "matches", pattern)

    def matches_caseless(self, pattern: str) -> p.Predicate:
        """The same, ignoring case as `re.IGNORECASE` does."""
        return ask(self._path, "matches_caseless", pattern)

    def like(self, words: Any) -> p.Predicate:
        """A string with all of the words given."""
        return ask(self._path, "like", words)

    def like_any(self, words: Any) -> p.Predicate:
        """A string with at least one of the words given."""
        return ask(self._path, "like_any", words)

    def search(self, text: str) -> p.Predicate:
        """A string that fulfils a search text: words, phrases, AND, OR, NOT."""
        return ask(self._path, "search", text)

    def year(self, value: int) -> p.Predicate:
        """A date or datetime (UTC) in the year."""
        return ask(self._path, "year", value)

    def month(self, value: int) -> p.Predicate:
        """A date or datetime (UTC) in the month, 1 to 12."""
        return ask(self._path, "month", value)

    def day(self, value: int) -> p.Predicate:
        """A date or datetime (UTC) on the day of the month, 1 to 31."""
        return ask(self._path, "day", value)


class Descending:
    """An expression to order by from high to low: what ``-F.age`` gives."""

    __slots__ = ("path",)

    def __init__(self, path: Path) -> None:
        self.path = path

    def __repr__(self) -> str:
        return f"-F.{p.spelled(self.path)}"


class Fields:
    """The starting point of expressions; there is one, `F`."""

    __slots__ = ()

    def __getattr__(self, name: str) -> Expression:
        if name.startswith("__"):
            raise AttributeError(name)
        return Expression(KEY if name in {"key", "pk"} else (name,))

    def __getitem__(self, name: str) -> Expression:
        if not isinstance(name, str) or not name:
            raise TypeError(f"a field is named by a string, not by {name!r}")
        return Expression((name,))

    def __repr__(self) -> str:
        return "F"


F = Fields()


def path_of(expression: Expression) -> Path:
    """Give the field names of an expression, outermost first."""
    return expression._path
