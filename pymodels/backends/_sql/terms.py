"""Pieces of SQL: a text with its parameters, and how pieces are joined."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Sql:
    """A text with its parameters, and whether it is exact."""

    text: str
    parameters: tuple[Any, ...] = ()
    exact: bool = True


NEVER, ALWAYS = Sql("0"), Sql("1")

MOST_IN_A_ROW = 100


def joined(operator: str, parts: Iterable[Sql | None]) -> Sql | None:
    """Join terms by " AND " or " OR "; None if one of them could not be compiled."""
    sql: list[Sql] = []
    for part in parts:
        if part is None:
            return None
        sql.append(part)
    if len(sql) < 2:
        return sql[0] if sql else NEVER if operator == " OR " else ALWAYS
    texts = [part.text for part in sql]
    # No tree is deep: SQLite allows 1,000 levels.
    while len(texts) > MOST_IN_A_ROW:
        parts_at = range(0, len(texts), MOST_IN_A_ROW)
        texts = [f"({operator.join(texts[n : n + MOST_IN_A_ROW])})" for n in parts_at]
    parameters = tuple(value for part in sql for value in part.parameters)
    text = f"({operator.join(texts)})"
    return Sql(text, parameters, all(part.exact for part in sql))


_QUOTED_OR_PARAMETER = re.compile(r"""'[^']*'|"[^"]*"|\?""")


def inlined(sql: Sql) -> str:
    """Give the text with its parameters in it, as an index needs it."""
    values = iter(sql.parameters)
    return _QUOTED_OR_PARAMETER.sub(
        lambda part: literal(next(values)) if part.group() == "?" else part.group(),
        sql.text,
    )


def literal(value: Any) -> str:
    """Spell a parameter as an SQL literal."""
    match value:
        case None:
            return "NULL"
        case int() | float():
            return repr(value)
        case bytes():
            return f"X'{value.hex()}'"
    return "'" + str(value).replace("'", "''") + "'"
