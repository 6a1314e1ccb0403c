"""Indexes of models as MongoDB's own: the key last, unique ones without None."""

from hashlib import sha256
from typing import Any

from pymongo.collation import Collation
from pymongo.collection import Collection

from pymodels.backends.mongodb.documents import (
    KINDS,
    Document,
    encode_value,
    stored_path,
)
from pymodels.errors import Unsupported
from pymodels.indexes import BoundIndex
from pymodels.law.predicates import Equal, HasKind, Predicate, spelled, terms_of
from pymodels.law.values import KEY, Kind, Path
from pymodels.querying.plan import Order

BY_CODE_POINT = Collation("simple")
"""How strings compare and sort, whatever a foreign collection has been told."""

TYPES: dict[Kind, tuple[str, ...]] = {
    Kind.NUMBER: ("double", "int", "long", "decimal"),
    Kind.STRING: ("string",),
    Kind.MAP: ("object",),
    Kind.LIST: ("array",),
    Kind.BYTES: ("binData",),
    Kind.BOOL: ("bool",),
    Kind.DATE: ("date",),
    Kind.DATETIME: ("date",),
    Kind.NONE: ("null",),
}
# What the planner of the server sees through, where a list of types is opaque.
FROM_BELOW: dict[Kind, Any] = {Kind.STRING: "", Kind.NUMBER: float("-inf")}


def create_index(collection: Collection[Document], index: BoundIndex) -> str:
    """Make an index, unless it is there; give its name.

    Raises `Unsupported` for a name that MongoDB cannot index, and for a unique
    index of a model whose conditions no partial index can say.
    """
    keys = [(dotted(order.path), _direction(order)) for order in index.orders]
    for order in index.orders:
        if order.declared and Kind.DATETIME in order.declared.kinds:
            _index_naive(collection, dotted(order.path))
    if not index.unique:
        if all(order.path != KEY for order in index.orders):
            keys.append(("_id", keys[-1][1]))
        return collection.create_index(keys, collation=BY_CODE_POINT)
    only = {"$and": _members(index) + [_has_value(order) for order in index.orders]}
    mark = sha256(repr(only).encode()).hexdigest()[:8]
    names = "_".join(f"{name}_{direction}" for name, direction in keys)
    return collection.create_index(
        keys,
        name=f"{index.model}_{names}_unique_{mark}",
        unique=True,
        partialFilterExpression=only,
        collation=BY_CODE_POINT,
    )


def _index_naive(collection: Collection[Document], name: str) -> None:
    """Index naive datetimes alone, most often none, so that an order can ask for any.

    They come before aware ones, which the server cannot tell from them.
    """
    mark = f"{KINDS}.{name}"
    only = {mark: {"$eq": "naive"}}
    collection.create_index(
        [(mark, 1)],
        name=f"{mark}_naive",
        partialFilterExpression=only,
        collation=BY_CODE_POINT,
    )


def _direction(order: Order) -> int:
    return -1 if order.descending else 1


def dotted(path: Path) -> str:
    """Spell a path for an index; the path of the key is `_id`."""
    if path == KEY:
        return "_id"
    for name in path:
        if "." in name or name[:1] in {"", "$"}:
            raise Unsupported(
                f"{spelled(path)}: MongoDB cannot index the name {name!r}"
            )
    return ".".join(stored_path(path))


def _has_value(order: Order) -> Document:
    """Say that there is something to be unique: neither None nor nothing."""
    kinds = set(order.declared.kinds if order.declared else TYPES) - {Kind.NONE}
    name = dotted(order.path)
    if len(kinds) == 1 and (kind := kinds.pop()) in FROM_BELOW:
        return {name: {"$gte": FROM_BELOW[kind]}}
    return {name: {"$type": _types(kinds or TYPES.keys() - {Kind.NONE})}}


def _types(kinds: Any) -> list[str]:
    return list(dict.fromkeys(name for kind in sorted(kinds) for name in TYPES[kind]))


def _members(index: BoundIndex) -> list[Document]:
    """Say which records are the model's own, in what a partial index can say."""
    found = []
    for term in terms_of(index.membership):
        said = _member(term)
        if said is None:
            raise Unsupported(
                f"{index} cannot be unique on MongoDB: its model asks for {term}, "
                "which no partial index can say; ask for equality, or make the index "
                "on a model without that condition"
            )
        found.append(said)
    return found


def _member(term: Predicate) -> Document | None:
    match term:
        case HasKind(path=path, kinds=kinds) if path:
            return {dotted(path): {"$type": _types(kinds - {Kind.OTHER})}}
        case Equal(path=path, value=str() | bool() | int() | float(), caseless=False):
            return {dotted(path): {"$eq": encode_value(term.value)}} if path else None
    return None
