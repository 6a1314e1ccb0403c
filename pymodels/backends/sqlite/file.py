"""One SQLite file: a writer behind a lock, a pool of readers, translated errors."""

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from pymodels.backends._sql_functions import FUNCTIONS
from pymodels.backends._sql_terms import Sql
from pymodels.errors import DuplicateKey, StorageBusy, StorageClosed, StorageError

MOST_IDLE = 8
SYNCHRONOUS = ("off", "normal", "full", "extra")


@contextmanager
def translated(path: str) -> Iterator[None]:
    """Turn the driver's errors into ours, with the driver's as the cause."""
    try:
        yield
    except sqlite3.Error as error:
        raise translation(error, path) from error


def translation(error: sqlite3.Error, path: str) -> Exception:
    """Give our error for one of the driver's."""
    name = getattr(error, "sqlite_errorname", "") or ""
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return StorageBusy(
            f"{path}: another program held the database for longer than the "
            f"time-out: {error}"
        )
    if name in {"SQLITE_CONSTRAINT_UNIQUE", "SQLITE_CONSTRAINT_PRIMARYKEY"}:
        return DuplicateKey(f"{path}: a value that must be unique is taken: {error}")
    if isinstance(error, sqlite3.ProgrammingError) and "closed" in str(error):
        return StorageClosed(f"{path} was closed while it was being read")
    hints = {
        "SQLITE_CANTOPEN": "it cannot be opened; is there such a folder, and may "
        "you write to it?",
        "SQLITE_NOTADB": "this is no SQLite database",
        "SQLITE_READONLY": "it may only be read",
        "SQLITE_FULL": "the disk is full; the transaction was undone",
        "SQLITE_CORRUPT": "the database is damaged; restore a backup",
    }
    for prefix, hint in hints.items():
        if name.startswith(prefix):
            return StorageError(f"{path}: {hint} ({error})")
    return StorageError(f"{path}: {error}")


Probe = Callable[[str], bool]
Statement = Callable[[Probe], Sql]


def _started(
    connection: sqlite3.Connection, sql: str | Statement, parameters: tuple[Any, ...]
) -> sqlite3.Cursor:
    if isinstance(sql, str):
        return connection.execute(sql, parameters)
    if not connection.in_transaction:
        # What is probed and what is read must be of one moment.
        connection.execute("BEGIN")
    found = sql(lambda text: connection.execute(text).fetchone() is not None)
    return connection.execute(found.text, found.parameters)


class File:
    """The connections to one database file.

    Reading and writing through one connection would show a running read its own
    thread's writes; so each running read borrows a connection of its own.
    """

    def __init__(self, path: str, timeout: float, synchronous: str) -> None:
        self.path = path
        self.timeout = timeout
        self.synchronous = synchronous
        self.is_memory = path in {"", ":memory:"}
        self.lock = threading.RLock()
        self._owner: int | None = None
        self._pool_lock = threading.Lock()
        self._local = threading.local()
        self._idle: list[sqlite3.Connection] = []
        self._lent: set[sqlite3.Connection] = set()
        self._closed = False
        with translated(path):
            self.writer = self._connect()
            try:
                if not self.is_memory:
                    self.writer.execute("PRAGMA journal_mode=WAL").fetchone()
            except BaseException:
                self.writer.close()
                raise

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self.path,
            timeout=self.timeout,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=512,
        )
        try:
            connection.execute(f"PRAGMA synchronous={self.synchronous}")
            for name, (arguments, function) in FUNCTIONS.items():
                connection.create_function(
                    name, arguments, function, deterministic=True
                )
        except BaseException:
            connection.close()
            raise
        return connection

    @property
    def in_transaction(self) -> bool:
        """Whether this thread is inside a transaction of the writer."""
        return self._owner == threading.get_ident()

    def own(self) -> None:
        """Note that this thread's reads must see what it has written."""
        self._owner = threading.get_ident()

    def disown(self) -> None:
        """Note that the transaction is over."""
        self._owner = None

    def read(
        self, sql: "str | Statement", parameters: tuple[Any, ...] = ()
    ) -> Iterator[Any]:
        """Iterate over the rows of a SELECT, as the file is at the first.

        A statement may be a function that is given a probe: it says whether a
        SELECT finds anything, as of the same moment.
        """
        if self.is_memory or self.in_transaction:
            with self.lock, translated(self.path):
                rows = _started(self.writer, sql, parameters).fetchall()
                self._ended(self.writer)
            yield from rows
            return
        connection = self._borrow()
        cursor = None
        try:
            cursor = _started(connection, sql, parameters)
            yield from cursor
        except sqlite3.Error as error:
            raise translation(error, self.path) from error
        finally:
            if cursor is not None:
                with suppress(sqlite3.Error):
                    cursor.close()
                    self._ended(connection)
            self._give_back(connection)

    def one(self, sql: "str | Statement", parameters: tuple[Any, ...] = ()) -> Any:
        """Give the only row of a SELECT, or None."""
        if self.is_memory or self.in_transaction:
            with self.lock, translated(self.path):
                return self._only(self.writer, sql, parameters)
        try:
            return self._only(self._own_reader(), sql, parameters)
        except sqlite3.Error as error:
            raise translation(error, self.path) from error

    def _only(
        self,
        connection: sqlite3.Connection,
        sql: "str | Statement",
        parameters: tuple[Any, ...],
    ) -> Any:
        if isinstance(sql, str):
            return connection.execute(sql, parameters).fetchone()
        try:
            return _started(connection, sql, parameters).fetchone()
        finally:
            self._ended(connection)

    def _ended(self, connection: sqlite3.Connection) -> None:
        """End what a probe began, but never a user's transaction."""
        if connection.in_transaction and not self.in_transaction:
            connection.execute("COMMIT")

    def _own_reader(self) -> sqlite3.Connection:
        """Give this thread's connection for reads that are over at once."""
        try:
            reader: sqlite3.Connection = self._local.reader
        except AttributeError:
            reader = self._local.reader = self._borrow()
        return reader

    def _borrow(self) -> sqlite3.Connection:
        with self._pool_lock:
            if self._closed:
                raise StorageClosed(f"{self.path} was closed")
            if self._idle:
                connection = self._idle.pop()
                self._lent.add(connection)
                return connection
        with translated(self.path):
            connection = self._connect()
        with self._pool_lock:
            self._lent.add(connection)
        return connection

    def _give_back(self, connection: sqlite3.Connection) -> None:
        with self._pool_lock:
            self._lent.discard(connection)
            if not self._closed and len(self._idle) < MOST_IDLE:
                self._idle.append(connection)
                return
        with suppress(sqlite3.Error):
            connection.close()

    def write(self, sql: str, parameters: tuple[Any, ...] = ()) -> int:
        """Run one statement that writes; say how many rows it changed."""
        with self.lock, translated(self.path):
            return self.writer.execute(sql, parameters).rowcount

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Run several statements as one; a savepoint inside a transaction."""
        with self.lock:
            depth = 1 if self.writer.in_transaction else 0
            self.begin(depth, "inner")
            try:
                yield self.writer
            except BaseException:
                self.rollback(depth, "inner")
                raise
            self.commit(depth, "inner")

    def begin(self, depth: int, name: str) -> None:
        """Begin a transaction, or a savepoint of that name."""
        with translated(self.path):
            sql = f"SAVEPOINT {name}" if depth else "BEGIN IMMEDIATE"
            self.writer.execute(sql)

    def commit(self, depth: int, name: str) -> None:
        """Commit; a transaction that the database undid by itself is an error."""
        if not self.writer.in_transaction:
            raise StorageError(
                f"{self.path}: the database undid the transaction; nothing of it was "
                "written"
            )
        with translated(self.path):
            try:
                self.writer.execute(f"RELEASE {name}" if depth else "COMMIT")
            except sqlite3.Error:
                if not depth and self.writer.in_transaction:
                    self.writer.execute("ROLLBACK")
                raise

    def rollback(self, depth: int, name: str) -> None:
        """Undo, unless the database already has."""
        if not self.writer.in_transaction:
            return
        with translated(self.path):
            if depth:
                self.writer.execute(f"ROLLBACK TO {name}")
                self.writer.execute(f"RELEASE {name}")
            else:
                self.writer.execute("ROLLBACK")

    def close(self) -> None:
        """Close every connection, those of running reads too."""
        with self._pool_lock:
            self._closed = True
            connections = [*self._idle, *self._lent]
            self._idle.clear()
        for connection in connections:
            with suppress(sqlite3.Error):
                connection.close()
        with self.lock, translated(self.path):
            self.writer.close()
