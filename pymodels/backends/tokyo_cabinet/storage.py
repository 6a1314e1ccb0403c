"""Records in a file of Tokyo Cabinet: a table, a hash or a B+ tree."""

import os
import threading
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from itertools import islice
from os import PathLike, fspath
from typing import Any, Literal
from urllib.parse import unquote, urlsplit

from pymodels.backend import BoundIndex, Changes, Row, errors, from_query
from pymodels.backends._tokyo.columns import key_column, key_of, name_of
from pymodels.backends._tokyo.facts import TableFacts
from pymodels.backends._tokyo.storage import (
    NUMERIC,
    FileStorage,
    check_choice,
    check_number,
)
from pymodels.backends.tokyo_cabinet.handle import READ_ONLY, Handle
from pymodels.backends.tokyo_cabinet.opening import (
    COMPRESSIONS,
    KINDS,
    MODES,
    FileSettings,
    acquire,
    release,
)
from pymodels.backends.tokyo_cabinet.scan import Scan
from pymodels.tokyo.errors import TokyoError
from pymodels.tokyo.guards import MOST_BUCKETS
from pymodels.tokyo.library import BTree
from pymodels.tokyo.packing import unpack
from pymodels.tokyo.search import Condition, IndexType, Search

CHUNK = 200
"""Rows that are read at once, while other threads wait."""


class Storage(FileStorage):
    """Records in a file of Tokyo Cabinet."""

    def __init__(
        self,
        path: str | PathLike[str],
        *,
        kind: Literal["TABLE", "HASH", "BTREE"] = "TABLE",
        mode: Literal["create", "write", "read"] = "create",
        bnum: int = 0,
        large: bool = True,
        compression: Literal["none", "deflate", "bzip", "tcbs"] = "none",
        sync: bool = False,
        wait: float = 0.0,
        residual: Literal["allow", "warn", "forbid"] = "allow",
    ) -> None:
        """Open a file; its folder must be there.

        ``path``: the file. ``kind``: "TABLE" keeps natural columns, "HASH" and
        "BTREE" one JSON text a record. ``mode``: "create" makes the file if it is
        absent, "write" does not, "read" lets other processes read too. ``bnum``:
        how many buckets a new file gets, best more than there will be records; 0
        is the library's default. ``large``: let a new file grow beyond 2 GB.
        ``compression``: of a new file's records. ``sync``: wait for the disk with
        each write. ``wait``: seconds to wait for another process that has the file
        open. ``residual``: see `BaseStorage`. Raises `StorageError` if the file
        cannot be opened, `StorageBusy` if another process holds it.
        """
        super().__init__(kind, residual)
        self._local = threading.local()
        check_choice("kind", kind, KINDS)
        check_choice("mode", mode, MODES)
        check_choice("compression", compression, COMPRESSIONS)
        _check_path(path)
        check_number("bnum", bnum, 0, MOST_BUCKETS)
        check_number("wait", wait, 0, kind=float)
        for name, value in (("large", large), ("sync", sync)):
            if not isinstance(value, bool):
                raise errors.SettingsError(
                    f"{name} is {value!r}; it takes True or False"
                )
        self.path = fspath(path)
        self.mode = mode
        settings = FileSettings(kind, mode, bnum, large, compression, sync, wait)
        self.handle = acquire(self.path, settings)

    @classmethod
    def url_settings(cls, url: str) -> dict[str, Any]:
        """``tokyo-cabinet:///relative.tct``, ``tokyo-cabinet:////absolute.tct``."""
        parts = urlsplit(url)
        if parts.netloc or len(parts.path) < 2:
            raise errors.SettingsError(
                f"{url}: such a URL is tokyo-cabinet:///relative.tct or "
                "tokyo-cabinet:////absolute.tct"
            )
        return {"path": unquote(parts.path[1:]), **from_query(url, cls)}

    def __str__(self) -> str:
        kind = "" if self.kind == "TABLE" else f"?kind={self.kind}"
        return f"tokyo-cabinet:///{self.path}{kind}"

    @property
    def connection(self) -> Any:
        """The library's handle: `pymodels.tokyo.library`.

        What is written by it is not noted, so that from then on each row that a
        query finds is looked at.
        """
        self.check_open()
        self.handle.stop_watching()
        return self.handle.database

    @property
    def sorts_keys(self) -> bool:
        """Whether the file gives its keys in order."""
        return self.kind != "HASH"

    # Reading.

    def fetch(self, keys: Iterable[str]) -> Iterator[Row]:
        """Yield the rows of those keys that are there."""
        if type(keys) is not tuple or len(keys) != 1:
            return self._rows_of(map(key_column, keys))
        key = key_column(keys[0])
        with self.handle as handle:
            stored = handle.get(key)
        return iter(() if stored is None else (self.form.row(key, stored),))

    def scan(self) -> Iterator[Row]:
        """Yield all rows that are there now."""
        return self.found_rows(Search()) if self.is_table else self.scan_in(None)

    def _scanned(self, scan: Scan) -> Iterator[Row]:
        make = self.form.row
        while found := self.handle.take(scan, CHUNK):
            for key, stored in found:
                yield make(key, stored)

    def found_rows(self, search: Search) -> Iterator[Row]:
        """Search the table now, and yield the rows that are found."""
        with self.handle as handle:
            if search == Search():
                return self._scanned(handle.scan())
            return self._rows_of(unpack(handle.table.search_packed(search)))

    def scan_in(self, descending: bool | None) -> Iterator[Row]:
        """Yield all rows of a hash or a tree; of a tree in the order of keys."""
        database = self.handle.database
        with self.handle:
            packed = database.packed_keys()
        keys = unpack(packed)
        if descending or (descending is not None and not isinstance(database, BTree)):
            keys = iter(sorted(keys, reverse=bool(descending)))
        yield from self._rows_of(keys)

    def _rows_of(self, keys: Iterator[bytes]) -> Iterator[Row]:
        make, get = self.form.row, self.handle.get
        while wanted := list(islice(keys, CHUNK)):
            with self.handle:
                found = [
                    (key, stored) for key in wanted if (stored := get(key)) is not None
                ]
            for key, stored in found:
                yield make(key, stored)

    def count_all(self) -> int:
        """Ask the library."""
        with self.handle as handle:
            return handle.count

    def scan_keys(self) -> Iterator[str]:
        """Read the keys alone."""
        with self.handle as handle:
            if self.is_table:
                packed = handle.table.search_packed(Search())
            else:
                packed = handle.database.packed_keys()
        for key in unpack(packed):
            yield key_of(key)

    # Writing.

    @property
    def writer(self) -> Handle:
        """The handle, for one who may write: others share it with readers."""
        if self.mode == "read":
            raise errors.StorageError(READ_ONLY.format(self.path))
        return self.handle

    def insert(self, row: Row) -> bool:
        """Create, unless the key is taken."""
        handle = self.writer
        return handle.alone(handle.put_new, key_column(row[0]), self.form.stored(row))

    def insert_many(self, rows: Iterable[Row]) -> Iterable[bool]:
        """Create all in one transaction, or none."""
        stored = self.form.stored
        new = [(key_column(row[0]), stored(row)) for row in rows]
        try:
            with self.writer.writing_many():
                if not self.handle.put_all_new(new):
                    raise _TakenError
        except _TakenError:
            return [False]
        return [True] * len(new)

    def replace(self, row: Row) -> None:
        """Create or overwrite."""
        handle = self.writer
        handle.alone(handle.put, key_column(row[0]), self.form.stored(row))

    def patch(
        self, key: str, changes: Changes, known: tuple[Row, Row] | None = None
    ) -> bool:
        """Read, change and write, while nobody else writes."""
        return self.writer.alone(self._patch, key_column(key), changes)

    def _patch(self, key: bytes, changes: Changes) -> bool:
        stored = self.handle.get(key)
        if stored is None:
            return False
        self.handle.put(key, self.stored_after(key, stored, changes))
        return True

    def discard(self, key: str) -> bool:
        """Remove."""
        return self.writer.alone(self.handle.out, key_column(key))

    def clear(self) -> None:
        """Remove all records; in a transaction, one by one."""
        self.check_open()
        with self.writer as handle:
            if handle.levels:
                super().clear()
                return
            handle.vanish()

    def sync(self) -> None:
        """Bring what was written to the disk."""
        self.check_open()
        with self.handle as handle:
            if handle.is_writer and not handle.levels:
                handle.database.sync()

    def close(self) -> None:
        """Let go of the file; the last storage on it closes it."""
        if self.is_closed:
            return
        is_ours = not self.is_forked
        super().close()
        if is_ours:
            release(self.handle)

    # Indexes.

    def create_index(self, index: BoundIndex) -> str:
        """Index the columns of an index, each by itself."""
        with self.handle as handle:
            if handle.levels:
                raise errors.StorageError(
                    f"{self}: no index can be made in a transaction"
                )
            return super().create_index(index)

    def file_path(self) -> str:
        """Give the path of the file itself, not of a link to it."""
        return os.path.realpath(self.path)

    def index_types(self) -> dict[bytes, IndexType]:
        """Give the columns that have an index."""
        with self.handle as handle:
            return dict(handle.indexes)

    def make_index(self, column: bytes, kind: IndexType) -> None:
        """Index a column, if no value in it is empty."""
        table = self.writer.table
        try:
            table.set_index(column, kind)
        except TokyoError as error:
            if "empty" not in error.message:
                raise
            raise errors.StorageError(
                f"{self.path}: {error.message}; another program wrote it. Give the "
                "record another value, or remove the column, then make the index"
            ) from error
        if kind is IndexType.DECIMAL:
            self.handle.trusted.add(column)

    def trusts(self, condition: Condition, facts: TableFacts) -> bool:
        """Say whether an index on the column, if there is one, is in order."""
        handle, column = self.handle, condition.column
        index = handle.indexes.get(column)
        if index is None:
            return True
        if not handle.has_trusted_texts:
            return False
        if condition.operator not in NUMERIC:
            return index is IndexType.LEXICAL and facts.has_clean_texts
        if index is not IndexType.DECIMAL or not facts.holds_ints(name_of(column)):
            return False
        handle.restore_decimals({column})
        return column in handle.trusted

    # Transactions.

    def exclusive(self) -> AbstractContextManager[object]:
        """Keep other threads out."""
        return self.handle

    def begin(self, depth: int) -> None:
        """Begin a transaction, or a savepoint."""
        self._local.begun = getattr(self._local, "begun", 0)
        self.writer.begin()
        self._local.begun += 1

    def commit(self, depth: int) -> None:
        """Make it final."""
        self.handle.commit()
        self._local.begun -= 1

    def rollback(self, depth: int) -> None:
        """Undo it, if it was begun."""
        if getattr(self._local, "begun", 0) > depth:
            self._local.begun -= 1
            self.handle.rollback()


class _TakenError(Exception):
    """A key is taken: the batch is undone."""


def _check_path(path: str | PathLike[str]) -> None:
    if not isinstance(path, str | PathLike) or not fspath(path):
        raise errors.SettingsError(f"path is {path!r}; it takes the name of a file")
    if "\0" in fspath(path):
        raise errors.SettingsError(f"path is {path!r}; no file has a NUL in its name")
    try:
        os.fsencode(path)
    except UnicodeEncodeError as error:
        raise errors.SettingsError(
            f"path is {path!r}; no file has this name"
        ) from error
