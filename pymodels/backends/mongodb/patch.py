"""Changes to one atomic update, which sets and removes paths and their marks.

Plain top-level names are set by ``$set`` and removed by ``$unset``. Nested paths,
names that those would read as something else, and dates, whose marks need a map to
stand in, are written by a pipeline of ``$setField``: it takes any name, sees each map
as it is at that moment, and puts the whole value where a map has become something
else.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from pymodels.backends.mongodb.documents import (
    KINDS,
    Document,
    as_map,
    encode_value,
    marks,
    stored_path,
)
from pymodels.law.changes import Changes
from pymodels.law.values import Path

A_STAGE = 8
"""Steps in one stage of a pipeline, which BSON lets nest 180 levels deep."""
ABSENT = "$$REMOVE"


def update_for(changes: Changes) -> Document | list[Document]:
    """Give the update document, or the pipeline, that makes the changes."""
    sets = {stored_path(path): value for path, value in changes.sets.items()}
    removes = [stored_path(path) for path in changes.removes]
    is_marked = any(marks(value) is not None for value in sets.values())
    if not is_marked and all(is_plain(path) for path in (*sets, *removes)):
        return _plain_update(sets, removes)
    return pipeline_for(changes)


def is_plain(path: Path) -> bool:
    """Say whether an update document takes a path to mean itself."""
    return len(path) == 1 and "." not in path[0] and path[0][:1] not in {"", "$"}


def _plain_update(sets: dict[Path, Any], removes: list[Path]) -> Document:
    written: Document = {}
    gone: Document = {}
    for (name,), value in sets.items():
        written[name] = encode_value(value)
        gone[f"{KINDS}.{name}"] = ""
    for (name,) in removes:
        gone[name] = gone[f"{KINDS}.{name}"] = ""
    update: Document = {}
    if written:
        update["$set"] = written
    if gone:
        update["$unset"] = gone
    return update


def pipeline_for(changes: Changes) -> list[Document]:
    """Give a pipeline of a few steps a stage; it may have 1,000 stages."""
    steps = [*_removals(changes), *_writes(changes)]
    stages = []
    for at in range(0, len(steps), A_STAGE):
        first, *more = steps[at : at + A_STAGE]
        expression = first("$$ROOT")
        for step in more:
            record = {"record": expression}
            expression = {"$let": {"vars": record, "in": step("$$record")}}
        stages.append({"$replaceWith": expression})
    return stages


_Step = Callable[[str], Document]


def _removals(changes: Changes) -> Iterator[_Step]:
    """Give the steps that remove names, a few of one map at once."""
    found: dict[Path, list[str]] = {}
    for path in map(stored_path, changes.removes):
        found.setdefault(path[:-1], []).append(path[-1])
    for above, names in found.items():
        for at in range(0, len(names), A_STAGE):
            yield partial(_remove, above, names[at : at + A_STAGE])


def _writes(changes: Changes) -> Iterator[_Step]:
    """Give the steps that set names, all of one map at once."""
    found: dict[Path, Document] = {}
    wholes: dict[Path, tuple[Any, ...]] = {}
    for path, value in changes.sets.items():
        stored = stored_path(path)
        found.setdefault(stored[:-1], {})[stored[-1]] = value
        wholes[stored[:-1]] = changes.ancestors.get(path, ())
    made: set[Path] = set()
    for above, values in found.items():
        # After the first step that needs it, a place is a map.
        needed = [above[: depth + 1] not in made for depth in range(len(above))]
        made.update(above[: depth + 1] for depth in range(len(above)))
        pairs = zip(wholes[above], needed, strict=False)
        yield partial(_write, above, values, [w if n else {} for w, n in pairs])


def _remove(above: Path, names: list[str], record: str) -> Document:
    """Give a record without some names of one map, and without their marks."""
    kinds = _get(record, KINDS)
    kept = _with(record, KINDS, _if_map(kinds, _removed(kinds, above, names), kinds))
    return {"$let": {"vars": {"kept": kept}, "in": _removed("$$kept", above, names)}}


def _write(above: Path, values: Document, wholes: list[Any], record: str) -> Document:
    """Give a record with values in one map, and with their marks."""
    kinds = _get(record, KINDS)
    below = _if_map(kinds, kinds, {"$literal": {}})
    noted = _marked(below, record, above, values, wholes)
    if all(marks(one) is None for one in (*values.values(), *wholes)):
        # A document without dates has no note, and gets none.
        noted = _if_map(kinds, noted, kinds)
    return _with(_set(record, above, values, wholes), KINDS, noted)


def _get(source: Any, name: str) -> Document:
    return {"$getField": {"field": {"$literal": name}, "input": source}}


def _with(source: Any, name: str, value: Any) -> Document:
    field = {"field": {"$literal": name}, "input": source, "value": value}
    return {"$setField": field}


def _if_map(value: Any, then: Any, otherwise: Any) -> Document:
    return {"$cond": [{"$eq": [{"$type": value}, "object"]}, then, otherwise]}


def _by_type(value: str, as_map: Any, as_missing: Any, otherwise: Any) -> Document:
    """Choose by what stands at a place: a map, nothing at all, or anything else."""
    found = {"$type": value}
    branches = [
        {"case": {"$eq": [found, "object"]}, "then": as_map},
        {"case": {"$eq": [found, "missing"]}, "then": as_missing},
    ]
    return {"$switch": {"branches": branches, "default": otherwise}}


def _removed(source: Any, above: Path, names: list[str]) -> Document:
    """Take names out of a map; behind what is no map there is nothing to take."""
    if not above:
        for name in names:
            source = _with(source, name, ABSENT)
        return source  # type: ignore[no-any-return]  # there is a name
    inner = f"inner{len(above)}"
    there = f"$${inner}"
    kept = _by_type(there, _removed(there, above[1:], names), ABSENT, there)
    found = {inner: _get(source, above[0])}
    return {"$let": {"vars": found, "in": _with(source, above[0], kept)}}


def _set(source: Any, above: Path, values: Document, wholes: list[Any]) -> Document:
    if not above:
        return {"$mergeObjects": [source, {"$literal": encode_value(values)}]}
    inner = f"inner{len(above)}"
    new = {"$literal": encode_value(_nest(above[1:], values))}
    whole = {"$literal": encode_value(wholes[0])} if wholes else new
    deeper = _set(f"$${inner}", above[1:], values, wholes[1:])
    chosen = _by_type(f"$${inner}", deeper, new, whole)
    found = {inner: _get(source, above[0])}
    return {"$let": {"vars": found, "in": _with(source, above[0], chosen)}}


def _marked(
    kinds: Any, record: Any, above: Path, values: Document, wholes: list[Any]
) -> Document:
    """Note the marks of what `_set` writes, by the same look at the record."""
    if not above:
        return _marked_here(kinds, values)
    inner, noted = f"inner{len(above)}", f"noted{len(above)}"
    new = _mark(_nest(above[1:], values))
    whole = _mark(wholes[0]) if wholes else new
    below = _if_map(f"$${noted}", f"$${noted}", {"$literal": {}})
    deeper = _marked(below, f"$${inner}", above[1:], values, wholes[1:])
    chosen = _by_type(f"$${inner}", deeper, new, whole)
    found = {inner: _get(record, above[0]), noted: _get(kinds, above[0])}
    return {"$let": {"vars": found, "in": _with(kinds, above[0], chosen)}}


def _marked_here(kinds: Any, values: Document) -> Document:
    """Put the marks of values in, and take out those of what has none."""
    told = marks(values) or {}
    unmarked = [name for name in values if name not in told]
    here: Document = {"$mergeObjects": [kinds, {"$literal": told}]}
    if len(unmarked) <= A_STAGE:
        return _removed(here, (), unmarked) if unmarked else here
    pairs = {"$objectToArray": kinds}
    is_kept = {"$not": {"$in": ["$$this.k", {"$literal": unmarked}]}}
    kept = {"$filter": {"input": pairs, "cond": is_kept}}
    return {"$mergeObjects": [{"$arrayToObject": kept}, {"$literal": told}]}


def _mark(value: Any) -> Any:
    found = marks(value)
    return ABSENT if found is None else {"$literal": found}


def _nest(path: Path, value: Any) -> Any:
    for name in reversed(path):
        value = {name: value}
    return value


def patched(document: Document, changes: Changes) -> Document:
    """Give a document with the changes in it, as the server makes them."""
    result = dict(document)
    noted = as_map(result.get(KINDS))
    kinds = dict(noted) if type(noted) is dict else {}
    for path in changes.removes:
        stored = stored_path(path)
        _take(kinds, stored)
        _take(result, stored)
    for path, value in changes.sets.items():
        stored, above = stored_path(path), changes.ancestors.get(path, ())
        _put(result, kinds, stored, value, above)
    result.pop(KINDS, None)
    return {**result, KINDS: kinds} if kinds else result


def _inner(source: Document, name: str) -> Any:
    """Give what stands in a map, a map of its own to be changed if it is one."""
    value = as_map(source.get(name))
    return dict(value) if type(value) is dict else value


def _take(source: Document, path: Path) -> None:
    for name in path[:-1]:
        inner = _inner(source, name)
        if type(inner) is not dict:
            return
        source[name] = source = inner
    source.pop(path[-1], None)


def _put(
    source: Document, kinds: Document, path: Path, value: Any, above: tuple[Any, ...]
) -> None:
    for depth, name in enumerate(path[:-1]):
        inner = _inner(source, name)
        if type(inner) is not dict:
            value = _nest(path[depth + 1 :], value)
            if name in source and depth < len(above):
                value = above[depth]
            path = path[: depth + 1]
            break
        noted = _inner(kinds, name)
        source[name] = source = inner
        kinds[name] = kinds = noted if type(noted) is dict else {}
    source[path[-1]] = encode_value(value)
    mark = marks(value)
    kinds.pop(path[-1], None)
    if mark is not None:
        kinds[path[-1]] = mark
