"""The smallest backend: the required hooks over a dict, and a lock.

The first step of docs/write-a-backend.md; shelf_backend.py is the last.
"""

import threading
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager

from pymodels.backend import (
    BaseQuery,
    BaseStorage,
    Changes,
    Record,
    Row,
    Shape,
    apply,
    json_body,
)


class Storage(BaseStorage):
    """Records as JSON text in a dict."""

    query_class = BaseQuery  # nothing is pushed down: all is residual

    def __init__(self, *, residual="allow") -> None:
        """Start empty. ``residual``: see `BaseStorage`."""
        super().__init__(residual=residual)
        self._rows: dict[str, Row] = {}
        self._lock = threading.RLock()

    def __str__(self) -> str:
        return "first://"

    def encode(self, key: str, record: Record) -> Row:
        """Write a record as JSON text and its note of kinds."""
        body, kinds = json_body.encode(record)
        return (key, body, kinds)

    def decode(self, row: Row, shape: Shape | None = None) -> Record:
        """Read a record back."""
        key, body, kinds = row
        return json_body.decode(key, body, kinds, shape)

    def fetch(self, keys: Iterable[str]) -> Iterator[Row]:
        """Yield the rows of those keys that are there."""
        return (self._rows[key] for key in keys if key in self._rows)

    def scan(self) -> Iterator[Row]:
        """Yield all rows, as they are now."""
        return iter(list(self._rows.values()))

    def insert(self, row: Row) -> bool:
        """Create, unless the key is taken."""
        with self._lock:
            return self._rows.setdefault(row[0], row) is row

    def replace(self, row: Row) -> None:
        """Create or overwrite."""
        with self._lock:
            self._rows[row[0]] = row

    def patch(
        self, key: str, changes: Changes, known: tuple[Row, Row] | None = None
    ) -> bool:
        """Read, change and write while nobody else may."""
        with self._lock:
            if key not in self._rows:
                return False
            record = apply(self.decode(self._rows[key]), changes)
            self._rows[key] = self.encode(key, record)
            return True

    def discard(self, key: str) -> bool:
        """Remove."""
        with self._lock:
            return self._rows.pop(key, None) is not None

    def exclusive(self) -> AbstractContextManager[object]:
        """Keep other threads' writes out."""
        return self._lock
