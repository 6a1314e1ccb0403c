"""Records in a dict: the law itself, and the smallest backend. Read it first.

Nothing is pushed down; the evaluator answers everything.
"""

import threading
from collections.abc import Iterable, Iterator
from typing import Any, Literal
from urllib.parse import unquote, urlsplit

from pymodels.canonical import canonical
from pymodels.changes import Changes, apply
from pymodels.errors import SettingsError
from pymodels.indexes import BoundIndex
from pymodels.plan import Pushed, Row
from pymodels.query import BaseQuery, M
from pymodels.shapes import Shape
from pymodels.storage import BaseStorage
from pymodels.values import Record


class Place:
    """The records themselves, which several storages may share by name."""

    def __init__(self) -> None:
        self.records: dict[str, Record] = {}
        self.indexes: list[str] = []
        self.lock = threading.RLock()


_shared: dict[str, Place] = {}
_shared_lock = threading.Lock()


class Query(BaseQuery[M]):
    """Everything is residual."""

    def run(self, pushed: Pushed) -> Iterator[Row]:
        """Yield all rows: nothing is ever pushed."""
        return self.storage.scan()


class Storage(BaseStorage):
    """Records in this process's memory, gone when it ends."""

    query_class = Query

    def __init__(
        self,
        name: str = "",
        *,
        residual: Literal["allow", "warn", "forbid"] = "allow",
    ) -> None:
        """Open an empty storage, or the one that is shared by ``name``.

        ``name``: storages of one name in one process see the same records;
        without a name each has its own. ``residual``: see `BaseStorage`; as
        nothing is pushed here, "forbid" refuses every query with a condition.
        """
        super().__init__(residual=residual)
        self.name = name
        if not name:
            self._place = Place()
            return
        with _shared_lock:
            self._place = _shared.setdefault(name, Place())

    @classmethod
    def url_settings(cls, url: str) -> dict[str, Any]:
        """``memory://`` is a new storage, ``memory://name`` the shared one."""
        parts = urlsplit(url)
        if parts.path.strip("/"):
            raise SettingsError(f"{url}: memory URLs are memory:// and memory://name")
        return {"name": unquote(parts.netloc)} if parts.netloc else {}

    def __str__(self) -> str:
        return f"memory://{self.name}"

    @property
    def connection(self) -> dict[str, Record]:
        """The dict of records itself."""
        return self._place.records

    # Records are never changed in place, so a row may hold one as it is; only
    # `decode` copies, because what it gives belongs to the user.

    def encode(self, key: str, record: Record) -> Row:
        """Keep the canonical record as it is."""
        return (key, record)

    def decode(self, row: Row, shape: Shape | None = None) -> Record:
        """Give a copy."""
        return _copied(row[1])

    def fetch(self, keys: Iterable[str]) -> Iterator[Row]:
        """Yield key and record of those that are there."""
        with self._place.lock:
            records = self._place.records
            return iter([(key, records[key]) for key in keys if key in records])

    def scan(self) -> Iterator[Row]:
        """Yield key and record of all, as they are now."""
        with self._place.lock:
            return iter(list(self._place.records.items()))

    def insert(self, row: Row) -> bool:
        """Create, unless the key is taken."""
        with self._place.lock:
            if row[0] in self._place.records:
                return False
            self._write(row[0], row[1])
            return True

    def insert_many(self, rows: Iterable[Row]) -> list[bool]:
        """Create all, or none if one key is taken."""
        new = list(rows)
        with self._place.lock:
            taken = {row[0] for row in new} & self._place.records.keys()
            if taken or len({row[0] for row in new}) < len(new):
                return [False]
            for row in new:
                self._write(row[0], row[1])
        return [True] * len(new)

    def replace(self, row: Row) -> None:
        """Create or overwrite."""
        with self._place.lock:
            self._write(row[0], row[1])

    def patch(self, key: str, changes: Changes) -> bool:
        """Put a changed copy in the record's place."""
        with self._place.lock:
            if key not in self._place.records:
                return False
            self._write(key, apply(self._place.records[key], changes))
            return True

    def discard(self, key: str) -> bool:
        """Remove."""
        with self._place.lock:
            if key not in self._place.records:
                return False
            self._write(key, None)
            return True

    def clear(self) -> None:
        """Remove all records."""
        self.check_open()
        with self._place.lock:
            for key in list(self._place.records):
                self._write(key, None)

    def _write(self, key: str, record: Record | None) -> None:
        """Change one record, remembering the old one for a rollback."""
        records = self._place.records
        if self.transaction_depth:
            self._local.undo.append((key, records.get(key)))
        if record is None:
            del records[key]
        else:
            records[key] = record

    def begin(self, depth: int) -> None:
        """Keep other threads out and note where the undo list stands."""
        self._place.lock.acquire()
        if depth == 0:
            self._local.undo, self._local.marks = [], []
        self._local.marks.append(len(self._local.undo))

    def commit(self, depth: int) -> None:
        """Let the others in again; the outer one may still undo."""
        self._local.marks.pop()
        self._place.lock.release()

    def rollback(self, depth: int) -> None:
        """Put back what was there, newest first."""
        mark = self._local.marks.pop()
        records = self._place.records
        while len(self._local.undo) > mark:
            key, record = self._local.undo.pop()
            records.pop(key, None)
            if record is not None:
                records[key] = record
        self._place.lock.release()

    def create_index(self, index: BoundIndex) -> str:
        """Note the name: a dict needs no index to give the same answers."""
        if index.unique:
            return super().create_index(index)
        name = str(index)
        if name not in self._place.indexes:
            self._place.indexes.append(name)
        return name

    def list_indexes(self) -> list[str]:
        """Give the names of the indexes that were asked for."""
        return list(self._place.indexes)


def _copied(record: Record) -> Record:
    copy: Record = canonical(record, "record")
    return copy
