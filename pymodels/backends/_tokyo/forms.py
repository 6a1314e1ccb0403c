"""The two stored forms of Tokyo files: columns of a table, and JSON text.

Both backends of these files keep rows in one of the forms. A row of columns is the
key and one packed byte string; a row of JSON is the key, the text and the note of
kinds, which stand in the file as one self-describing object.
"""

import json
from collections.abc import Callable
from typing import Any

from pymodels.backend import (
    BaseStorage,
    Changes,
    HasKind,
    Instance,
    M,
    Record,
    Row,
    Shape,
    codec_of,
    json_body,
    json_dumper,
    json_loader,
    json_sifter,
    terms_of,
)
from pymodels.backends._tokyo import columns
from pymodels.backends._tokyo.columns import (
    NOTE,
    field_name,
    key_of,
    kinds_of,
    stored_name,
)
from pymodels.backends._tokyo.verdicts import Verdict, has_kind
from pymodels.backends._tokyo.writing import column_dumper

_MOST_KNOWN = 1024
_NOTE_START = f',"{NOTE}":'
_NOTE_FIRST = f'{{"{NOTE}":'


class ColumnForm:
    """Natural text columns and a note of kinds: `pymodels.backends._tokyo.columns`."""

    def encode(self, key: str, record: Record) -> Row:
        """Turn a canonical record into packed columns."""
        return (key, columns.encode(record))

    def decode(self, row: Row, shape: Shape | None = None) -> Record:
        """Turn packed columns into the record."""
        return columns.decode(row[1], shape)

    def patched(self, row: Row, changes: Changes) -> Row:
        """Rewrite the columns that change."""
        return (row[0], columns.patched(row[1], changes))

    def row(self, key: bytes, stored: bytes) -> Row:
        """Keep the columns packed."""
        return (key_of(key), stored)

    def stored(self, row: Row) -> bytes:
        """Give the packed columns."""
        packed: bytes = row[1]
        return packed

    def loader(self, storage: BaseStorage, model: type[M]) -> Callable[[Row], M] | None:
        """Load by way of the record, read by its note in one go."""
        codec, read = codec_of(model), columns.read_noted_row
        make, long_way = codec.maker(storage), codec.loader(storage)

        def load(row: Row) -> Any:
            found = read(row[1])
            return long_way(row) if found is None else make(row, found[0])

        return load

    def sifter(
        self, storage: BaseStorage, model: type[M]
    ) -> Callable[[Row], M | None] | None:
        """Let the note tell membership, where that is a matter of kinds."""
        codec = codec_of(model)
        judges = []
        for term in terms_of(codec.membership):
            if not isinstance(term, HasKind) or len(term.path) != 1:
                return None
            judges.append(has_kind(term.path[0], term.kinds))
        belongs: dict[str, bool] = {}
        make, shape = codec.maker(storage), codec.shape
        read, load = columns.read_noted_row, storage.mapper(model).load

        def sift(row: Row) -> Any:
            found = read(row[1])
            if found is None:
                is_member = codec.belongs(row[0], columns.decode(row[1], shape))
                return load(row) if is_member else None
            record, note = found
            is_noted = belongs.get(note)
            if is_noted is None:
                kinds = kinds_of(note)
                is_noted = all(judge(kinds) is Verdict.SOUND for judge in judges)
                if len(belongs) < _MOST_KNOWN:
                    belongs[note] = is_noted
            if not is_noted:
                return None
            return make(row, record)

        return sift

    def dumper(
        self, storage: BaseStorage, model: type[Instance]
    ) -> Callable[[str, Instance], Row]:
        """Pack plain fields directly."""
        return column_dumper(storage, model)


class JsonForm:
    """One JSON object, whose last member is the note of kinds."""

    def encode(self, key: str, record: Record) -> Row:
        """Turn a canonical record into JSON text and its note."""
        return (key, *json_body.encode(record))

    def decode(self, row: Row, shape: Shape | None = None) -> Record:
        """Read the record back."""
        return json_body.decode(row[0], row[1], row[2], shape)

    def patched(self, row: Row, changes: Changes) -> Row:
        """Keep a foreign row foreign where its values read back."""
        key, body, kinds = row
        return (key, *json_body.patched(key, body, kinds, changes))

    def row(self, key: bytes, stored: bytes) -> Row:
        """Split what a file holds into text and note."""
        body, kinds = split_note(stored)
        return (key_of(key), renamed(body, field_name), kinds)

    def stored(self, row: Row) -> bytes:
        """Put the note into the text, as its last member."""
        body, kinds = renamed(row[1], stored_name), row[2]
        if kinds is None:
            text = body
        elif body == "{}":
            text = f"{_NOTE_FIRST}{kinds}}}"
        else:
            text = f"{body[:-1]}{_NOTE_START}{kinds}}}"
        return text.encode(errors="surrogateescape")

    def loader(self, storage: BaseStorage, model: type[M]) -> Callable[[Row], M] | None:
        """Validate JSON text directly, where that is the same."""
        return json_loader(storage, model)

    def sifter(
        self, storage: BaseStorage, model: type[M]
    ) -> Callable[[Row], M | None] | None:
        """Let strict validation tell membership."""
        return json_sifter(storage, model)

    def dumper(
        self, storage: BaseStorage, model: type[Instance]
    ) -> Callable[[str, Instance], Row]:
        """Let pydantic write the JSON, where that is the same."""
        return json_dumper(storage, model)


Form = ColumnForm | JsonForm


def renamed(body: str, rename: Callable[[str], str]) -> str:
    """Give a text in which the note's name, and what is like it, is another."""
    if f'"{NOTE}' not in body:
        return body
    try:
        return json_body.renamed(body, rename)
    except ValueError:
        return body


def split_note(stored: bytes) -> tuple[str, str | None]:
    """Give the JSON of the record alone, and the note; None for a foreign text."""
    text = stored.decode(errors="surrogateescape")
    if text.startswith(_NOTE_FIRST):
        return _split_slowly(text)
    body, found, rest = text.rpartition(_NOTE_START)
    if not found:
        return (text, None) if f'"{NOTE}"' not in text else _split_slowly(text)
    note = rest[:-1]
    if note == json_body.NOTHING_MARKED or _is_object(note):
        return body + "}", note
    return _split_slowly(text)


def _is_object(text: str) -> bool:
    try:
        return type(json.loads(text)) is dict
    except ValueError:
        return False


def _split_slowly(text: str) -> tuple[str, str | None]:
    """Split a text that another program has spelled in its own way."""
    try:
        body, note = json_body.split(text, NOTE)
    except ValueError:
        return text, None
    return (body, note) if _is_object(note) else (text, None)
