"""Indexes of tables: one a column, lexical for texts and decimal for ints."""

from pymodels.backends._tokyo.columns import column_of
from pymodels.backends._tokyo.indexes import index_name, type_of
from pymodels.backends.tokyo_cabinet.handle import READ_ONLY, Handle
from pymodels.errors import StorageError, Unsupported
from pymodels.indexes import BoundIndex
from pymodels.tokyo.errors import TokyoError
from pymodels.tokyo.library import Table
from pymodels.tokyo.search import IndexType


def create(handle: Handle, index: BoundIndex, *, may_write: bool) -> str:
    """Index each column that can be; one that has an index keeps it.

    Nested values, lists, floats and Decimals are left out: the library has no
    index that would serve them; so is everything in a hash or a tree. Gives the
    name of the first one. Raises `Unsupported` for a unique index.
    """
    if index.unique:
        raise Unsupported(f"{index}: Tokyo Cabinet has no unique indexes")
    made = []
    for order in index.orders:
        kind = type_of(order) if isinstance(handle.database, Table) else None
        if kind is None:
            continue
        column = column_of(order.path[0])
        if column not in handle.indexes:
            if not may_write:
                raise StorageError(READ_ONLY.format(handle.path))
            _make(handle, column, kind)
        made.append(index_name(column, handle.indexes[column]))
    if not made:
        # The same answers without one; the same names when asked again.
        made.append(f"{index}:none")
        handle.unmade.add(made[0])
    return made[0]


def _make(handle: Handle, column: bytes, kind: IndexType) -> None:
    try:
        handle.table.set_index(column, kind)
    except TokyoError as error:
        if "empty" not in error.message:
            raise
        raise StorageError(
            f"{handle.path}: {error.message}; another program wrote it. Give the "
            "record another value, or remove the column, then make the index"
        ) from error
    if kind is IndexType.DECIMAL:
        handle.trusted.add(column)


def names(handle: Handle) -> list[str]:
    """Give the names of all indexes of a table, and of those that serve nobody."""
    made = [index_name(column, kind) for column, kind in handle.indexes.items()]
    return [*made, *sorted(handle.unmade)]
