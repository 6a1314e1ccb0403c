"""A record as natural text columns and a note of kinds, and back.

A value stands in its column as other programs write it: ``49``, ``1960-01-31``,
JSON for lists and maps. One reserved column, ``_kinds``, lists the columns that we
have written, each with its kind: ``;age=int;name=str;spouse=none;``. A column that
it does not list is foreign, and is read by what a model declares; so is one whose
text is not what the note says, because another program has changed it.

An empty text is stored as two bytes that are never valid UTF-8: an empty value
would end the process if its column had an index. None is no column at all.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Any
from urllib.parse import quote, unquote

from pymodels.backend import Changes, Record, Shape, apply, json_body, same
from pymodels.backends._tokyo.texts import (
    Unreadable,
    read_foreign,
    read_noted,
    spelled,
    text_bytes,
    text_or_bytes,
)
from pymodels.tokyo.packing import pack_map, read_length, unpack_map

NOTE = "_kinds"
"""The reserved column; a field of that name is stored with a ``_`` behind it."""
NOTE_COLUMN = NOTE.encode()
_ALIKE = NOTE + "_"

# What a note may hold unquoted; never a blank or a comma, at which the library
# would split it.
_SAFE = "!\"#$&'()*+-./:<>?@[\\]^_`{|}~"
_MOST_KNOWN = 2048


# Notes.


@lru_cache(_MOST_KNOWN)
def quoted(name: str) -> str:
    """Spell a name or a word's rest as it stands in a note."""
    return quote(name, safe=_SAFE)


def note_text(kinds: Mapping[str, str]) -> str:
    """Write a note: each column that is ours with the word for its kind, sorted."""
    return _note_of(tuple(kinds.items()))


@lru_cache(_MOST_KNOWN)
def _note_of(kinds: tuple[tuple[str, str], ...]) -> str:
    parts = sorted(f"{quoted(name)}={quoted(word)}" for name, word in kinds)
    return ";".join(("", *parts, ""))


@lru_cache(_MOST_KNOWN)
def kinds_of(note: str) -> Mapping[str, str]:
    """Read a note: the word for each column that it lists."""
    found = {}
    for part in note.split(";"):
        name, equals, word = part.partition("=")
        if equals:
            found[unquote(name)] = unquote(word)
    return MappingProxyType(found)


NOTHING_NOTED: Mapping[str, str] = MappingProxyType({})


# Whole records.


def stored_name(name: str) -> str:
    """Keep a field's name apart from the note's: one more ``_`` at its end."""
    return f"{name}_" if name.rstrip("_") == NOTE else name


def field_name(stored: str) -> str:
    """Give the field's name back."""
    return stored[:-1] if stored.rstrip("_") == NOTE else stored


def name_of(column: bytes) -> str:
    """Give the field of a column; bytes that are no UTF-8 can be put back."""
    return field_name(key_of(column))


def column_of(name: str) -> bytes:
    """Give the column of a field."""
    return key_column(stored_name(name))


def key_of(stored: bytes) -> str:
    """Give a key, or a column's name, as text."""
    return stored.decode(errors="surrogateescape")


def key_column(key: str) -> bytes:
    """Give the bytes of a key, or of a column's name."""
    return key.encode(errors="surrogateescape")


def texts_of(packed: bytes) -> dict[str, str | bytes]:
    """Split packed columns into their names and texts; what is not text stays bytes.

    A value of no bytes at all stays bytes too: only other programs write it.
    """
    found: dict[str, str | bytes] = {}
    if not packed.isascii() or 0 in packed:
        for column, value in unpack_map(packed).items():
            found[key_of(column)] = text_or_bytes(value)
        return found
    # All lengths are single bytes, and offsets are those of the text.
    text = packed.decode()
    at, end = 0, len(packed)
    while at < end:
        start = at + 1
        stop = start + packed[at]
        at = stop + 1 + packed[stop]
        found[text[start:stop]] = text[stop + 1 : at]
    return found


def encode(record: Record) -> bytes:
    """Give the packed columns of a canonical record, the note among them."""
    columns: dict[bytes, bytes] = {}
    kinds: dict[str, str] = {}
    for name, value in record.items():
        _put(columns, kinds, name, value)
    columns[NOTE_COLUMN] = note_text(kinds).encode()
    return pack_map(columns)


def _put(
    columns: dict[bytes, bytes],
    kinds: dict[str, str],
    name: str,
    value: Any,
    old: bytes | None = None,
) -> None:
    """Write one value into columns and kinds, instead of what is there.

    Numbers of an ``old`` list or map are spelled as there.
    """
    if isinstance(value, Unreadable):
        columns[column_of(name)] = bytes(value)
        kinds.pop(name, None)
        return
    kinds[name], text = spelled(value)
    if old is not None and text is not None and type(value) in {list, dict}:
        text = json_body.respelled(text, old.decode(errors="replace"))
    if text is None:
        columns.pop(column_of(name), None)
    else:
        columns[column_of(name)] = text_bytes(text)


@dataclass(frozen=True, slots=True)
class _Reading:
    """How the rows of one note are read: what is not plain text, and what is None."""

    columns: frozenset[str]
    readers: tuple[tuple[str, str], ...]
    nones: tuple[str, ...]


@lru_cache(_MOST_KNOWN)
def _reading(note: str) -> _Reading | None:
    """Plan to read the rows of a note; None for a note that is not spelled by us."""
    kinds = kinds_of(note)
    if note_text(kinds) != note:
        return None
    nones = tuple(name for name, word in kinds.items() if word == "none")
    texts = {name: word for name, word in kinds.items() if word != "none"}
    readers = tuple((name, word) for name, word in texts.items() if word != "str")
    return _Reading(frozenset(texts), readers, nones)


def read_noted_row(packed: bytes) -> tuple[Record, str] | None:
    """Give the record and the note of a row that is what its note says.

    None for a row in which something is foreign.
    """
    texts: Record = texts_of(packed)
    note = texts.pop(NOTE, None)
    if _ALIKE.encode() in packed:
        texts = {field_name(name): text for name, text in texts.items()}
    reading = _reading(note) if type(note) is str else None
    if reading is None or texts.keys() != reading.columns:
        return None
    is_plain = packed.isascii() and 0 not in packed
    if not is_plain and any(type(one) is bytes for one in texts.values()):
        return None
    try:
        for name, word in reading.readers:
            texts[name] = read_noted(texts[name], word)
    except ValueError:
        return None
    for name in reading.nones:
        texts[name] = None
    return texts, str(note)


def decode(packed: bytes, shape: Shape | None = None) -> Record:
    """Give the record of packed columns; what is foreign is read by the shape."""
    noted = read_noted_row(packed)
    return noted[0] if noted is not None else _decode_foreign(packed, shape)


def _decode_foreign(packed: bytes, shape: Shape | None) -> Record:
    texts = texts_of(packed)
    note = texts.pop(NOTE, None)
    kinds = kinds_of(note) if isinstance(note, str) else NOTHING_NOTED
    found: Record = {}
    for column, text in texts.items():
        name = field_name(column)
        found[name] = _value(name, text, kinds.get(name), shape)
    for name, word in kinds.items():
        if word == "none" and name not in found:
            found[name] = None
    return found


def _value(name: str, text: str | bytes, word: str | None, shape: Shape | None) -> Any:
    if word is not None and type(text) is str:
        try:
            return read_noted(text, word)
        except ValueError:
            pass
    return read_foreign(text, shape.stored_member(name) if shape else None)


def patched(packed: bytes, changes: Changes) -> bytes:
    """Give packed columns with changes in them; other columns stay as they are.

    In a row of another program's, what the model reads back by declaration needs
    no note.
    """
    columns = unpack_map(packed)
    note = columns.pop(NOTE_COLUMN, None)
    kinds = dict(kinds_of(note.decode(errors="replace"))) if note else {}
    names = {path[0] for path in (*changes.sets, *changes.removes)}
    before: Record = {}
    for name in names:
        value = columns.get(column_of(name))
        if value is not None:
            text, word = text_or_bytes(value), kinds.get(name)
            before[name] = _value(name, text, word, changes.shape)
        elif kinds.get(name) == "none":
            before[name] = None
    after = apply(before, changes)
    for name in names:
        if name not in after:
            columns.pop(column_of(name), None)
            kinds.pop(name, None)
            continue
        old, word = columns.get(column_of(name)), kinds.get(name)
        _put(columns, kinds, name, after[name], old)
        is_foreign = note is None or (word is None and old is not None)
        if is_foreign and _reads_back(columns, name, after[name], changes.shape):
            del kinds[name]
    if note is not None or kinds:
        columns[NOTE_COLUMN] = note_text(kinds).encode()
    return pack_map(columns)


def _reads_back(
    columns: Mapping[bytes, bytes], name: str, value: Any, shape: Shape | None
) -> bool:
    stored = columns.get(column_of(name))
    if stored is None or isinstance(value, Unreadable):
        return False
    declared = shape.stored_member(name) if shape else None
    return same(read_foreign(text_or_bytes(stored), declared), value)


_NOTE_START = bytes([len(NOTE_COLUMN)]) + NOTE_COLUMN


def note_column(note: str) -> bytes:
    """Give the packed column of a note, with which a row of ours ends."""
    return pack_map({NOTE_COLUMN: note.encode()})


def note_in(packed: bytes) -> str | None:
    """Give the note in packed columns; None in a row of another program's.

    It stands last in what we write, where it is found without unpacking the rest.
    """
    at = packed.rfind(_NOTE_START)
    if at < 0:
        return None
    size, start = read_length(packed, at + len(_NOTE_START))
    if start + size == len(packed):
        return packed[start:].decode(errors="replace")
    found = unpack_map(packed).get(NOTE_COLUMN)
    return None if found is None else found.decode(errors="replace")
