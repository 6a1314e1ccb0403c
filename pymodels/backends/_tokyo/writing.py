"""The short way from a new instance to packed columns, where it is proven the same.

Names, lengths and note are worked out once for each combination of types.
"""

from collections.abc import Callable
from datetime import date
from math import isfinite
from typing import Any
from uuid import UUID

from pymodels.backend import (
    LARGEST_INTEGER,
    SMALLEST_INTEGER,
    BaseStorage,
    Instance,
    Row,
    exact_dumper,
    json_body,
)
from pymodels.backends._tokyo.columns import NOTE_COLUMN, column_of, note_text
from pymodels.backends._tokyo.texts import float_text, text_bytes
from pymodels.tokyo.packing import length


def _integer(value: int) -> bytes:
    if not SMALLEST_INTEGER <= value <= LARGEST_INTEGER:
        raise ValueError(value)
    return b"%d" % value


def _real(value: float) -> bytes:
    if not isfinite(value):
        raise ValueError(value)
    return float_text(value).encode()


def _texts(value: list[Any]) -> bytes:
    if not all(type(part) is str for part in value):
        raise TypeError(value)
    return json_body.to_json(value).encode()


_SPELLINGS: dict[type, Callable[[Any], bytes]] = {
    str: text_bytes,
    int: _integer,
    float: _real,
    bool: lambda value: b"true" if value else b"false",
    date: lambda value: value.isoformat().encode(),
    UUID: lambda value: str(value).encode(),
    list: _texts,
}
_WORDS = {type(None): "none", int: "int", float: "float", bool: "bool", date: "date"}
_WORDS |= {list: "list"}


def column_dumper(
    storage: BaseStorage, model: type[Instance]
) -> Callable[[str, Instance], Row]:
    """Give the function from a key and a new instance to key and packed columns."""
    return exact_dumper(storage, model, _SPELLINGS, _columns)


def _columns(
    fields: tuple[tuple[str, type, Any], ...],
) -> Callable[[str, Any, tuple[Any, ...]], Row]:
    words = {name: _WORDS.get(kind, "str") for name, kind, _ in fields}
    columns = [
        (at, _with_length(column_of(name)), spell)
        for at, (name, _, spell) in enumerate(fields)
        if spell is not None
    ]
    note = _with_length(NOTE_COLUMN) + _with_length(note_text(words).encode())

    def finish(key: str, instance: Any, values: tuple[Any, ...]) -> Row:
        parts: list[bytes] = []
        for at, start, spell in columns:
            text = spell(values[at])
            parts += (start, length(len(text)), text)
        packed = b"".join((*parts, note))
        # Only a NUL is spelled with one: no text is empty, and no length zero.
        if 0 in packed:
            raise ValueError(packed)
        return (key, packed)

    return finish


def _with_length(part: bytes) -> bytes:
    return length(len(part)) + part
