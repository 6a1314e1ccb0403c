"""Which type of index serves a field of a model in a Tokyo table."""

from pymodels.backends._tokyo.columns import NOTE, name_of
from pymodels.backends._tokyo.texts import is_whole
from pymodels.law.values import Kind
from pymodels.querying.plan import Order
from pymodels.tokyo.search import IndexType

_TEXTUAL = {Kind.STRING, Kind.BOOL, Kind.BYTES, Kind.DATE, Kind.DATETIME, Kind.NONE}


def type_of(order: Order) -> IndexType | None:
    """Give the type of index that serves a field; None if none does.

    Nested values, lists, floats and Decimals have none.
    """
    declared = order.declared
    if declared is None or len(order.path) != 1 or order.path == (NOTE,):
        return None
    if declared.kinds <= _TEXTUAL:
        return IndexType.LEXICAL
    if declared.kinds <= {Kind.NUMBER, Kind.NONE} and is_whole(declared):
        return IndexType.DECIMAL
    return None


def index_name(column: bytes, kind: IndexType) -> str:
    """Name an index for people."""
    return f"{name_of(column)}:{kind.name.lower()}"
