"""Changes to SQL: one UPDATE that sets and removes paths of body and note.

Values go in as `json(?)` of JSON text: a bound float would lose digits. A nested
path is guarded by a test of each map above it, for `json_set` does nothing, and
says nothing, where one of them has become something else.
"""

from collections.abc import Sequence
from typing import Any

from pymodels.backend import Changes, Path, json_body
from pymodels.backends._sql.terms import Sql
from pymodels.backends._sql.values import (
    Columns,
    can_spell,
    json_path,
    path_expression,
)

MOST_PATHS = 60
"""Paths of one call of `json_set`: SQLite functions take 127 arguments."""
MOST_CALLS = 5
"""Calls in each other; SQLite's parser has a stack of 100 places."""

Pair = tuple[str, str, Sequence[Any]]
"""The expressions of a path and of its value, and what the value binds."""


def can_patch(changes: Changes) -> bool:
    """Say whether SQL can spell every name in the paths, and all of them at once."""
    paths = [*changes.sets, *changes.removes]
    return len(paths) <= MOST_PATHS * MOST_CALLS and all(map(can_spell, paths))


def assignments(changes: Changes, columns: Columns) -> Sql:
    """Give the SET clause of an UPDATE that makes the changes."""
    removed = [_at(path, columns) for path in changes.removes]
    unmarked = removed.copy()
    bodies: list[Pair] = []
    notes: list[Pair] = []
    for path, value in changes.sets.items():
        wholes = (*changes.ancestors.get(path, ()), value)
        if len(wholes) < len(path):
            wholes = _nested(path, value)
        texts, marks = zip(*map(json_body.value_json, wholes), strict=True)
        where, chosen = _target(path, columns)
        bodies.append((where, chosen, texts))
        unmarked.append(where)
        if any(marks):
            notes.append((where, chosen, marks))
    body, bound = _changed(columns.body, removed, bodies)
    if not columns.has_note:
        return Sql(f"{columns.body}={body}", bound)
    note, bound_to_note = _changed(f"coalesce({columns.kinds},'{{}}')", unmarked, notes)
    # A foreign row stays one: its other texts keep their meaning.
    note = f"CASE WHEN {columns.kinds} IS NULL THEN NULL ELSE {note} END"
    return Sql(f"{columns.body}={body},{columns.kinds}={note}", bound + bound_to_note)


def _changed(
    text: str, removed: list[str], pairs: list[Pair]
) -> tuple[str, tuple[Any, ...]]:
    """Give the expression of a JSON text with paths removed, then set."""
    for at in range(0, len(removed), MOST_PATHS):
        text = f"json_remove({text},{','.join(removed[at : at + MOST_PATHS])})"
    for at in range(0, len(pairs), MOST_PATHS):
        part = pairs[at : at + MOST_PATHS]
        spelled = ",".join(f"{where},{chosen}" for where, chosen, _ in part)
        text = f"json_set({text},{spelled})"
    return text, tuple(value for _, _, values in pairs for value in values)


def _target(path: Path, columns: Columns) -> tuple[str, str]:
    """Give the expressions to write to a path: to the first above that is no map."""
    if len(path) == 1:
        return _at(path, columns), "json(?)"
    where = chosen = "CASE"
    for depth in range(1, len(path)):
        above = _at(path[:depth], columns)
        is_other = f"coalesce(json_type({columns.body},{above}),'object')<>'object'"
        where += f" WHEN {is_other} THEN {above}"
        chosen += f" WHEN {is_other} THEN ?"
    return f"{where} ELSE {_at(path, columns)} END", f"json({chosen} ELSE ? END)"


def _at(path: Path, columns: Columns) -> str:
    """Give the path to write to: a foreign row's own spelling, if it has one."""
    plain, found = json_path(path), path_expression(columns, path)
    if plain == found:
        return plain
    is_there = f"json_type({columns.body},{found}) IS NOT NULL"
    return f"CASE WHEN {is_there} THEN {found} ELSE {plain} END"


def _nested(path: Path, value: Any) -> tuple[Any, ...]:
    """Give the whole of each map above a path, as an update by query knows it."""
    wholes = [value]
    for name in reversed(path[1:]):
        wholes.append({name: wholes[-1]})
    return tuple(reversed(wholes))
