"""What differs between two records, path by path, and putting it into a third."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from pymodels.law.shapes import Shape
from pymodels.law.values import Path, Record, same


@dataclass(frozen=True, slots=True)
class Changes:
    """Paths to set and paths to remove; none of them contains another.

    Paths are of stored names. ``ancestors`` gives, for a nested path that is
    set, the whole value of each map above it, outermost first: it is written
    instead where that place has become something that is no map. ``shape`` is
    what the model declares, for stores that must know. ``is_checked`` says that
    the values are of their fields' exact types, which ask nothing more.
    """

    sets: Mapping[Path, Any] = field(default_factory=dict)
    removes: tuple[Path, ...] = ()
    ancestors: Mapping[Path, tuple[Any, ...]] = field(default_factory=dict)
    shape: Shape | None = None
    is_checked: bool = False

    def __bool__(self) -> bool:
        return bool(self.sets or self.removes)


def between(
    old: Record,
    new: Record,
    shape: Shape | None = None,
    whole: frozenset[Path] = frozenset(),
) -> Changes:
    """Find what must be set and removed to turn one record into another.

    Maps are compared path by path, but for the paths in ``whole``, which are
    written as they are. Lists are always written whole.
    """
    sets: dict[Path, Any] = {}
    removes: list[Path] = []
    _compare(old, new, (), _Found(sets, removes, whole))
    ancestors = {path: _above(new, path) for path in sets if len(path) > 1}
    return Changes(sets, tuple(removes), ancestors, shape)


class _Found(NamedTuple):
    sets: dict[Path, Any]
    removes: list[Path]
    whole: frozenset[Path]


def _compare(old: Record, new: Record, at: Path, found: _Found) -> None:
    found.removes.extend((*at, name) for name in old if name not in new)
    for name, value in new.items():
        before, path = old.get(name), (*at, name)
        both_maps = type(before) is dict and type(value) is dict
        if both_maps and path not in found.whole:
            _compare(before, value, path, found)  # type: ignore[arg-type]  # both are maps
        elif name not in old or not same(before, value):
            found.sets[path] = value


def _above(record: Record, path: Path) -> tuple[Any, ...]:
    found = []
    for name in path[:-1]:
        record = record[name]
        found.append(record)
    return tuple(found)


def apply(record: Record, changes: Changes) -> Record:
    """Give a record with the changes in it; the one given stays as it is."""
    result = dict(record)
    for path in changes.removes:
        _without(result, path)
    for path, value in changes.sets.items():
        _with(result, path, value, changes.ancestors.get(path, ()))
    return result


def _without(record: Record, path: Path) -> None:
    for name in path[:-1]:
        inner = record.get(name)
        if type(inner) is not dict:
            return
        record[name] = record = dict(inner)
    record.pop(path[-1], None)


def _with(record: Record, path: Path, value: Any, ancestors: tuple[Any, ...]) -> None:
    for depth, name in enumerate(path[:-1]):
        inner = record.get(name, {})
        if type(inner) is not dict:
            record[name] = (
                ancestors[depth]
                if depth < len(ancestors)
                else _nest(path[depth + 1 :], value)
            )
            return
        record[name] = record = dict(inner)
    record[path[-1]] = value


def _nest(path: Path, value: Any) -> Any:
    for name in reversed(path):
        value = {name: value}
    return value
