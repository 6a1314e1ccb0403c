"""Orders as the server sorts, where that is as the law says.

The server sorts the types of BSON as the law does the kinds, but for lists, maps
and bytes. Two things it cannot see are computed where they matter: which datetimes
are naive, and so come before aware ones, and which keys are not texts, and so come
after those that are.
"""

from dataclasses import dataclass
from typing import Any

from bson.decimal128 import Decimal128
from bson.min_key import MinKey

from pymodels.backend import KEY, Kind, Order, Pushed, Shape
from pymodels.backends.mongodb.dates import midnight_test
from pymodels.backends.mongodb.documents import KINDS
from pymodels.backends.mongodb.filters import FieldPath, Form, field_path
from pymodels.backends.mongodb.keys import ID, IS_TEXT

SORTED_ALIKE = frozenset(
    {Kind.NONE, Kind.NUMBER, Kind.STRING, Kind.BOOL, Kind.DATE, Kind.DATETIME}
)
MAPS = frozenset({Kind.MAP, Kind.NONE})
BEFORE_TEXT = ("minKey", "null", "number")
"""The types of keys that the server sorts before texts."""


@dataclass(frozen=True, slots=True)
class Sorting:
    """What to sort by: dotted names with directions, and the ranks before them.

    ``ranks`` are expressions, by the name that they come before. They matter only
    to documents that ``naive`` finds.
    """

    names: tuple[tuple[str, int], ...]
    ranks: tuple[tuple[str, Any], ...] = ()

    @property
    def naive(self) -> Form:
        """The filter for naive datetimes under a name of the order."""
        marks = [{f"{KINDS}.{name}": "naive"} for name, _ in self.ranks]
        return marks[0] if len(marks) == 1 else {"$or": marks}


def sorting(orders: tuple[Order, ...], shape: Shape) -> Sorting | None:
    """Give what the server has to sort by; None if Python must sort."""
    names: list[tuple[str, int]] = []
    ranks: list[tuple[str, Any]] = []
    for order in orders:
        direction = -1 if order.descending else 1
        if order.path == KEY:
            names.append((ID, direction))
            continue
        at = field_path(order.path, order.declared)
        if at is None or not _is_sorted_alike(order, shape):
            return None
        names.append((at.name, direction))
        if order.declared and Kind.DATETIME in order.declared.kinds:
            ranks.append((at.name, naive_first(at)))
    return Sorting(tuple(names), tuple(ranks))


def _is_sorted_alike(order: Order, shape: Shape) -> bool:
    """Say whether the declared kinds sort on the server as the law says.

    A value of a kind that is not declared has no place (law 9), and neither has
    what is below something that should have been a map.
    """
    above: Shape | None = shape
    for name in order.path[:-1]:
        above = above.stored_member(name) if above else None
        if above is None or not above.kinds <= MAPS:
            return False
    if order.declared is None or "naive" in order.declared.reads_text:
        return False
    kinds = order.declared.kinds
    return kinds <= SORTED_ALIKE and not kinds >= {Kind.DATE, Kind.DATETIME}


def naive_first(at: FieldPath) -> Any:
    """Rank a value by its mark: nothing, dates, naive datetimes, aware ones."""
    mark = f"${KINDS}.{at.name}"
    is_moment = {"$eq": [{"$type": at.expression}, "date"]}
    is_date = {"$and": [{"$eq": [mark, "date"]}, midnight_test(at)]}
    is_naive = {"$eq": [mark, "naive"]}
    by_mark = {"$cond": [is_date, 1, {"$cond": [is_naive, 2, 3]}]}
    return {"$cond": [is_moment, by_mark, 0]}


def is_before_text(native: Any) -> bool:
    """Say whether the server may sort a key before texts."""
    return native is None or isinstance(native, int | float | Decimal128 | MinKey)


def pipeline(filter: Form, sort: Sorting, pushed: Pushed) -> list[Form]:
    """Give the stages that sort by computed keys; the documents come out as they were.

    A list has no place in an order, and two in one document would fail the sort.
    """
    text_first = {"$cond": [{"$in": [{"$type": f"${ID}"}, IS_TEXT["$type"]]}, 0, 1]}
    ranks = {**dict(sort.ranks), ID: text_first}
    computed: dict[str, Any] = {}
    keys: dict[str, int] = {}
    for at, (name, direction) in enumerate(sort.names):
        if name in ranks:
            computed[f"rank{at}"] = ranks[name]
            keys[f"rank{at}"] = direction
        value = f"${name}"
        computed[f"key{at}"] = {"$cond": [{"$isArray": value}, None, value]}
        keys[f"key{at}"] = direction
    cut: list[Form] = [{"$skip": pushed.start}] if pushed.start else []
    if pushed.stop is not None:
        cut.append({"$limit": pushed.stop - pushed.start})
    return [
        {"$match": filter},
        {"$project": {ID: 0, "document": "$$ROOT", **computed}},
        {"$sort": keys},
        *cut,
        {"$replaceRoot": {"newRoot": "$document"}},
    ]
