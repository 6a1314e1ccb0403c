"""Pieces of SQL: a text with parameters, columns, and the place of one value.

A *place* is what SQL can see of one value: ``value`` (`json_extract`), ``type``
(`json_type`) and ``mark``, its note of kind.
"""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pymodels.law.shapes import Shape
from pymodels.law.values import Path


@dataclass(frozen=True, slots=True)
class Sql:
    """A text with its parameters, and whether it is exact."""

    text: str
    parameters: tuple[Any, ...] = ()
    exact: bool = True


@dataclass(frozen=True, slots=True)
class Columns:
    """How a table's columns are called, quoted for SQL, and what is known of it.

    ``usual`` are the notes of kinds that the model's own records carry most:
    where a row's note is one of them, nobody needs to look into it. ``foreign``
    says that there may be rows without a note. ``ranked`` are the paths that are
    indexed by kind and value, ``without_decimals`` those of them where no Decimal
    is stored, ``fixed`` those where a condition admits one kind only, ``constant``
    those where it admits one value. ``decimals``
    says that there may be Decimals at all. ``kinds`` may be the text NULL: a table
    without notes.
    """

    key: str = '"key"'
    body: str = '"body"'
    kinds: str = '"kinds"'
    usual: tuple[str, ...] = ()
    foreign: bool = True
    ranked: frozenset[Path] = frozenset()
    without_decimals: frozenset[Path] = frozenset()
    fixed: frozenset[Path] = frozenset()
    constant: frozenset[Path] = frozenset()
    decimals: bool = True

    @property
    def has_note(self) -> bool:
        """Whether there is a column for the note of kinds."""
        return self.kinds != "NULL"


@dataclass(frozen=True, slots=True)
class Place:
    """What SQL sees of one value, and of the row it stands in.

    ``rank`` is its kind as a number (`rank_of`), where that is indexed.
    ``elements`` are the arguments of `json_each`, if the value may be a list.
    """

    value: str
    type: str
    mark: str
    kinds: str
    shape: Shape | None = None
    elements: str = ""
    rank: str = ""
    foreign: bool = True
    decimals: bool = True

    @property
    def texts(self) -> tuple[str, ...]:
        """The kinds that a foreign row's text is read as here."""
        return self.shape.reads_text if self.shape and self.foreign else ()


# Ranks: the place of a kind in the law's order, decimals apart from numbers.
DECIMAL_RANK = 2
RANKS = {
    "none": 0,
    "number": 1,
    "decimal": DECIMAL_RANK,
    "string": 3,
    "map": 4,
    "list": 5,
    "bytes": 6,
    "bool": 7,
    "date": 8,
    "naive": 9,
    "datetime": 10,
}


def rank_of(type_: str, mark: str) -> str:
    """Give the expression of a value's rank, of builtin functions only.

    It stands in indexes, and other programs must be able to write the table.
    """
    marked = " ".join(
        f"WHEN '{name}' THEN {RANKS[name]}"
        for name in ("decimal", "bytes", "date", "naive", "datetime")
    )
    return (
        f"CASE {type_} WHEN 'integer' THEN 1 WHEN 'real' THEN 1 WHEN 'text' THEN "
        f"CASE {mark} {marked} ELSE 3 END WHEN 'object' THEN 4 WHEN 'array' THEN 5 "
        "WHEN 'true' THEN 7 WHEN 'false' THEN 7 ELSE 0 END"
    )


NEVER, ALWAYS = Sql("0"), Sql("1")


def is_pushable(name: str) -> bool:
    """Say whether a name is spelled in JSON as it is, without an escape."""
    return '"' not in name and "\\" not in name and name.isprintable()


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
    escaped = json_path(tuple(map(_json_escapes, path)))
    return (
        f"CASE WHEN {columns.kinds} IS NULL AND json_type({columns.body},{plain}) "
        f"IS NULL THEN {escaped} ELSE {plain} END"
    )


def _json_escapes(name: str) -> str:
    return json.dumps(name)[1:-1]


def place(columns: Columns, path: Path, shape: Shape | None) -> Place:
    """Give the expressions for one path of a row."""
    at = path_expression(columns, path)
    type_ = f"json_type({columns.body},{at})"
    mark = f"json_extract({columns.kinds},{at})"
    return Place(
        f"json_extract({columns.body},{at})",
        type_,
        mark,
        columns.kinds,
        shape,
        f"{columns.body},{at}",
        rank_of(type_, mark) if path in columns.ranked else "",
        columns.foreign,
        columns.decimals and path not in columns.without_decimals,
    )


def literal(value: Any) -> str:
    """Spell a parameter as an SQL literal."""
    match value:
        case None:
            return "NULL"
        case bool():
            return str(int(value))
        case int() | float():
            return repr(value)
        case bytes():
            return f"X'{value.hex()}'"
    return "'" + str(value).replace("'", "''") + "'"


_QUOTED_OR_PARENTHESIS = re.compile(r"""'[^']*'|"[^"]*"|[()]""")
_QUOTED_OR_MARK = re.compile(r"""'[^']*'|"[^"]*"|\?""")


def inlined(found: Sql) -> str:
    """Give the text with its parameters in it, as an index needs it."""
    values = iter(found.parameters)
    return _QUOTED_OR_MARK.sub(
        lambda part: literal(next(values)) if part.group() == "?" else part.group(),
        found.text,
    )


MOST_IN_A_ROW = 100


def _balanced(operator: str, texts: list[str]) -> str:
    """Join texts so that no tree is deep: SQLite allows 1,000 levels."""
    while len(texts) > MOST_IN_A_ROW:
        parts = range(0, len(texts), MOST_IN_A_ROW)
        texts = [f"({operator.join(texts[at : at + MOST_IN_A_ROW])})" for at in parts]
    return operator.join(texts)


def nesting(text: str) -> int:
    """Say how deep the parentheses of a text are nested."""
    depth = deepest = 0
    for found in _QUOTED_OR_PARENTHESIS.findall(text):
        depth += (found == "(") - (found == ")")
        deepest = max(deepest, depth)
    return deepest


def joined(operator: str, parts: Iterable[Sql | None]) -> Sql | None:
    """Join terms; None if one of them could not be compiled."""
    found = list(parts)
    if any(part is None for part in found):
        return None
    sql = [part for part in found if part is not None]
    if not sql:
        return NEVER if operator == " OR " else ALWAYS
    text = _balanced(operator, [part.text for part in sql])
    parameters = tuple(value for part in sql for value in part.parameters)
    return Sql(f"({text})", parameters, all(part.exact for part in sql))
