"""Connections to a Tokyo Tyrant server, and a pool of them for threads.

A connection that broke in the middle of an answer is thrown away, never used
again: what it still holds would be taken for the answer to another question.
"""

import os
import select
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from pymodels.errors import StorageBusy, StorageClosed, StorageError
from pymodels.tokyo.protocol import Answer, Command, Incoming, ProtocolError

RECEIVED = 64 * 2**10
AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server listens: a host and a port, or a UNIX socket."""

    host: str = "localhost"
    port: int = 1978
    path: str | None = None

    def __str__(self) -> str:
        if self.path is not None:
            return f"tokyo-tyrant://{os.path.abspath(self.path)}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"tokyo-tyrant://{host}:{self.port}"

    def connect(self, timeout: float) -> socket.socket:
        """Open a socket; an `OSError` says why not."""
        if self.path is None:
            made = socket.create_connection((self.host, self.port), timeout)
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return made
        made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            made.settimeout(timeout)
            made.connect(self.path)
        except BaseException:
            made.close()
            raise
        return made


class Connection:
    """One connection; one thread at a time."""

    def __init__(self, address: Address, timeout: float) -> None:
        """Connect; `StorageBusy` if that takes too long, else `StorageError`."""
        try:
            self._socket = address.connect(timeout)
        except TimeoutError as error:
            raise StorageBusy(
                f"{address}: no connection within {timeout} seconds"
            ) from error
        except (OSError, UnicodeError) as error:
            raise StorageError(
                f"{address}: no connection ({error}); does a server listen there? "
                "`pymodels serve FILE` starts one"
            ) from error
        self._poll = select.poll()
        self._poll.register(self._socket, select.POLLIN)
        self._incoming = Incoming()
        self.is_sent = False

    @property
    def is_quiet(self) -> bool:
        """Whether the server neither closed the connection nor said anything."""
        return not self._poll.poll(0)

    def exchange(
        self, frames: Sequence[bytes], commands: Sequence[Command]
    ) -> list[Answer]:
        """Send requests and read their answers, in the same order.

        Raises `OSError` or `ProtocolError`; the connection is of no use then.
        ``is_sent`` says whether all of the last request was.
        """
        found: list[Answer] = []
        for start in range(0, len(frames), AT_ONCE):
            # Not all at once: a server that cannot send stops receiving.
            end = start + AT_ONCE
            self.is_sent = False
            self._socket.sendall(b"".join(frames[start:end]))
            self.is_sent = True
            found += map(self._answer, commands[start:end])
        if not self._incoming.is_empty:
            raise ProtocolError("the server said more than it was asked for")
        return found

    def _answer(self, command: Command) -> Answer:
        incoming = self._incoming
        while (answer := incoming.answer(command)) is None:
            data = self._socket.recv(RECEIVED)
            if not data:
                raise ConnectionResetError("the server closed the connection")
            incoming.feed(data)
        return answer

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()


class Pool:
    """Some connections to one server, lent to one thread at a time each."""

    def __init__(
        self,
        address: Address,
        timeout: float,
        size: int,
        greet: Callable[[Connection], None] = lambda connection: None,
    ) -> None:
        """Open none yet; ``greet`` looks at each new connection first."""
        self.address, self.timeout = address, timeout
        self._greet = greet
        self._idle: list[Connection] = []
        self._free = threading.Semaphore(size)
        self._size = size
        self._process = os.getpid()
        self._closed = False

    @contextmanager
    def lent(self) -> Iterator[Connection]:
        """Lend a connection; whatever goes wrong with it, it is thrown away.

        Raises `StorageBusy` if all are lent for longer than the time-out.
        """
        if not self._free.acquire(timeout=self.timeout):
            raise StorageBusy(
                f"{self.address}: all {self._size} connections were in use for "
                f"{self.timeout} seconds; pool_size can be larger"
            )
        try:
            connection = self._taken()
            try:
                yield connection
            except BaseException:
                connection.close()
                raise
            self._put_back(connection)
        finally:
            self._free.release()

    def _taken(self) -> Connection:
        self._check()
        while self._idle:
            with suppress(IndexError):  # another thread was faster
                connection = self._idle.pop()
                if connection.is_quiet:
                    return connection
                connection.close()
        connection = Connection(self.address, self.timeout)
        try:
            self._greet(connection)
        except BaseException as error:
            connection.close()
            if isinstance(error, OSError | ProtocolError):
                raise self._no_greeting(error) from error
            raise
        return connection

    def _no_greeting(self, error: Exception) -> StorageError:
        if isinstance(error, TimeoutError):
            return StorageBusy(
                f"{self.address}: no answer within {self.timeout} seconds"
            )
        if isinstance(error, ProtocolError):
            return StorageError(f"{self.address}: no answer ({error})")
        return StorageError(
            f"{self.address}: it let go at once ({error}); perhaps it has as many "
            "clients as it takes, or is not a Tokyo Tyrant server"
        )

    def _put_back(self, connection: Connection) -> None:
        self._idle.append(connection)
        if self._closed:
            self._close_idle()

    def _check(self) -> None:
        if self._closed:
            raise StorageClosed(f"{self.address} was closed")
        if self._process != os.getpid():
            raise StorageClosed(
                f"{self.address} was opened before this process was forked"
            )

    def close(self) -> None:
        """Close all connections; those that are lent, when they come back."""
        self._closed = True
        self._close_idle()

    def _close_idle(self) -> None:
        while self._idle:
            with suppress(IndexError):  # another thread was faster
                self._idle.pop().close()
