"""A client of Tokyo Tyrant servers, of use without models: bytes in, bytes out.

Reads are asked again, once, on a new connection when one breaks. Writes never are:
one whose answer was lost is `WriteUncertain`.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice

from pymodels.errors import (
    SettingsError,
    StorageBusy,
    StorageError,
    WriteUncertain,
)
from pymodels.tokyo import protocol
from pymodels.tokyo.arguments import (
    COUNT,
    GET,
    HINT,
    OUT,
    metasearch_arguments,
    search_arguments,
    without_hint,
)
from pymodels.tokyo.connections import Address, Connection, Pool
from pymodels.tokyo.protocol import (
    MISC,
    NO_UPDATE_LOG,
    STAT,
    Answer,
    Command,
    ProtocolError,
    encode_misc,
    encode_request,
)
from pymodels.tokyo.search import IndexType, Joining, Search
from pymodels.tokyo.tracking import FOREIGN

KINDS = {"TABLE": "table", "HASH": "hash"}
"""What a server says its file is, by what users say."""
BATCH = 1_000
ROOM = 4 * 2**20

Columns = dict[bytes, bytes]
Step = tuple[bytes, bytes, bytes]


class Refused(StorageError):
    """The server answered code 1; it never says why."""


class Client:
    """A server's file; threads may share it."""

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
        (answer,) = connection.exchange([encode_request(STAT)], [STAT])
        text = b"".join(answer.strings).decode("utf-8", "replace")
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
        return self._read([encode_request(command, strings, numbers)], [command])[0]

    def read_misc(self, name: bytes, strings: Iterable[bytes] = ()) -> Answer:
        """Call a function that changes nothing."""
        return self._read([encode_misc(name, strings, NO_UPDATE_LOG)], [MISC])[0]

    def read_each(self, name: bytes, calls: Sequence[Sequence[bytes]]) -> list[Answer]:
        """Call a function that changes nothing many times, without waiting between."""
        frames = [encode_misc(name, strings, NO_UPDATE_LOG) for strings in calls]
        return self._read(frames, [MISC] * len(frames))

    def write(
        self, command: Command, strings: Sequence[bytes] = (), *numbers: int
    ) -> Answer:
        """Ask for a change; `WriteUncertain` if the answer is lost."""
        return self._write([encode_request(command, strings, numbers)], [command])[0]

    def write_misc(self, name: bytes, strings: Iterable[bytes] = ()) -> Answer:
        """Call a function that changes something."""
        return self._write([encode_misc(name, strings)], [MISC])[0]

    def write_each(self, name: bytes, calls: Sequence[Sequence[bytes]]) -> list[Answer]:
        """Call a function that changes something many times, without waiting."""
        frames = [encode_misc(name, strings) for strings in calls]
        return self._write(frames, [MISC] * len(frames))

    def _read(
        self, frames: Sequence[bytes], commands: Sequence[Command]
    ) -> list[Answer]:
        try:
            return self._exchange(frames, commands)
        except TimeoutError as error:
            raise self._late("an answer") from error
        except StorageError:
            raise
        except (OSError, ProtocolError):
            pass  # the server may have been started again
        try:
            return self._exchange(frames, commands)
        except TimeoutError as error:
            raise self._late("an answer") from error
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
        with self._pool.lent() as connection:
            return connection.exchange(frames, commands)

    def _late(self, what: str) -> StorageBusy:
        return StorageBusy(
            f"{self.address}: {what} did not come within {self._pool.timeout} seconds"
        )

    def _broken(self, what: str, error: Exception) -> StorageError:
        if isinstance(error, TimeoutError):
            return self._late(what)
        return StorageError(f"{self.address}: {what} was lost ({error})")

    # Of any file.

    def count(self) -> int:
        """Give the number of records."""
        return self.read(protocol.RNUM).numbers[0]

    def size(self) -> int:
        """Give the size of the file."""
        return self.read(protocol.SIZE).numbers[0]

    def sync(self) -> None:
        """Bring what was written to the disk."""
        self._good(self.write(protocol.SYNC), "sync")

    def vanish(self) -> None:
        """Remove all records."""
        self._good(self.write(protocol.VANISH), "vanish")

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
            answer = self._good(self.read_misc(b"getlist", batch), "getlist")
            found = answer.strings
            if len(found) % 2 or not set(batch).issuperset(found[::2]):
                raise StorageError(f"{self.address}: getlist gave what was not asked")
            yield from zip(found[::2], found[1::2], strict=True)

    def put_list(self, pairs: Iterable[tuple[bytes, bytes]]) -> None:
        """Write keys and values, joined with NUL, in batches of bounded size."""
        for batch in batches(pairs):
            strings = list(chain.from_iterable(batch))
            self._good(self.write_misc(b"putlist", strings), "putlist")

    def out_list(self, keys: Iterable[bytes]) -> None:
        """Remove records in batches; what is not there is no error."""
        wanted = iter(keys)
        while batch := list(islice(wanted, BATCH)):
            self._good(self.write_misc(b"outlist", batch), "outlist")

    def _good(self, answer: Answer, what: str) -> Answer:
        if not answer.is_good:
            raise Refused(f"{self.address}: the server refused {what}")
        return answer

    # Of tables, safe for NUL.

    def get(self, key: bytes) -> Columns | None:
        """Give the columns under a key."""
        return columns_of(self.read_misc(b"get", [key]))

    def get_each(self, keys: Sequence[bytes]) -> list[Columns | None]:
        """Give the columns under each key, asked for one after the other."""
        return [columns_of(one) for one in self.read_each(b"get", [[k] for k in keys])]

    def put(self, key: bytes, columns: Mapping[bytes, bytes]) -> None:
        """Write a whole record."""
        strings = [key, *chain.from_iterable(columns.items())]
        self._good(self.write_misc(b"put", strings), "put")

    def put_keep(self, key: bytes, columns: Mapping[bytes, bytes]) -> bool:
        """Write a record unless the key is taken; say whether it was not."""
        strings = [key, *chain.from_iterable(columns.items())]
        return self.write_misc(b"putkeep", strings).is_good

    # Of tables, searches.

    def search(self, search: Search) -> Sequence[bytes]:
        """Give the keys that a search finds, in its order."""
        return self._found(b"search", search_arguments(search))

    def search_get(self, search: Search) -> Sequence[bytes]:
        """Give the records that a search finds: names and values joined with NUL.

        The key comes first, under the empty name.
        """
        return self._found(b"search", [*search_arguments(search), GET])

    def search_count(self, search: Search) -> int:
        """Count what a search finds."""
        found = self._found(b"search", [*search_arguments(search), COUNT])
        return self._number(found)

    def search_out(self, search: Search) -> int:
        """Remove what a search finds; say how many there were."""
        arguments = [*search_arguments(search), OUT, COUNT]
        answer = self._good(self.write_misc(b"search", arguments), "search with out")
        return self._number(answer.strings)

    def search_hint(self, search: Search) -> str:
        """Give the server's own words on how it runs a search."""
        arguments = [*search_arguments(search), COUNT, HINT]
        return without_hint(self._found(b"search", arguments))[1]

    def metasearch(
        self, searches: Sequence[Search], joining: Joining
    ) -> Sequence[bytes]:
        """Give the keys that several searches find, joined."""
        return self._found(b"metasearch", metasearch_arguments(searches, joining))

    def metasearch_get(
        self, searches: Sequence[Search], joining: Joining
    ) -> Sequence[bytes]:
        """Give the records that several searches find, joined."""
        arguments = [*metasearch_arguments(searches, joining), GET]
        return self._found(b"metasearch", arguments)

    def _found(self, name: bytes, arguments: Sequence[bytes]) -> Sequence[bytes]:
        answer = self.read_misc(name, arguments)
        return self._good(answer, name.decode()).strings

    def _number(self, strings: Sequence[bytes]) -> int:
        if len(strings) != 1 or not strings[0].isdigit():
            raise StorageError(f"{self.address}: {strings!r} is no number of records")
        return int(strings[0])

    def set_index(self, column: bytes, kind: IndexType) -> None:
        """Make an index anew, or remove it."""
        done = self.write_misc(b"setindex", [column, b"%d" % kind])
        self._good(done, f"the index on {column!r}")

    # What `pymodels serve` adds.

    def has_function(self, name: str) -> bool:
        """Say whether the server tells that it has a function more."""
        return name in self.status.get("functions", "").split()

    def patch(self, key: bytes, steps: Iterable[Step]) -> bytes:
        """Compare and change columns in one step: ``done``, ``changed``, ``missing``.

        Raises `Refused` where the server cannot.
        """
        answer = self.write_misc(b"patch", [key, *chain.from_iterable(steps)])
        (outcome,) = self._good(answer, "patch").strings
        return outcome

    def notes(self) -> Sequence[bytes] | None:
        """Give the notes of kinds of all rows; None where they do not tell all."""
        strings = self._good(self.write_misc(b"notes"), "notes").strings
        return None if FOREIGN in strings else strings

    def put_keep_list(self, pairs: Iterable[tuple[bytes, bytes]]) -> Sequence[bytes]:
        """Write all records in one step, or none; give the keys that are taken."""
        strings = list(chain.from_iterable(pairs))
        return self._good(
            self.write_misc(b"putkeeplist", strings), "putkeeplist"
        ).strings


def columns_of(answer: Answer) -> Columns | None:
    """Read names and values by turns; None where the call failed."""
    if not answer.is_good:
        return None
    return dict(zip(answer.strings[::2], answer.strings[1::2], strict=True))


def batches(
    pairs: Iterable[tuple[bytes, bytes]], most: int = BATCH
) -> Iterator[list[tuple[bytes, bytes]]]:
    """Cut pairs into batches of bounded number and size."""
    batch: list[tuple[bytes, bytes]] = []
    size = 0
    for pair in pairs:
        batch.append(pair)
        size += len(pair[0]) + len(pair[1])
        if len(batch) == most or size >= ROOM:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
