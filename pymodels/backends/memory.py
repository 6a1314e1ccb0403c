"""Records in a dict: the law itself, and the smallest backend. Read it first.

Nothing is pushed down; the evaluator answers everything.
"""

import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Any, Literal
from urllib.parse import unquote, urlsplit

from pymodels.backend import (
    BaseQuery,
    BaseStorage,
    BoundIndex,
    Changes,
    M,
    Pushed,
    Record,
    Row,
    Shape,
    apply,
    errors,
    from_query,
    matcher,
    read,
    sort_key,
)


class Records:
    """The records themselves, which several storages may share by name."""

    def __init__(self) -> None:
        self.by_key: dict[str, Record] = {}
        self.indexes: dict[str, BoundIndex | Unique] = {}
        self.lock = threading.RLock()

    def put(self, key: str, record: Record | None) -> Record | None:
        """Write one record, or remove it; give what was there.

        Raises `DuplicateKey`, and changes nothing, if a unique index forbids it.
        """
        old = self.by_key.get(key)
        unique = [one for one in self.indexes.values() if isinstance(one, Unique)]
        for index in unique:
            index.check(key, record)
        for index in unique:
            index.move(key, old, record)
        if record is None:
            self.by_key.pop(key, None)
        else:
            self.by_key[key] = record
        return old


class Unique:
    """Which key holds each value that one index wants to be unique."""

    def __init__(self, index: BoundIndex, records: Mapping[str, Record]) -> None:
        self.index = index
        self.belongs = matcher(index.membership)
        self.keys: dict[tuple[Any, ...], str] = {}
        for key, record in records.items():
            self.check(key, record)
            self.move(key, None, record)

    def _values(self, key: str, record: Record | None) -> tuple[Any, ...] | None:
        """Give what must be unique in a record; None is not a value."""
        if record is None or not self.belongs(key, record):
            return None
        found = [read(record, order.path) for order in self.index.orders]
        return None if None in found else tuple(map(sort_key, found))

    def check(self, key: str, record: Record | None) -> None:
        """Raise `DuplicateKey` if another record holds the same."""
        values = self._values(key, record)
        other = key if values is None else self.keys.get(values, key)
        if other != key:
            raise errors.DuplicateKey(
                f"{self.index} must be unique: the record {other!r} holds the same "
                f"value as {key!r}"
            )

    def move(self, key: str, old: Record | None, new: Record | None) -> None:
        """Note that a record has changed."""
        if (values := self._values(key, old)) is not None:
            del self.keys[values]
        if (values := self._values(key, new)) is not None:
            self.keys[values] = key


_shared: dict[str, Records] = {}
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
        self._local = threading.local()
        self.name = name
        if not name:
            self._records = Records()
            return
        with _shared_lock:
            self._records = _shared.setdefault(name, Records())

    @classmethod
    def url_settings(cls, url: str) -> dict[str, Any]:
        """``memory://`` is a new storage, ``memory://name`` the shared one."""
        parts = urlsplit(url)
        if parts.path.strip("/"):
            raise errors.SettingsError(
                f"{url}: memory URLs are memory:// and memory://name"
            )
        name = {"name": unquote(parts.netloc)} if parts.netloc else {}
        return {**name, **from_query(url, cls)}

    def __str__(self) -> str:
        return f"memory://{self.name}"

    @property
    def connection(self) -> dict[str, Record]:
        """The dict of records itself."""
        return self._records.by_key

    # Records are never changed in place, so a row may hold one as it is.

    def encode(self, key: str, record: Record) -> Row:
        """Keep the canonical record as it is."""
        return (key, record)

    def decode(self, row: Row, shape: Shape | None = None) -> Record:
        """Give the record itself, which nobody changes."""
        record: Record = row[1]
        return record

    def fetch(self, keys: Iterable[str]) -> Iterator[Row]:
        """Yield key and record of those that are there."""
        with self._records.lock:
            records = self._records.by_key
            return iter([(key, records[key]) for key in keys if key in records])

    def scan(self) -> Iterator[Row]:
        """Yield key and record of all, as they are now."""
        with self._records.lock:
            return iter(list(self._records.by_key.items()))

    def insert(self, row: Row) -> bool:
        """Create, unless the key is taken."""
        with self._records.lock:
            if row[0] in self._records.by_key:
                return False
            self._write(row[0], row[1])
            return True

    def insert_many(self, rows: Iterable[Row]) -> list[bool]:
        """Create all, or none if one key is taken."""
        new = list(rows)
        with self._records.lock:
            taken = {row[0] for row in new} & self._records.by_key.keys()
            if taken or len({row[0] for row in new}) < len(new):
                return [False]
            done: list[str] = []
            try:
                for row in new:
                    self._write(row[0], row[1])
                    done.append(row[0])
            except errors.DuplicateKey:
                for key in done:
                    self._write(key, None)
                raise
        return [True] * len(new)

    def replace(self, row: Row) -> None:
        """Create or overwrite."""
        with self._records.lock:
            self._write(row[0], row[1])

    def patch(
        self, key: str, changes: Changes, known: tuple[Row, Row] | None = None
    ) -> bool:
        """Put a changed copy in the record's place."""
        with self._records.lock:
            if key not in self._records.by_key:
                return False
            self._write(key, apply(self._records.by_key[key], changes))
            return True

    def discard(self, key: str) -> bool:
        """Remove."""
        with self._records.lock:
            if key not in self._records.by_key:
                return False
            self._write(key, None)
            return True

    def clear(self) -> None:
        """Remove all records."""
        self.check_open()
        with self._records.lock:
            for key in list(self._records.by_key):
                self._write(key, None)

    def _write(self, key: str, record: Record | None) -> None:
        """Change one record, remembering the old one for a rollback."""
        old = self._records.put(key, record)
        if getattr(self._local, "marks", None):
            self._local.undo.append((key, old))

    def exclusive(self) -> AbstractContextManager[object]:
        """Keep other threads out."""
        return self._records.lock

    def begin(self, depth: int) -> None:
        """Note where the undo list stands."""
        if depth == 0:
            self._local.undo, self._local.marks = [], []
        self._local.marks.append(len(self._local.undo))

    def commit(self, depth: int) -> None:
        """Forget the mark; the outer one may still undo."""
        self._local.marks.pop()

    def rollback(self, depth: int) -> None:
        """Put back what was there, newest first."""
        if len(getattr(self._local, "marks", ())) <= depth:
            return
        mark = self._local.marks.pop()
        while len(self._local.undo) > mark:
            self._records.put(*self._local.undo.pop())

    def create_index(self, index: BoundIndex) -> str:
        """Note what must be unique; a dict needs no index to give the same answers."""
        name = f"{index} unique" if index.unique else str(index)
        with self._records.lock:
            if name not in self._records.indexes:
                records = self._records.by_key
                made = Unique(index, records) if index.unique else index
                self._records.indexes[name] = made
        return name

    def list_indexes(self) -> list[str]:
        """Give the names of the indexes that were asked for."""
        return list(self._records.indexes)
