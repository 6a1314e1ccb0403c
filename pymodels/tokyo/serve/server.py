"""A server of one file: connections in, answers out, nobody waits for a slow client.

Short requests are answered in the event loop, by a call of some microseconds. What
may take longer runs in a thread: reads beside each other, writes one at a time and
never beside one in the loop, so that each write is one step.
"""

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import cast

from pymodels.tokyo.protocol import (
    LARGEST_ANSWER,
    LARGEST_REQUEST,
    Incoming,
    ProtocolError,
    Request,
    encode_answer,
)
from pymodels.tokyo.serve.commands import Commands

log = logging.getLogger("pymodels.serve")

IN_A_ROW = 64
READERS = 4
AHEAD = 2**20
ROOM = 512 * 2**20
PATIENCE = 10


class Server:
    """The commands of one file, and the connections that ask them."""

    def __init__(self, commands: Commands, max_connections: int) -> None:
        self.commands = commands
        self.max_connections = max_connections
        self.connections: set[Connection] = set()
        self._readers = ThreadPoolExecutor(READERS, "reader")
        self._writer = ThreadPoolExecutor(1, "writer")
        self._reading = self._writing = 0

    def connection(self) -> "Connection":
        """Make the protocol of a new connection."""
        return Connection(self)

    def ask(self, request: Request) -> bytes | Future[bytes]:
        """Answer at once, or in a thread."""
        writes = self.commands.writes(request)
        waits = self._writing or (writes and self._reading)
        if not waits and not self.commands.is_long(request):
            return self._answer(request)
        if writes:
            self._writing += 1
            return self._writer.submit(self._answer, request)
        self._reading += 1
        return self._readers.submit(self._answer, request)

    def answered(self, request: Request) -> None:
        """Note, in the loop, that a thread is done with a request."""
        if self.commands.writes(request):
            self._writing -= 1
        else:
            self._reading -= 1

    def _answer(self, request: Request) -> bytes:
        answer = self.commands.answer(request)
        if sum(map(len, answer.strings)) > LARGEST_ANSWER - 8 * len(answer.strings):
            raise ProtocolError(f"an answer of more than {LARGEST_ANSWER} bytes")
        return encode_answer(request.command, answer)

    def has_room(self) -> bool:
        """Say whether the unfinished frames of all connections may grow."""
        return sum(one.held for one in self.connections) <= ROOM

    async def stop(self) -> None:
        """End the connections, each after what it asked for is done."""
        last = asyncio.get_running_loop().time() + PATIENCE
        while self.connections and asyncio.get_running_loop().time() < last:
            for one in list(self.connections):
                one.end_after_answer("the server stops")
            await asyncio.sleep(0.01)
        for one in list(self.connections):
            one.abort()
        self._readers.shutdown()
        self._writer.shutdown()


class Connection(asyncio.Protocol):
    """One client: its requests are answered one after the other, in order."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._incoming = Incoming(LARGEST_REQUEST)
        self._transport: asyncio.Transport | None = None
        self._is_busy = self._is_full = self._has_ended = False
        self._reads = True
        self._peer = ""

    @property
    def held(self) -> int:
        """How many bytes of unfinished frames are kept."""
        return self._incoming.held

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet nobody: the protocol has no greeting."""
        self._transport = cast(asyncio.Transport, transport)
        self._peer = str(transport.get_extra_info("peername") or "socket")
        connections = self._server.connections
        if len(connections) >= self._server.max_connections:
            log.warning("%s refused: %d connections", self._peer, len(connections))
            self.abort()
            return
        connections.add(self)
        log.info("%s connected", self._peer)

    def connection_lost(self, error: Exception | None) -> None:
        """Forget it; what is under way in a thread is done, its answer dropped."""
        self._transport = None
        if self in self._server.connections:
            self._server.connections.discard(self)
            log.info("%s is gone%s", self._peer, f": {error}" if error else "")

    def data_received(self, data: bytes) -> None:
        """Take bytes, and answer whatever is complete."""
        self._incoming.feed(data)
        if self.held > AHEAD and not self._server.has_room():
            self.end("no room for more unfinished frames")
        elif not self._is_busy and not self._is_full:
            self._advance()
        elif self.held > AHEAD:
            self._pause(True)

    def eof_received(self) -> bool:
        """Answer what is there, then close."""
        self._has_ended = True
        return self._is_busy or self._is_full

    def pause_writing(self) -> None:
        """Answer no more until the client has read."""
        self._is_full = True

    def resume_writing(self) -> None:
        """Go on."""
        self._is_full = False
        if not self._is_busy:
            self._advance()

    # Answering.

    def _advance(self) -> None:
        self._is_busy = False
        answers: list[bytes] = []
        try:
            self._answer_some(answers)
        except Exception as error:
            self._write(answers)
            self._fail(error)
            return
        self._write(answers)
        if not self._is_busy:
            self._pause(False)
            if self._has_ended and not self._is_full:
                self.end("it has said all")

    def _answer_some(self, answers: list[bytes]) -> None:
        for _ in range(IN_A_ROW):
            request = self._incoming.request()
            if request is None:
                return
            answer = self._server.ask(request)
            if isinstance(answer, Future):
                self._is_busy = True
                self._await(answer, request)
                return
            answers.append(answer)
        # Others have their turn first.
        self._is_busy = True
        self._later(self._advance)

    def _await(self, answer: Future[bytes], request: Request) -> None:
        loop = asyncio.get_running_loop()

        def finished(answer: Future[bytes]) -> None:
            with suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(self._answered, answer, request)

        answer.add_done_callback(finished)

    def _answered(self, answer: Future[bytes], request: Request) -> None:
        self._server.answered(request)
        error = answer.exception()
        if error is not None:
            self._fail(error)
            return
        self._write([answer.result()])
        self._is_busy = False
        if not self._is_full:
            self._advance()

    def _later(self, call: Callable[[], None]) -> None:
        asyncio.get_running_loop().call_soon(call)

    def _write(self, answers: list[bytes]) -> None:
        if answers and self._transport is not None:
            self._transport.write(b"".join(answers))

    def _pause(self, stop: bool) -> None:
        transport = self._transport
        if transport is None or transport.is_closing() or self._reads is not stop:
            return
        self._reads = not stop
        if stop:
            transport.pause_reading()
        else:
            transport.resume_reading()

    def _fail(self, error: BaseException) -> None:
        if isinstance(error, ProtocolError):
            self.end(f"no protocol: {error}")
            return
        log.error("%s ended by a fault", self._peer, exc_info=error)
        self.end("a fault")

    def end(self, reason: str) -> None:
        """Close the connection once its answers are sent."""
        self._incoming = Incoming(LARGEST_REQUEST)
        if self._transport is not None and not self._transport.is_closing():
            log.info("%s is ended: %s", self._peer, reason)
            self._transport.close()

    def end_after_answer(self, reason: str) -> None:
        """Close the connection when nothing is under way."""
        self._pause(True)
        if not self._is_busy and not self._is_full:
            self.end(reason)

    def abort(self) -> None:
        """Close the connection at once."""
        if self._transport is not None:
            self._transport.abort()
