"""Servers of Tokyo Cabinet files for the tests: `pymodels serve`, and the original.

Each listens on the loopback or on a UNIX socket, keeps its files in a folder of its
own, and is killed when the tests end, however they end.
"""

import atexit
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from functools import cache
from pathlib import Path

from required import check_installed, skip_or_fail

from pymodels.tokyo.client import Client
from pymodels.tokyo.connections import Address

ENVIRONMENT = "PYMODELS_TTSERVER"
PATIENCE = 30
EXTENSIONS = {"TABLE": ".tct", "HASH": ".tch"}


@cache
def original() -> str | None:
    """Find the original server's program."""
    return os.environ.get(ENVIRONMENT) or shutil.which("ttserver")


def check_original() -> None:
    """Skip where there is no original server."""
    if original() is None:
        skip_or_fail("ttserver", f"{ENVIRONMENT} names no ttserver, nor does the PATH")


def free_port() -> int:
    """Give a port that nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


class Server:
    """One server process over one file; it may be killed and started again."""

    def __init__(
        self,
        path: Path | None = None,
        *options: str,
        kind: str = "TABLE",
        tcp: bool = False,
        is_original: bool = False,
    ) -> None:
        check_installed("tokyo_tyrant")
        if is_original:
            check_original()
        self.folder = Path(tempfile.mkdtemp(prefix="tyrant-"))
        atexit.register(self.remove)
        self.path = path or self.folder / f"served{EXTENSIONS[kind]}"
        self.options, self.is_original = options, is_original
        # The original listens on every address when it listens on a port.
        self.port = free_port() if tcp and not is_original else None
        self.socket = str(self.folder / "socket")
        self.process: subprocess.Popen[str] | None = None
        self.start()

    @property
    def settings(self) -> dict[str, object]:
        """Where it listens, as the backend's settings."""
        if self.port is not None:
            return {"host": "127.0.0.1", "port": self.port}
        return {"socket": self.socket}

    @property
    def address(self) -> Address:
        """Where it listens, for a client."""
        if self.port is not None:
            return Address("127.0.0.1", self.port)
        return Address(path=self.socket)

    def client(self, **settings: object) -> Client:
        """Give a client of our own; close it."""
        return Client(self.address, **settings)

    def _command(self) -> list[str]:
        if self.is_original:
            name = f"{self.path}#opts=l#bnum=1000"
            place = ["-port", "0", "-host", self.socket]
            return [str(original()), *place, "-thnum", "4", "-le", *self.options, name]
        place = ["--socket", self.socket]
        if self.port is not None:
            place = ["--port", str(self.port)]
        serve = [sys.executable, "-m", "pymodels", "serve", str(self.path)]
        return [*serve, *place, *self.options]

    def start(self) -> None:
        """Start it and wait until it answers."""
        self.errors = (self.folder / "errors").open("w+")
        with suppress(FileNotFoundError):
            os.unlink(self.socket)
        self.process = subprocess.Popen(
            self._command(),
            stdout=subprocess.PIPE,
            stderr=self.errors,
            text=True,
            cwd=self.folder,
        )
        self.line = "" if self.is_original else self._ready_line()
        last = time.monotonic() + PATIENCE
        while True:
            try:
                self.client(timeout=PATIENCE).close()
            except OSError:
                if self.process.poll() is not None or time.monotonic() > last:
                    said = self.said()
                    self.remove()
                    raise RuntimeError(f"the server does not start: {said}") from None
                time.sleep(0.01)
            else:
                return

    def _ready_line(self) -> str:
        assert self.process is not None
        assert self.process.stdout is not None
        select.select([self.process.stdout], [], [], PATIENCE)
        return self.process.stdout.readline()

    def said(self) -> str:
        """Give what it wrote to standard error."""
        return (self.folder / "errors").read_text("utf-8", "replace")

    def stop(self) -> int:
        """End it as its owner would; give its exit code."""
        return self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it as a power cut would."""
        self._end(signal.SIGKILL)

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        assert self.process is not None
        self.process.send_signal(number)

    def _end(self, number: signal.Signals) -> int:
        process, self.process = self.process, None
        if process is None:
            return 0
        process.send_signal(number)
        try:
            return process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise
        finally:
            if process.stdout is not None:
                process.stdout.close()
            self.errors.close()

    def remove(self) -> None:
        """Kill it and remove its folder."""
        with suppress(Exception):
            self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)
        atexit.unregister(self.remove)

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, *exception: object) -> None:
        self.remove()
