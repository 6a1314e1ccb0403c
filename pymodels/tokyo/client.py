"""A client of Tokyo Tyrant servers, of use without models: bytes in, bytes out.

Reads are asked again, once, on a new connection when one breaks. Writes never are:
one whose answer was lost is `WriteUncertain`.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from typing import TypeVar

from pymodels.errors import (
    SettingsError,
    StorageBusy,
    StorageClosed,
    StorageError,
    WriteUncertain,
)
from pymodels.tokyo import protocol
from pymodels.tokyo.connections import Address, Connection, Pool
from pymodels.tokyo.protocol import (
    MISC,
    NO_UPDATE_LOG,
    STAT,
    WITH,
    WITHOUT,
    Answer,
    Command,
    ProtocolError,
    encode_request,
)
from pymodels.tokyo.requests import COUNT, HINT, OUT, hint_in, search_arguments
from pymodels.tokyo.search import IndexType, Search

T = TypeVar("T", bound=tuple[bytes | None, ...])

BATCH = 1_000
ROOM = 4 * 2**20
KINDS = {"TABLE": "table", "HASH": "hash"}
"""What a server says its file is, by what users say."""

Columns = dict[bytes, bytes]
Step = tuple[bytes, bytes, bytes]


class Refused(StorageError):
    """The server answered code 1; it never says why."""


class Client:
    """A server and its file; threads may share it."""

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
        return self.read_each(command, [strings], *numbers)[0]

    def read_misc(self, name: bytes, strings: Iterable[bytes] = ()) -> Answer:
        """Call a function that changes nothing."""
        return self.read(MISC, (name, *strings), NO_UPDATE_LOG)

    def read_each(
        self, command: Command, calls: Sequence[Sequence[bytes]], *numbers: int
    ) -> list[Answer]:
        """Ask many times what changes nothing, without waiting in between."""
        frames = [self._frame(command, strings, numbers) for strings in calls]
        commands = [command] * len(frames)
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

    def write(
        self, command: Command, strings: Sequence[bytes] = (), *numbers: int
    ) -> Answer:
        """Ask for a change; `WriteUncertain` if the answer is lost."""
        return self.write_each(command, [strings], *numbers)[0]

    def write_misc(self, name: bytes, strings: Iterable[bytes] = ()) -> Answer:
        """Call a function that changes something."""
        return self.write(MISC, (name, *strings), 0)

    def write_each(
        self, command: Command, calls: Sequence[Sequence[bytes]], *numbers: int
    ) -> list[Answer]:
        """Ask for changes one after the other, without waiting in between."""
        frames = [self._frame(command, strings, numbers) for strings in calls]
        with self._pool.lent() as connection:
            try:
                return connection.exchange(frames, [command] * len(frames))
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
        self, command: Command, strings: Sequence[bytes], numbers: Sequence[int]
    ) -> bytes:
        try:
            return encode_request(command, strings, numbers)
        except ProtocolError as error:
            raise StorageError(
                f"{self.address}: too large to be sent: {error}"
            ) from error

    # Of any file.

    def count(self) -> int:
        """Give the number of records."""
        return self.read(protocol.RNUM).numbers[0]

    def sync(self) -> None:
        """Bring what was written to the disk."""
        self.good(self.write(protocol.SYNC), "sync")

    def vanish(self) -> None:
        """Remove all records."""
        self.good(self.write(protocol.VANISH), "vanish")

    def out(self, key: bytes) -> bool:
        """Remove a record; say whether there was one."""
        return self.write(protocol.OUT, [key]).is_good

    def keys_with(self, prefix: bytes = b"", most: int = -1) -> Sequence[bytes]:
        """Give the keys that begin with a prefix."""
        return self.read(protocol.FWMKEYS, [prefix], most).strings

    def get_list(self, keys: Iterable[bytes]) -> Iterator[tuple[bytes, bytes]]:
        """Yield keys and values, joined with NUL, of those that are there.

        They are asked for in batches; a key that nobody asked for is an error.
        """
        wanted = iter(keys)
        while batch := list(islice(wanted, BATCH)):
            found = self._got(batch)
            if len(found) % 2 or not set(batch).issuperset(found[::2]):
                raise StorageError(f"{self.address}: getlist gave what was not asked")
            yield from zip(found[::2], found[1::2], strict=True)

    def _got(self, keys: list[bytes]) -> Sequence[bytes]:
        try:
            return self.good(self.read_misc(b"getlist", keys), "getlist").strings
        except (StorageBusy, StorageClosed):
            raise
        except StorageError:
            if len(keys) == 1:
                raise
        # They may be too large for one answer.
        half = len(keys) // 2
        return [*self._got(keys[:half]), *self._got(keys[half:])]

    def put_list(self, pairs: Iterable[tuple[bytes, bytes]]) -> None:
        """Write keys and values, joined with NUL, in batches of bounded size."""
        for batch in batches(pairs):
            strings = list(chain.from_iterable(batch))
            self.good(self.write_misc(b"putlist", strings), "putlist")

    # Of tables, safe for NUL.

    def get(self, key: bytes) -> Columns | None:
        """Give the columns under a key."""
        answer = self.read_misc(b"get", [key])
        if not answer.is_good:
            return None
        return dict(zip(answer.strings[::2], answer.strings[1::2], strict=True))

    def put(self, key: bytes, columns: Mapping[bytes, bytes]) -> None:
        """Write a whole record."""
        strings = [key, *chain.from_iterable(columns.items())]
        self.good(self.write_misc(b"put", strings), "put")

    # Of tables, searches.

    def search(self, search: Search, *more: bytes) -> Sequence[bytes]:
        """Give the keys that a search finds, in its order.

        With `GET` records instead: names and values joined with NUL, and the key
        first, under the empty name.
        """
        answer = self.read_misc(b"search", [*search_arguments(search), *more])
        return self.good(answer, "search").strings

    def search_count(self, search: Search) -> int:
        """Count what a search finds."""
        return self.number(self.search(search, COUNT))

    def search_out(self, search: Search) -> int:
        """Remove what a search finds; say how many there were."""
        arguments = [*search_arguments(search), OUT, COUNT]
        answer = self.good(self.write_misc(b"search", arguments), "search with out")
        return self.number(answer.strings)

    def search_hint(self, search: Search) -> str:
        """Give the server's own words on how it runs a search."""
        return hint_in(self.search(search, COUNT, HINT))

    def number(self, strings: Sequence[bytes]) -> int:
        """Read the answer of a search that counts."""
        if len(strings) != 1 or not strings[0].isdigit():
            raise StorageError(f"{self.address}: {strings!r} is not a count")
        return int(strings[0])

    def set_index(self, column: bytes, kind: IndexType) -> None:
        """Make an index anew, or remove it."""
        done = self.write_misc(b"setindex", [column, b"%d" % kind])
        self.good(done, f"the index on {column!r}")

    # What `pymodels serve` adds.

    def patch(self, key: bytes, steps: Iterable[Step]) -> bytes:
        """Compare and change columns in one step: ``done``, ``changed``, ``missing``.

        Raises `Refused` where the server cannot.
        """
        answer = self.write_misc(b"patch", [key, *chain.from_iterable(steps)])
        (outcome,) = self.good(answer, "patch").strings
        return outcome

    def swap(
        self, asked: Iterable[tuple[bytes, bytes, bytes | None]]
    ) -> Sequence[bytes]:
        """Put or remove records that are still as they were; give each outcome.

        Each is a key, what is stored and what shall be; None removes it. The answer
        ends with ``refused`` where one was refused; those after it were not looked at.
        """
        strings: list[bytes] = []
        for key, before, after in asked:
            verb = WITHOUT if after is None else WITH
            strings += (key, before, verb, after or b"")
        return self.good(self.write_misc(b"swap", strings), "swap").strings

    def notes(self) -> Sequence[bytes]:
        """Give the notes of kinds of all rows, or marks that they do not tell all."""
        return self.good(self.write_misc(b"notes"), "notes").strings

    def search_with_notes(
        self, search: Search, *more: bytes
    ) -> tuple[Sequence[bytes], Sequence[bytes]]:
        """Search, and let the server tell right after it which notes there are."""
        calls = [(b"search", *search_arguments(search), *more), (b"notes",)]
        found, notes = self.read_each(MISC, calls, NO_UPDATE_LOG)
        self.good(notes, "notes")
        return self.good(found, "search").strings, notes.strings

    def put_keep_list(self, pairs: Iterable[tuple[bytes, bytes]]) -> Sequence[bytes]:
        """Write all records in one step, or none; give the keys that are taken."""
        strings = list(chain.from_iterable(pairs))
        return self.good(
            self.write_misc(b"putkeeplist", strings), "putkeeplist"
        ).strings


def batches(
    parts: Iterable[T], most: int = BATCH, room: int = ROOM
) -> Iterator[list[T]]:
    """Cut tuples of byte strings into batches of bounded number and size."""
    batch: list[T] = []
    size = 0
    for part in parts:
        batch.append(part)
        size += sum(len(one or b"") for one in part)
        if len(batch) == most or size >= room:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
