"""One handle on one file, shared by the storages of a process.

The library refuses to open a file twice in one process, and lets the lock of a file
go when the process opens and closes it otherwise. So there is one handle a real
path, here, and nothing else of ours ever opens the file.
"""

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, TypeVar
from weakref import WeakSet

from pymodels.backend import errors
from pymodels.backends._tokyo.columns import note_column, note_in
from pymodels.backends._tokyo.facts import TableFacts
from pymodels.backends.tokyo_cabinet.errors import translation
from pymodels.backends.tokyo_cabinet.scan import Pair, Scan
from pymodels.tokyo.errors import TokyoError
from pymodels.tokyo.library import BTree, Hash, Table
from pymodels.tokyo.packing import unpack
from pymodels.tokyo.search import IndexType, Search

READ_ONLY = "{} was opened for reading only, by the setting mode"

T = TypeVar("T")
Undo = tuple[bytes, bytes | None]


class Handle:
    """A file, its lock, and what is known of it.

    All use of the library is inside ``with handle``: a thread that is in a
    transaction keeps the others out, readers too, so that nobody sees what may be
    undone, or writes what would be undone with it.
    """

    def __init__(
        self, database: Table | Hash | BTree, path: str, *, is_writer: bool, sync: bool
    ) -> None:
        self.database = database
        self.path = path
        self.is_writer = is_writer
        self.sync = sync
        self.keeps_back = isinstance(database, BTree)
        self.is_table = isinstance(database, Table)
        self.get: Callable[[bytes], bytes | None]
        """Give what is stored under a key."""
        self._put: Callable[[bytes, bytes], None]
        self._put_keep: Callable[[bytes, bytes], bool]
        if isinstance(database, Table):
            self.get, self._put = database.get_packed, database.put_packed
            self._put_keep = database.put_keep_packed
        else:
            self.get, self._put = database.get, database.put
            self._put_keep = database.put_keep
        self.users = 0
        self.lock = threading.RLock()
        self.facts = TableFacts(is_complete=database.count == 0)
        self._has_doubles = None if isinstance(database, BTree) else False
        """Whether a tree has several values under one key; None for not yet known."""
        self.levels: list[list[Undo]] = []
        self.written = 0
        """How often something was written; rows found before may be others now."""
        self.is_watched = True
        """Whether all that is written is written by us."""
        self._scans: WeakSet[Scan] = WeakSet()
        self._iterating: Scan | None = None
        self.trusted: set[bytes] = set()
        """Columns whose decimal index was made while we looked."""
        self.has_trusted_texts = True
        """Whether lexical indexes are known to be whole."""

    @property
    def table(self) -> Table:
        """The database, if it is a table."""
        if not isinstance(self.database, Table):
            raise errors.StorageError(f"{self.path} is not a table")
        return self.database

    @property
    def indexes(self) -> dict[bytes, IndexType]:
        """The indexes of a table."""
        return self.database.indexes if isinstance(self.database, Table) else {}

    def __enter__(self) -> "Handle":
        self.lock.acquire()
        # Whatever is done may move the library's one iterator.
        self._iterating = None
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.lock.release()
        if isinstance(error, TokyoError):
            raise translation(error, self.path) from error

    # Writing.

    def alone(self, write: Callable[..., T], *arguments: Any) -> T:
        """Do one write, whole, where parts of it would be kept in memory.

        What is written to a tree, or to an index, without a transaction is lost if
        the process is killed.
        """
        with self:
            self._check_writer()
            if self.levels or not (self.keeps_back or self.sync or self.indexes):
                return write(*arguments)
            with self.writing_many():
                return write(*arguments)

    @contextmanager
    def writing_many(self) -> Iterator[None]:
        """Make many writes all or nothing."""
        with self:
            self.begin()
            try:
                yield
                self.commit()
            except BaseException:
                self.rollback()
                raise

    def _check_writer(self) -> None:
        if not self.is_writer:
            raise errors.StorageError(READ_ONLY.format(self.path))

    def put(self, key: bytes, stored: bytes) -> None:
        """Create or overwrite a record."""
        self._freeze()
        self._remember(key)
        self._put(key, stored)
        if self.is_table:
            self.facts.learn(note_in(stored))

    def put_new(self, key: bytes, stored: bytes) -> bool:
        """Create a record; say False, and change nothing, if the key exists."""
        self._freeze()
        done = self._put_keep(key, stored)
        if done and self.is_table:
            self.facts.learn(note_in(stored))
        if done and len(self.levels) > 1:
            self.levels[-1].append((key, None))
        return done

    def put_all_new(self, pairs: Iterable[Pair]) -> bool:
        """Create records; stop, and say False, at the first whose key exists."""
        self._freeze()
        put, undo = self._put_keep, self.levels[-1] if len(self.levels) > 1 else None
        tail = None
        for key, stored in pairs:
            if not put(key, stored):
                return False
            if undo is not None:
                undo.append((key, None))
            # Most rows of a batch end with the note of the one before.
            if self.is_table and (tail is None or not stored.endswith(tail)):
                note = note_in(stored)
                self.facts.learn(note)
                tail = None if note is None else note_column(note)
        return True

    def out(self, key: bytes) -> bool:
        """Remove a record; say whether there was one."""
        self._freeze()
        self._remember(key)
        return self.database.out(key)

    def out_found(self, search: Search) -> int:
        """Remove what a search of the table finds; say how many."""
        self._freeze()
        return self.table.search_out(search)

    def vanish(self) -> None:
        """Remove all records."""
        self._freeze()
        self.database.vanish()
        self.facts = TableFacts(is_complete=True)
        if not self.is_watched:
            self.stop_watching()

    def _remember(self, key: bytes) -> None:
        """Note what was there, if a savepoint may want it back."""
        if len(self.levels) > 1:
            self.levels[-1].append((key, self.get(key)))

    # Reading.

    @property
    def count(self) -> int:
        """How many records there are."""
        if self._has_doubles is None or (self.keeps_back and not self.is_watched):
            self._has_doubles = self._count_keys() != self.database.count
        return self._count_keys() if self._has_doubles else self.database.count

    def _count_keys(self) -> int:
        # Several values under one key of a tree, by another program, are one record.
        return sum(1 for _ in unpack(self.database.packed_keys()))

    def scan(self) -> Scan:
        """Begin to read all rows of the table."""
        with self:
            found = Scan(self.table)
            self._scans.add(found)
            if not self.is_watched:
                found.freeze()
            return found

    def take(self, scan: Scan, most: int) -> list[Pair]:
        """Give the next rows of a scan."""
        with self.lock:
            is_there = self._iterating is scan
            with self:
                if not is_there:
                    scan.resume()
                found = scan.take(most)
            self._iterating = scan
        return found

    def _freeze(self) -> None:
        """Note a write, and let each scan first note what it has left."""
        self.written += 1
        if self._scans:
            for scan in list(self._scans):
                scan.freeze()
            self._scans.clear()

    def stop_watching(self) -> None:
        """Trust nothing that is known: somebody writes past us."""
        with self:
            self._freeze()
            self.is_watched = False
            self.facts.saw(b"\0", ())

    # Transactions: the outermost is the library's, those inside are ours to undo.

    def begin(self) -> None:
        """Begin a transaction, or a savepoint inside one."""
        self._check_writer()
        if not self.levels:
            self.database.begin()
        self.levels.append([])

    def commit(self) -> None:
        """Keep what was written since `begin`, as far as the outer one does."""
        done = self.levels[-1]
        if len(self.levels) == 1:
            self.database.commit()
        elif len(self.levels) > 2:
            self.levels[-2].extend(done)
        self.levels.pop()

    def rollback(self) -> None:
        """Undo what was written since `begin`."""
        self._freeze()
        undone = self.levels.pop()
        if not self.levels:
            self.database.abort()
            return
        for key, stored in reversed(undone):
            if stored is None:
                self.database.out(key)
            else:
                # What was there was learned of when it was written.
                self._put(key, stored)

    # What is known of a table.

    def survey(self) -> None:
        """Read all rows, if that is the cheaper thing to do by now."""
        with self:
            if self.facts.should_read(self.database.count):
                keys = unpack(self.table.search_packed(Search()))
                rows = map(self.get, keys)
                self.facts.read(row for row in rows if row is not None)

    def restore_decimals(self, columns: set[bytes]) -> None:
        """Make decimal indexes anew that we have not watched from the beginning.

        An odd value, gone or not, may have left one out of order.
        """
        with self:
            if not self.is_writer or self.levels:
                return
            for column in columns - self.trusted:
                self.table.set_index(column, IndexType.DECIMAL)
                self.trusted.add(column)
