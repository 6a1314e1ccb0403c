"""Changes to one atomic update, which sets and removes paths and their marks.

Plain top-level names are set by ``$set`` and removed by ``$unset``. Nested paths,
and names that those would read as something else, are written by a pipeline of
``$setField``: it takes any name, sees each map as it is at that moment, and puts
the whole value where a map has become something else.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

from bson.dbref import DBRef

from pymodels.backends.mongodb.documents import (
    KINDS,
    Document,
    encode_value,
    marks,
    stored_path,
)
from pymodels.changes import Changes
from pymodels.values import Path

A_STAGE = 8
"""Changes in one stage of a pipeline, which BSON lets nest 180 levels deep."""
ABSENT = "$$REMOVE"


def update_for(changes: Changes) -> Document | list[Document]:
    """Give the update document, or the pipeline, that makes the changes."""
    sets = {stored_path(path): value for path, value in changes.sets.items()}
    removes = [stored_path(path) for path in changes.removes]
    if all(is_plain(path) for path in (*sets, *removes)):
        return _plain_update(sets, removes)
    return _pipeline(changes)


def is_plain(path: Path) -> bool:
    """Say whether an update document takes a path to mean itself."""
    return len(path) == 1 and "." not in path[0] and path[0][:1] not in {"", "$"}


def _plain_update(sets: dict[Path, Any], removes: list[Path]) -> Document:
    written: Document = {}
    gone: Document = {}
    for (name,), value in sets.items():
        written[name] = encode_value(value)
        mark = marks(value)
        if mark is None:
            gone[f"{KINDS}.{name}"] = ""
        else:
            written[f"{KINDS}.{name}"] = mark
    for (name,) in removes:
        gone[name] = gone[f"{KINDS}.{name}"] = ""
    update: Document = {}
    if written:
        update["$set"] = written
    if gone:
        update["$unset"] = gone
    return update


def _pipeline(changes: Changes) -> list[Document]:
    """Give a pipeline of a few changes a stage; a pipeline has at most 1,000."""
    one_by_one: list[_Step] = [partial(_remove, path) for path in changes.removes]
    for path, value in changes.sets.items():
        above = changes.ancestors.get(path, ())
        one_by_one.append(partial(_write, path, value, above))
    stages = []
    for at in range(0, len(one_by_one), A_STAGE):
        first, *more = one_by_one[at : at + A_STAGE]
        expression = first("$$ROOT")
        for step in more:
            record = {"record": expression}
            expression = {"$let": {"vars": record, "in": step("$$record")}}
        stages.append({"$replaceWith": expression})
    return stages


_Step = Callable[[str], Document]


def _remove(path: Path, record: str) -> Document:
    """Give a record without a path, and without its marks."""
    stored = stored_path(path)
    kinds = _get(record, KINDS)
    kept = _with(record, KINDS, _if_map(kinds, _removed(kinds, stored), kinds))
    return {"$let": {"vars": {"kept": kept}, "in": _removed("$$kept", stored)}}


def _write(path: Path, value: Any, above: tuple[Any, ...], record: str) -> Document:
    """Give a record with a value at a path, and with its marks."""
    stored = stored_path(path)
    kinds = _get(record, KINDS)
    noted = _marked(
        _if_map(kinds, kinds, {"$literal": {}}), record, stored, value, above
    )
    if all(marks(one) is None for one in (value, *above)):
        # A document without dates has no note, and gets none.
        noted = _if_map(kinds, noted, kinds)
    return _with(_set(record, stored, value, above), KINDS, noted)


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


def _removed(source: Any, path: Path) -> Document:
    """Take a path out of a map; behind what is no map there is nothing to take."""
    name = path[0]
    if len(path) == 1:
        return _with(source, name, ABSENT)
    inner = f"inner{len(path)}"
    there = f"$${inner}"
    kept = _by_type(there, _removed(there, path[1:]), ABSENT, there)
    found = {inner: _get(source, name)}
    return {"$let": {"vars": found, "in": _with(source, name, kept)}}


def _set(source: Any, path: Path, value: Any, above: tuple[Any, ...]) -> Document:
    name = path[0]
    if len(path) == 1:
        return _with(source, name, {"$literal": encode_value(value)})
    inner = f"inner{len(path)}"
    new = {"$literal": encode_value(_nest(path[1:], value))}
    whole = {"$literal": encode_value(above[0])} if above else new
    deeper = _set(f"$${inner}", path[1:], value, above[1:])
    chosen = _by_type(f"$${inner}", deeper, new, whole)
    found = {inner: _get(source, name)}
    return {"$let": {"vars": found, "in": _with(source, name, chosen)}}


def _marked(
    kinds: Any, record: Any, path: Path, value: Any, above: tuple[Any, ...]
) -> Document:
    """Note the marks of what `_set` writes, by the same look at the record."""
    name = path[0]
    if len(path) == 1:
        return _with(kinds, name, _mark(value))
    inner, noted = f"inner{len(path)}", f"noted{len(path)}"
    new = _mark(_nest(path[1:], value))
    whole = _mark(above[0]) if above else new
    below = _if_map(f"$${noted}", f"$${noted}", {"$literal": {}})
    deeper = _marked(below, f"$${inner}", path[1:], value, above[1:])
    chosen = _by_type(f"$${inner}", deeper, new, whole)
    found = {inner: _get(record, name), noted: _get(kinds, name)}
    return {"$let": {"vars": found, "in": _with(kinds, name, chosen)}}


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
    noted = result.get(KINDS)
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
    value = source.get(name)
    if isinstance(value, DBRef):
        return dict(value.as_doc())
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
