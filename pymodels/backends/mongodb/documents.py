"""A record as a document, and back: natural BSON, and a mark for each date.

BSON has one date type for three kinds of ours. Each date that we write therefore
has its mark (``date``, ``datetime`` or ``naive``) in the map ``_kinds`` beside the
fields, which has the shape of the record: ``{"born": ISODate(...), "_kinds":
{"born": "date"}}``. A document without dates has none.
"""

import re
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from bson.dbref import DBRef
from bson.decimal128 import Decimal128
from bson.int64 import Int64

from pymodels.backend import Kind, Path, Record, Shape, is_naive, to_milliseconds

Document = dict[str, Any]

KINDS = "_kinds"
OURS = frozenset({"_id", KINDS})
_RESERVED = re.compile(r"_+(id|kinds)")
_UNCHANGED = frozenset({str, int, float, bool, type(None), bytes})


TYPES: dict[Kind, tuple[str, ...]] = {
    Kind.NONE: ("null", "undefined"),
    Kind.NUMBER: ("number",),
    Kind.STRING: ("string", "symbol"),
    Kind.MAP: ("object",),
    Kind.LIST: ("array",),
    Kind.BYTES: ("binData",),
    Kind.BOOL: ("bool",),
    Kind.DATE: ("date",),
    Kind.DATETIME: ("date",),
}
"""The server's types of each kind, old ones that the driver still reads included."""


def types_of(kinds: Collection[Kind]) -> list[str]:
    """Give the server's types of some kinds."""
    names = (name for kind in sorted(kinds) for name in TYPES.get(kind, ()))
    return list(dict.fromkeys(names))


def stored_name(name: str) -> str:
    """Spell a field: what would be taken for `_id` or `_kinds` gets one more "_"."""
    return f"_{name}" if name[:1] == "_" and _RESERVED.fullmatch(name) else name


def field_name(stored: str) -> str:
    """Give the field that is stored under a name."""
    if stored[:2] == "__" and _RESERVED.fullmatch(stored):
        return stored[1:]
    return stored


def stored_path(path: Path) -> Path:
    """Spell a path of stored names: only its first can be taken for ours."""
    return (stored_name(path[0]), *path[1:])


def encode(key: Any, record: Record) -> Document:
    """Give the document of a canonical record."""
    document: Document = {"_id": key}
    kinds: Document = {}
    for name, value in record.items():
        stored = stored_name(name)
        document[stored] = encode_value(value)
        mark = None if type(value) in _UNCHANGED else marks(value)
        if mark is not None:
            kinds[stored] = mark
    if kinds:
        document[KINDS] = kinds
    return document


def encode_value(value: Any) -> Any:
    """Give the BSON value of a record's value; foreign ones stay as they are."""
    match value:
        case datetime():
            cut: datetime = to_milliseconds(value)
            # As the driver gives it back: the clock in UTC, without a zone.
            return cut if is_naive(cut) else cut.astimezone(UTC).replace(tzinfo=None)
        case date():
            return datetime(value.year, value.month, value.day)
        case Decimal():
            return Decimal128(value)
        case list():
            return [encode_value(part) for part in value]
        case dict():
            return {name: encode_value(part) for name, part in value.items()}
    return value


def marks(value: Any) -> Any:
    """Give the marks of a value in its own shape, None where nothing is marked."""
    match value:
        case datetime():
            return "naive" if is_naive(value) else "datetime"
        case date():
            return "date"
        case list():
            inside = [marks(part) for part in value]
            return None if all(mark is None for mark in inside) else inside
        case dict():
            pairs = ((name, marks(part)) for name, part in value.items())
            return {name: mark for name, mark in pairs if mark is not None} or None
    return None


def decode(document: Document, shape: Shape | None = None) -> Record:
    """Give the record in a document; unmarked dates are read by the shape."""
    noted = marks_in(document.get(KINDS))
    record: Record = {}
    for stored, value in document.items():
        name = stored
        if stored[:1] == "_":
            if stored in OURS:
                continue
            name = field_name(stored)
        if type(value) not in _UNCHANGED:
            value = decode_value(value, noted.get(stored), _below(shape, name))
        record[name] = value
    return record


def decode_value(value: Any, mark: Any, shape: Shape | None) -> Any:
    """Give the record's value of a BSON value with its mark."""
    kind = type(value)
    if kind in _UNCHANGED:
        return value
    if kind is datetime:
        return _moment(value, mark, shape)
    if kind is list:
        return _list(value, mark, shape)
    if kind is DBRef:
        value, kind = as_map(value), dict
    if kind is dict:
        noted = marks_in(mark)
        return {
            name: decode_value(part, noted.get(name), _below(shape, name))
            for name, part in value.items()
        }
    if kind is Int64:
        return int(value)
    if kind is Decimal128:
        number = value.to_decimal()
        return number if number.is_finite() else value
    return value


def as_map(value: Any) -> Any:
    """Give back the map that the driver took for a reference of its own."""
    return dict(value.as_doc()) if type(value) is DBRef else value


def marks_in(mark: Any) -> Mapping[str, Any]:
    """Give the marks of what is in a map; none if another program spoiled them."""
    mark = as_map(mark)
    return mark if type(mark) is dict else {}


def _below(shape: Shape | None, name: str) -> Shape | None:
    return shape.stored_member(name) if shape else None


def _list(value: list[Any], mark: Any, shape: Shape | None) -> list[Any]:
    """Read a list; marks of another length were outlived by somebody's change."""
    items = shape.items if shape else None
    if type(mark) is not list or len(mark) != len(value):
        mark = [None] * len(value)
    pairs = zip(value, mark, strict=True)
    return [decode_value(part, inside, items) for part, inside in pairs]


def _moment(value: datetime, mark: Any, shape: Shape | None) -> date:
    """Read a BSON date, which the driver gives as a datetime without zone."""
    for reading in (mark, *(shape.reads_text if shape else ())):
        read = _READINGS.get(reading) if type(reading) is str else None
        moment = read(value) if read else None
        if moment is not None:
            return moment
    return value.replace(tzinfo=UTC)


def is_midnight(value: datetime) -> bool:
    """Say whether a BSON date has no time of day."""
    return not (value.hour or value.minute or value.second or value.microsecond)


_READINGS: dict[str, Callable[[datetime], date | None]] = {
    "date": lambda value: value.date() if is_midnight(value) else None,
    "datetime": lambda value: value.replace(tzinfo=UTC),
    "naive": lambda value: value,
}
