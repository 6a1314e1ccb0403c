"""ORDER BY as the law says, where a field's declared type has one kind."""

from pymodels.backend import KEY, Kind, Order, Path, Predicate, terms_of
from pymodels.backend import predicates as p
from pymodels.backends._sql.values import Columns, value_at

_OF_ONE_KIND = (p.Less, p.LessOrEqual, p.Greater, p.GreaterOrEqual, p.StartsWith)


def order_by(
    orders: tuple[Order, ...], columns: Columns, predicate: Predicate = p.EVERYTHING
) -> str | None:
    """Give a whole ORDER BY clause, "" for no order; None if Python must sort.

    The predicate says what all rows fulfil. Where it leaves one kind, naming the
    kind would hide an index from the planner, and so would one value.
    """
    fixed: set[Path] = set()
    constant: set[Path] = set()
    if columns.ranked:
        for term in terms_of(predicate):
            if isinstance(term, _OF_ONE_KIND):
                fixed.add(term.path)
            elif isinstance(term, p.Equal) and not term.caseless:
                constant.add(term.path)
    found: list[str] = []
    for order in orders:
        if order.path in constant and order.path != KEY:
            continue
        terms = sort_terms(order, columns, has_one_kind=order.path in fixed)
        if terms is None:
            return None
        found += [term + " DESC" if order.descending else term for term in terms]
    return " ORDER BY " + ", ".join(found) if found else ""


def sort_terms(
    order: Order, columns: Columns, *, has_one_kind: bool
) -> list[str] | None:
    """Give the expressions to sort by for one name; None if Python must sort.

    A value of a kind that the declared type does not admit has no defined place
    (law 9), so the others may be sorted natively.
    """
    if order.path == KEY:
        return [columns.key]
    kinds = order.declared.kinds - {Kind.NONE} if order.declared else frozenset()
    at = value_at(columns, order.path, order.declared)
    if at is None or len(kinds) != 1:
        return None
    match next(iter(kinds)):
        case Kind.LIST | Kind.MAP | Kind.OTHER:
            return None
        case Kind.BYTES:
            return [f"pm_bytes({at.value})"]
        case Kind.NUMBER if at.decimals:
            # A Decimal stands at the native number below it, and there after that.
            is_text = f"{at.type}='text'"
            return [
                f"CASE WHEN {is_text} THEN pm_below({at.value}) ELSE {at.value} END",
                f"CASE WHEN {is_text} THEN pm_above({at.value}) ELSE '' END",
            ]
        case Kind.DATETIME if not at.rank:
            # Naive before aware, which alone ends in an offset.
            return [f"substr({at.value},-6)='+00:00'", at.value]
    # As an index has it: kinds first, then values.
    return [at.rank, at.value] if at.rank and not has_one_kind else [at.value]
