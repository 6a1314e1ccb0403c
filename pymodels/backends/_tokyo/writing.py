"""The short way from a new instance to packed columns, where it is proven the same.

For the models whose fields are all plain (`models.fast_writing` says which), and
whose values are of their fields' exact types: names, note and the way to spell each
value are worked out once a combination of types.
"""

from collections.abc import Callable
from math import isfinite
from typing import Any

from pymodels.backend import (
    LARGEST_INTEGER,
    SMALLEST_INTEGER,
    BaseStorage,
    Instance,
    Row,
    codec_of,
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


_SPELLED: dict[str, tuple[str, Callable[[Any], bytes]]] = {
    "str": ("str", text_bytes),
    "int": ("int", _integer),
    "float": ("float", _real),
    "bool": ("bool", lambda value: b"true" if value else b"false"),
    "date": ("date", lambda value: value.isoformat().encode()),
    "UUID": ("str", lambda value: str(value).encode()),
    "Reference": ("str", lambda value: value.key.encode()),
    "list": ("list", _texts),
}
_REFUSED = (ValueError, TypeError, KeyError, AttributeError)

Column = tuple[str, bytes, Callable[[Any], bytes]]
Template = tuple[tuple[Column, ...], bytes]


def column_dumper(
    storage: BaseStorage, model: type[Instance]
) -> Callable[[str, Instance], Row]:
    """Give the function from a key and a new instance to key and packed columns."""
    codec = codec_of(model)
    record_of, writing = codec.new_record, codec.writing

    def long_way(key: str, instance: Instance) -> Row:
        return storage.encode(key, record_of(key, instance))

    names = tuple(writing.types)
    stored = tuple(codec.names.get(name, name) for name in names)
    if not writing.is_plain or not writing.is_checked or not names:
        return long_way
    templates: dict[tuple[type, ...], Template] = {}

    def dump(key: str, instance: Instance) -> Row:
        try:
            values = instance.__dict__
            kinds = tuple([type(values[name]) for name in names])
            template = templates.get(kinds)
            if template is None:
                # Each combination of exact types is looked at once.
                writing.note_of(kinds)
                template = templates[kinds] = _template(names, stored, kinds)
            parts: list[bytes] = []
            for name, start, spell in template[0]:
                text = spell(values[name])
                parts += (start, length(len(text)), text)
        except _REFUSED:
            return long_way(key, instance)
        packed = b"".join((*parts, template[1]))
        # Only a NUL is spelled with one: no text is empty, and no length zero.
        return long_way(key, instance) if 0 in packed else (key, packed)

    return dump


def _template(
    names: tuple[str, ...], stored: tuple[str, ...], kinds: tuple[type, ...]
) -> Template:
    """Work out what is the same in all instances with values of these types."""
    columns: list[Column] = []
    noted: dict[str, str] = {}
    for name, column, kind in zip(names, stored, kinds, strict=True):
        if kind is type(None):
            noted[column] = "none"
            continue
        noted[column], spell = _SPELLED[kind.__name__]
        columns.append((name, _with_length(column_of(column)), spell))
    note = _with_length(NOTE_COLUMN) + _with_length(note_text(noted).encode())
    return tuple(columns), note


def _with_length(part: bytes) -> bytes:
    return length(len(part)) + part
