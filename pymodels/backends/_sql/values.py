"""What SQL can see of one value in a row, and how it tells the value's kind.

A value stands in the JSON of the body, and its mark, if it has one, at the same
path of the note of kinds.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from pymodels.backend import Path, Shape, json_body


@dataclass(frozen=True, slots=True)
class Columns:
    """How a table's columns are called, quoted for SQL, and what is assumed of it.

    ``foreign`` says that there may be foreign values, which guards what is
    compiled; without it the notes are *trusted*. ``ranked`` are the paths that are
    indexed by kind and value. ``decimals`` says that there may be Decimals at all,
    and ``without_decimals`` are the ranked paths where there is none. ``kinds`` may
    be the text NULL: a table without notes.
    """

    key: str = '"key"'
    body: str = '"body"'
    kinds: str = '"kinds"'
    foreign: bool = True
    decimals: bool = True
    ranked: frozenset[Path] = frozenset()
    without_decimals: frozenset[Path] = frozenset()

    @property
    def has_note(self) -> bool:
        """Whether there is a column for the note of kinds."""
        return self.kinds != "NULL"


# Ranks: the place of a kind in the law's order, decimals apart from numbers.
RANKS = {
    "null": 0,
    "integer": 1,
    "real": 1,
    "decimal": 2,
    "text": 3,
    "object": 4,
    "array": 5,
    "bytes": 6,
    "true": 7,
    "false": 7,
    "date": 8,
    "naive": 9,
    "datetime": 10,
}
MARKS = ("decimal", "bytes", "date", "naive", "datetime")


@dataclass(frozen=True, slots=True)
class SqlValue:
    """The expressions for one value: itself, its JSON type and its mark.

    ``kinds`` is the note of the row it stands in, NULL if the value is foreign;
    ``below`` are the arguments of `json_each` if it may be a list. ``rank`` is its
    kind as a number (`rank_of`), where that is indexed, else "". ``is_string`` is the
    test that it is a string.
    """

    value: str
    type: str
    mark: str
    kinds: str
    shape: Shape | None = None
    below: str = ""
    rank: str = ""
    foreign: bool = False
    decimals: bool = True
    is_key: bool = False

    @property
    def reads_text(self) -> tuple[str, ...]:
        """The kinds that a foreign row's text is read as here."""
        return self.shape.reads_text if self.shape and self.foreign else ()

    @property
    def is_string(self) -> str:
        """A test for text without a mark that is not read as something else."""
        if self.is_key:
            return "1"
        if self.rank:
            return f"{self.rank}={RANKS['text']}"
        test = f"{self.type}='text' AND {self.mark} IS NULL"
        if self.reads_text:
            test += f" AND ({self.kinds} IS NOT NULL OR {self._foreign_mark}='')"
        return test

    @property
    def is_decimal(self) -> str:
        """A test for a Decimal; "" where there is none."""
        if not self.decimals:
            return ""
        test = self.has_mark("decimal")
        return test if self.rank else f"{self.value}>='' AND {test}"

    def has_mark(self, *marks: str) -> str:
        """Test for a text with one of the marks, or a foreign one read as such."""
        if self.rank:
            return _is_one(self.rank, [str(RANKS[mark]) for mark in marks])
        own = _is_one(self.mark, [f"'{mark}'" for mark in marks])
        if not self.reads_text:
            return own
        read = _is_one(self._foreign_mark, [f"'{mark}'" for mark in marks])
        is_text = f"{self.type}='text'"
        return (
            f"CASE WHEN {self.kinds} IS NULL THEN {is_text} AND {read} ELSE {own} END"
        )

    @property
    def _foreign_mark(self) -> str:
        return f"pm_kind({self.value},'{' '.join(self.reads_text)}')"

    def has_type(self, name: str) -> str:
        """Test for one JSON type."""
        if self.rank:
            return f"{self.rank}={RANKS[name]}"
        return f"{self.type}='{name}'"


def _is_one(expression: str, spelled: Sequence[str]) -> str:
    if len(spelled) == 1:
        return f"{expression}={spelled[0]}"
    return f"{expression} IN ({','.join(spelled)})"


def value_at(columns: Columns, path: Path, shape: Shape | None) -> SqlValue | None:
    """Give the expressions for one path of a row; None if SQL cannot spell it."""
    if not can_spell(path):
        return None
    at = path_expression(columns, path)
    type_ = f"json_type({columns.body},{at})"
    mark, kinds = f"json_extract({columns.kinds},{json_path(path)})", columns.kinds
    if columns.foreign and columns.has_note:
        # What is marked as foreign is read as in a row without a note.
        is_foreign = f"{mark}='{json_body.FOREIGN}'"
        kinds = f"(CASE WHEN {is_foreign} THEN NULL ELSE {kinds} END)"
        mark = f"nullif({mark},'{json_body.FOREIGN}')"
    return SqlValue(
        f"json_extract({columns.body},{at})",
        type_,
        mark,
        kinds,
        shape,
        f"{columns.body},{at}",
        rank_of(type_, mark) if path in columns.ranked else "",
        columns.foreign,
        columns.decimals and path not in columns.without_decimals,
    )


def rank_of(type_: str, mark: str) -> str:
    """Give the expression of a value's rank, of builtin functions only.

    It stands in indexes, and other programs must be able to write the table.
    """
    marked = " ".join(f"WHEN '{name}' THEN {RANKS[name]}" for name in MARKS)
    return (
        f"CASE {type_} WHEN 'integer' THEN 1 WHEN 'real' THEN 1 WHEN 'text' THEN "
        f"CASE {mark} {marked} ELSE 3 END WHEN 'object' THEN 4 WHEN 'array' THEN 5 "
        "WHEN 'true' THEN 7 WHEN 'false' THEN 7 ELSE 0 END"
    )


def can_spell(path: Path) -> bool:
    """Say whether JSON spells each name as it is, without an escape."""
    return all(
        '"' not in name and "\\" not in name and name.isprintable() for name in path
    )


def json_path(path: Path) -> str:
    """Give the SQL literal of a JSON path, every name quoted."""
    steps = "".join(f'."{name}"' for name in path)
    return "'$" + steps.replace("'", "''") + "'"


def path_expression(columns: Columns, path: Path) -> str:
    """Give the JSON path to a value, however a foreign row spells the names.

    SQLite compares a name with its spelling in the text; programs that escape do
    it for names outside ASCII.
    """
    plain = json_path(path)
    if not columns.foreign or all(name.isascii() for name in path):
        return plain
    escaped = json_path(tuple(json.dumps(name)[1:-1] for name in path))
    return (
        f"CASE WHEN json_type({columns.body},{plain}) IS NULL "
        f"THEN {escaped} ELSE {plain} END"
    )
