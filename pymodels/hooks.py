"""The hooks that a backend writes, in five groups.

A backend is a class `Storage` and a class `Query`. Users call methods that are
written once, in `BaseStorage` and `BaseQuery`; these call the hooks, whose names differ
on purpose. Eight hooks are required; every other has a default built from them.

A *row* is the tuple that a driver hands over for one record: the key first, then the
stored form, in as many parts as the backend likes. Only the backend looks behind the
key.

Threads: several may call the hooks of one storage at once, each for a call of its own.
Within `exclusive`, from `begin` to `commit` or `rollback`, all calls come from one
thread. Closing: no hook but `close` is called on a closed storage, or in a process that
was forked; iterators that were given out before may be asked for more, and should raise
`StorageClosed`. Errors: what the driver raises is translated into the errors of
`errors.py`, with the driver's own as the cause.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from operator import is_not
from typing import Any, Generic, TypeVar

from pymodels.errors import SettingsError, Unsupported, cause_of, interrupted
from pymodels.indexes import BoundIndex
from pymodels.law.changes import Changes, apply
from pymodels.law.predicates import Predicate
from pymodels.law.shapes import Shape
from pymodels.law.values import Path, Record
from pymodels.querying.plan import Native, Order, Pushed, Row
from pymodels.querying.protocols import Instance, M, codec_of

T = TypeVar("T")

IS_THERE: Any = partial(is_not, None)


class StorageHooks:
    """What `BaseStorage` asks of a backend."""

    # 1. Rows and records: these ask the database nothing.

    def encode(self, key: str, record: Record) -> Row:
        """Turn a canonical record into a row. Required.

        The record holds only kinds of the law and was checked. Raises `EncodeError`
        for what this database cannot hold.
        """
        raise Unsupported(f"{type(self).__name__}.encode is not written")

    def decode(self, row: Row, shape: Shape | None = None) -> Record:
        """Turn a row into its record. Required.

        A row that another program wrote is read by the shape, which says what a model
        declares. The caller only looks at the record: a store that holds records may
        give its own, and users are given copies.
        """
        raise Unsupported(f"{type(self).__name__}.decode is not written")

    def patched(self, row: Row, changes: Changes) -> Row:
        """Give the row that `patch` would leave, without asking the database."""
        return self.encode(row[0], apply(self.decode(row), changes))

    def loader(self, model: type[M]) -> Callable[[Row], M]:
        """Give the function from the row of a member to its instance.

        It must give the instance, or raise the error, that the record and then its
        validation would (law 14). Made once for a model.
        """
        return codec_of(model).loader(self)

    def sifter(self, model: type[M]) -> Callable[[Row], M | None] | None:
        """Give the function from any row to an instance, or to None for no member.

        For backends in which loading a row shows by itself whether it is a member's.
        None where the database should be asked for membership.
        """
        return None

    def dumper(self, model: type[Instance]) -> Callable[[str, Instance], Row]:
        """Give the function from a key and a new instance to its row."""
        return codec_of(model).dumper(self)

    def key_place(self, row: Row) -> Any:
        """Give what the key of a row sorts by (law 12.4): the key, if all are texts."""
        return row[0]

    # 2. Reading: inside a transaction these see what was written in it.

    def fetch(self, keys: Iterable[str]) -> Iterator[Row]:
        """Yield the rows of those keys that are there, in any order. Required."""
        raise Unsupported(f"{type(self).__name__}.fetch is not written")

    def scan(self) -> Iterator[Row]:
        """Yield the rows of all records, in any order, in bounded memory. Required.

        A record that is written meanwhile is seen once or not at all.
        """
        raise Unsupported(f"{type(self).__name__}.scan is not written")

    def count_all(self) -> int:
        """Count all records."""
        return sum(1 for _ in self.scan())

    def scan_keys(self) -> Iterator[str]:
        """Yield the keys of all records."""
        return (row[0] for row in self.scan())

    # 3. Writing: each call is one atomic step, and done when it returns.

    def insert(self, row: Row) -> bool:
        """Create a record; say False, and change nothing, if the key exists. Required.

        Raises `DuplicateKey` if a unique index forbids it.
        """
        raise Unsupported(f"{type(self).__name__}.insert is not written")

    def insert_many(self, rows: Iterable[Row]) -> Iterable[bool]:
        """Create records, all or none of them where there are transactions.

        Gives for each whether it was created; it may stop after the first that
        was not. Raises `WriteInterrupted` if it fails after some were created.
        """
        return _one_by_one(self.insert, rows)

    def replace(self, row: Row) -> None:
        """Create or overwrite a record. Required."""
        raise Unsupported(f"{type(self).__name__}.replace is not written")

    def patch(
        self, key: str, changes: Changes, known: tuple[Row, Row] | None = None
    ) -> bool:
        """Set and remove paths of a record; say whether it was there. Required.

        What the changes do not name stays as it is, whoever wrote it. ``known`` gives,
        where the caller has them, the row as it was when it was read and the same row
        with the changes in it, for backends that compare.
        """
        raise Unsupported(f"{type(self).__name__}.patch is not written")

    def patch_many(
        self, patches: Sequence[tuple[str, Changes, tuple[Row, Row] | None]]
    ) -> list[bool]:
        """Patch several records, each as `patch` does; say for each if it was there.

        For databases that take many at once. Raises `WriteInterrupted` if it fails
        after some were written.
        """
        return _one_by_one(lambda patch: self.patch(*patch), patches)

    def discard(self, key: str) -> bool:
        """Remove the record under a key; say whether there was one. Required."""
        raise Unsupported(f"{type(self).__name__}.discard is not written")

    def swap(self, swaps: list[tuple[Row, Row | None]]) -> list[bool]:
        """Write records that are still as they were read; say for each if it was.

        Each pair is a row as it was read and the row to put in its place, or None to
        remove the record. To look and to write is one step for each record, whoever
        else writes meanwhile. Raises `WriteInterrupted` if it fails after some were
        written.
        """
        with self.exclusive():
            return _one_by_one(lambda pair: self._swap_one(*pair), swaps)

    def _swap_one(self, before: Row, after: Row | None) -> bool:
        if not any(row == before for row in self.fetch((before[0],))):
            return False
        if after is None:
            self.discard(before[0])
        else:
            self.replace(after)
        return True

    # 4. Transactions and indexes: optional, `Unsupported` where they are not written.

    def exclusive(self) -> AbstractContextManager[object]:
        """Keep other threads' writes out while this one is in a transaction."""
        return nullcontext()

    def begin(self, depth: int) -> None:
        """Begin a transaction (depth 0), or a savepoint inside one.

        Called within `exclusive`; a backend that has transactions writes this and the
        next two.
        """
        raise Unsupported(f"{self} has no transactions")

    def commit(self, depth: int) -> None:
        """Make a transaction, or the part since a savepoint, final."""

    def rollback(self, depth: int) -> None:
        """Undo a transaction, or the part since a savepoint.

        Also called where there is nothing to undo: an interrupt may come before
        `begin` has begun, and `commit` may have failed.
        """

    def create_index(self, index: BoundIndex) -> str:
        """Make an index if it is not there; give its name.

        A unique one is enforced from then on, on the model's own records, None left
        out; `DuplicateKey` if two of them hold the same already.
        """
        raise Unsupported(f"{self} has no indexes")

    def list_indexes(self) -> list[str]:
        """Give the names of the indexes that are there."""
        return []

    # 5. Opening: `__init__` takes the settings, each a named argument. Closing and the
    #    other hooks that users call too (`clear`, `sync`, `close`, `connection`) stand
    #    in `BaseStorage`.

    @classmethod
    def url_settings(cls, url: str) -> dict[str, Any]:
        """Turn a URL of this backend into named settings.

        `from_query` gives those that stand in the URL's query.
        """
        raise SettingsError(f"{url}: this backend takes no URL, but named settings")


class QueryHooks(Generic[M]):
    """What `BaseQuery` asks of a backend.

    A query is shared and immutable: a hook keeps nothing of one call for the next. The
    pushed half holds all that must hold, in `Pushed.natives`; order, start and stop are
    only there if nothing is left to be done afterwards.
    """

    storage: StorageHooks

    def compile(self, predicate: Predicate) -> Native | None:
        """Say a predicate in the database's language.

        Exact if the database's answer is the law's for every record that can be there;
        a superset (``exact=False``) is looked through again; None leaves it to us.
        """
        return None

    def can_sort(self, order: tuple[Order, ...]) -> bool:
        """Say whether the database sorts just as the law does."""
        return False

    def run(self, pushed: Pushed) -> Iterator[Row]:
        """Yield the rows of the pushed half, in bounded memory."""
        return self.storage.scan()

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
        """Give the database's own text of the pushed half, for `plan()`."""
        return ""


def _one_by_one(write: Callable[[T], bool], parts: Iterable[T]) -> list[bool]:
    outcomes: list[bool] = []
    for part in parts:
        try:
            outcomes.append(write(part))
        except Exception as error:
            if not any(outcomes):
                raise
            raise interrupted(error, sum(outcomes)) from cause_of(error)
    return outcomes


def refuse_overrides(backend: type, base: type, admitted: Collection[str]) -> None:
    """Raise `TypeError` if a backend's class overrides what its base writes once."""
    ours = {
        name
        for name, value in vars(base).items()
        if callable(value) or isinstance(value, property)
    }
    # Python 3.14 gives each class a function that makes its annotations.
    made = {"__annotate_func__", *vars(object)}
    ours -= made.union(admitted)
    for name in vars(backend).keys() & ours:
        raise TypeError(
            f"{backend.__module__}.{backend.__qualname__}.{name} would hide what "
            f"{base.__name__} does for users; a backend writes hooks, which have other "
            "names"
        )
