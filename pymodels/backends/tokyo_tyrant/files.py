"""The two kinds of files behind a server: keys, what is stored, and searches.

What is stored is one byte string a record: packed columns in a table, the value in a
hash. Columns cross the wire by themselves where they must be safe for NUL, and
joined by NUL in lists.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain, islice

from pymodels.backend import errors
from pymodels.backends._tokyo.columns import NOTE_COLUMN, read_noted_row
from pymodels.backends._tokyo.facts import TableFacts
from pymodels.tokyo import protocol
from pymodels.tokyo.client import BATCH, Client
from pymodels.tokyo.packing import joined_by_nul, pack, unpack, unpack_map
from pymodels.tokyo.protocol import CUT, IS, MISC, NO, SET
from pymodels.tokyo.requests import COUNT, GET
from pymodels.tokyo.search import Search

Pair = tuple[bytes, bytes]
Step = tuple[bytes, bytes, bytes]

AT_ONCE = 100
PIECE = 1_000
"""How many rows one answer holds at most."""


class HashFile:
    """A hash: what is stored is the value."""

    def __init__(self, client: Client) -> None:
        self.client = client

    def get(self, key: bytes) -> bytes | None:
        """Give what is stored under a key."""
        answer = self.client.read(protocol.GET, (key,))
        return answer.strings[0] if answer.is_good else None

    def get_each(self, keys: Iterable[bytes]) -> Iterator[Pair]:
        """Yield keys and what is stored under those that are there."""
        wanted = iter(keys)
        while batch := list(islice(wanted, BATCH)):
            if len(batch) > 1:
                yield from self._got(batch)
            elif (found := self.get(batch[0])) is not None:
                yield batch[0], found

    def _got(self, keys: Sequence[bytes]) -> Iterable[Pair]:
        return self.client.get_list(keys)

    def keys(self) -> Sequence[bytes]:
        """Give all keys."""
        return self.client.keys_with(b"")

    def put(self, key: bytes, stored: bytes) -> None:
        """Create or overwrite."""
        answer = self.client.write(protocol.PUT, (key, stored))
        self.client.good(answer, f"put of {key!r}")

    def put_new(self, pairs: Sequence[Pair]) -> list[bool]:
        """Create each whose key is not taken."""
        answers = self.client.write_each(protocol.PUTKEEP, pairs)
        return [one.is_good for one in answers]

    def joined(self, stored: bytes) -> bytes | None:
        """Give what a list takes; None for what no list can."""
        return stored

    def steps(self, before: bytes, after: bytes) -> list[Step]:
        """Say what turns one row into another, for a patch."""
        return [(IS, b"", before), (SET, b"", after)]


class TableFile(HashFile):
    """A table: what is stored are packed columns, and there are searches.

    A value with a NUL, which other programs may write, cannot be told apart where
    columns are joined. Where such values are not known to be absent, each row that is
    not what its note of kinds says is asked for once more, by a call that is safe.
    """

    def __init__(self, client: Client) -> None:
        super().__init__(client)
        self.facts = TableFacts()
        """As the server told them last. What one thread has learned another may use:
        each looks, after it asked, whether what it built on still held."""

    # What the server knows of the rows.

    @property
    def keeps_facts(self) -> bool:
        """Whether the server keeps the notes of kinds at all."""
        return self.client.has_function("notes")

    def asked_facts(self) -> TableFacts:
        """Ask the server what it knows now."""
        return self._learned(self.client.notes()) if self.keeps_facts else self.facts

    def known_facts(self) -> TableFacts:
        """Give what was told last; ask if that did not tell all."""
        return self.facts if self.facts.is_sound else self.asked_facts()

    def _learned(self, told: Sequence[bytes]) -> TableFacts:
        self.facts = facts = TableFacts.heard(told)
        return facts

    # Records.

    def get(self, key: bytes) -> bytes | None:
        """Give what is stored under a key."""
        answer = self.client.read_misc(b"get", (key,))
        return pack(answer.strings) if answer.is_good else None

    def _got(self, keys: Sequence[bytes]) -> Iterable[Pair]:
        pairs = list(self.client.get_list(keys))
        # Asked afterwards: what was read is no newer than what is told.
        self.asked_facts()
        return self._split(pairs)

    def _split(self, pairs: Iterable[Pair]) -> Iterator[Pair]:
        """Pack what is joined."""
        if self.facts.has_clean_texts:
            for key, joined in pairs:
                yield key, pack(joined.split(b"\0") if joined else ())
            return
        waiting = iter(pairs)
        while some := list(islice(waiting, AT_ONCE)):
            yield from self._looked_at(some)

    def _looked_at(self, pairs: list[Pair]) -> Iterator[Pair]:
        """Pack some, and ask again for those that may be something else."""
        found = {key: _packed(joined) for key, joined in pairs}
        doubtful = [key for key, stored in found.items() if stored is None]
        calls = [(b"get", key) for key in doubtful]
        answers = self.client.read_each(MISC, calls, protocol.NO_UPDATE_LOG)
        for key, answer in zip(doubtful, answers, strict=True):
            found[key] = pack(answer.strings) if answer.is_good else None
        for key, stored in found.items():
            if stored is not None:
                yield key, stored

    def keys(self) -> Sequence[bytes]:
        """Give all keys."""
        return self.client.search(Search())

    def put(self, key: bytes, stored: bytes) -> None:
        """Create or overwrite."""
        answer = self.client.write_misc(b"put", (key, *unpack(stored)))
        self.client.good(answer, f"put of {key!r}")

    def put_new(self, pairs: Sequence[Pair]) -> list[bool]:
        """Create each whose key is not taken."""
        calls = [(b"putkeep", key, *unpack(stored)) for key, stored in pairs]
        return [one.is_good for one in self.client.write_each(MISC, calls, 0)]

    def joined(self, stored: bytes) -> bytes | None:
        """Join columns by NUL; None where one of them holds one."""
        joined = joined_by_nul(stored)
        if joined is not None:
            return joined
        parts = list(unpack(stored))
        joined = b"\0".join(parts)
        return joined if parts and joined.count(b"\0") == len(parts) - 1 else None

    def steps(self, before: bytes, after: bytes) -> list[Step]:
        """Say what turns one row into another, for a patch.

        What is compared are the columns that change, and the note of kinds, which
        says what they mean.
        """
        old, new = unpack_map(before), unpack_map(after)
        changed = [name for name in new if old.get(name) != new[name]]
        removed = [name for name in old if name not in new]
        compared = dict.fromkeys((*changed, *removed, NOTE_COLUMN))
        found = [
            (IS, name, old[name]) if name in old else (NO, name, b"")
            for name in compared
        ]
        found += [(SET, name, new[name]) for name in changed]
        return found + [(CUT, name, b"") for name in removed]

    # Searches.

    def search(self, search: Search) -> tuple[Iterator[Pair], TableFacts]:
        """Give the rows of a search, and what was known right after it.

        What is found is decided now; but of a long result, only the first piece is
        read now, and each other record as it is when its turn comes.
        """
        is_short = 0 <= search.max <= PIECE
        first = search if is_short else replace(search, max=PIECE)
        try:
            found, facts = self._ask(first, GET)
        except (errors.StorageBusy, errors.StorageClosed):
            raise
        except errors.StorageError:
            # Perhaps they are too large for one answer.
            found = None
        if found is not None and (is_short or len(found) < PIECE):
            return self._split(map(split_key, found)), facts
        keys, facts = self._ask(search)
        pairs = list(map(split_key, found or ()))
        seen = {key for key, _ in pairs}
        left = self.get_each(key for key in keys if key not in seen)
        return chain(self._split(pairs), left), facts

    def count(self, search: Search) -> tuple[int, TableFacts]:
        """Count what a search finds; give what is known as well."""
        found, facts = self._ask(search, COUNT)
        return self.client.number(found), facts

    def _ask(self, search: Search, *more: bytes) -> tuple[Sequence[bytes], TableFacts]:
        if not self.keeps_facts:
            return self.client.search(search, *more), self.facts
        found, told = self.client.search_with_notes(search, *more)
        return found, self._learned(told)


def split_key(joined: bytes) -> Pair:
    """Part the key, which comes first under the empty name, from the columns."""
    key, _, columns = joined[1:].partition(b"\0")
    return key, columns


def _packed(joined: bytes) -> bytes | None:
    """Pack the columns of a row that is what its note says; None for another."""
    parts = joined.split(b"\0")
    if len(parts) % 2:
        return None
    packed = pack(parts)
    return None if read_noted_row(packed) is None else packed
