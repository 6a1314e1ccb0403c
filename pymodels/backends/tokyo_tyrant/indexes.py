"""Indexes of a table on a server: made, listed as far as it tells, made anew."""

from urllib.parse import unquote_to_bytes

from pymodels.backends._tokyo.columns import column_of, name_of
from pymodels.backends._tokyo.indexes import index_name, type_of
from pymodels.backends._tokyo.query import NUMERIC
from pymodels.errors import StorageError, Unsupported
from pymodels.indexes import BoundIndex
from pymodels.tokyo.client import Client
from pymodels.tokyo.packing import unpack_map
from pymodels.tokyo.search import Condition, IndexType, Operator, Search

KINDS = {
    "lex": IndexType.LEXICAL,
    "dec": IndexType.DECIMAL,
    "tok": IndexType.TOKEN,
    "qgr": IndexType.QGRAM,
}
USED = "using an index"


class Indexes:
    """What is known of a table's indexes.

    The original server cannot list them, and after it was killed they lack records
    without a word. So there they are used only after they were made anew here, and
    as long as the same process serves.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._made: dict[bytes, IndexType] = {}
        self._asked: dict[str, None] = {}
        self._rebuilt: set[bytes] = set()
        self._server = ""

    def all(self) -> dict[bytes, IndexType]:
        """Give the columns that have an index, as far as the server tells."""
        told = self._client.stat().get("indexes")
        if told is None:
            return dict(self._made)
        split = (word.rpartition(".") for word in told.split())
        return {unquote_to_bytes(name): KINDS[kind] for name, _, kind in split}

    def create(self, index: BoundIndex, *, is_table: bool) -> str:
        """Index each column that can be; one that has an index keeps it.

        A hash has none: the same answers without.
        """
        if index.unique:
            raise Unsupported(f"{index}: Tokyo Tyrant has no unique indexes")
        known, made = self.all(), []
        for order in index.orders:
            kind = type_of(order) if is_table else None
            if kind is None:
                continue
            column = column_of(order.path[0])
            if column not in known and not self._is_used(column, kind):
                self._make(column, kind)
            kind = known.get(column, kind)
            self._made[column] = kind
            made.append(index_name(column, kind))
        name = " ".join(made) or f"none for {index}"
        self._asked[name] = None
        return name

    def names(self) -> list[str]:
        """Give the names of the indexes, and of those of several columns made here."""
        found = dict.fromkeys(index_name(*one) for one in self.all().items())
        return list(found | self._asked)

    def rebuild(self, wanted: dict[bytes, IndexType]) -> list[str]:
        """Make indexes anew, and use them from now on."""
        for column, kind in wanted.items():
            self._make(column, kind)
            if self._server != self._client.status.get("pid"):
                self._server = self._client.status.get("pid", "")
                self._rebuilt.clear()
            self._rebuilt.add(column)
        return [index_name(column, kind) for column, kind in wanted.items()]

    def _make(self, column: bytes, kind: IndexType) -> None:
        if self._has_empty(column):
            # It would end the original server's process.
            raise StorageError(
                f"{self._client}: a record has an empty value in {name_of(column)!r}, "
                "which no such index bears; another program wrote it. Give the record "
                "another value, or remove the column, then make the index"
            )
        self._client.set_index(column, kind)
        self._made[column] = kind

    def _has_empty(self, column: bytes) -> bool:
        empty = Condition(column, Operator.STREQ, b"", no_index=True)
        return self._client.search_count(Search((empty,))) > 0

    def _is_used(self, column: bytes, kind: IndexType) -> bool:
        """Say whether there is such an index, by the server's own words on a search."""
        operators = {
            IndexType.LEXICAL: Operator.STREQ,
            IndexType.DECIMAL: Operator.NUMEQ,
        }
        search = Search((Condition(column, operators[kind], b"0"),), max=0)
        return USED in self._client.search_hint(search)

    def check_empty(self, stored: bytes) -> None:
        """Refuse an empty value in a column that has an index: a server would die."""
        columns = [name for name, value in unpack_map(stored).items() if not value]
        for column in columns:
            if any(self._is_used(column, k) for k in list(KINDS.values())[:2]):
                raise StorageError(
                    f"{self._client}: {name_of(column)!r} has an index, which bears no "
                    "empty value; another program wrote one in this record"
                )

    def is_trusted(self, condition: Condition) -> bool:
        """Say whether an index was made anew here, on the server that runs now."""
        if condition.operator in NUMERIC or condition.column not in self._rebuilt:
            return False
        return self._server == self._client.status.get("pid")
