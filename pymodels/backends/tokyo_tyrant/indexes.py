"""What is known of the indexes of a table on a server."""

from pymodels.backend import errors
from pymodels.backends._tokyo.columns import name_of
from pymodels.tokyo.client import Client
from pymodels.tokyo.guards import indexes_named
from pymodels.tokyo.packing import unpack_map
from pymodels.tokyo.search import Condition, IndexType, Operator, Search

USED = "using an index"
SORTED = {IndexType.LEXICAL: Operator.STREQ, IndexType.DECIMAL: Operator.NUMEQ}
"""The types of index that hold no empty value, each with a condition that uses it."""


class Indexes:
    """The indexes that are there, as far as the server tells.

    The original server cannot list them, and after it was killed they lack records
    without a word. So there they are used only after they were made anew here, and
    as long as the same process serves.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._made: dict[bytes, IndexType] = {}
        self._rebuilt: set[bytes] = set()
        self._server = ""

    def all(self) -> dict[bytes, IndexType]:
        """Give the columns that have an index, as far as the server tells."""
        told = self._client.stat().get("indexes")
        return dict(self._made) if told is None else indexes_named(told.split())

    def make(self, column: bytes, kind: IndexType) -> None:
        """Index a column that has no index of this type."""
        if not self._is_used(column, kind):
            self._set(column, kind)
        self._made[column] = kind

    def rebuild(self, column: bytes, kind: IndexType) -> None:
        """Make an index anew, and use it from now on."""
        self._set(column, kind)
        if self._server != self._client.status.get("pid"):
            self._server = self._client.status.get("pid", "")
            self._rebuilt.clear()
        self._rebuilt.add(column)

    def _set(self, column: bytes, kind: IndexType) -> None:
        empty = Condition(column, Operator.STREQ, b"", no_index=True)
        if self._client.search_count(Search((empty,))):
            # It would end the original server's process.
            raise errors.StorageError(
                f"{self._client}: a record has an empty value in {name_of(column)!r}, "
                "which no such index bears; another program wrote it. Give the record "
                "another value, or remove the column, then make the index"
            )
        self._client.set_index(column, kind)
        self._made[column] = kind

    def _is_used(self, column: bytes, kind: IndexType) -> bool:
        """Say whether there is such an index, by the server's own words on a search."""
        search = Search((Condition(column, SORTED[kind], b"0"),), max=0)
        return USED in self._client.search_hint(search)

    def check_empty(self, stored: bytes) -> None:
        """Refuse an empty value in a column that has an index: a server would die."""
        columns = [name for name, value in unpack_map(stored).items() if not value]
        for column in columns:
            if any(self._is_used(column, kind) for kind in SORTED):
                raise errors.StorageError(
                    f"{self._client}: {name_of(column)!r} has an index, which bears no "
                    "empty value; another program wrote one in this record"
                )

    def is_rebuilt(self, column: bytes) -> bool:
        """Say whether an index was made anew here, on the server that runs now."""
        is_same = self._server == self._client.status.get("pid")
        return is_same and column in self._rebuilt
