"""The two kinds of files behind a server, as places of keys and stored bytes.

What is stored is one byte string a record: packed columns in a table, the value in a
hash. Columns cross the wire by themselves where they must be safe for NUL, and
joined by NUL in lists.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Protocol

from pymodels.backends._tokyo.columns import NOTE_COLUMN, read_noted_row
from pymodels.backends.tokyo_tyrant.knowledge import Knowledge
from pymodels.tokyo import protocol
from pymodels.tokyo.client import Client
from pymodels.tokyo.packing import joined_by_nul, pack, unpack, unpack_map
from pymodels.tokyo.search import Search
from pymodels.tokyo.serve.patching import CUT, IS, NO, SET

Pair = tuple[bytes, bytes]
Step = tuple[bytes, bytes, bytes]

AT_ONCE = 100


class File(Protocol):
    """What both kinds can do."""

    def get(self, key: bytes) -> bytes | None:
        """Give what is stored under a key."""

    def get_many(self, keys: Sequence[bytes]) -> Iterator[Pair]:
        """Yield keys and what is stored under those that are there."""

    def unjoined(self, pairs: Iterable[Pair]) -> Iterator[Pair]:
        """Give what is stored for what lists give."""

    def keys(self) -> Sequence[bytes]:
        """Give all keys."""

    def put(self, key: bytes, stored: bytes) -> None:
        """Create or overwrite."""

    def put_new(self, key: bytes, stored: bytes) -> bool:
        """Create unless the key is taken."""

    def put_each_new(self, pairs: Sequence[Pair]) -> list[bool]:
        """Create each whose key is not taken."""

    def joined(self, stored: bytes) -> bytes | None:
        """Give what a list takes; None for what no list can."""

    def steps(self, before: bytes, after: bytes) -> list[Step]:
        """Say what turns one row into another, for a patch."""


class TableFile:
    """A table: what is stored are packed columns.

    A value with a NUL, which other programs may write, cannot be told apart where
    columns are joined. Where such values are not known to be absent, each row that is
    not what its note of kinds says is asked for once more, by a call that is safe.
    """

    def __init__(self, client: Client, knowledge: Knowledge) -> None:
        self.client, self.knowledge = client, knowledge

    def get(self, key: bytes) -> bytes | None:
        """Give what is stored under a key."""
        answer = self.client.read_misc(b"get", (key,))
        return pack(answer.strings) if answer.is_good else None

    def get_many(self, keys: Sequence[bytes]) -> Iterator[Pair]:
        """Yield keys and what is stored under those that are there."""
        if len(keys) == 1:
            found = self.get(keys[0])
            return iter(() if found is None else ((keys[0], found),))
        pairs = list(self.client.get_list(keys))
        # Asked afterwards: what was read is no newer than what is told.
        self.knowledge.now()
        return self.unjoined(pairs)

    def unjoined(self, pairs: Iterable[Pair]) -> Iterator[Pair]:
        """Split what is joined."""
        if self.knowledge.has_clean_texts:
            for key, joined in pairs:
                yield key, pack(joined.split(b"\0") if joined else ())
            return
        waiting = iter(pairs)
        while some := list(islice(waiting, AT_ONCE)):
            yield from self._looked_at(some)

    def _looked_at(self, pairs: list[Pair]) -> Iterator[Pair]:
        """Split some, and ask again for those that may be something else."""
        found = {key: _split(joined) for key, joined in pairs}
        doubtful = [key for key, stored in found.items() if stored is None]
        calls = [(key,) for key in doubtful]
        answers = self.client.read_each(b"get", calls) if calls else ()
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
        self.client.good(
            self.client.write_misc(b"put", (key, *unpack(stored))), f"put of {key!r}"
        )

    def put_new(self, key: bytes, stored: bytes) -> bool:
        """Create unless the key is taken."""
        return self.client.write_misc(b"putkeep", (key, *unpack(stored))).is_good

    def put_each_new(self, pairs: Sequence[Pair]) -> list[bool]:
        """Create each whose key is not taken."""
        calls = [(key, *unpack(stored)) for key, stored in pairs]
        return [one.is_good for one in self.client.write_each(b"putkeep", calls)]

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


class HashFile:
    """A hash: what is stored is the value."""

    def __init__(self, client: Client) -> None:
        self.client = client

    def get(self, key: bytes) -> bytes | None:
        """Give what is stored under a key."""
        answer = self.client.read(protocol.GET, (key,))
        return answer.strings[0] if answer.is_good else None

    def get_many(self, keys: Sequence[bytes]) -> Iterator[Pair]:
        """Yield keys and values of those that are there."""
        if len(keys) == 1:
            found = self.get(keys[0])
            return iter(() if found is None else ((keys[0], found),))
        return self.client.get_list(keys)

    def unjoined(self, pairs: Iterable[Pair]) -> Iterator[Pair]:
        """Give values as they are."""
        return iter(pairs)

    def keys(self) -> Sequence[bytes]:
        """Give all keys."""
        return self.client.keys_with(b"")

    def put(self, key: bytes, stored: bytes) -> None:
        """Create or overwrite."""
        self.client.good(
            self.client.write(protocol.PUT, (key, stored)), f"put of {key!r}"
        )

    def put_new(self, key: bytes, stored: bytes) -> bool:
        """Create unless the key is taken."""
        return self.client.write(protocol.PUTKEEP, (key, stored)).is_good

    def put_each_new(self, pairs: Sequence[Pair]) -> list[bool]:
        """Create each whose key is not taken."""
        answers = self.client.write_all(protocol.PUTKEEP, pairs)
        return [one.is_good for one in answers]

    def joined(self, stored: bytes) -> bytes | None:
        """Give the value as it is."""
        return stored

    def steps(self, before: bytes, after: bytes) -> list[Step]:
        """Compare and set the whole value."""
        return [(IS, b"", before), (SET, b"", after)]


def _split(joined: bytes) -> bytes | None:
    """Pack the columns of a row that is what its note says; None for another."""
    parts = joined.split(b"\0")
    if len(parts) % 2:
        return None
    packed = pack(parts)
    return None if read_noted_row(packed) is None else packed
