"""One file: written in-process, served to four processes, opened in-process again."""

import socket
import subprocess
import sys
import tempfile
import threading
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import tyrant
from lengths import length

from pymodels.backends.tokyo_cabinet import Storage as CabinetStorage
from pymodels.backends.tokyo_tyrant import Storage
from pymodels.law.values import same
from pymodels.testing.random import asking
from pymodels.testing.random.asking import Refused
from pymodels.testing.random.drawing import random_change, random_question
from pymodels.testing.random.universe import Chance, random_records

pytestmark = pytest.mark.server

QUESTIONS = length(25, 60)
CONTRACT = Path(__file__).parents[1] / "contract.py"

both_servers = pytest.mark.parametrize("is_original", [False, True])
both_kinds = pytest.mark.parametrize("kind", ["TABLE", "HASH"])

# Each process writes records that it draws from its own seed, and looks at them.
PROCESS = """
import json, sys
from pymodels.backends.tokyo_tyrant import Storage
from pymodels.testing.random.universe import Chance, random_records
from pymodels.law.values import same

settings, prefix = json.loads(sys.argv[1]), sys.argv[2]
records = random_records(Chance(prefix), 60)
with Storage(**settings) as storage:
    for key, record in records.items():
        storage[prefix + key] = record
        if len(key) % 2:
            storage[prefix + key] = record
    for key, record in records.items():
        assert same(storage[prefix + key], record), key
"""


def answers_agree(storage, records, seed):
    """Ask many random questions; what they change is put back."""
    random = Chance(seed)
    random.known = records
    found = dict(storage.records())
    assert found.keys() == records.keys()
    assert all(same(found[key], records[key]) for key in records)
    for number in range(QUESTIONS):
        draw = random_change if number % 5 == 0 else random_question
        with suppress(Refused):
            asking.ask(draw(random), storage, records)


@both_kinds
@both_servers
def test_the_same_file_gives_the_same_answers(tmp_path, kind, is_original):
    path = tmp_path / ("x" + tyrant.EXTENSIONS[kind])
    records = random_records(Chance("first"), 60)
    with CabinetStorage(path, kind=kind) as storage:
        asking.put(storage, records)
        answers_agree(storage, records, "a")
    with tyrant.Server(path, kind=kind, is_original=is_original) as server:
        settings = {**server.settings, "kind": kind, "lost_updates": "allow"}
        with Storage(**settings) as storage:
            answers_agree(storage, records, "b")
            prefixes = [f"p{number}-" for number in range(4)]
            write_from_processes(settings, prefixes)
            for prefix in prefixes:
                drawn = random_records(Chance(prefix), 60)
                records |= {prefix + key: record for key, record in drawn.items()}
            answers_agree(storage, records, "c")
        assert server.stop() == 0
    with CabinetStorage(path, kind=kind) as storage:
        answers_agree(storage, records, "d")


def write_from_processes(settings, prefixes):
    import json

    started = [
        subprocess.Popen([sys.executable, "-c", PROCESS, json.dumps(settings), prefix])
        for prefix in prefixes
    ]
    assert [process.wait(60) for process in started] == [0] * len(started)


@contextmanager
def served_on_demand(path, is_original):
    """Start a server when somebody first wants to connect: the file is free then."""
    if is_original:
        tyrant.check_original()
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as door:
        name = str(Path(folder, "socket"))
        door.bind(name)
        door.listen()
        servers = []

        def open_up():
            near, _ = door.accept()
            servers.append(tyrant.Server(path, is_original=is_original))
            with near, socket.socket(socket.AF_UNIX) as far:
                far.connect(servers[0].socket)
                back = threading.Thread(target=pass_on, args=(far, near))
                back.start()
                pass_on(near, far)
                back.join()

        thread = threading.Thread(target=open_up)
        thread.start()
        try:
            yield name
        finally:
            with suppress(OSError), socket.socket(socket.AF_UNIX) as last:
                last.connect(name)
            thread.join()
            for server in servers:
                server.remove()


def pass_on(source, target):
    while data := source.recv(2**16):
        target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)


def run_contract(*settings):
    command = [sys.executable, "-W", "error", CONTRACT, *settings]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.splitlines()[-1] == "contract holds"


@both_servers
def test_the_contract_holds_when_only_the_settings_change(tmp_path, is_original):
    path = tmp_path / "storage.tct"
    with served_on_demand(path, is_original) as name:
        run_contract(f"tokyo-cabinet:///{path}", f"tokyo-tyrant://{name}")


@both_servers
def test_the_contract_holds_through_a_server(is_original):
    with tyrant.Server(is_original=is_original) as server:
        # The warning of lost updates would be an error here.
        url = f"tokyo-tyrant://{server.socket}?lost_updates=allow"
        run_contract(url, url)


def test_the_contract_holds_through_a_port():
    with tyrant.Server(tcp=True) as server:
        run_contract(f"tokyo-tyrant://127.0.0.1:{server.port}")
