"""Changes to SQL: one UPDATE that sets and removes paths of body and note.

Values go in as `json(?)` of JSON text: a bound float would lose digits. A nested
path is guarded by a test of each map above it, for `json_set` does nothing, and
says nothing, where one of them has become something else.
"""

from datetime import date
from functools import lru_cache
from typing import Any

from pymodels.backends._sql.terms import (
    Columns,
    Sql,
    is_pushable,
    json_path,
    path_expression,
)
from pymodels.law.changes import Changes
from pymodels.law.json_body import marks, to_json, value_json
from pymodels.law.values import Path

MOST_PATHS = 30
"""Paths of one call of `json_set`: SQLite functions take 127 arguments."""


def can_patch(changes: Changes) -> bool:
    """Say whether every name in the paths can be spelled in SQL."""
    paths = [*changes.sets, *changes.removes]
    return all(is_pushable(name) for path in paths for name in path)


def assignments(changes: Changes, columns: Columns) -> Sql:
    """Give the SET clause of an UPDATE that makes the changes."""
    if changes.removes or any(len(path) > 1 for path in changes.sets):
        patch = Patch(changes, columns)
        return Sql(patch.assignments, patch.parameters)
    values = [value_json(value) for value in changes.sets.values()]
    notes = [mark for _, mark in values if mark is not None]
    names = tuple(path[0] for path in changes.sets)
    text = _flat(columns, names, tuple(mark is not None for _, mark in values))
    parameters = [body for body, _ in values]
    return Sql(text, tuple(parameters + notes if columns.has_note else parameters))


@lru_cache(512)
def _flat(columns: Columns, names: tuple[str, ...], marked: tuple[bool, ...]) -> str:
    """Give the SET clause for top-level fields: the same text for other values."""
    pairs = zip(names, marked, strict=True)
    sets: dict[Path, Any] = {
        (name,): date.min if is_marked else None for name, is_marked in pairs
    }
    return Patch(Changes(sets), columns).assignments


class Patch:
    """Builds the two expressions of one UPDATE, with their parameters."""

    def __init__(self, changes: Changes, columns: Columns) -> None:
        self.columns = columns
        self.body, self.body_parameters = self._expression(changes, columns.body, False)
        if not self.columns.has_note:
            return
        note = f"coalesce({columns.kinds},'{{}}')"
        kinds, self.kinds_parameters = self._expression(changes, note, True)
        # A foreign row stays one: its other texts keep their meaning.
        self.kinds = f"CASE WHEN {columns.kinds} IS NULL THEN NULL ELSE {kinds} END"

    @property
    def assignments(self) -> str:
        """The SET clause."""
        columns = self.columns
        if not self.columns.has_note:
            return f"{columns.body}={self.body}"
        return f"{columns.body}={self.body},{columns.kinds}={self.kinds}"

    @property
    def parameters(self) -> tuple[Any, ...]:
        """What the SET clause binds."""
        return self.body_parameters + (
            self.kinds_parameters if self.columns.has_note else ()
        )

    def _expression(
        self, changes: Changes, start: str, is_note: bool
    ) -> tuple[str, tuple[Any, ...]]:
        removed = [self._at(path) for path in changes.removes]
        pairs: list[tuple[str, str, tuple[Any, ...]]] = []
        for path, value in changes.sets.items():
            wholes = (*changes.ancestors.get(path, ()), value)
            where, chosen, parameters = self._target(path, wholes, is_note)
            if is_note:
                removed.append(where)
            if chosen:
                pairs.append((where, chosen, parameters))
        text = start
        for at in range(0, len(removed), MOST_PATHS):
            text = f"json_remove({text},{','.join(removed[at : at + MOST_PATHS])})"
        bound: tuple[Any, ...] = ()
        for at in range(0, len(pairs), MOST_PATHS):
            part = pairs[at : at + MOST_PATHS]
            spelled = ",".join(f"{where},{chosen}" for where, chosen, _ in part)
            text = f"json_set({text},{spelled})"
            bound += tuple(value for _, _, values in part for value in values)
        return text, bound

    def _at(self, path: Path) -> str:
        """Give the path to write to: a foreign row's own spelling, if it has one."""
        plain, found = json_path(path), path_expression(self.columns, path)
        if plain == found:
            return plain
        there = f"json_type({self.columns.body},{found}) IS NOT NULL"
        return f"CASE WHEN {there} THEN {found} ELSE {plain} END"

    def _target(
        self, path: Path, wholes: tuple[Any, ...], is_note: bool
    ) -> tuple[str, str, tuple[Any, ...]]:
        """Give path and value expressions: the first map above that is none now."""
        guards = []
        for depth in range(1, len(path)):
            above = self._at(path[:depth])
            kind = f"coalesce(json_type({self.columns.body},{above}),'object')"
            guards.append((f"{kind}<>'object'", above))
        if len(wholes) < len(path):
            wholes = _nested(path, wholes[-1])
        values = [_spelled(whole, is_note) for whole in wholes]
        if not guards:
            return (
                self._at(path),
                "json(?)" if values[0] else "",
                tuple(value for value in values if value),
            )
        where = "CASE"
        chosen = "CASE"
        for (guard, above), _ in zip(guards, values, strict=False):
            where += f" WHEN {guard} THEN {above}"
            chosen += f" WHEN {guard} THEN ?"
        where += f" ELSE {self._at(path)} END"
        if is_note and not any(values):
            return where, "", ()
        return where, f"json({chosen} ELSE ? END)", tuple(values)


def _spelled(value: Any, is_note: bool) -> str | None:
    if not is_note:
        return value_json(value)[0]
    mark = marks(value)
    return None if mark is None else to_json(mark)


def _nested(path: Path, value: Any) -> tuple[Any, ...]:
    """Give the whole of each map above a path, as an update by query knows it."""
    wholes = [value]
    for name in reversed(path[1:]):
        wholes.append({name: wholes[-1]})
    return tuple(reversed(wholes))
