"""Records in a file of Tokyo Cabinet behind a server."""

import os
import threading
import warnings
from collections.abc import Iterable, Iterator
from typing import Any, Literal
from urllib.parse import unquote, urlsplit

from pymodels.backend import Instance, check_model, codec_of, from_query
from pymodels.backends._tokyo.columns import column_of, name_of
from pymodels.backends._tokyo.forms import ColumnForm, Form, JsonForm
from pymodels.backends._tokyo.indexes import type_of
from pymodels.backends._tokyo.query import NUMERIC, SearchedStorage
from pymodels.backends.tokyo_tyrant.files import File, HashFile, TableFile
from pymodels.backends.tokyo_tyrant.indexes import Indexes
from pymodels.backends.tokyo_tyrant.knowledge import Knowledge
from pymodels.backends.tokyo_tyrant.query import Query
from pymodels.backends.tokyo_tyrant.searching import Searching
from pymodels.errors import LostUpdateWarning, SettingsError, StorageBusy, Unsupported
from pymodels.indexes import BoundIndex
from pymodels.law.changes import Changes
from pymodels.querying.plan import Row
from pymodels.tokyo.client import Client, batches
from pymodels.tokyo.connections import Address
from pymodels.tokyo.protocol import VSIZ
from pymodels.tokyo.requests import KINDS
from pymodels.tokyo.search import Condition, Search
from pymodels.tokyo.serve.patching import DONE, MISSING

TRIES = 100
"""How often others may change a record between our reading and writing it."""
LARGEST_BATCH = 32 * 2**20
LONGEST_TIMEOUT = 86_400
LONGEST_SOCKET = 107
LOST_UPDATES = ("warn", "allow", "forbid")
HOST, PORT, LAST_PORT = "localhost", 1978, 65_535


class Storage(SearchedStorage):
    """Records in a table or hash file behind a Tokyo Tyrant server."""

    query_class = Query

    def __init__(
        self,
        host: str | None = None,
        port: int | None = None,
        *,
        socket: str | None = None,
        kind: Literal["TABLE", "HASH"] = "TABLE",
        timeout: float = 5.0,
        pool_size: int = 8,
        lost_updates: Literal["warn", "allow", "forbid"] = "warn",
        residual: Literal["allow", "warn", "forbid"] = "allow",
    ) -> None:
        """Connect to a server, which must be there.

        ``host``, ``port``: where it listens, "localhost" and 1978 unless told.
        ``socket``: the UNIX socket where it listens instead; it excludes both.
        ``kind``: what its file must be, "TABLE" or "HASH".
        ``timeout``: seconds to wait for a connection and for each answer.
        ``pool_size``: how many connections threads may use at a time.
        ``lost_updates``: what to do with a change to a record on a server that has no
        atomic patch: "warn" once by a `LostUpdateWarning`, "allow" it, or "forbid" it
        by `Unsupported`. ``residual``: see `BaseStorage`. Raises `StorageError` if
        nobody listens, `SettingsError` if the file is of another kind.
        """
        super().__init__(residual=residual)
        _check_choice("kind", kind, KINDS)
        _check_choice("lost_updates", lost_updates, LOST_UPDATES)
        _check_number("timeout", timeout, 0.001, float, LONGEST_TIMEOUT)
        _check_number("pool_size", pool_size, 1, int)
        address = _address(host, port, socket)
        self.kind = kind
        self.is_table = self.sorts_keys = kind == "TABLE"
        self.lost_updates = lost_updates
        self._has_warned = threading.Event()
        self.client = Client(address, timeout=timeout, pool_size=pool_size, kind=kind)
        self.form: Form = ColumnForm() if self.is_table else JsonForm()
        self.knowledge = Knowledge(self.client)
        self.file: File = HashFile(self.client)
        if self.is_table:
            self.file = TableFile(self.client, self.knowledge)
        self.searching = Searching(self.file, self.form, self.knowledge)
        self.indexes = Indexes(self.client)

    @classmethod
    def url_settings(cls, url: str) -> dict[str, Any]:
        """``tokyo-tyrant://host:port``, or a socket's ``tokyo-tyrant:///path``."""
        parts = urlsplit(url)
        path = unquote(parts.path)
        try:
            port = parts.port
        except ValueError as error:
            raise SettingsError(f"{_shown(url)}: {error}") from error
        if parts.username is not None or (parts.netloc and path not in {"", "/"}):
            raise SettingsError(
                f"{_shown(url)}: such a URL is tokyo-tyrant://host:1978, or "
                "tokyo-tyrant:///path/of/a/socket; the protocol has no passwords"
            )
        found = from_query(url, cls)
        if not parts.netloc:
            return {"socket": path, **found} if len(path) > 1 else found
        if parts.hostname:
            found["host"] = parts.hostname
        return found if port is None else {**found, "port": port}

    def __str__(self) -> str:
        kind = "" if self.kind == "TABLE" else f"?kind={self.kind}"
        return f"{self.client.address}{kind}"

    @property
    def connection(self) -> Client:
        """The driver's own handle: a `pymodels.tokyo.client.Client`."""
        self.check_open()
        return self.client

    # Reading.

    def fetch(self, keys: Iterable[str]) -> Iterator[Row]:
        """Yield the rows of those keys that are there."""
        return self.searching.rows_of(map(column_of, keys))

    def scan(self) -> Iterator[Row]:
        """Yield all rows."""
        if self.is_table:
            yield from self.searching.rows(Search())[0]
        else:
            yield from self.scan_in(None)

    def scan_in(self, descending: bool | None) -> Iterator[Row]:
        """Yield all rows of a hash, in the order of keys if one is wanted."""
        keys = self.file.keys()
        if descending is not None:
            keys = sorted(keys, reverse=descending)
        yield from self.searching.rows_of(keys)

    def count_all(self) -> int:
        """Ask the server."""
        return self.client.count()

    def scan_keys(self) -> Iterator[str]:
        """Ask for the keys alone."""
        return map(name_of, self.file.keys())

    # Writing.

    def insert(self, row: Row) -> bool:
        """Create, unless the key is taken."""
        key, stored = self._bound(row)
        if self.file.put_new(key, stored):
            return True
        self._check_refused(key, is_there=False)
        return False

    def insert_many(self, rows: Iterable[Row]) -> Iterable[bool]:
        """Create all in one step where the server can, else one after the other."""
        pairs = [self._bound(row) for row in rows]
        joined = [(key, self.file.joined(stored)) for key, stored in pairs]
        listed = [(key, value) for key, value in joined if value is not None]
        if not self.client.has_function("putkeeplist") or len(listed) < len(pairs):
            return self._insert_each(pairs)
        outcomes: list[bool] = []
        for batch in batches(listed, len(listed), LARGEST_BATCH):
            if self.client.put_keep_list(batch):
                return [*outcomes, False]
            outcomes += [True] * len(batch)
        return outcomes

    def _insert_each(self, pairs: list[tuple[bytes, bytes]]) -> list[bool]:
        done: list[bool] = []
        for batch in batches(pairs):
            done += self.file.put_each_new(batch)
        for (key, _), is_done in zip(pairs, done, strict=True):
            if not is_done:
                self._check_refused(key, is_there=False)
        return done

    def replace(self, row: Row) -> None:
        """Create or overwrite."""
        self.file.put(*self._bound(row))

    def _bound(self, row: Row) -> tuple[bytes, bytes]:
        """Give key and stored bytes, refusing what would end an original server."""
        key, stored = column_of(row[0]), self.form.stored(row)
        if self.is_table and 0 in stored and not self.client.has_function("patch"):
            self.indexes.check_empty(stored)
        return key, stored

    def _check_refused(self, key: bytes, *, is_there: bool) -> None:
        """Raise if a write failed for another reason than the expected one."""
        if self.client.read(VSIZ, (key,)).is_good is is_there:
            raise self.client.refused(f"a write to {name_of(key)!r}")

    def patch(
        self, key: str, changes: Changes, known: tuple[Row, Row] | None = None
    ) -> bool:
        """Compare and change columns in one step, where the server can."""
        if not self.client.has_function("patch"):
            return self._patch_in_two_steps(column_of(key), changes)
        if known is not None and self._patch_known(*known):
            return True
        stored_key = column_of(key)
        for _ in range(TRIES):
            before = self.file.get(stored_key)
            if before is None:
                return False
            after = self._changed(stored_key, before, changes)
            if after == before:
                return True
            outcome = self.client.patch(stored_key, self.file.steps(before, after))
            if outcome in {DONE, MISSING}:
                return outcome == DONE
        raise StorageBusy(
            f"{self}: others changed the record {key!r} {TRIES} times meanwhile; "
            "nothing was written"
        )

    def _patch_known(self, before: Row, after: Row) -> bool:
        """Compare with the row that is known: mostly nobody has changed it."""
        if before[1] == after[1]:
            return False
        old, new = self.form.stored(before), self.form.stored(after)
        outcome = self.client.patch(column_of(before[0]), self.file.steps(old, new))
        return outcome == DONE

    def _patch_in_two_steps(self, key: bytes, changes: Changes) -> bool:
        self._object_to_lost_updates()
        before = self.file.get(key)
        if before is None:
            return False
        row = self.form.patched(self.form.row(key, before), changes)
        self.replace(row)
        return True

    def _changed(self, key: bytes, before: bytes, changes: Changes) -> bytes:
        row = self.form.patched(self.form.row(key, before), changes)
        return self.form.stored(row)

    def _object_to_lost_updates(self) -> None:
        """Warn once, or refuse, as the storage is set."""
        if self.lost_updates == "allow" or self._has_warned.is_set():
            return
        message = (
            f"{self}: this server has no atomic patch, so that of two writers of one "
            "record one may undo the other's change; `pymodels serve` has one, and "
            "the setting lost_updates decides"
        )
        if self.lost_updates == "forbid":
            raise Unsupported(message)
        self._has_warned.set()
        warnings.warn(message, LostUpdateWarning, stacklevel=4)

    def discard(self, key: str) -> bool:
        """Remove."""
        if self.client.out(column_of(key)):
            return True
        self._check_refused(column_of(key), is_there=True)
        return False

    def clear(self) -> None:
        """Remove all records."""
        self.check_open()
        self.client.vanish()

    def sync(self) -> None:
        """Let the server bring what was written to its disk."""
        self.check_open()
        self.client.sync()

    def close(self) -> None:
        """Close all connections."""
        if not self.is_closed:
            super().close()
            self.client.close()

    # Indexes.

    def create_index(self, index: BoundIndex) -> str:
        """Index the columns of an index, each by itself."""
        return self.indexes.create(index, is_table=self.is_table)

    def list_indexes(self) -> list[str]:
        """Give the names of the indexes, as far as the server tells them.

        The original tells nothing: there, those that this storage made.
        """
        self.check_open()
        return self.indexes.names()

    def reindex(self, *models: type[Instance]) -> list[str]:
        """Make the indexes of models anew, or all that are known; give their names.

        To be called after an original server was killed: its indexes then lack
        records, and it does not say so. `pymodels serve` does it by itself.
        """
        self.check_open()
        if not models:
            return self.indexes.rebuild(self.indexes.all())
        for model in models:
            check_model(model)
        if not self.is_table:
            return []
        orders = [
            order
            for model in models
            for index in codec_of(model).indexes
            for order in index.orders
        ]
        typed = {column_of(one.path[0]): type_of(one) for one in orders if one.path}
        kinds = {column: kind for column, kind in typed.items() if kind is not None}
        return self.indexes.rebuild(kinds)

    def trusts(self, condition: Condition) -> bool:
        """Say whether a search of rows that are looked at again may use an index."""
        if not self.knowledge.is_kept:
            return self.indexes.is_trusted(condition)
        return self.knowledge.has_clean_texts and condition.operator not in NUMERIC


def _address(host: object, port: object, socket: object) -> Address:
    """Check where a server listens, which is a port or a socket."""
    if socket is not None:
        given = {"host": host, "port": port}
        names = ", ".join(name for name, value in given.items() if value is not None)
        if names:
            raise SettingsError(
                f"{names} and socket exclude each other: a server is reached by a "
                "port, or by a UNIX socket instead"
            )
        if not isinstance(socket, str) or not socket:
            raise SettingsError(f"socket is {socket!r}; it takes a path")
        try:
            # The program may change its folder. But a path must not be long, either.
            whole = os.path.abspath(socket)
            is_short = len(os.fsencode(whole)) <= LONGEST_SOCKET
        except UnicodeEncodeError as error:
            raise SettingsError(
                f"socket is {socket!r}; no file has this name"
            ) from error
        return Address(path=whole if is_short else socket)
    host = HOST if host is None else host
    if not isinstance(host, str) or not host:
        raise SettingsError(f"host is {host!r}; it takes a name or an address")
    port = PORT if port is None else port
    _check_number("port", port, 1, int)
    if not isinstance(port, int) or port > LAST_PORT:
        raise SettingsError(f"port is {port!r}; it takes a number up to {LAST_PORT}")
    return Address(host, port)


def _shown(url: str) -> str:
    """Give a URL without a user and password, for messages."""
    scheme, separator, rest = url.partition("://")
    return f"{scheme}{separator}{rest.rpartition('@')[2]}"


def _check_choice(name: str, value: object, choices: Iterable[str]) -> None:
    if value not in list(choices):
        raise SettingsError(f"{name} is {value!r}; it can be {', '.join(choices)}")


def _check_number(
    name: str, value: object, least: float, kind: type, most: float | None = None
) -> None:
    is_number = isinstance(value, int | kind) and not isinstance(value, bool)
    if not is_number or not least <= value <= (most or value):  # type: ignore[operator]  # a number, or NaN
        end = "" if most is None else f" to {most}"
        raise SettingsError(f"{name} is {value!r}; it takes a number from {least}{end}")
