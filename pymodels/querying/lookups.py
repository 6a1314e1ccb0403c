"""Lookups: the names after the last `__`, and what each one asks.

`LOOKUPS` is the whole vocabulary, for keywords and expressions alike. A builder
takes a path and an operand and gives a predicate that knows no model yet;
`binding.py` then looks at what the model declares.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any

from pymodels.errors import EncodeError, QueryError, UnknownLookup
from pymodels.law import predicates as p
from pymodels.law.canonical import DEEPEST, canonical
from pymodels.law.evaluate import compiled, words_of
from pymodels.law.values import LARGEST_INTEGER, SMALLEST_INTEGER, Kind, Path, kind_of
from pymodels.querying.search import parse_search


def operand(value: Any, where: str, depth: int = 0) -> Any:
    """Turn what a user asks for into a record's value.

    Numbers too large to be stored may still be asked about: they come out as
    Decimal. Instances of models stay as they are until a shape says whether
    they stand for their key.
    """
    if hasattr(type(value), "__pydantic_fields__") or hasattr(
        type(value), "__pymodels_reference__"
    ):
        return value
    if type(value) is int and not SMALLEST_INTEGER <= value <= LARGEST_INTEGER:
        return Decimal(value)
    if type(value) is Decimal and value.is_finite():
        return value
    if isinstance(value, list | tuple):
        if depth > DEEPEST:
            raise QueryError(f"{where}: more than {DEEPEST} levels of lists")
        return [
            operand(part, f"{where}[{at}]", depth + 1) for at, part in enumerate(value)
        ]
    try:
        return canonical(value, where)
    except EncodeError as error:
        if kind_of(value) is not Kind.OTHER or isinstance(value, float | str):
            raise QueryError(f"{error}; nothing stored can equal it") from error
        # The field's own serializer may know it; `binding` refuses it if not.
        return value


def _equals(path: Path, value: Any) -> p.Predicate:
    return p.Equal(path, operand(value, p.spelled(path)))


def _ordered(node: type[p.Comparison]) -> Callable[[Path, Any], p.Predicate]:
    def build(path: Path, value: Any) -> p.Predicate:
        if value is None:
            raise QueryError(
                f"{p.spelled(path)}: None is neither greater nor less than anything; "
                "ask exists=True or exists=False"
            )
        return node(path, operand(value, p.spelled(path)))  # type: ignore[call-arg]  # each ordered node takes a value

    return build


_greater_or_equal, _less_or_equal = _ordered(p.GreaterOrEqual), _ordered(p.LessOrEqual)


def _between(path: Path, value: Any) -> p.Predicate:
    ends = _several("between", path, value)
    if len(ends) != 2:
        raise QueryError(
            f"{p.spelled(path)}__between takes two ends, not {len(ends)}: {value!r}"
        )
    return p.every(_greater_or_equal(path, ends[0]), _less_or_equal(path, ends[1]))


def _several(name: str, path: Path, value: Any) -> list[Any]:
    if isinstance(value, str | bytes | Mapping) or not isinstance(value, Iterable):
        raise QueryError(
            f"{p.spelled(path)}__{name} takes a list of values, not {value!r}"
        )
    return list(value)


def _in(path: Path, value: Any) -> p.Predicate:
    where = p.spelled(path)
    values = [operand(one, where) for one in _several("in", path, value)]
    return p.In(path, tuple(values))


def _exists(path: Path, value: Any) -> p.Predicate:
    if not isinstance(value, bool):
        raise QueryError(
            f"{p.spelled(path)}__exists takes True or False, not {value!r}"
        )
    return p.Exists(path) if value else p.Not(p.Exists(path))


def _text(name: str, path: Path, value: Any) -> str:
    if not isinstance(value, str):
        raise QueryError(f"{p.spelled(path)}__{name} takes a string, not {value!r}")
    return str(operand(value, p.spelled(path)))


def _on_text(
    name: str, node: Callable[..., p.Predicate], caseless: bool = False
) -> Callable[[Path, Any], p.Predicate]:
    def build(path: Path, value: Any) -> p.Predicate:
        text = _text(name, path, value)
        return node(path, text.casefold() if caseless else text, caseless=caseless)

    return build


def _icontains(path: Path, value: Any) -> p.Predicate:
    text = _text("icontains", path, value).casefold()
    return p.Contains(path, text, Kind.STRING, caseless=True)


def _parts(path: Path, value: Any) -> list[p.Predicate]:
    values = value if isinstance(value, list | tuple | set | frozenset) else [value]
    return [p.Contains(path, operand(one, p.spelled(path))) for one in values]


def _contains(path: Path, value: Any) -> p.Predicate:
    """All of several values; of no values at all, any string or list."""
    kinds = frozenset({Kind.STRING, Kind.LIST})
    return p.every(*(_parts(path, value) or [p.HasKind(path, kinds)]))


def _contains_any(path: Path, value: Any) -> p.Predicate:
    _several("contains_any", path, value)
    return p.any_of(*_parts(path, list(value)))


def _matches(name: str, caseless: bool) -> Callable[[Path, Any], p.Predicate]:
    def build(path: Path, value: Any) -> p.Predicate:
        text = value.pattern if isinstance(value, re.Pattern) else value
        text = _text(name, path, text)
        if isinstance(value, re.Pattern) and value.flags & ~re.UNICODE:
            raise QueryError(
                f"{p.spelled(path)}__{name}: a compiled pattern's flags are not kept; "
                "write them into the pattern, as in '(?i)abc'"
            )
        try:
            compiled(text, caseless)
        except (re.error, RecursionError, OverflowError) as error:
            raise QueryError(
                f"{p.spelled(path)}__{name}: {text!r} is not a regular expression: "
                f"{error}"
            ) from error
        return p.Matches(path, text, caseless)

    return build


def _like(name: str, mode: str) -> Callable[[Path, Any], p.Predicate]:
    def build(path: Path, value: Any) -> p.Predicate:
        texts = [value] if isinstance(value, str) else _several(name, path, value)
        words = [word for text in texts for word in words_of(_text(name, path, text))]
        return p.Words(path, tuple(dict.fromkeys(words)), mode)

    return build


def _search(path: Path, value: Any) -> p.Predicate:
    return parse_search(path, _text("search", path, value))


def _date_part(name: str, smallest: int, largest: int) -> Callable[..., p.Predicate]:
    def build(path: Path, value: Any) -> p.Predicate:
        if type(value) is not int or not smallest <= value <= largest:
            raise QueryError(
                f"{p.spelled(path)}__{name} takes a number from {smallest} to "
                f"{largest}, not {value!r}"
            )
        return p.DatePart(path, name, value)

    return build


Builder = Callable[[Path, Any], p.Predicate]

LOOKUPS: dict[str, Builder] = {
    "equals": _equals,
    "is": _equals,
    "ne": lambda path, value: p.negation(_equals(path, value)),
    "gt": _ordered(p.Greater),
    "gte": _greater_or_equal,
    "lt": _ordered(p.Less),
    "lte": _less_or_equal,
    "between": _between,
    "in": _in,
    "exists": _exists,
    "contains": _contains,
    "contains_any": _contains_any,
    "startswith": _on_text("startswith", p.StartsWith),
    "endswith": _on_text("endswith", p.EndsWith),
    "iequals": _on_text("iequals", p.Equal, caseless=True),
    "icontains": _icontains,
    "istartswith": _on_text("istartswith", p.StartsWith, caseless=True),
    "iendswith": _on_text("iendswith", p.EndsWith, caseless=True),
    "matches": _matches("matches", caseless=False),
    "matches_caseless": _matches("matches_caseless", caseless=True),
    "like": _like("like", "all"),
    "like_any": _like("like_any", "any"),
    "search": _search,
    "year": _date_part("year", 1, 9999),
    "month": _date_part("month", 1, 12),
    "day": _date_part("day", 1, 31),
}


def ask(path: Path, lookup: str, value: Any) -> p.Predicate:
    """Build the predicate of one lookup; it is not bound to a model yet."""
    builder = LOOKUPS.get(lookup)
    if builder is None:
        raise UnknownLookup(
            f"{lookup!r} is not a lookup; known are {', '.join(LOOKUPS)}"
        )
    return builder(path, value)
