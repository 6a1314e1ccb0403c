"""A client of Tokyo Tyrant servers, of use without models: bytes in, bytes out."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice

from pymodels.errors import StorageBusy, StorageClosed, StorageError
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
from pymodels.tokyo.protocol import MISC, NO_UPDATE_LOG, Answer
from pymodels.tokyo.requests import Asker
from pymodels.tokyo.search import IndexType, Joining, Search

BATCH = 1_000
ROOM = 4 * 2**20

Columns = dict[bytes, bytes]
Step = tuple[bytes, bytes, bytes]


class Client(Asker):
    """A server's file; threads may share it."""

    # Of any file.

    def count(self) -> int:
        """Give the number of records."""
        return self.read(protocol.RNUM).numbers[0]

    def size(self) -> int:
        """Give the size of the file."""
        return self.read(protocol.SIZE).numbers[0]

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

    def out_list(self, keys: Iterable[bytes]) -> None:
        """Remove records in batches; what is not there is no error."""
        wanted = iter(keys)
        while batch := list(islice(wanted, BATCH)):
            self.good(self.write_misc(b"outlist", batch), "outlist")

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
        self.good(self.write_misc(b"put", strings), "put")

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
        answer = self.good(self.write_misc(b"search", arguments), "search with out")
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
        return self.good(answer, name.decode()).strings

    def _number(self, strings: Sequence[bytes]) -> int:
        if len(strings) != 1 or not strings[0].isdigit():
            raise StorageError(f"{self.address}: {strings!r} is no number of records")
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

    def notes(self) -> Sequence[bytes]:
        """Give the notes of kinds of all rows, or marks that they do not tell all."""
        return self.good(self.write_misc(b"notes"), "notes").strings

    def with_notes(
        self, name: bytes, arguments: Sequence[bytes]
    ) -> tuple[Sequence[bytes], Sequence[bytes]]:
        """Ask, and let the server tell right after it which notes there are."""
        frames = [
            self._call(name, arguments, NO_UPDATE_LOG),
            self._call(b"notes", (), NO_UPDATE_LOG),
        ]
        found, notes = self._read(frames, [MISC, MISC])
        self.good(notes, "notes")
        return self.good(found, name.decode()).strings, notes.strings

    def put_keep_list(self, pairs: Iterable[tuple[bytes, bytes]]) -> Sequence[bytes]:
        """Write all records in one step, or none; give the keys that are taken."""
        strings = list(chain.from_iterable(pairs))
        return self.good(
            self.write_misc(b"putkeeplist", strings), "putkeeplist"
        ).strings


def columns_of(answer: Answer) -> Columns | None:
    """Read names and values by turns; None where the call failed."""
    if not answer.is_good:
        return None
    return dict(zip(answer.strings[::2], answer.strings[1::2], strict=True))


def batches(
    pairs: Iterable[tuple[bytes, bytes]], most: int = BATCH, room: int = ROOM
) -> Iterator[list[tuple[bytes, bytes]]]:
    """Cut pairs into batches of bounded number and size."""
    batch: list[tuple[bytes, bytes]] = []
    size = 0
    for pair in pairs:
        batch.append(pair)
        size += len(pair[0]) + len(pair[1])
        if len(batch) == most or size >= room:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
