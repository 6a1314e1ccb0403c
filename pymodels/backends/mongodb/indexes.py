"""Indexes of models as MongoDB's own: the key last, unique ones without None."""

from hashlib import sha256
from typing import Any

from pymongo.collation import Collation
from pymongo.collection import Collection

from pymodels.backend import (
    KEY,
    BoundIndex,
    HasKind,
    Kind,
    Order,
    Path,
    Predicate,
    errors,
    spelled,
    terms_of,
)
from pymodels.backend import predicates as p
from pymodels.backends.mongodb.documents import (
    KINDS,
    TYPES,
    Document,
    encode_value,
    types_of,
)
from pymodels.backends.mongodb.filters import field_path
from pymodels.backends.mongodb.keys import ID

BY_CODE_POINT = Collation("simple")
"""How strings compare and sort, whatever the collation of the collection."""

# What the planner of the server sees through, where a list of types is opaque.
FROM_BELOW: dict[Kind, Any] = {Kind.STRING: "", Kind.NUMBER: float("-inf")}


def create_index(collection: Collection[Document], index: BoundIndex) -> str:
    """Make an index, unless it is there; give its name.

    Raises `Unsupported` for a name that MongoDB cannot index, and for a unique
    index of a model whose conditions no partial index can say.
    """
    keys = [(dotted(one.path), -1 if one.descending else 1) for one in index.orders]
    for order in index.orders:
        if order.declared and Kind.DATETIME in order.declared.kinds:
            _index_naive(collection, dotted(order.path))
    if not index.unique:
        if all(order.path != KEY for order in index.orders):
            keys.append((ID, keys[-1][1]))
        return collection.create_index(keys, collation=BY_CODE_POINT)
    only = {"$and": _members(index) + [_has_value(order) for order in index.orders]}
    digest = sha256(repr(only).encode()).hexdigest()[:8]
    names = "_".join(f"{name}_{direction}" for name, direction in keys)
    return collection.create_index(
        keys,
        name=f"{index.model}_{names}_unique_{digest}",
        unique=True,
        partialFilterExpression=only,
        collation=BY_CODE_POINT,
    )


def _index_naive(collection: Collection[Document], name: str) -> None:
    """Index naive datetimes alone, most often none, so that an order can ask for any.

    They come before aware ones, which the server cannot tell from them.
    """
    mark = f"{KINDS}.{name}"
    collection.create_index(
        [(mark, 1)],
        name=f"{mark}_naive",
        partialFilterExpression={mark: {"$eq": "naive"}},
        collation=BY_CODE_POINT,
    )


def dotted(path: Path) -> str:
    """Spell a path for an index; the path of the key is `_id`."""
    if path == KEY:
        return ID
    at = field_path(path, None)
    if at is None:
        raise errors.Unsupported(f"{spelled(path)}: MongoDB cannot index such a name")
    return at.name


def _has_value(order: Order) -> Document:
    """Say that there is something to be unique: neither None nor nothing."""
    declared = order.declared.kinds if order.declared else frozenset(TYPES)
    kinds = declared - {Kind.NONE} or TYPES.keys() - {Kind.NONE}
    name = dotted(order.path)
    for kind, lowest in FROM_BELOW.items():
        if kinds == {kind}:
            return {name: {"$gte": lowest}}
    return {name: {"$type": types_of(kinds)}}


def _members(index: BoundIndex) -> list[Document]:
    """Say which records are the model's own, in what a partial index can say."""
    members = []
    for term in terms_of(index.membership):
        member = _member(term)
        if member is None:
            raise errors.Unsupported(
                f"{index} cannot be unique on MongoDB: its model asks for {term}, "
                "which no partial index can say; ask for equality, or make the index "
                "on a model without that condition"
            )
        members.append(member)
    return members


def _member(term: Predicate) -> Document | None:
    match term:
        case HasKind(path=path, kinds=kinds) if path:
            return {dotted(path): {"$type": types_of(kinds)}}
        case p.Equal(path=path, value=str() | bool() | int() | float(), caseless=False):
            return {dotted(path): {"$eq": encode_value(term.value)}} if path else None
    return None
