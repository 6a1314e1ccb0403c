"""A record as JSON text and a note of kinds beside it, and back.

The text is plain JSON that any program can read. What JSON cannot tell stands in
a second text of the same shape: ``{"birth_date": "date"}``. ``{}`` means that
there is nothing to tell, None that another program wrote the record.
"""

import json
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable, Iterator
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from math import isinf
from typing import Any

from pymodels.errors import EncodeError, InvalidRecord
from pymodels.law.changes import Changes
from pymodels.law.json_text import Map, usual_text
from pymodels.law.json_text import respelled as respelled
from pymodels.law.shapes import ANYTHING, Shape
from pymodels.law.values import Kind, Path, Record, copied, is_naive, kind_of, same

NOTHING_MARKED = "{}"
FOREIGN = "foreign"
"""The mark of what another program wrote, in a record that has a note."""


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
            return usual_text(value)
    raise EncodeError(f"{value!r} cannot be written as JSON")


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
    raise EncodeError(f"{value!r} cannot be written as JSON")


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


def value_json(value: Any, old: str = "") -> tuple[str, str | None]:
    """Give one value as JSON text, and its marks as JSON text if it has any.

    Numbers that an ``old`` list or map held are spelled as there.
    """
    mark = marks(value)
    if mark is None:
        return respelled(to_json(value), old), None
    text = to_json(value, lambda part: spelled(part)[0])
    return respelled(text, old), to_json(mark)


def _no_json(word: str) -> Any:
    raise ValueError(f"{word} is not JSON")


# Python would read NaN and Infinity, which databases refuse.
_read_json: Callable[[str], Any] = json.JSONDecoder(parse_constant=_no_json).decode


def patched(
    key: str, body: str, kinds: str | None, changes: Changes
) -> tuple[str, str | None]:
    """Give body and kinds of a record with changes in it; the rest stays as it is.

    A foreign record stays foreign where what is set reads back by declaration. If
    not, it gets a note of what is set, and of what is still read by declaration.
    """
    is_flat = not changes.removes and all(len(path) == 1 for path in changes.sets)
    try:
        if kinds is not None and is_flat:
            record = json.loads(body)
            if to_json(record) == body:
                # There is no spelling to keep.
                return _patched_flat(record, kinds, changes)
        text = Map(body)
        written = dict(_put(text, changes))
    except ValueError as error:
        raise InvalidRecord(f"the record {key!r}: {error}", key) from error
    if kinds is None and reads_back(changes):
        return str(text), None
    note = json.loads(kinds) if kinds else foreign_marks(json.loads(str(text))) or {}
    before = kinds is None or copied(note)
    for path in changes.removes:
        put_mark(note, path, None)
    for path, value in written.items():
        put_mark(note, path, marks(value))
    return str(text), kinds if note == before else to_json(note)


def _patched_flat(record: Record, kinds: str, changes: Changes) -> tuple[str, str]:
    """Set whole fields of a record as JSON has it."""
    note: Record | None = None
    for (name,), value in changes.sets.items():
        mark = marks(value)
        record[name] = value if mark is None else json.loads(value_json(value)[0])
        if mark is not None or to_json(name) in kinds:
            note = json.loads(kinds) if note is None else note
            put_mark(note, (name,), mark)
    return to_json(record), kinds if note is None else to_json(note)


def _put(text: Map, changes: Changes) -> Iterator[tuple[Path, Any]]:
    """Make the changes in a text; yield what was written, and where."""
    for *above, name in changes.removes:
        parent = _parent(text, above)
        if parent is not None:
            parent.remove(name)
    for path, value in changes.sets.items():
        wholes = (*changes.ancestors.get(path, ()), value)
        if len(wholes) < len(path):
            wholes = nested(path, value)
        here = text
        for depth, name in enumerate(path):
            inner = None if depth == len(path) - 1 else here.below(name, make=True)
            if inner is None:
                here.put(name, value_json(wholes[depth], here.text_at(name))[0])
                yield path[: depth + 1], wholes[depth]
                break
            here = inner


def split(body: str, name: str) -> tuple[str, str]:
    """Take the value of a name out of a body; give both as texts."""
    text = Map(body)
    taken = text.text_at(name)
    text.remove(name)
    return str(text), taken


def renamed(body: str, rename: Callable[[str], str]) -> str:
    """Give a body with other names, its values as they are spelled."""
    text = Map(body)
    if all(rename(name) == name for name in text.values):
        return body
    new = Map()
    for name in text.values:
        new.put(rename(name), text.text_at(name))
    return str(new)


def text_at(body: str, path: Path) -> str:
    """Give the text of the value at a path of a body; "" if there is none."""
    *above, name = path
    parent = _parent(Map(body), above)
    return "" if parent is None else parent.text_at(name)


def _parent(text: Map, path: Iterable[str]) -> Map | None:
    found: Map | None = text
    for name in path:
        found = found and found.below(name)
    return found


def nested(path: Path, value: Any) -> tuple[Any, ...]:
    """Give the whole of each map above a path, as an update by query knows it."""
    wholes = [value]
    for name in reversed(path[1:]):
        wholes.append({name: wholes[-1]})
    return tuple(reversed(wholes))


def put_mark(note: Record, path: Path, mark: Any) -> None:
    """Put a mark into a note; None removes it, and maps that hold none any more."""
    name, *rest = path
    if rest:
        inner = note.get(name)
        inner = inner if type(inner) is dict else {}
        put_mark(inner, tuple(rest), mark)
        mark = inner or None
    if mark is None:
        note.pop(name, None)
    else:
        note[name] = mark


def foreign_marks(value: Any) -> Any:
    """Mark in a foreign record what a model's declaration may read as another kind."""
    match value:
        case dict():
            told = {name: foreign_marks(part) for name, part in value.items()}
            return {name: mark for name, mark in told.items() if mark} or None
        case list():
            return FOREIGN if any(map(foreign_marks, value)) else None
        case str():
            return None if type(read_text(value, tuple(PARSERS))) is str else FOREIGN
    return FOREIGN if kind_of(value) is Kind.OTHER else None


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
        return _marked(record, json.loads(kinds), shape)  # type: ignore[no-any-return]  # a dict stays one
    except (ValueError, TypeError, InvalidOperation, RecursionError) as error:
        raise InvalidRecord(
            f"the record {key!r} cannot be read: {error}", key
        ) from error


def _marked(value: Any, mark: Any, shape: Shape | None) -> Any:
    """Read a value by its mark; one that it does not fit is not believed.

    Another program has changed the value then, and it is read by the shape.
    """
    match mark:
        case dict() if type(value) is dict:
            for name, inside in mark.items():
                if name in value:
                    below = shape.stored_member(name) if shape else None
                    value[name] = _marked(value[name], inside, below)
            return value
        case list() if type(value) is list and len(mark) == len(value):
            items = shape.items if shape else None
            pairs = zip(value, mark, strict=True)
            return [_marked(part, inside, items) for part, inside in pairs]
        case str() if mark in PARSERS and type(value) is str:
            found = read_text(value, (mark,))
            if type(found) is not str:
                return found
        case None:
            return value
    return value if shape is None else read_declared(value, shape)


PARSERS: dict[str, Callable[[str], Any]] = {
    "date": date.fromisoformat,
    "datetime": datetime.fromisoformat,
    "naive": datetime.fromisoformat,
    "decimal": Decimal,
    "bytes": lambda text: b64decode(text, validate=True),
}


_SPELLINGS: dict[str, Callable[[Any], str]] = {
    "date": date.isoformat,
    "datetime": datetime.isoformat,
    "naive": datetime.isoformat,
    "decimal": str,
    "bytes": lambda value: b64encode(value).decode(),
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
            if _SPELLINGS[name](value) == text:
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
