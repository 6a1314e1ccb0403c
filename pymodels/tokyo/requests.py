"""Questions to a Tokyo Tyrant server and their answers, whatever they mean.

Reads are asked again, once, on a new connection when one breaks. Writes never are:
one whose answer was lost is `WriteUncertain`.
"""

from collections.abc import Iterable, Sequence

from pymodels.errors import SettingsError, StorageBusy, StorageError, WriteUncertain
from pymodels.tokyo.connections import Address, Connection, Pool
from pymodels.tokyo.protocol import (
    MISC,
    NO_UPDATE_LOG,
    STAT,
    Answer,
    Command,
    ProtocolError,
    encode_request,
)

KINDS = {"TABLE": "table", "HASH": "hash"}
"""What a server says its file is, by what users say."""


class Refused(StorageError):
    """The server answered code 1; it never says why."""


class Asker:
    """A server and what may be asked of it; threads may share it."""

    def __init__(
        self,
        address: Address,
        *,
        timeout: float = 5.0,
        pool_size: int = 8,
        kind: str | None = None,
    ) -> None:
        """Connect once to see what the server holds.

        ``kind``: "TABLE" or "HASH", compared with the server's own. Raises
        `SettingsError` if it is another, `StorageError` if nobody listens.
        """
        self.address = address
        self.kind = kind
        self.status: dict[str, str] = {}
        self._pool = Pool(address, timeout, pool_size, self._greet)
        with self._pool.lent():
            pass

    def __str__(self) -> str:
        return str(self.address)

    def _greet(self, connection: Connection) -> None:
        answers = connection.exchange([encode_request(STAT)], [STAT])
        self._learn(answers[0])

    def stat(self) -> dict[str, str]:
        """Ask the server how it is."""
        self._learn(self.read(STAT))
        return self.status

    def has_function(self, name: str) -> bool:
        """Say whether the server tells that it has a function more."""
        return name in self.status.get("functions", "").split()

    def _learn(self, answer: Answer) -> None:
        text = b"".join(answer.strings).decode("utf-8", "surrogateescape")
        lines = [line.partition("\t") for line in text.splitlines()]
        self.status = {name: value for name, _, value in lines}
        found = self.status.get("type")
        if self.kind is not None and found != KINDS[self.kind]:
            raise SettingsError(
                f"{self.address} serves a file of the type {found!r}, not "
                f"{KINDS[self.kind]!r}; kind can be {', '.join(KINDS)}"
            )

    def close(self) -> None:
        """Close all connections."""
        self._pool.close()

    # Asking.

    def read(
        self, command: Command, strings: Sequence[bytes] = (), *numbers: int
    ) -> Answer:
        """Ask what changes nothing; once more if the connection breaks."""
        return self._read([self._frame(command, strings, numbers)], [command])[0]

    def read_misc(self, name: bytes, strings: Iterable[bytes] = ()) -> Answer:
        """Call a function that changes nothing."""
        return self._read([self._call(name, strings, NO_UPDATE_LOG)], [MISC])[0]

    def read_each(self, name: bytes, calls: Sequence[Sequence[bytes]]) -> list[Answer]:
        """Call a function that changes nothing many times, without waiting between."""
        frames = [self._call(name, strings, NO_UPDATE_LOG) for strings in calls]
        return self._read(frames, [MISC] * len(frames))

    def write(
        self, command: Command, strings: Sequence[bytes] = (), *numbers: int
    ) -> Answer:
        """Ask for a change; `WriteUncertain` if the answer is lost."""
        return self._write([self._frame(command, strings, numbers)], [command])[0]

    def write_misc(self, name: bytes, strings: Iterable[bytes] = ()) -> Answer:
        """Call a function that changes something."""
        return self._write([self._call(name, strings)], [MISC])[0]

    def write_each(self, name: bytes, calls: Sequence[Sequence[bytes]]) -> list[Answer]:
        """Call a function that changes something many times, without waiting."""
        frames = [self._call(name, strings) for strings in calls]
        return self._write(frames, [MISC] * len(frames))

    def write_all(
        self, command: Command, calls: Sequence[Sequence[bytes]]
    ) -> list[Answer]:
        """Ask for changes one after the other, without waiting."""
        frames = [self._frame(command, strings) for strings in calls]
        return self._write(frames, [command] * len(frames))

    def _read(
        self, frames: Sequence[bytes], commands: Sequence[Command]
    ) -> list[Answer]:
        try:
            return self._exchange(frames, commands)
        except (StorageError, TimeoutError):
            raise
        except (OSError, ProtocolError):
            pass  # the server may have been started again
        try:
            return self._exchange(frames, commands)
        except StorageError:
            raise
        except (OSError, ProtocolError) as error:
            raise self._broken("an answer", error) from error

    def _write(
        self, frames: Sequence[bytes], commands: Sequence[Command]
    ) -> list[Answer]:
        with self._pool.lent() as connection:
            try:
                return connection.exchange(frames, commands)
            except (OSError, ProtocolError) as error:
                if len(frames) == 1 and not connection.is_sent:
                    raise self._broken("a write that was not sent", error) from error
                raise WriteUncertain(
                    f"{self.address}: nobody knows whether it was written, the answer "
                    f"was lost ({error or type(error).__name__})"
                ) from error
            except BaseException as error:
                error.add_note(f"{self.address}: perhaps it was written, perhaps not")
                raise

    def _exchange(
        self, frames: Sequence[bytes], commands: Sequence[Command]
    ) -> list[Answer]:
        try:
            with self._pool.lent() as connection:
                return connection.exchange(frames, commands)
        except StorageError:
            raise
        except TimeoutError as error:
            raise self._broken("an answer", error) from error

    def _broken(self, what: str, error: Exception) -> StorageError:
        if isinstance(error, TimeoutError):
            return StorageBusy(
                f"{self.address}: {what} did not come within {self._pool.timeout} "
                "seconds"
            )
        return StorageError(f"{self.address}: {what} was lost ({error})")

    def good(self, answer: Answer, what: str) -> Answer:
        """Give an answer back if it is good; raise `Refused` if not."""
        if not answer.is_good:
            raise self.refused(what)
        return answer

    def refused(self, what: str) -> Refused:
        """Give the error for what the server refused, with what it may be about."""
        if self.status.get("readonly") == "1":
            return Refused(
                f"{self.address}: the server is read-only and refused {what}"
            )
        return Refused(
            f"{self.address}: the server refused {what}; it never says why. It may be "
            "read-only, or keep an index that takes no empty value"
        )

    def _frame(
        self, command: Command, strings: Sequence[bytes], numbers: Sequence[int] = ()
    ) -> bytes:
        try:
            return encode_request(command, strings, numbers)
        except ProtocolError as error:
            raise StorageError(
                f"{self.address}: too large to be sent: {error}"
            ) from error

    def _call(self, name: bytes, strings: Iterable[bytes], options: int = 0) -> bytes:
        return self._frame(MISC, (name, *strings), (options,))
