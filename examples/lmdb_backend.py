"""A backend over LMDB, an embedded B+ tree with one writer at a time.

An entry is a key, and three lines: JSON body, note of kinds and the key again.
Transactions are LMDB's own, which nest; a writer waits for the one before it.
"""

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from itertools import islice

import lmdb

from pymodels.backend import (
    BaseQuery,
    BaseStorage,
    Changes,
    Record,
    Row,
    Shape,
    apply,
    errors,
    json_body,
)

BATCH = 500


def address(key: str) -> bytes:
    """Give LMDB's key: the record's own, or its hash if that is too long."""
    name = key.encode()
    return name if len(name) < 512 else b"\0" + sha256(name).digest()


class Storage(BaseStorage):
    """Records in an LMDB environment, for any number of threads and processes."""

    query_class = BaseQuery

    def __init__(self, path: str, *, map_size: int = 1 << 30, residual="allow") -> None:
        """Open a folder, made if it is absent, that may grow to ``map_size`` bytes."""
        super().__init__(residual=residual)
        self.path = path
        self._local = threading.local()
        with self._translated():
            self._environment = lmdb.open(path, map_size=map_size)

    def __str__(self) -> str:
        return f"lmdb:///{self.path}"

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except lmdb.Error as error:
            self.check_open()  # if closing was the reason, this says so
            raise errors.StorageError(f"{self}: {error}") from error

    @property
    def _inside(self) -> list[lmdb.Transaction]:
        """The transactions that this thread is in, the innermost last."""
        return self._local.__dict__.setdefault("inside", [])

    @contextmanager
    def _step(self, write: bool = False) -> Iterator[lmdb.Transaction]:
        """Make what is done inside one step: all or nothing."""
        parent = self._inside[-1] if self._inside else None
        with self._translated():
            if parent and not write:
                yield parent
            else:
                with self._environment.begin(parent=parent, write=write) as step:
                    yield step

    def encode(self, key: str, record: Record) -> Row:
        return (key, "\n".join((*json_body.encode(record), key)).encode())

    def decode(self, row: Row, shape: Shape | None = None) -> Record:
        body, kinds, key = row[1].decode().split("\n", 2)
        return json_body.decode(key, body, kinds, shape)

    def fetch(self, keys: Iterable[str]) -> Iterator[Row]:
        for key in keys:
            with self._step() as step:
                value = step.get(address(key))
            if value is not None:
                yield (key, value)

    def scan(self) -> Iterator[Row]:
        """Read some at a time, in LMDB's order, so that no reader keeps old pages."""
        last = b""
        while True:
            with self._step() as step, step.cursor() as cursor:
                found = cursor.set_range(last + b"\0")
                batch = list(islice(cursor, BATCH)) if found else []
            if not batch:
                return
            for _, value in batch:
                yield (value.decode().split("\n", 2)[2], value)
            last = batch[-1][0]

    def insert(self, row: Row) -> bool:
        return all(self.insert_many([row]))

    def insert_many(self, rows: Iterable[Row]) -> Iterable[bool]:
        """Stop at the first key that is taken, and undo what went before."""
        new = list(rows)
        with self._step(write=True) as step:
            for key, value in new:
                if not step.put(address(key), value, overwrite=False):
                    step.abort()
                    return [False]
        return [True] * len(new)

    def replace(self, row: Row) -> None:
        with self._step(write=True) as step:
            step.put(address(row[0]), row[1])

    def patch(self, key: str, changes: Changes, known=None) -> bool:
        with self._step(write=True) as step:
            value = step.get(address(key))
            if value is None:
                return False
            record = apply(self.decode((key, value)), changes)
            return step.put(address(key), self.encode(key, record)[1])

    def discard(self, key: str) -> bool:
        with self._step(write=True) as step:
            return step.delete(address(key))

    def begin(self, depth: int) -> None:
        parent = self._inside[-1] if depth else None
        with self._translated():
            self._inside.append(self._environment.begin(parent=parent, write=True))

    def commit(self, depth: int) -> None:
        with self._translated():
            self._inside[depth].commit()
        del self._inside[depth:]

    def rollback(self, depth: int) -> None:
        while len(self._inside) > depth:
            self._inside.pop().abort()

    def close(self) -> None:
        super().close()
        self._environment.close()
