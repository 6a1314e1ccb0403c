"""THE meaning of a predicate, over a plain record.

Whatever needs to know whether a record matches asks here; a backend that pushes
a predicate down must give the same answer. A predicate is turned into one
function, so that a long residual costs a call a node and no more.
"""

import re
from collections.abc import Callable
from datetime import date
from typing import Any

from pymodels.law import predicates as p
from pymodels.law.values import (
    KEY,
    ORDERED,
    Kind,
    Path,
    Record,
    equal,
    kind_of,
    less,
    read,
    sort_key,
)

Matcher = Callable[[str, Record], bool]
"""A function of key and record."""

WORD = re.compile(r"\w+")


def matches(predicate: p.Predicate, record: Record, key: str = "") -> bool:
    """Say whether a record, with its key, fulfils a predicate."""
    return matcher(predicate)(key, record)


def matcher(predicate: p.Predicate) -> Matcher:
    """Turn a predicate into a function of key and record that says yes or no."""
    match predicate:
        case p.Everything():
            return lambda key, record: True
        case p.And(terms):
            wanted = tuple(map(matcher, terms))
            return lambda key, record: all(term(key, record) for term in wanted)
        case p.Or(terms):
            offered = tuple(map(matcher, terms))
            return lambda key, record: any(term(key, record) for term in offered)
        case p.Not(term):
            refused = matcher(term)
            return lambda key, record: not refused(key, record)
        case p.HasKind(path, kinds=kinds):
            return _of_kind(path, kinds)
        case p.Comparison(path):
            return _looking_at(path, value_test(predicate))
    raise TypeError(f"not a predicate: {predicate!r}")


def _looking_at(path: Path, test: Callable[[Any], bool]) -> Matcher:
    if path == KEY:
        return lambda key, record: test(key)
    if len(path) == 1:
        name = path[0]
        return lambda key, record: test(record.get(name))
    return lambda key, record: test(read(record, path))


def _of_kind(path: Path, kinds: frozenset[Kind]) -> Matcher:
    """Look for a value that is there and of some kinds."""
    if path == KEY:
        return lambda key, record: Kind.STRING in kinds
    above, name = path[:-1], path[-1]
    if not above:
        return lambda key, record: name in record and kind_of(record[name]) in kinds

    def matches_kind(key: str, record: Record) -> bool:
        holder = read(record, above)
        return (
            type(holder) is dict and name in holder and kind_of(holder[name]) in kinds
        )

    return matches_kind


def value_test(node: p.Comparison) -> Callable[[Any], bool]:
    """Turn a comparison into a function of the value that stands at its path."""
    match node:
        case p.Exists():
            return lambda value: value is not None
        case p.Equal(_, wanted, caseless=True):
            return _on_text(lambda text: text == wanted, caseless=True)
        case p.Equal(_, wanted):
            return lambda value: equal(value, wanted)
        case p.In(_, values):
            keys = {sort_key(wanted) for wanted in values}
            return lambda value: is_known(value) and sort_key(value) in keys
        case p.Less(_, wanted):
            return lambda value: less(value, wanted)
        case p.Greater(_, wanted):
            return lambda value: less(wanted, value)
        case p.LessOrEqual(_, wanted):
            return lambda value: less(value, wanted) or _tied(value, wanted)
        case p.GreaterOrEqual(_, wanted):
            return lambda value: less(wanted, value) or _tied(value, wanted)
        case p.Contains():
            return _contains(node)
        case p.StartsWith(_, start, caseless=caseless):
            return _on_text(lambda text: text.startswith(start), caseless=caseless)
        case p.EndsWith(_, end, caseless=caseless):
            return _on_text(lambda text: text.endswith(end), caseless=caseless)
        case p.Matches(_, pattern, caseless=caseless):
            search = compiled(pattern, caseless).search
            return _on_text(lambda text: search(text) is not None)
        case p.Words(_, words, mode=mode):
            return _on_text(words_test(words, mode))
        case p.DatePart(_, part, value=wanted):
            return lambda value: (
                isinstance(value, date) and bool(getattr(value, part) == wanted)
            )
    raise TypeError(f"no meaning is written for {type(node).__name__}")


def is_known(value: Any) -> bool:
    """Say whether a value is of our kinds throughout; a foreign one equals nothing."""
    if isinstance(value, list):
        return all(map(is_known, value))
    if isinstance(value, dict):
        return all(map(is_known, value.values()))
    return kind_of(value) is not Kind.OTHER


def _tied(value: Any, wanted: Any) -> bool:
    return kind_of(wanted) in ORDERED and equal(value, wanted)


def _on_text(
    test: Callable[[str], bool], *, caseless: bool = False
) -> Callable[[Any], bool]:
    if caseless:
        return lambda value: type(value) is str and test(value.casefold())
    return lambda value: type(value) is str and test(value)


def _contains(node: p.Contains) -> Callable[[Any], bool]:
    wanted = node.value
    in_text = (
        _on_text(lambda text: wanted in text, caseless=node.caseless)
        if type(wanted) is str
        else lambda value: False
    )

    def in_list(value: Any) -> bool:
        return type(value) is list and any(equal(part, wanted) for part in value)

    match node.within:
        case Kind.STRING:
            return in_text
        case Kind.LIST:
            return in_list
    return lambda value: in_text(value) or in_list(value)


def compiled(pattern: str, caseless: bool) -> re.Pattern[str]:
    """Compile a pattern of `matches` or `matches_caseless`; `re` caches it."""
    return re.compile(pattern, re.IGNORECASE if caseless else 0)


def words_of(text: str) -> list[str]:
    r"""Split a text into its words: runs of ``\w``, casefolded."""
    return [word.casefold() for word in WORD.findall(text)]


def words_test(words: tuple[str, ...], mode: str) -> Callable[[str], bool]:
    """Give the function that looks for words in a text."""
    wanted, size = set(words), len(words)
    if mode == "all":
        return lambda text: wanted.issubset(words_of(text))
    if mode == "any":
        return lambda text: not wanted.isdisjoint(words_of(text))

    def has_phrase(text: str) -> bool:
        found = words_of(text)
        starts = range(len(found) - size + 1)
        return any(tuple(found[at : at + size]) == words for at in starts)

    return has_phrase
