"""Whatever comes in, the server lives, leaks nothing and mixes no answers up."""

import os
import random
import socket
from contextlib import suppress
from pathlib import Path

import pytest
import tyrant
from lengths import IS_SOAK, length
from tyrant_fuzz import FRAMES_IN_A_ROW, stream

pytestmark = pytest.mark.server

FRAMES = length(6_000, 50_000)
"""For one server: with more it has so many indexes that each frame takes long."""
SERVERS = range(length(1, 20))
MEMORY = 400 * 2**20


@pytest.mark.parametrize("number", SERVERS)
@pytest.mark.parametrize("kind", ["TABLE", "HASH"])
def test_random_frames_harm_nobody(kind, number):
    seed = random.SystemRandom().randrange(2**32) if IS_SOAK else number + 6
    rng = random.Random(seed)
    with tyrant.Server(kind=kind) as server:
        witness = server.client(timeout=60)
        for asked in range(FRAMES // FRAMES_IN_A_ROW):
            said = stream(rng)
            heard = say(server, said)
            assert server.process.poll() is None, f"seed {seed}, after {said!r}"
            assert len(heard) < 2**26
            mine = b"witness\x01%d" % asked
            witness.put_list([(b"witness", mine + b"\0v")])
            found = dict(witness.get_list([b"witness"]))
            assert found == {b"witness": mine + b"\0v"}, f"seed {seed}: {said!r}"
        process = Path("/proc", str(server.process.pid))
        memory = int((process / "statm").read_text().split()[1]) * os.sysconf(
            "SC_PAGESIZE"
        )
        assert memory < MEMORY
        opened = [os.readlink(one) for one in (process / "fd").iterdir()]
        # Its many indexes are files of their own.
        assert sum(one.startswith("socket:") for one in opened) < 20
        assert "Traceback" not in server.said(), server.said()
        witness.close()
        assert server.stop() == 0


def say(server, said):
    """Say it on a connection of its own; give what is answered until it is closed."""
    heard = b""
    with socket.socket(socket.AF_UNIX) as wire, suppress(ConnectionError):
        wire.settimeout(60)
        wire.connect(server.socket)
        wire.sendall(said)
        wire.shutdown(socket.SHUT_WR)
        while data := wire.recv(2**20):
            heard += data
    return heard
