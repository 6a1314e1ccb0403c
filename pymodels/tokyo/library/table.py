"""Tables: records of named columns, searched by conditions."""

import ctypes
import os
from collections.abc import Mapping
from pathlib import Path

from pymodels.tokyo.errors import HEAD, INVALID, KEPT, META, NO_RECORD, TokyoError
from pymodels.tokyo.guards import SORTED, empty_column, indexes_of, is_too_long
from pymodels.tokyo.library.database import Database, OpenMode, Tuning
from pymodels.tokyo.library.functions import as_text, size_of
from pymodels.tokyo.packing import pack_map, unpack, unpack_map
from pymodels.tokyo.search import INDEX_KEEP, Condition, IndexType, Operator, Search


class Table(Database):
    """A handle on a .tct file.

    What would end the process is refused with `TokyoError`: an empty key, an
    empty value in a column with a lexical or decimal index, and such an index
    over a column that holds an empty value; so is an index whose file can have no
    name.
    """

    prefix = "tctdb"

    def __init__(self) -> None:
        super().__init__()
        self.indexes: dict[bytes, IndexType] = {}
        self._sorted: frozenset[bytes] = frozenset()

    def open(
        self,
        path: str | bytes | os.PathLike[str],
        mode: OpenMode = OpenMode.READER,
        tuning: Tuning | None = None,
    ) -> None:
        """Open a file, with the indexes that lie beside it."""
        super().open(path, mode, tuning)
        self._note_indexes()

    def _note_indexes(self) -> None:
        self.indexes = indexes_of(Path(os.fsdecode(self.path)))
        self._sorted = frozenset(c for c, t in self.indexes.items() if t in SORTED)

    # Records.

    def _check_key(self, key: bytes) -> None:
        if not key:
            raise TokyoError(INVALID, "a key must not be empty")

    def _map(self, key: bytes, packed: bytes) -> int:
        """Make a map of the library's, of columns that are safe to write."""
        self._check_key(key)
        size = size_of(packed)
        # An empty value is a length of zero; looked for only if there is one.
        if self._sorted and 0 in packed:
            name = empty_column(unpack_map(packed).items(), self._sorted)
            if name is not None:
                raise TokyoError(
                    INVALID, f"an empty value in the indexed column {name!r} of {key!r}"
                )
        return int(self._calls.tcmapload(packed, size))

    def put(self, key: bytes, columns: Mapping[bytes, bytes]) -> None:
        """Create or overwrite a record."""
        self.put_packed(key, pack_map(columns))

    def put_packed(self, key: bytes, packed: bytes) -> None:
        """Create or overwrite a record of packed columns: `packing.pack_map`."""
        columns = self._map(key, packed)
        try:
            self._check(self._calls.put(self._db, key, size_of(key), columns))
        finally:
            self._calls.tcmapdel(columns)

    def put_keep(self, key: bytes, columns: Mapping[bytes, bytes]) -> bool:
        """Create a record; say False, and change nothing, if the key exists."""
        return self.put_keep_packed(key, pack_map(columns))

    def put_keep_packed(self, key: bytes, packed: bytes) -> bool:
        """Create a record of packed columns, unless the key exists."""
        columns = self._map(key, packed)
        try:
            done = self._calls.putkeep(self._db, key, size_of(key), columns)
            return self._check_but(done, KEPT)
        finally:
            self._calls.tcmapdel(columns)

    def get(self, key: bytes) -> dict[bytes, bytes] | None:
        """Give the columns of a record, in their order; None without one."""
        packed = self.get_packed(key)
        return None if packed is None else unpack_map(packed)

    def get_packed(self, key: bytes) -> bytes | None:
        """Give the same as one byte string: see `packing.unpack_map`."""
        calls = self._calls
        found = calls.get(self._db, key, size_of(key))
        if found is None:
            self._check_but(False, NO_RECORD)
            return None
        return self._dump(found, calls.tcmapdump, calls.tcmapdel)

    # One iterator a handle.

    def iter_init(self) -> None:
        """Put the iterator before the first record."""
        self._check(self._calls.iterinit(self._db))

    def iter_from(self, key: bytes) -> bool:
        """Put the iterator before a record; say False if there is none."""
        self._check_key(key)
        done = self._calls.iterinit2(self._db, key, size_of(key))
        return self._check_but(done, NO_RECORD)

    def iter_next(self) -> bytes | None:
        """Give the next key; None at the end."""
        size = ctypes.c_int()
        found = self._calls.iternext(self._db, ctypes.byref(size))
        if found is None:
            self._check_but(False, NO_RECORD)
            return None
        return self._taken(found, size)

    def iter_next_packed(self) -> bytes | None:
        """Give the next record; its key is there under the empty name."""
        found = self._calls.iternext3(self._db)
        if found is None:
            self._check_but(False, NO_RECORD)
            return None
        return self._dump(found, self._calls.tcmapdump, self._calls.tcmapdel)

    # Searching.

    def search(self, search: Search) -> list[bytes]:
        """Give the keys of the records that a search finds."""
        return list(unpack(self.search_packed(search)))

    def search_packed(self, search: Search) -> bytes:
        """Give the same as one byte string: see `packing.unpack`."""
        with _Query(self, search) as query:
            return self._list(self._found(query))

    def search_with_hint(self, search: Search) -> tuple[list[bytes], str]:
        """Give the keys, and how the library has found them."""
        with _Query(self, search) as query:
            keys = list(unpack(self._list(self._found(query))))
            return keys, self._hint(query)

    def search_count(self, search: Search) -> int:
        """Count the records that a search finds."""
        with _Query(self, search) as query:
            found = self._found(query)
            try:
                return int(self._calls.tclistnum(found))
            finally:
                self._calls.tclistdel(found)

    def _found(self, query: int) -> int:
        """Search; a search that ended at a damaged place says so."""
        found: int = self._calls.qrysearch(query)
        if self.error_code in (META, HEAD):
            self._calls.tclistdel(found)
            raise self.error()
        return found

    def search_out(self, search: Search) -> int:
        """Remove the records that a search finds; say how many."""
        with _Query(self, search) as query:
            before = self.count
            self._check(self._calls.qrysearchout(query))
            return before - self.count

    def _hint(self, query: int) -> str:
        found: bytes = self._calls.qryhint(query) or b""
        return found.decode(errors="replace")

    # Indexes.

    def set_index(self, column: bytes, index: int) -> bool:
        """Make, rebuild, improve or drop an index: see `IndexType`.

        Says False where `INDEX_KEEP` found one, and where there was none to drop.
        A new one moves the iterator.
        """
        kind = index & ~INDEX_KEEP
        if is_too_long(os.fsdecode(self.path), column):
            raise TokyoError(INVALID, f"{column[:40]!r} is too long for an index")
        if kind in SORTED and column not in self._sorted:
            self._refuse_any_empty(column)
        elif kind in SORTED and column:
            self._refuse_empty(column)
        done = self._calls.setindex(self._db, as_text(column), index)
        harmless = {IndexType.VOID: INVALID, IndexType.OPT: INVALID}.get(
            IndexType(kind), KEPT
        )
        self._check_but(done, harmless)
        self._note_indexes()
        return bool(done)

    def _refuse_empty(self, column: bytes) -> None:
        empty = Condition(column, Operator.STREQ, b"", no_index=True)
        found = self.search(Search((empty,), max=1))
        if found:
            raise _no_index_for(column, found[0])

    def _refuse_any_empty(self, column: bytes) -> None:
        """Look at all records: a search cannot ask for a name that holds a NUL."""
        self.iter_init()
        while (packed := self.iter_next_packed()) is not None:
            # One zero is the length of the name that the key has here.
            if packed.count(0) > 1:
                found = unpack_map(packed)
                name = empty_column(found.items(), frozenset((column,)))
                if name is not None:
                    raise _no_index_for(name, found[b""])

    def vanish(self) -> None:
        """Remove all records; the indexes stay, empty."""
        super().vanish()
        self._note_indexes()


def _no_index_for(column: bytes, key: bytes) -> TokyoError:
    return TokyoError(
        INVALID,
        f"the column {column!r} of the record {key!r} holds an empty value, which no "
        "lexical or decimal index can hold",
    )


class _Query:
    """A query of the library's, freed at the end of a with."""

    __slots__ = ("_calls", "pointer")

    def __init__(self, table: Table, search: Search) -> None:
        self._calls = table._calls
        for condition in search.conditions:
            as_text(condition.column)
            as_text(condition.operand)
        if search.order is not None:
            as_text(search.order.column)
        self.pointer: int = self._calls.qrynew(table._db)
        self._fill(search)

    def _fill(self, search: Search) -> None:
        for one in search.conditions:
            self._calls.qryaddcond(self.pointer, one.column, one.number, one.operand)
        order = search.order
        if order is not None:
            self._calls.qrysetorder(self.pointer, order.column, int(order.direction))
        if search.limits is not None:
            self._calls.qrysetlimit(self.pointer, *search.limits)

    def __enter__(self) -> int:
        return self.pointer

    def __exit__(self, *exception: object) -> None:
        self._calls.qrydel(self.pointer)
