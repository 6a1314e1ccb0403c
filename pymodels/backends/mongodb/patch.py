"""Changes to one atomic update, which sets and removes paths and their marks.

Plain top-level names are set by ``$set`` and removed by ``$unset``. Nested paths,
names that those would read as something else, and dates, whose marks need a map to
stand in, are written by an expression that makes the document anew: it takes any
name, sees each map as it is at that moment, and puts the whole value where a map has
become something else.
"""

from collections.abc import Callable, Collection, Iterator
from copy import deepcopy
from dataclasses import dataclass, field, replace
from typing import Any

from bson.int64 import Int64

from pymodels.backend import Changes, Path, apply, json_body, read
from pymodels.backends.mongodb.documents import (
    KINDS,
    Document,
    as_map,
    encode_value,
    marks,
    marks_in,
    stored_path,
)
from pymodels.backends.mongodb.filters import is_plain


def update_for(changes: Changes) -> Document | list[Document]:
    """Give the update document, or the pipeline, that makes the changes."""
    paths = [*map(stored_path, changes.sets), *map(stored_path, changes.removes)]
    is_flat = all(len(path) == 1 and is_plain(path[0]) for path in paths)
    if not is_flat or _have_marks(changes):
        return [{"$replaceWith": document_with(changes)}]
    written = {stored_path(path)[0]: value for path, value in changes.sets.items()}
    gone = {f"{KINDS}.{name}": "" for (name,) in paths}
    gone |= {name: "" for (name,) in paths if name not in written}
    update: Document = {"$set": encode_value(written)} if written else {}
    return {**update, "$unset": gone} if gone else update


def document_with(changes: Changes) -> Document:
    """Give the expression of a document with changes in it."""
    return _document(_tree(changes), _have_marks(changes))


def _have_marks(changes: Changes) -> bool:
    wholes = (whole for above in changes.ancestors.values() for whole in above)
    values = (*changes.sets.values(), *wholes)
    return any(marks(value) is not None for value in values)


@dataclass(slots=True)
class _Map:
    """What changes in one map; ``whole`` replaces what is not a map any more."""

    sets: Document = field(default_factory=dict)
    removes: list[str] = field(default_factory=list)
    maps: dict[str, "_Map"] = field(default_factory=dict)
    whole: Document | None = None

    @property
    def new(self) -> Document | None:
        """The map to put where there is nothing yet; None to put none."""
        made = {name: inner.new for name, inner in self.maps.items()}
        given = {name: value for name, value in made.items() if value is not None}
        return {**self.sets, **given} or None


def _tree(changes: Changes) -> _Map:
    top = _Map()
    for path, value in changes.sets.items():
        *above, name = stored_path(path)
        _map_at(top, above, changes.ancestors.get(path, ())).sets[name] = value
    for path in changes.removes:
        *above, name = stored_path(path)
        _map_at(top, above, ()).removes.append(name)
    return top


def _map_at(here: _Map, above: list[str], wholes: tuple[Any, ...]) -> _Map:
    for depth, name in enumerate(above):
        here = here.maps.setdefault(name, _Map())
        if depth < len(wholes):
            here.whole = wholes[depth]
    return here


def _document(changes: _Map, has_marks: bool) -> Document:
    """Give the expression of a document with changes in it, and in its marks."""
    kinds = f"${KINDS}"
    changed = _changed(_as_map(kinds), "$$ROOT", changes, _marks)
    if not has_marks:
        # A document without dates has no note of kinds, and gets none.
        changed = _if_type(kinds, "object", changed, kinds)
    whole = _changed("$$ROOT", "$$ROOT", changes, encode_value)
    note = {"field": KINDS, "input": whole, "value": changed}
    return {"$setField": note}


def _marks(values: Document) -> Document:
    return marks(values) or {}


def _changed(
    source: Any,
    record: str,
    changes: _Map,
    spell: Callable[[Document], Document],
    level: int = 0,
) -> Document:
    """Give the expression of a map with changes in it, or of its marks.

    ``source`` is the one or the other; ``record`` is the map, by which both decide,
    and ``spell`` gives what is stored of values.
    """
    spelled = spell(changes.sets)
    gone = [name for name in changes.sets if name not in spelled] + changes.removes
    if source != record:
        gone += changes.maps
    parts = [_without(source, gone) if gone else source, {"$literal": spelled}]
    for name, inner in changes.maps.items():
        value, mapped = f"value{level}", f"record{level}"
        below = _below(name, inner, spell, f"$${value}", f"$${mapped}", level)
        variables = {value: _get(source, name), mapped: _get(record, name)}
        field = {"field": {"$literal": name}, "input": {}, "value": below}
        parts.append({"$let": {"vars": variables, "in": {"$setField": field}}})
    return {"$mergeObjects": parts}


def _below(
    name: str, changes: _Map, spell: Any, value: str, record: str, level: int
) -> Document:
    """Give the value of a map below another, or of its marks, by what stands there."""
    source = record if spell is encode_value else _as_map(value)
    changed = _changed(source, record, changes, spell, level + 1)
    new = otherwise = value
    if changes.new is not None:
        new = otherwise = _literal(spell({name: changes.new}), name)
    if changes.whole is not None:
        otherwise = _literal(spell({name: changes.whole}), name)
    there = _if_type(record, "missing", new, otherwise)
    return _if_type(record, "object", changed, there)


def _literal(values: Document, name: str) -> Any:
    return {"$literal": values[name]} if name in values else "$$REMOVE"


def _get(source: Any, name: str) -> Document:
    return {"$getField": {"field": {"$literal": name}, "input": source}}


def _without(source: Any, names: list[str]) -> Document:
    is_kept = {"$not": {"$in": ["$$this.k", {"$literal": names}]}}
    pairs = {"$filter": {"input": {"$objectToArray": source}, "cond": is_kept}}
    return {"$arrayToObject": pairs}


def _if_type(value: Any, kind: str, then: Any, otherwise: Any) -> Document:
    return {"$cond": [{"$eq": [{"$type": value}, kind]}, then, otherwise]}


def _as_map(value: Any) -> Document:
    return _if_type(value, "object", value, {"$literal": {}})


def patched(document: Document, changes: Changes) -> Document:
    """Give a document with changes in it, which reads as what the server makes."""
    before = {name: value for name, value in document.items() if name != KINDS}
    for name, *rest in map(stored_path, (*changes.sets, *changes.removes)):
        if rest and name in before:
            before[name] = as_map(before[name])
    kinds = deepcopy(dict(marks_in(document.get(KINDS))))
    for path in changes.removes:
        json_body.put_mark(kinds, stored_path(path), None)
    for path in changes.sets:
        place, whole = _written(before, path, changes)
        json_body.put_mark(kinds, place, marks(whole))
    encoded = Changes(
        {stored_path(path): encode_value(one) for path, one in changes.sets.items()},
        tuple(map(stored_path, changes.removes)),
        {
            stored_path(path): tuple(map(encode_value, wholes))
            for path, wholes in changes.ancestors.items()
        },
    )
    after = apply(before, encoded)
    return {**after, KINDS: kinds} if kinds else after


def _written(document: Document, path: Path, changes: Changes) -> tuple[Path, Any]:
    """Say where a change is written, and what: the whole of what is not a map."""
    value, place = changes.sets[path], stored_path(path)
    wholes = (*changes.ancestors.get(path, ()), value)
    if len(wholes) < len(path):
        wholes = json_body.nested(path, value)
    here: Any = document
    for depth, name in enumerate(place[:-1]):
        here = here.get(name, {})
        if type(here) is not dict:
            return place[: depth + 1], wholes[depth]
    return place, value


def typed(changes: Changes, document: Document) -> Changes:
    """Write the numbers in changed lists as the type that they had there."""
    sets = dict(changes.sets)
    for path, value in changes.sets.items():
        if type(value) is list:
            numbers = set(_longs(read(document, stored_path(path))))
            if numbers:
                sets[path] = _with_longs(value, numbers)
    return replace(changes, sets=sets)


def _longs(value: Any) -> Iterator[int]:
    if type(value) is Int64:
        yield int(value)
    elif isinstance(value, dict | list):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _longs(part)


def _with_longs(value: Any, numbers: Collection[int]) -> Any:
    match value:
        case list():
            return [_with_longs(part, numbers) for part in value]
        case dict():
            return {name: _with_longs(part, numbers) for name, part in value.items()}
    return Int64(value) if type(value) is int and value in numbers else value
