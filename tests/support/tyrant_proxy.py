"""A proxy before a server that cuts, delays, splits and garbles what passes."""

import random
import socket
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path

FAULTS = ("cut", "delay", "stall", "split", "garble")
CHANCES = (2, 6, 1, 6, 2)
"""Of each fault, in a hundred pieces that pass."""


class Proxy:
    """It listens on a UNIX socket; what it does wrong depends on the seed."""

    def __init__(self, target: str, seed: int, stall: float) -> None:
        self._target, self._stall = target, stall
        self._random = random.Random(seed)
        self._folder = tempfile.TemporaryDirectory(prefix="proxy-")
        self.socket = str(Path(self._folder.name, "socket"))
        self.faults = 0
        self._passing = 0
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(self.socket)
        self._listener.listen(100)
        self._pairs: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            far = socket.socket(socket.AF_UNIX)
            try:
                far.connect(self._target)
            except OSError:
                near.close()
                far.close()
                continue
            self._pairs += (near, far)
            for one, other in ((near, far), (far, near)):
                thread = threading.Thread(target=self._pass_on, args=(one, other))
                self._threads.append(thread)
                thread.start()

    def _pass_on(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(2**20):
                self._passing += 1
                try:
                    if not self._pass(data, target):
                        break
                finally:
                    self._passing -= 1
        for one in (source, target):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def _pass(self, data: bytes, target: socket.socket) -> bool:
        """Pass some bytes on, perhaps badly; say whether the connection lives."""
        spared = 100 - sum(CHANCES)
        (fault,) = self._random.choices((*FAULTS, ""), (*CHANCES, spared))
        self.faults += bool(fault)
        match fault:
            case "cut":
                target.sendall(data[: self._random.randrange(len(data))])
                return False
            case "delay":
                time.sleep(self._random.random() / 50)
            case "stall":
                time.sleep(self._stall)
            case "split":
                while len(data) > 1:
                    size = self._random.randrange(1, len(data))
                    target.sendall(data[:size])
                    data = data[size:]
                    time.sleep(0.001)
            case "garble":
                # The beginning of a frame: what is inside of a value, nobody can see.
                data = bytes((self._random.randrange(2, 200),)) + data[1:]
        target.sendall(data)
        return True

    def settle(self) -> None:
        """Wait until nothing is under way, nor about to be."""
        quiet = 0
        while quiet < 5:
            time.sleep(0.005)
            quiet = 0 if self._passing else quiet + 1

    def close(self) -> None:
        """Break all connections off."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for one in self._pairs:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        for one in self._pairs:
            one.close()
        self._folder.cleanup()

    def __enter__(self) -> "Proxy":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()
