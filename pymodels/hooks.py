"""The hooks that a backend writes; each optional one has a default built from the rest.

A *row* is the tuple that a driver hands over for one record: the key first, then
the stored form, which only the backend looks into. Users never call a hook and
backends never override a user's method; their names differ on purpose.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from operator import is_not
from typing import Any, Generic

from pymodels.errors import SettingsError, Unsupported
from pymodels.indexes import BoundIndex
from pymodels.law.changes import Changes, apply
from pymodels.law.predicates import Predicate
from pymodels.law.shapes import Shape
from pymodels.law.values import Path, Record
from pymodels.querying.plan import Native, Order, Pushed, Row, Spec
from pymodels.querying.protocols import Instance, M, codec_of

IS_THERE: Any = partial(is_not, None)


class StorageHooks:
    """What `BaseStorage` asks of a backend."""

    # Hooks: required.

    def encode(self, key: str, record: Record) -> Row:
        """Turn a canonical record into a row."""
        raise Unsupported(f"{type(self).__name__}.encode is not written")

    def decode(self, row: Row, shape: Shape | None = None) -> Record:
        """Turn a row into its record; a foreign one is read by the shape.

        The caller only looks at the record: a store that holds records may give its
        own, and users are given copies.
        """
        raise Unsupported(f"{type(self).__name__}.decode is not written")

    def fetch(self, keys: Iterable[str]) -> Iterator[Row]:
        """Yield the rows of those keys that are there, in any order."""
        raise Unsupported(f"{type(self).__name__}.fetch is not written")

    def scan(self) -> Iterator[Row]:
        """Yield all rows."""
        raise Unsupported(f"{type(self).__name__}.scan is not written")

    def insert(self, row: Row) -> bool:
        """Create a record; say False, and change nothing, if the key exists."""
        raise Unsupported(f"{type(self).__name__}.insert is not written")

    def replace(self, row: Row) -> None:
        """Create or overwrite a record."""
        raise Unsupported(f"{type(self).__name__}.replace is not written")

    def patch(
        self, key: str, changes: Changes, known: tuple[Row, Row] | None = None
    ) -> bool:
        """Change paths in one atomic step; say whether the record was there.

        ``known`` gives, where the caller has them, the row as it was when it was read
        and the same row with the changes in it, for backends that compare.
        """
        raise Unsupported(f"{type(self).__name__}.patch is not written")

    def discard(self, key: str) -> bool:
        """Remove the record under a key; say whether there was one."""
        raise Unsupported(f"{type(self).__name__}.discard is not written")

    # Hooks: optional; each default is built from those above.

    def count_all(self) -> int:
        """Count all records."""
        return sum(1 for _ in self.scan())

    def scan_keys(self) -> Iterator[str]:
        """Yield the keys of all records."""
        return (row[0] for row in self.scan())

    def key_place(self, row: Row) -> Any:
        """Give what the key of a row sorts by (law 12.4)."""
        return row[0]

    def insert_many(self, rows: Iterable[Row]) -> Iterable[bool]:
        """Create records, all or none of them where there are transactions.

        Gives for each whether it was created; it may stop after the first that
        was not.
        """
        return [self.insert(row) for row in rows]

    def flush(self) -> None:
        """Wait until all batches of `insert_many` are as safe as any single write.

        Called once after many of them, for backends that let them go on until then.
        """

    def exclusive(self) -> AbstractContextManager[object]:
        """Keep other threads' writes out while this one is in a transaction."""
        return nullcontext()

    def begin(self, depth: int) -> None:
        """Begin a transaction (depth 0), or a savepoint inside one."""
        raise Unsupported(f"{self} has no transactions")

    def commit(self, depth: int) -> None:
        """Make a transaction, or the part since a savepoint, final."""

    def rollback(self, depth: int) -> None:
        """Undo a transaction, or the part since a savepoint.

        Nothing may be there to undo: an interrupt came before it was begun, or the
        commit has failed.
        """

    def create_index(self, index: BoundIndex) -> str:
        """Make an index if it is not there, unique ones enforced; give its name."""
        raise Unsupported(f"{self} has no indexes")

    def list_indexes(self) -> list[str]:
        """Give the names of the indexes that were made."""
        return []

    def loader(self, model: type[M]) -> Callable[[Row], M]:
        """Give the function from a row to an instance, the shortest proven way."""
        return codec_of(model).loader(self)

    def sifter(self, model: type[M]) -> Callable[[Row], M | None] | None:
        """Give the function from any row to an instance, or None for no member.

        For whole scans, keys and whatever `QueryHooks.sifted` takes it for, where
        loading shows membership by the way; None where the database had better ask.
        """
        return None

    def dumper(self, model: type[Instance]) -> Callable[[str, Instance], Row]:
        """Give the function from a key and a new instance to a row."""
        record_of = codec_of(model).new_record
        return lambda key, instance: self.encode(key, record_of(key, instance))

    def patched(self, row: Row, changes: Changes) -> Row:
        """Give a row with changes in it, without asking the database."""
        return self.encode(row[0], apply(self.decode(row), changes))

    @classmethod
    def url_settings(cls, url: str) -> dict[str, Any]:
        """Turn a URL of this backend into named settings.

        `from_query` gives those that stand in the URL's query.
        """
        raise SettingsError(f"{url}: this backend takes no URL, but named settings")


class QueryHooks(Generic[M]):
    """What `BaseQuery` asks of a backend."""

    storage: StorageHooks

    def compile(self, predicate: Predicate) -> Native | None:
        """Say a predicate in the database's language; None leaves it to us."""
        return None

    def can_sort(self, order: tuple[Order, ...]) -> bool:
        """Say whether the database sorts just as the law does."""
        return False

    def run(self, pushed: Pushed) -> Iterator[Row]:
        """Yield the rows of the pushed half."""
        return self.storage.scan()

    def sifted(
        self, asked: Spec, sift: Callable[[Row], M | None]
    ) -> Iterator[M] | None:
        """Yield the members among the records that fulfil what is asked beside that.

        None where the database had better ask for membership, too.
        """
        if asked != Spec():
            return None
        return filter(IS_THERE, map(sift, self.storage.scan()))

    def count_pushed(self, pushed: Pushed) -> int:
        """Count the records of a pushed query."""
        return sum(1 for _ in self.run(pushed))

    def discard_pushed(self, pushed: Pushed) -> int | None:
        """Remove the records of a pushed query at once; None leaves it to us."""
        return None

    def patch_pushed(self, pushed: Pushed, changes: Changes) -> int | None:
        """Change the records of a pushed query at once; None leaves it to us."""
        return None

    def distinct_pushed(self, pushed: Pushed, path: Path) -> Iterator[Any] | None:
        """Yield the values at a path, repeated or not; None leaves it to us."""
        return None

    def describe(self, pushed: Pushed) -> str:
        """Give the database's own text of the pushed half, for people."""
        return ""
