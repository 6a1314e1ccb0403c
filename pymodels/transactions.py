"""Transactions: to which context one belongs, and what its rollback puts back.

A transaction belongs to the context that began it (a ContextVar): threads and tasks
have their own. What was done to instances inside is noted, by weak references, so that
a rollback leaves them as they were.
"""

from collections.abc import Callable
from contextvars import ContextVar
from threading import get_ident
from typing import Any, Self
from weakref import ref


class StaleRow(tuple[Any, ...]):
    """A row that may never have been stored: the next save reads the record first."""


class Transaction:
    """One that is open, or a savepoint inside one."""

    def __init__(self, storage: object, outer: Self | None) -> None:
        self.storage, self.outer = storage, outer
        self.depth: int = 0 if outer is None else outer.depth + 1
        self.root: Transaction = self if outer is None else outer.root
        self.thread = get_ident()
        self.after_commit: list[Callable[[], object]] = []
        self._written: dict[int, Note] = {}
        self._loaded: dict[int, Note] = {}

    def note_write(self, instance: Any, codec: Any) -> None:
        """Remember the row of an instance that is about to get another, or none."""
        if id(instance) not in self._written:
            _note(self._written, instance, codec, codec.row_of(instance))

    def note_load(self, instance: Any, codec: Any) -> None:
        """Remember that what an instance was loaded from may be undone."""
        _note(self._loaded, instance, codec, None)

    def keep(self) -> None:
        """Let a savepoint's part go into what is around it."""
        if self.outer is not None:
            self.outer._written = {**self._written, **self.outer._written}
            self.outer._loaded |= self._loaded
            self.outer.after_commit += self.after_commit

    def put_back(self) -> None:
        """Leave instances as they were before."""
        for weak, codec, row in list(self._written.values()):
            if (instance := weak()) is not None:
                codec.set_row(instance, row)
        self._make_stale(self._loaded)

    def make_stale(self) -> None:
        """Let the next saves read first: nobody knows whether this was committed."""
        self._make_stale(self._written | self._loaded)

    def _make_stale(self, notes: "dict[int, Note]") -> None:
        for weak, codec, _ in list(notes.values()):
            if (instance := weak()) is not None:
                codec.set_row(instance, _stale(codec.row_of(instance)))


Note = tuple[ref[Any], Any, tuple[Any, ...] | None]
"""An instance, its codec and the row that it had."""


def _note(
    notes: dict[int, Note], instance: Any, codec: Any, row: tuple[Any, ...] | None
) -> None:
    """Note an instance for as long as it lives."""
    identity = id(instance)
    weak = ref(instance, lambda _: notes.pop(identity, None))
    notes[identity] = (weak, codec, row)


def _stale(row: tuple[Any, ...] | None) -> StaleRow | None:
    if row is None:
        return None
    stale = StaleRow(row)
    # What an instance keeps beside its row stays.
    vars(stale).update(getattr(row, "__dict__", {}))
    return stale


_open: ContextVar[tuple[Transaction, ...]] = ContextVar("transactions", default=())


def current(storage: object) -> Transaction | None:
    """Give the innermost transaction of a storage that this context is in."""
    for transaction in reversed(_open.get()):
        if transaction.storage is storage:
            return transaction
    return None


def enter(transaction: Transaction) -> None:
    """Let the calls of this context be inside a transaction."""
    _open.set((*_open.get(), transaction))


def leave(transaction: Transaction) -> None:
    """Let the calls of this context be outside of it again."""
    _open.set(tuple(one for one in _open.get() if one is not transaction))
