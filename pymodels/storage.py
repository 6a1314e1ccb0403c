"""BaseStorage: what users do with an open place of records.

The hooks that it is built from, and that a backend writes, are in `hooks.py`.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from threading import get_ident
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from pymodels import transactions
from pymodels.errors import (
    EncodeError,
    RecordNotFound,
    SettingsError,
    StorageBusy,
    StorageClosed,
    WriteUncertain,
)
from pymodels.hooks import IS_THERE, StorageHooks, refuse_overrides
from pymodels.keys import check_key, is_key
from pymodels.law.canonical import canonical, misfits
from pymodels.law.values import Record, copied
from pymodels.mapper import Mapper, Noting
from pymodels.models import saving
from pymodels.querying.protocols import Instance, M, check_model, codec_of

if TYPE_CHECKING:
    from pymodels.querying.query import BaseQuery

RESIDUALS = ("allow", "warn", "forbid")
BATCH = 2_000
BATCH_INSIDE = 200


_HOOKS_THAT_USERS_CALL = {
    "clear",
    "close",
    "connection",
    "has_transactions",
    "sync",
}


class BaseStorage(StorageHooks):
    """An open place of records, one namespace; a context manager.

    It looks like a mapping of keys to plain records. Its truth is True and its
    equality identity. Threads may share it.
    """

    query_class: ClassVar[type["BaseQuery[Any]"]]
    keeps_milliseconds: ClassVar[bool] = False
    """Whether a datetime is kept to the millisecond only (law 2)."""
    locks_writers: ClassVar[bool] = True
    """Whether a transaction keeps all other writers out, of other processes too."""
    patience: float = 5.0
    """Seconds for which a write that lost a race is run again."""

    def __init__(
        self, *, residual: Literal["allow", "warn", "forbid"] = "allow"
    ) -> None:
        """Keep what every storage knows; a backend's own settings come on top.

        ``residual`` says what to do with the part of a query that the database
        cannot answer: "allow" runs it in Python, "warn" says so by a
        `ResidualWarning`, "forbid" refuses with `ResidualForbidden`.
        """
        if residual not in RESIDUALS:
            raise SettingsError(
                f"residual is {residual!r}; it can be {', '.join(RESIDUALS)}"
            )
        self.residual = residual
        # Names that no backend can take by accident.
        self.__process = os.getpid()
        self.__is_closed = False
        self.__holders: dict[int, transactions.Transaction] = {}
        self.__mappers: dict[object, Mapper[Any]] = {}

    def __init_subclass__(cls) -> None:
        """Refuse a backend that overrides what is written once, here."""
        super().__init_subclass__()
        refuse_overrides(cls, BaseStorage, _HOOKS_THAT_USERS_CALL)

    # Hooks that users call too.

    def clear(self) -> None:
        """Remove all records."""
        for key in self:
            self.discard(key)

    def sync(self) -> None:
        """Bring what was written to the disk, where that is not done already."""
        self.check_open()

    def close(self) -> None:
        """Let go of the database; a second time does nothing.

        A backend's own `close` returns if `is_closed`, and calls this first.
        """
        self.__is_closed = True

    @property
    def is_closed(self) -> bool:
        """Whether the storage was closed."""
        return self.__is_closed

    @property
    def is_forked(self) -> bool:
        """Whether this process was forked from the one that opened the storage."""
        return self.__process != os.getpid()

    @property
    def connection(self) -> Any:
        """The driver's own handle, for what is not offered here."""
        return None

    # Users' methods.

    def check_open(self) -> None:
        """Raise `StorageClosed` after `close`, and in a forked child."""
        if self.__is_closed:
            raise StorageClosed(f"{self} was closed; open another by get_storage()")
        if self.__process != os.getpid():
            raise StorageClosed(
                f"{self} was opened before this process was forked; "
                "open one of its own here by get_storage()"
            )
        if self.__holders:
            self.__check_context()

    def __check_context(self) -> None:
        """Raise `StorageBusy` where a call would wait for its own thread."""
        mine, here = transactions.current(self), get_ident()
        holder = self.__holders.get(here)
        if holder is not None and (mine is None or mine.root is not holder):
            raise StorageBusy(
                f"{self} is in a transaction of another task of this thread, which "
                "cannot go on while this one waits"
            )
        if mine is not None and mine.thread != here:
            raise StorageBusy(
                f"{self} is in a transaction that another thread began; what belongs "
                "to it is done in that thread"
            )

    def query(self, model: type[M]) -> "BaseQuery[M]":
        """Give the query of all records of a model; `Model.objects` is the same."""
        self.check_open()
        check_model(model)
        return self.query_class(model, self)

    def mapper(self, model: type[M]) -> "Mapper[M]":
        """Give the functions between rows and a model's instances, made once."""
        self.check_open()
        codec = model.__pymodels_codec__
        found = self.__mappers.get(codec)
        if found is None:
            found = self.__mappers[codec] = Mapper(self, model)
        if self.__holders and (transaction := transactions.current(self)) is not None:
            return Noting(found, transaction)
        return found

    def get(self, model: type[M], key: str | None) -> M:
        """Load the record under a key; `RecordNotFound` if absent, or no such model.

        Raises `InvalidRecord` if it belongs to the model but does not validate.
        """
        self.check_open()
        check_model(model)
        if is_key(key):
            for instance in self._members(model, (key,)):
                return instance
        name = model.__name__
        if key in self:
            raise RecordNotFound(f"the record {key!r} in {self} is not a {name}")
        raise RecordNotFound(f"no record {key!r} in {self}; asked for a {name}")

    def get_many(self, model: type[M], keys: Iterable[str]) -> list[M]:
        """Load several records by key, in the order of the keys.

        Keys that are not there, or are of no record of the model, are left out.
        """
        self.check_open()
        check_model(model)
        if isinstance(keys, str):
            raise TypeError(f"several keys are expected, not the string {keys!r}")
        wanted = [key for key in keys if is_key(key)]
        found: dict[str | None, M] = {}
        unique = iter(dict.fromkeys(wanted))
        while batch := list(islice(unique, BATCH)):
            found.update((one.key, one) for one in self._members(model, batch))
        return [found[key] for key in wanted if key in found]

    def _members(self, model: type[M], keys: Iterable[str]) -> Iterator[M]:
        """Load those of the keys that are there and belong to the model."""
        return filter(IS_THERE, map(self.mapper(model).sift, self.fetch(keys)))

    def save_many(self, instances: Iterable[Instance]) -> list[str]:
        """Save many instances, new ones in batches; give their keys in order.

        Each batch (of 2,000) is written whole or not at all, where the backend
        has transactions; within `transaction()`, all of them are. Outside of one, a
        failure after some batches is a `WriteInterrupted` that says how many were
        done.
        """
        self.check_open()
        is_inside = self.transaction_depth > 0
        # Where no batch waits for the disk, few at a time stay in the cache.
        size = BATCH_INSIDE if is_inside else BATCH
        return saving.save_many(instances, self, size, is_inside)

    def delete(self, key: str | None) -> None:
        """Remove the record under a key; `RecordNotFound` if there is none."""
        self.check_open()
        if not (is_key(key) and self.discard(key)):
            raise RecordNotFound(f"no record {key!r} in {self}")

    def ensure_indexes(self, *models: type[Instance]) -> list[str]:
        """Make the indexes that the models ask for; safe to repeat.

        Gives the names of all of them.
        """
        self.check_open()
        for model in models:
            check_model(model)
        return [
            self.create_index(index)
            for model in models
            for index in codec_of(model).indexes
        ]

    @contextmanager
    def transaction(self) -> Iterator[Self]:
        """Make what is written inside all or nothing.

        It belongs to the thread and task that began it. One inside another is a
        savepoint. If it fails, instances are as they were before: what was first saved
        inside is new again, what was changed inside is changed again. Raises
        `Unsupported` where the backend has none.
        """
        self.check_open()
        outer = transactions.current(self)
        mine = transactions.Transaction(self, outer)
        with self.exclusive():
            is_committing = False
            self.__holders[mine.thread] = mine.root
            transactions.enter(mine)
            try:
                self.begin(mine.depth)
                yield self
                is_committing = True
                self.commit(mine.depth)
            except BaseException as error:
                if is_committing and isinstance(error, WriteUncertain):
                    mine.make_stale()
                    mine.keep()  # what is around a savepoint may still be undone
                    raise
                try:
                    # An interrupt may come at any moment: perhaps nothing was begun.
                    self.rollback(mine.depth)
                finally:
                    mine.put_back()
                raise
            finally:
                transactions.leave(mine)
                if outer is None:
                    self.__holders.pop(mine.thread, None)
            mine.keep()
        if outer is None:
            for function in mine.after_commit:
                function()

    def on_commit(self, function: Callable[[], object]) -> None:
        """Call a function after the commit, outside of one at once.

        A rollback, of a savepoint too, forgets what was to be called.
        """
        self.check_open()
        transaction = transactions.current(self)
        if transaction is None:
            function()
        else:
            transaction.after_commit.append(function)

    @property
    def has_transactions(self) -> bool:
        """Whether `transaction` is more than `Unsupported`."""
        return type(self).begin is not BaseStorage.begin

    @property
    def transaction_depth(self) -> int:
        """How many transactions this context is in, one inside the other."""
        transaction = transactions.current(self)
        return 0 if transaction is None else transaction.depth + 1

    # A mapping of keys to plain records.

    def __getitem__(self, key: str | None) -> Record:
        self.check_open()
        if is_key(key):
            for row in self.fetch((key,)):
                record: Record = copied(self.decode(row))
                return record
        raise RecordNotFound(f"no record {key!r} in {self}")

    def __setitem__(self, key: str, record: Mapping[str, Any]) -> None:
        self.check_open()
        if not isinstance(record, Mapping):
            raise TypeError(f"a record is a mapping, not {type(record).__name__}")
        values = self.__canonical(check_key(key), dict(record))
        self.replace(self.encode(key, values))

    def __canonical(self, key: str, record: Record) -> Record:
        """Make a record canonical, but for what stands in the store already."""
        try:
            return canonical(record, "record")  # type: ignore[no-any-return]  # a dict stays one
        except EncodeError:
            kept = [
                odd for row in self.fetch((key,)) for odd in misfits(self.decode(row))
            ]
            if not kept:
                raise
            return canonical(record, "record", kept=kept)  # type: ignore[no-any-return]  # as above

    def __delitem__(self, key: str | None) -> None:
        self.delete(key)

    def __contains__(self, key: object) -> bool:
        self.check_open()
        return is_key(key) and any(True for _ in self.fetch((str(key),)))

    def __len__(self) -> int:
        self.check_open()
        return self.count_all()

    def __iter__(self) -> Iterator[str]:
        self.check_open()
        return self.scan_keys()

    def records(self) -> Iterator[tuple[str, Record]]:
        """Iterate over pairs of key and plain record, in no promised order."""
        self.check_open()
        return ((row[0], copied(self.decode(row))) for row in self.scan())

    def __bool__(self) -> bool:
        return True

    def __enter__(self) -> Self:
        self.check_open()
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<{self}>"
