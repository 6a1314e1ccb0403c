"""A record as JSON text and a note of kinds beside it, and back.

The text is plain JSON that any program can read. What JSON cannot tell stands in
a second text of the same shape: ``{"birth_date": "date"}``. ``{}`` means that
there is nothing to tell, None that another program wrote the record.
"""

import json
from base64 import b64decode, b64encode
from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from math import isinf
from typing import Any

from pymodels.errors import InvalidRecord
from pymodels.law.changes import Changes, apply
from pymodels.law.shapes import ANYTHING, Shape
from pymodels.law.values import Record, is_naive, same

NOTHING_MARKED = "{}"


def encode(record: Record) -> tuple[str, str]:
    """Give body and kinds of a canonical record."""
    found: list[str] = []

    def spell(value: Any) -> str:
        text, mark = spelled(value)
        found.append(mark)
        return text

    body = to_json(record, spell)
    return body, to_json(marks(record)) if found else NOTHING_MARKED


def to_json(value: Any, default: Callable[[Any], str] | None = None) -> str:
    """Write JSON as it is stored: compact, UTF-8, names never escaped."""
    try:
        if default is None:
            return _ENCODER.encode(value)
        return json.JSONEncoder(default=default, **_COMPACT).encode(value)
    except ValueError:
        return _beyond_json(value, default)


_COMPACT: Any = {
    "ensure_ascii": False,
    "allow_nan": False,
    "separators": (",", ":"),
}
_ENCODER = json.JSONEncoder(**_COMPACT)


def _beyond_json(value: Any, default: Callable[[Any], str] | None) -> str:
    """Write what a foreign record's 1e999 was read as back as that."""
    match value:
        case dict():
            pairs = (f"{to_json(n)}:{to_json(v, default)}" for n, v in value.items())
            return "{" + ",".join(pairs) + "}"
        case list():
            return "[" + ",".join(to_json(part, default) for part in value) + "]"
        case float() if isinf(value):
            return "1e999" if value > 0 else "-1e999"
    raise ValueError(f"{value!r} cannot be written as JSON")


def spelled(value: Any) -> tuple[str, str]:
    """Give the text and the mark of a value that JSON has no kind for."""
    match value:
        case datetime():
            return value.isoformat(), "naive" if is_naive(value) else "datetime"
        case date():
            return value.isoformat(), "date"
        case Decimal():
            return str(value), "decimal"
        case bytes():
            return b64encode(value).decode(), "bytes"
    raise TypeError(f"{value!r} is not canonical")


def marks(value: Any) -> Any:
    """Give the note of kinds: the shape of the value, None where nothing is told."""
    match value:
        case dict():
            told = {name: marks(part) for name, part in value.items()}
            return {name: mark for name, mark in told.items() if mark} or None
        case list():
            inside = [marks(part) for part in value]
            return inside if any(inside) else None
        case None | bool() | int() | float() | str():
            return None
    return spelled(value)[1]


def value_json(value: Any) -> tuple[str, str | None]:
    """Give one value as JSON text, and its marks as JSON text if it has any."""
    mark = marks(value)
    text = to_json(value, lambda part: spelled(part)[0])
    return text, None if mark is None else to_json(mark)


def _no_json(word: str) -> Any:
    raise ValueError(f"{word} is not JSON")


# Python would read NaN and Infinity, which databases refuse.
_read_json: Callable[[str], Any] = json.JSONDecoder(parse_constant=_no_json).decode


def refuse_repeated_names(key: str, body: str) -> None:
    """Raise `InvalidRecord` for a foreign record with a name twice in one map."""

    def once(pairs: list[tuple[str, Any]]) -> Record:
        found = dict(pairs)
        if len(found) < len(pairs):
            names = [name for name, _ in pairs]
            twice = next(name for name in names if names.count(name) > 1)
            raise InvalidRecord(
                f"the record {key!r} holds the name {twice!r} twice; nobody can tell "
                "which of the two a change is for",
                key,
            )
        return found

    json.loads(body, object_pairs_hook=once)


def patched(
    key: str, body: str, kinds: str | None, changes: Changes
) -> tuple[str, str | None]:
    """Give body and kinds of a record with changes in it.

    A foreign record stays foreign where what is set reads back by declaration.
    """
    if kinds is None:
        # SQLite would change the first of two names, and Python read the last.
        refuse_repeated_names(key, body)
        is_foreign = reads_back(changes)
        shape = None if is_foreign else changes.shape
        body, kinds = encode(apply(decode(key, body, None, shape), changes))
        return body, None if is_foreign else kinds
    if changes.removes or any(len(path) > 1 for path in changes.sets):
        return encode(apply(decode(key, body, kinds), changes))
    return _patched_flat(body, kinds, changes)


def _patched_flat(body: str, kinds: str, changes: Changes) -> tuple[str, str]:
    """Set whole fields of a record, undecoded."""
    record = json.loads(body)
    note: Record | None = None
    for (name,), value in changes.sets.items():
        mark = marks(value)
        record[name] = value if mark is None else json.loads(value_json(value)[0])
        if mark is None and to_json(name) not in kinds:
            continue
        note = json.loads(kinds) if note is None else note
        note.pop(name, None)
        if mark is not None:
            note[name] = mark
    if note is None:
        return to_json(record), kinds
    return to_json(record), to_json(note) if note else NOTHING_MARKED


def decode(
    key: str, body: str, kinds: str | None, shape: Shape | None = None
) -> Record:
    """Read a record back; a foreign one by the shape that is declared.

    Raises `InvalidRecord` for what is no JSON object, or a damaged value.
    """
    try:
        record = _read_json(body)
        if type(record) is not dict:
            raise ValueError(f"a JSON object is expected, not {body[:40]!r}")
        if kinds is None:
            return record if shape is None else read_declared(record, shape)
        if kinds == NOTHING_MARKED:
            return record
        return _marked(record, json.loads(kinds))  # type: ignore[no-any-return]  # a dict stays one
    except (ValueError, TypeError, InvalidOperation, RecursionError) as error:
        raise InvalidRecord(
            f"the record {key!r} cannot be read: {error}", key
        ) from error


def _marked(value: Any, mark: Any) -> Any:
    match mark:
        case dict() if type(value) is dict:
            for name, inside in mark.items():
                if name in value:
                    value[name] = _marked(value[name], inside)
        case list() if type(value) is list:
            pairs = zip(value, mark, strict=False)
            return [_marked(part, inside) for part, inside in pairs] + value[
                len(mark) :
            ]
        case str() if type(value) is str:
            return PARSERS[mark](value) if mark in PARSERS else value
    return value


PARSERS: dict[str, Callable[[str], Any]] = {
    "date": date.fromisoformat,
    "datetime": datetime.fromisoformat,
    "naive": datetime.fromisoformat,
    "decimal": Decimal,
    "bytes": lambda text: b64decode(text, validate=True),
}


def read_text(text: str, names: tuple[str, ...]) -> Any:
    """Read a foreign text as the first kind that it is the canonical form of.

    A string if it is of none.
    """
    for name in names:
        try:
            value = PARSERS[name](text)
            if isinstance(value, Decimal) and not value.is_finite():
                continue
            if isinstance(value, datetime) and value.utcoffset():
                continue  # aware ones are kept in UTC
            if spelled(value)[0] == text:
                return value
        except (ValueError, InvalidOperation, OverflowError):
            continue
    return text


def read_declared(value: Any, shape: Shape) -> Any:
    """Read a foreign record's value as its declared type, where the text allows."""
    match value:
        case str() if shape.reads_text:
            return read_text(value, shape.reads_text)
        case dict():
            for name, part in value.items():
                below = shape.stored_member(name)
                if below is not None:
                    value[name] = read_declared(part, below)
        case list() if shape.items is not None:
            return [read_declared(part, shape.items) for part in value]
    return value


def reads_back(changes: Changes) -> bool:
    """Say whether a foreign record, which has no note, would read back the same."""
    if changes.shape is None:
        return all(marks(value) is None for value in changes.sets.values())
    for path, value in changes.sets.items():
        shape = changes.shape
        for name in path:
            shape = shape.stored_member(name) or ANYTHING
        if not _reads_back(value, shape):
            return False
    return True


def _reads_back(value: Any, shape: Shape) -> bool:
    kind = type(value)
    if kind in _KINDS_OF_JSON or (kind is str and not shape.reads_text):
        return True
    if kind is date and shape.reads_text == ("date",):
        return True
    return same(read_declared(json.loads(value_json(value)[0]), shape), value)


_KINDS_OF_JSON = frozenset({int, float, bool, type(None)})
