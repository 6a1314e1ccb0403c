"""ORDER BY as the law says, where a field's declared type has one kind."""

from pymodels.backends._sql.terms import Columns, is_pushable, place
from pymodels.law.values import KEY, Kind
from pymodels.querying.plan import Order


def sort_terms(order: Order, columns: Columns) -> list[str] | None:
    """Give the expressions to sort by for one name; None if Python must sort.

    A value of a kind that the declared type does not admit has no defined place
    (law 9), so the others may be sorted natively.
    """
    if order.path == KEY:
        return [columns.key]
    if order.path in columns.constant:
        return []
    if order.declared is None or not all(map(is_pushable, order.path)):
        return None
    at = place(columns, order.path, order.declared)
    kinds = order.declared.kinds - {Kind.NONE}
    if len(kinds) != 1:
        return None
    kind = next(iter(kinds))
    if at.rank and kind is not Kind.BYTES and not (kind is Kind.NUMBER and at.decimals):
        # As the index has it: kinds first, then values. Where a condition leaves
        # one kind, naming it would hide the index from the planner.
        return [at.value] if order.path in columns.fixed else [at.rank, at.value]
    match kind:
        case Kind.NUMBER:
            # Text here is a Decimal: a native number next to it, on which side
            # of that it lies, and for those of one side their order.
            side = f"pm_side({at.value})"
            text = f"{at.type}='text'"
            return [
                f"CASE WHEN {text} THEN pm_near({at.value}) ELSE {at.value} END",
                f"CASE WHEN {text} THEN {side} ELSE 0 END",
                f"CASE WHEN {text} AND {side}<>0 THEN pm_number({at.value}) END",
            ]
        case Kind.STRING | Kind.DATE | Kind.BOOL:
            return [at.value]
        case Kind.DATETIME:
            # Naive before aware, which alone ends in an offset.
            return [f"substr({at.value},-6)='+00:00'", at.value]
        case Kind.BYTES:
            return [f"pm_bytes({at.value})"]
    return None


def order_by(orders: tuple[Order, ...], columns: Columns) -> str | None:
    """Give a whole ORDER BY clause, "" for no order; None if Python must sort."""
    found: list[str] = []
    for order in orders:
        terms = sort_terms(order, columns)
        if terms is None:
            return None
        direction = " DESC" if order.descending else ""
        found += [term + direction for term in terms]
    return " ORDER BY " + ", ".join(found) if found else ""
