"""A backend over the standard library's dbm: each record as JSON text in a file.

The finished example of docs/write-a-backend.md, which builds it step by step.
"""

import dbm.dumb
import threading
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import unquote, urlsplit

from pymodels.backend import (
    KEY,
    BaseQuery,
    BaseStorage,
    Changes,
    M,
    Native,
    Pushed,
    Record,
    Row,
    Shape,
    apply,
    errors,
    from_query,
    json_body,
)
from pymodels.backend import predicates as p

SEPARATOR = "\n"  # JSON text as we write it holds no line break


@contextmanager
def translated(path: str) -> Iterator[None]:
    """Turn the driver's errors into ours, with the driver's as the cause."""
    try:
        yield
    except OSError as error:
        raise errors.StorageError(f"{path}: {error}") from error


@dataclass(frozen=True, slots=True)
class Keys:
    """A native form: the record stands under one of these keys."""

    keys: frozenset[str]

    def __str__(self) -> str:
        return f"fetch {sorted(self.keys)}"


@dataclass(frozen=True, slots=True)
class HasText:
    """A native form: the record's text has this text in it."""

    text: str

    def __str__(self) -> str:
        return f"scan for {self.text}"


class Query(BaseQuery[M]):
    """Fetches by key, and looks for a string before it decodes."""

    storage: "Storage"

    def compile(self, predicate: p.Predicate) -> Native | None:
        """Take what names a key, or a string; leave the rest."""
        match predicate:
            case p.Equal(path=path, value=str(key), caseless=False) if path == KEY:
                return Native(Keys(frozenset({key})))
            case p.Equal(path=path, value=str(text), caseless=False) if path != KEY:
                # A superset: the same text may stand in another field.
                return Native(HasText(json_body.to_json(text)), exact=False)
        return None

    def run(self, pushed: Pushed) -> Iterator[Row]:
        """Fetch where keys are known, else scan; then look for the texts."""
        keys = [form.keys for form in pushed.natives if isinstance(form, Keys)]
        texts = [form.text for form in pushed.natives if isinstance(form, HasText)]
        found = (
            self.storage.fetch(frozenset.intersection(*keys))
            if keys
            else self.storage.scan()
        )
        return (row for row in found if all(text in row[1] for text in texts))

    def describe(self, pushed: Pushed) -> str:
        """Name the forms."""
        return "\n".join(map(str, pushed.natives)) or "scan"


class Storage(BaseStorage):
    """Records in a file of dbm.dumb, for one process at a time."""

    query_class = Query

    def __init__(
        self,
        path: str,
        *,
        residual: Literal["allow", "warn", "forbid"] = "allow",
    ) -> None:
        """Open the file, made if it is absent; its folder must be there.

        ``path``: the file's name, to which dbm adds endings of its own.
        ``residual``: see `BaseStorage`.
        """
        super().__init__(residual=residual)
        self.path = path
        self._lock = threading.RLock()
        self._undo: list[tuple[bytes, bytes | None]] = []
        self._marks: list[int] = []
        with translated(path):
            self._file = dbm.dumb.open(path, "c")  # noqa: SIM115  # open until close()

    @classmethod
    def url_settings(cls, url: str) -> dict[str, Any]:
        """``shelf:///relative``, ``shelf:////absolute``."""
        parts = urlsplit(url)
        if parts.netloc or len(parts.path) < 2:
            raise errors.SettingsError(f"{url}: a shelf's URL is shelf:///relative")
        return {"path": unquote(parts.path[1:]), **from_query(url, cls)}

    def __str__(self) -> str:
        return f"shelf:///{self.path}"

    # A row is (key, body, kinds); the file holds body and kinds as two lines.

    def encode(self, key: str, record: Record) -> Row:
        """Write a record as JSON text and its note of kinds."""
        return (key, *json_body.encode(record))

    def decode(self, row: Row, shape: Shape | None = None) -> Record:
        """Read a record back."""
        key, body, kinds = row
        return json_body.decode(key, body, kinds, shape)

    def fetch(self, keys: Iterable[str]) -> Iterator[Row]:
        """Yield the rows of those keys that are there."""
        for key in keys:
            with self._lock, translated(self.path):
                found = self._file.get(key.encode())
            if found is not None:
                yield (key, *found.decode().split(SEPARATOR))

    def scan(self) -> Iterator[Row]:
        """Yield all rows."""
        with self._lock, translated(self.path):
            keys = [key.decode() for key in self._file]
        return self.fetch(keys)

    def insert(self, row: Row) -> bool:
        """Create, unless the key is taken."""
        with self._lock:
            if row[0].encode() in self._file:
                return False
            self.replace(row)
            return True

    def insert_many(self, rows: Iterable[Row]) -> Iterable[bool]:
        """Create all or none."""
        new = list(rows)
        with self.transaction():
            for row in new:
                if not self.insert(row):
                    raise errors.DuplicateKey(f"there is a record {row[0]!r} in {self}")
        return [True] * len(new)

    def replace(self, row: Row) -> None:
        """Create or overwrite."""
        key, body, kinds = row
        self._write(key.encode(), f"{body}{SEPARATOR}{kinds}".encode())

    def patch(
        self, key: str, changes: Changes, known: tuple[Row, Row] | None = None
    ) -> bool:
        """Read, change and write while nobody else may."""
        with self._lock:
            for row in self.fetch((key,)):
                record = apply(self.decode(row), changes)
                self.replace(self.encode(key, record))
                return True
        return False

    def discard(self, key: str) -> bool:
        """Remove."""
        with self._lock:
            if key.encode() not in self._file:
                return False
            self._write(key.encode(), None)
            return True

    def _write(self, key: bytes, text: bytes | None) -> None:
        """Write or remove; inside a transaction, remember what was there."""
        with self._lock, translated(self.path):
            if self.transaction_depth:
                self._undo.append((key, self._file.get(key)))
            self._put(key, text)

    def _put(self, key: bytes, text: bytes | None) -> None:
        if text is None:
            self._file.pop(key, None)
        else:
            self._file[key] = text

    # Transactions: what was there is put back, newest first.

    def exclusive(self) -> AbstractContextManager[object]:
        """Keep other threads out from before `begin` until after the end."""
        return self._lock

    def begin(self, depth: int) -> None:
        """Note where the undo list stands."""
        self._marks.append(len(self._undo))

    def commit(self, depth: int) -> None:
        """Forget the mark; outside of all others, forget what was there."""
        self._marks.pop()
        if depth == 0:
            self._undo.clear()

    def rollback(self, depth: int) -> None:
        """Put back what was there before `begin`, if it was begun at all."""
        if len(self._marks) > depth:
            mark = self._marks.pop()
            with translated(self.path):
                while len(self._undo) > mark:
                    self._put(*self._undo.pop())

    def sync(self) -> None:
        """Bring the file's index to the disk."""
        self.check_open()
        with self._lock, translated(self.path):
            self._file.sync()

    def close(self) -> None:
        """Close the file."""
        if not self.is_closed:
            super().close()
            with translated(self.path):
                self._file.close()

    @property
    def connection(self) -> Any:
        """The dbm file itself: keys and texts as bytes."""
        return self._file
