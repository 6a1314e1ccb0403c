"""One SQLite file: a writer behind a lock, and a pool of readers."""

import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import chain
from typing import Any
from urllib.parse import quote
from weakref import WeakValueDictionary

from pymodels.backend import errors
from pymodels.backends._sql.functions import FUNCTIONS
from pymodels.backends._sql.terms import Sql
from pymodels.backends.sqlite.errors import translated, translation

OLDEST = (3, 38)
MOST_IDLE = 8
PAUSE = 0.01
SYNCHRONOUS = ("off", "normal", "full", "extra")

Bound = tuple[Any, ...]
Select = str | Callable[[sqlite3.Connection], Sql]
"""A text, or what gives one once it has looked at the file as it is then."""


def _execute(
    connection: sqlite3.Connection, sql: Select, bound: Bound, *, begin: bool = False
) -> sqlite3.Cursor:
    """Start a SELECT; with ``begin``, all that it looks at is of one moment."""
    if isinstance(sql, str):
        return connection.execute(sql, bound)
    if begin:
        connection.execute("BEGIN")
    found = sql(connection)
    return connection.execute(found.text, found.parameters)


class WriterLock:
    """A lock that its thread may take again; others wait up to the time-out."""

    def __init__(self, path: str, timeout: float) -> None:
        self._path = path
        self._timeout = min(max(timeout, 0.0), threading.TIMEOUT_MAX)
        self._lock = threading.RLock()
        self.wait = self._lock.acquire
        # Not a method of ours: an interrupt at its start would leave the lock taken.
        self.release = self._lock.release
        # What `threading.Condition` asks of a lock.
        self._is_mine = self._lock._is_owned  # type: ignore[attr-defined]  # untold by the stubs

    def acquire(self) -> None:
        """Take it, or raise `StorageBusy`."""
        was_mine = self._is_mine()
        try:
            if self._lock.acquire(timeout=self._timeout):
                return
        except BaseException:
            # An interrupt may come when it is taken already.
            if not was_mine and self._is_mine():
                self._lock.release()
            raise
        raise errors.StorageBusy(
            f"{self._path}: another thread wrote, or was in a transaction, for "
            f"longer than the time-out of {self._timeout:g} seconds"
        )


class Reader:
    """A connection that reads; its lock is held while it executes a statement."""

    __slots__ = ("__weakref__", "connection", "lock")

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        # The collector may drop an iteration in the middle of anything.
        self.lock = threading.RLock()

    def close(self) -> None:
        """Close it, from any thread, and interrupt what it executes.

        The driver crashes if a connection is closed while it executes a
        statement. Between two rows it does not, but says that it is closed.
        """
        while not self.lock.acquire(timeout=PAUSE):
            # Whoever holds the lock may have closed it.
            with suppress(sqlite3.Error):
                self.connection.interrupt()
        try:
            with suppress(sqlite3.Error):
                self.connection.close()
        finally:
            self.lock.release()


class File:
    """The connections to one database file.

    Reading and writing through one connection would show a running read its own
    thread's writes; so each running read borrows a connection of its own.
    """

    def __init__(self, path: str, timeout: float, synchronous: str) -> None:
        self.path, self.timeout, self.synchronous = path, timeout, synchronous
        self.is_memory = path in {"", ":memory:"}
        # Readers come later: the working folder may be another by then. And some
        # builds of SQLite take a relative "file:..." for a URI.
        self._place = path if self.is_memory else os.path.abspath(path)
        self.lock = WriterLock(path, timeout)
        self._owner: int | None = None
        self._process = os.getpid()
        # No lock for these: each step on them is atomic, and whoever sees that the
        # storage is closed after a step closes what it has.
        self._idle: list[Reader] = []
        # Weakly, for an interrupt may keep an iteration from giving back.
        self._iterating = WeakValueDictionary[int, Reader]()
        self._closed = False
        if sqlite3.sqlite_version_info < OLDEST:
            raise errors.StorageError(
                f"{path}: this Python has SQLite {sqlite3.sqlite_version}; it needs to "
                f"be {'.'.join(map(str, OLDEST))} or newer"
            )
        # A SELECT of the key of a row that is not JSON; set by the storage.
        self.find_broken = ""
        with translated(path):
            self.writer = self._connect(self._place)
            try:
                if not self.is_memory:
                    self._use_log()
            except BaseException:
                self.writer.close()
                raise

    def _connect(self, place: str, *, uri: bool = False) -> sqlite3.Connection:
        connection = sqlite3.connect(
            place,
            timeout=self.timeout,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=512,
            uri=uri,
        )
        try:
            connection.execute(f"PRAGMA synchronous={self.synchronous}")
            for name, function in FUNCTIONS.items():
                connection.create_function(name, -1, function, deterministic=True)
        except BaseException:
            connection.close()
            raise
        return connection

    def _use_log(self) -> None:
        """Switch to WAL mode; a file that may only be read stays as it is."""
        deadline = time.monotonic() + self.timeout
        while True:
            try:
                self.writer.execute("PRAGMA journal_mode=WAL").fetchone()
                return
            except sqlite3.OperationalError as error:
                name = error.sqlite_errorname
                if name == "SQLITE_READONLY":
                    return
                # SQLite does not wait here for others who open the file now.
                if not name.startswith("SQLITE_BUSY") or time.monotonic() > deadline:
                    raise
            time.sleep(PAUSE)

    def _check(self) -> None:
        """Refuse to use the connections if they are closed, or another process's."""
        if self._closed:
            raise errors.StorageClosed(f"{self.path} was closed")
        if self._process != os.getpid():
            raise errors.StorageClosed(
                f"{self.path} was opened before this process was forked; open it anew"
            )

    @property
    def in_transaction(self) -> bool:
        """Whether this thread is inside a transaction of the writer."""
        return self._owner is not None and self._owner == threading.get_ident()

    # Reading.

    def read(self, sql: Select, bound: Bound = ()) -> Iterator[Any]:
        """Iterate over the rows of a SELECT, as the file is at the first."""
        if self.is_memory or self.in_transaction:
            with self._writing() as writer:
                rows = _execute(writer, sql, bound).fetchall()
            yield from rows
            return
        reader = self._borrow()
        cursor = None
        try:
            self._iterating[id(reader)] = reader
            self._check()
            with reader.lock:
                cursor = _execute(reader.connection, sql, bound, begin=True)
            # A cursor alone would be closed first when this is dropped, and
            # complain if its connection is closed already.
            yield from chain(cursor)
        except sqlite3.Error as error:
            raise self._translation(error) from error
        finally:
            if cursor is not None:
                with suppress(sqlite3.Error):
                    cursor.close()
            if self._process == os.getpid():
                self._iterating.pop(id(reader), None)
                self._give_back(reader)

    def one(self, sql: Select, bound: Bound = ()) -> Any:
        """Give the only row of a SELECT, or None."""
        if self.is_memory or self.in_transaction:
            with self._writing() as writer:
                return _execute(writer, sql, bound).fetchone()
        reader = self._borrow()
        try:
            with reader.lock:
                cursor = _execute(reader.connection, sql, bound, begin=True)
                return cursor.fetchone()
        except sqlite3.Error as error:
            raise self._translation(error) from error
        finally:
            self._give_back(reader)

    def _translation(self, error: sqlite3.Error) -> Exception:
        """Give our error for one of the driver's, with the row that it could not read.

        Another program may have written what no function of SQLite's can read.
        """
        if self._closed:
            return errors.StorageClosed(f"{self.path} was closed while it was in use")
        if self.find_broken and "malformed JSON" in str(error):
            with suppress(errors.StorageError):
                if row := self.one(self.find_broken):
                    return errors.InvalidRecord(
                        f"{self.path}: the record {row[0]!r} is not JSON, so nothing "
                        "can be asked of its table; mend it, or use skip_invalid()",
                        str(row[0]),
                    )
        return translation(error, self.path)

    def _borrow(self) -> Reader:
        self._check()
        try:
            return self._idle.pop()
        except IndexError:
            # A reader makes no file where the writer's has gone.
            place = f"file:{quote(os.fsencode(self._place))}?mode=rw"
            with translated(self.path):
                return Reader(self._connect(place, uri=True))

    def _give_back(self, reader: Reader) -> None:
        try:
            # What a statement that looked at the file has begun.
            if reader.connection.in_transaction:
                with reader.lock:
                    reader.connection.execute("COMMIT")
        except sqlite3.Error:
            pass
        if len(self._idle) < MOST_IDLE:
            self._idle.append(reader)
            if not self._closed:
                return
        reader.close()

    # Writing.

    def write(self, sql: str, bound: Bound = ()) -> int:
        """Run one statement that writes; say how many rows it changed."""
        with self._writing() as writer:
            return writer.execute(sql, bound).rowcount

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Keep other threads' writes out; they can read."""
        if self.in_transaction:
            yield  # this thread has the lock
            return
        self.lock.acquire()
        try:
            yield
        finally:
            self.lock.release()

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """Give the writer to this thread alone."""
        self._check()
        is_taken = self.in_transaction
        if not is_taken:
            self.lock.acquire()
        try:
            self._check_transaction()
            yield self.writer
        except sqlite3.Error as error:
            raise self._translation(error) from error
        finally:
            if not is_taken:
                self.lock.release()

    def _check_transaction(self) -> None:
        """Refuse to go on, outside a transaction, with what was begun in one."""
        self._check()
        if self.in_transaction and not self.writer.in_transaction:
            raise errors.StorageError(
                f"{self.path}: the database undid the transaction; nothing of it was "
                "written"
            )

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Run several statements as one; a savepoint inside a transaction."""
        with self._writing() as writer:
            savepoint = "inner" if writer.in_transaction else ""
            try:
                self.begin(savepoint)
                yield writer
                self.commit(savepoint)
            except BaseException:
                self.rollback(savepoint)
                raise

    def begin(self, savepoint: str = "") -> None:
        """Begin a transaction, or a savepoint of that name.

        Roll back if this or `commit` fails: an interrupt may come when it is done.
        """
        self._check_transaction()
        with translated(self.path):
            begin = f"SAVEPOINT {savepoint}" if savepoint else "BEGIN IMMEDIATE"
            self.writer.execute(begin)
        if not savepoint:
            self._owner = threading.get_ident()

    def commit(self, savepoint: str = "") -> None:
        """Commit; a transaction that the database undid by itself is an error."""
        self._check_transaction()
        with translated(self.path):
            self.writer.execute(f"RELEASE {savepoint}" if savepoint else "COMMIT")
        if not savepoint:
            self._owner = None

    def rollback(self, savepoint: str = "") -> None:
        """Undo, unless the database already has, or the transaction is not ours."""
        if not savepoint:
            self._owner = None
        is_ours = not self._closed and self._process == os.getpid()
        if not is_ours or not self.writer.in_transaction:
            return
        with translated(self.path):
            if not savepoint:
                self.writer.execute("ROLLBACK")
                return
            try:
                self.writer.execute(f"ROLLBACK TO {savepoint}")
                self.writer.execute(f"RELEASE {savepoint}")
            except sqlite3.OperationalError as error:
                # An interrupt may come before it is there, or when it is gone.
                if "no such savepoint" not in str(error):
                    raise

    def sync_log(self) -> None:
        """Wait until what was written is on the disk, whatever `synchronous` says.

        SQLite has no lock on the log itself that closing it here could drop.
        """
        with suppress(FileNotFoundError), open(f"{self._place}-wal", "rb") as log:
            os.fsync(log.fileno())

    def close(self) -> None:
        """Close every connection, those of running reads too.

        Waits for what other threads write. A forked child leaves the connections
        to its parent: closing them would meddle with the parent's locks.
        """
        self._closed = True
        if self._process != os.getpid():
            _OF_A_PARENT.append(self)
            return
        try:
            iterating = [reference() for reference in self._iterating.valuerefs()]
            for reader in (*self._idle.copy(), *iterating):
                if reader is not None:
                    reader.close()
        finally:
            self.lock.wait()
            try:
                with translated(self.path):
                    self.writer.close()
            finally:
                self.lock.release()


_OF_A_PARENT: list[File] = []
"""Files that a forked child keeps for good: to collect them would close them."""
