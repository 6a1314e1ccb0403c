"""Changes to SQL: one UPDATE that sets and removes paths of body and note.

Values go in as `json(?)` of JSON text: a bound float would lose digits. A nested
path is guarded by a test of each map above it, for `json_set` does nothing, and
says nothing, where one of them has become something else.
"""

from functools import lru_cache
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


def can_patch(changes: Changes) -> bool:
    """Say whether SQL can spell every name in the paths, and all of them at once."""
    paths = [*changes.sets, *changes.removes]
    return len(paths) <= MOST_PATHS * MOST_CALLS and all(map(can_spell, paths))


def assignments(changes: Changes, columns: Columns, old: str = "") -> Sql:
    """Give the SET clause of an UPDATE that makes the changes.

    Numbers in changed lists are spelled as in the ``old`` body, if that is known.
    """
    bodies: list[Any] = []
    notes: list[Any] = []
    marked: list[Path] = []
    for path, value in changes.sets.items():
        wholes: tuple[Any, ...] = (value,)
        if len(path) > 1:
            wholes = (*changes.ancestors.get(path, ()), value)
            if len(wholes) < len(path):
                wholes = json_body.nested(path, value)
        before = json_body.text_at(old, path) if old and type(value) is list else ""
        texts = [json_body.value_json(whole, before) for whole in wholes]
        bodies += [body for body, _ in texts]
        if columns.has_note and any(note for _, note in texts):
            notes += [note for _, note in texts]
            marked.append(path)
    text = _clause(columns, tuple(changes.sets), tuple(marked), changes.removes)
    return Sql(text, (*bodies, *notes))


@lru_cache(512)
def _clause(
    columns: Columns,
    sets: tuple[Path, ...],
    marked: tuple[Path, ...],
    removes: tuple[Path, ...],
) -> str:
    """Give the text of the SET clause: the same for other values at these paths."""
    targets = {path: _target(path, columns) for path in sets}
    removed = [_at(path, columns) for path in removes]
    body = _changed(columns.body, removed, list(targets.values()))
    if not columns.has_note:
        return f"{columns.body}={body}"
    unmarked = removed + [where for where, _ in targets.values()]
    start = f"coalesce({columns.kinds},'{{}}')"
    note = _changed(start, unmarked, [targets[path] for path in marked])
    # A foreign row stays one: its other texts keep their meaning.
    note = f"CASE WHEN {columns.kinds} IS NULL THEN NULL ELSE {note} END"
    return f"{columns.body}={body},{columns.kinds}={note}"


def _changed(text: str, removed: list[str], targets: list[tuple[str, str]]) -> str:
    """Give the expression of a JSON text with paths removed, then set."""
    for at in range(0, len(removed), MOST_PATHS):
        text = f"json_remove({text},{','.join(removed[at : at + MOST_PATHS])})"
    for at in range(0, len(targets), MOST_PATHS):
        pairs = [f"{where},{value}" for where, value in targets[at : at + MOST_PATHS]]
        text = f"json_set({text},{','.join(pairs)})"
    return text


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
