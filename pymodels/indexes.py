"""Indexes as models ask for them and as backends make them."""

from dataclasses import dataclass

from pymodels.law.predicates import EVERYTHING, Predicate, spelled
from pymodels.querying.plan import Order


class Index:
    """One index of ``Meta.indexes``: names as in `order_by`, perhaps unique.

    ``Index("email", unique=True)`` refuses a second record with the same value;
    None and missing are not values. A plain string or a tuple of strings in
    ``Meta.indexes`` is an index that is not unique.
    """

    __slots__ = ("names", "unique")

    def __init__(self, *names: str, unique: bool = False) -> None:
        if not names or not all(isinstance(name, str) for name in names):
            raise TypeError(f"an index takes field names, not {names!r}")
        self.names = names
        self.unique = unique

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Index):
            return NotImplemented
        return (self.names, self.unique) == (other.names, other.unique)

    def __hash__(self) -> int:
        return hash((self.names, self.unique))

    def __repr__(self) -> str:
        names = ", ".join(map(repr, self.names))
        return f"Index({names}{', unique=True' if self.unique else ''})"


@dataclass(frozen=True, slots=True)
class BoundIndex:
    """An index that knows its model: stored paths, and who is a member.

    ``membership`` lets a backend index the model's own records alone.
    """

    orders: tuple[Order, ...]
    unique: bool = False
    membership: Predicate = EVERYTHING
    model: str = ""

    def __str__(self) -> str:
        names = ", ".join(
            ("-" if order.descending else "") + spelled(order.path)
            for order in self.orders
        )
        return f"{self.model}({names})"
