"""A server from its start to its end: file, socket, signals, ready line."""

import asyncio
import contextlib
import os
import signal
import socket
import stat
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from errno import EADDRINUSE
from pathlib import Path

from pymodels.errors import StorageError
from pymodels.tokyo.connections import Address
from pymodels.tokyo.serve.commands import Commands
from pymodels.tokyo.serve.facts import Watch
from pymodels.tokyo.serve.file import ServedFile
from pymodels.tokyo.serve.server import Server, log

SWITCH = 0.001
WAITING = 1_000


@dataclass(frozen=True, slots=True)
class Place:
    """Where to listen, and whom to let in."""

    host: str = "127.0.0.1"
    port: int = 1978
    path: str | None = None
    max_connections: int = 512


def serve(
    path: Path,
    place: Place,
    ready: Callable[[str], None],
    *,
    readonly: bool = False,
    bnum: int = 0,
    watch: Watch | None = None,
) -> None:
    """Serve a file until SIGTERM or SIGINT; then everything is on the disk.

    ``ready`` is told in a line when clients can come. ``watch`` begins to keep what
    the function ``notes`` tells of the rows. Raises `StorageError` if the file or
    the place to listen cannot be had.
    """
    # The place first: a file is not made for a server that cannot listen.
    with listening(place) as listener, opened(path, readonly, bnum) as file:
        for column in file.repaired:
            log.warning("%s was not closed well: index on %r made anew", path, column)
        address = address_of(listener, place)
        records = file.database.count()
        line = f"ready: {address} serves {path} ({file.type}, {records} records)"
        # Threads that read long lists must not keep the loop for long.
        sys.setswitchinterval(SWITCH)
        commands = Commands(file, watch)
        asyncio.run(_run(commands, listener, place, lambda: ready(line)))


@contextlib.contextmanager
def opened(path: Path, readonly: bool, bnum: int) -> Iterator[ServedFile]:
    """Open the file, and close it whatever happens."""
    file = ServedFile(path, readonly=readonly, bnum=bnum)
    try:
        yield file
    finally:
        file.close()


@contextlib.contextmanager
def listening(place: Place) -> Iterator[socket.socket]:
    """Listen; a UNIX socket is removed afterwards."""
    try:
        listener = _unix(place.path) if place.path is not None else _tcp(place)
    except OSError as error:
        where = place.path or f"{place.host}:{place.port}"
        hint = "; is a server there already?" if error.errno == EADDRINUSE else ""
        raise StorageError(
            f"cannot listen on {where}: {error.strerror or error}{hint}"
        ) from error
    except UnicodeError as error:
        raise StorageError(f"--host {place.host!r} can be no host: {error}") from error
    try:
        yield listener
    finally:
        listener.close()
        if place.path is not None:
            Path(place.path).unlink(missing_ok=True)


def _tcp(place: Place) -> socket.socket:
    family, _, _, _, address = socket.getaddrinfo(
        place.host, place.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    return socket.create_server(
        address[:2],
        family=family,
        backlog=WAITING,
    )


def _unix(path: str) -> socket.socket:
    """Listen on a path; a socket that a dead server left there is removed."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with contextlib.suppress(FileNotFoundError):
            if stat.S_ISSOCK(os.stat(path).st_mode) and _is_dead(path):
                os.unlink(path)
        listener.bind(path)
        listener.listen(WAITING)
    except BaseException:
        listener.close()
        raise
    return listener


def _is_dead(path: str) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            return True
        except OSError:
            return False
    return False


def address_of(listener: socket.socket, place: Place) -> Address:
    """Say where a server listens, with the port that it was given."""
    if place.path is not None:
        return Address(path=place.path)
    host, port = listener.getsockname()[:2]
    return Address(host, port)


async def _run(
    commands: Commands,
    listener: socket.socket,
    place: Place,
    ready: Callable[[], None],
) -> None:
    loop, ends = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ends.set)
    server = Server(commands, place.max_connections)
    make = loop.create_unix_server if place.path is not None else loop.create_server
    listens = await make(server.connection, sock=listener, backlog=WAITING)
    ready()
    try:
        await ends.wait()
    finally:
        listens.close()
        await server.stop()
