"""Pieces of SQL: a text with parameters, columns, and the place of one value.

A *place* is what SQL can see of one value: ``value`` (`json_extract`), ``type``
(`json_type`) and ``mark``, its note of kind.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pymodels.shapes import Shape
from pymodels.values import Path


@dataclass(frozen=True, slots=True)
class Sql:
    """A text with its parameters, and whether it is exact."""

    text: str
    parameters: tuple[Any, ...] = ()
    exact: bool = True


@dataclass(frozen=True, slots=True)
class Columns:
    """How the columns of one table are called, quoted for SQL.

    ``usual`` are the notes that the model's own records carry most: where a
    row's note is one of them, nobody needs to look into it.
    """

    key: str = '"key"'
    body: str = '"body"'
    kinds: str = '"kinds"'
    usual: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Place:
    """What SQL sees of one value, and of the row it stands in."""

    value: str
    type: str
    mark: str
    kinds: str
    shape: Shape | None = None
    elements: str = ""
    """The arguments of `json_each`, where the value may be a list."""

    @property
    def texts(self) -> tuple[str, ...]:
        """The kinds that a foreign row's text is read as here."""
        return self.shape.reads_text if self.shape else ()


NEVER, ALWAYS = Sql("0"), Sql("1")


def is_pushable(name: str) -> bool:
    """Say whether a name is spelled in JSON as it is, without an escape."""
    return '"' not in name and "\\" not in name and name.isprintable()


def json_path(path: Path) -> str:
    """Give the SQL literal of a JSON path, every name quoted."""
    steps = "".join(f'."{name}"' for name in path)
    return "'$" + steps.replace("'", "''") + "'"


def place(columns: Columns, path: Path, shape: Shape | None) -> Place:
    """Give the expressions for one path of a row."""
    at = json_path(path)
    return Place(
        f"json_extract({columns.body},{at})",
        f"json_type({columns.body},{at})",
        f"json_extract({columns.kinds},{at})",
        columns.kinds,
        shape,
        f"{columns.body},{at}",
    )


def joined(operator: str, parts: Iterable[Sql | None]) -> Sql | None:
    """Join terms; None if one of them could not be compiled."""
    found = list(parts)
    if any(part is None for part in found):
        return None
    sql = [part for part in found if part is not None]
    if not sql:
        return NEVER if operator == " OR " else ALWAYS
    text = operator.join(part.text for part in sql)
    parameters = tuple(value for part in sql for value in part.parameters)
    return Sql(f"({text})", parameters, all(part.exact for part in sql))
