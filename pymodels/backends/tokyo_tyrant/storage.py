"""Records in a file of Tokyo Cabinet behind a server."""

import os
import threading
import warnings
from collections.abc import Iterable, Iterator
from typing import Any, Literal
from urllib.parse import unquote, urlsplit

from pymodels.backend import (
    Changes,
    Instance,
    Row,
    check_model,
    codec_of,
    errors,
    from_query,
)
from pymodels.backends._tokyo.columns import column_of, name_of
from pymodels.backends._tokyo.facts import TableFacts
from pymodels.backends._tokyo.storage import (
    NUMERIC,
    FileStorage,
    check_choice,
    check_number,
    index_name,
    type_of,
)
from pymodels.backends.tokyo_tyrant.files import HashFile, Pair, TableFile
from pymodels.backends.tokyo_tyrant.indexes import Indexes
from pymodels.tokyo.client import KINDS, Client, batches
from pymodels.tokyo.connections import Address
from pymodels.tokyo.protocol import DONE, MISSING, REFUSED, VSIZ
from pymodels.tokyo.search import Condition, IndexType, Search

TRIES = 100
"""How often others may change a record between our reading and writing it."""
LARGEST_BATCH = 32 * 2**20
LONGEST_TIMEOUT = 86_400
LONGEST_SOCKET = 107
LOST_UPDATES = ("warn", "allow", "forbid")
HOST, PORT, LAST_PORT = "localhost", 1978, 65_535


class Storage(FileStorage):
    """Records in a table or hash file behind a Tokyo Tyrant server."""

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
        super().__init__(kind, residual)
        check_choice("kind", kind, KINDS)
        check_choice("lost_updates", lost_updates, LOST_UPDATES)
        check_number("timeout", timeout, 0.001, LONGEST_TIMEOUT, kind=float)
        check_number("pool_size", pool_size, 1)
        address = _address(host, port, socket)
        self.lost_updates = lost_updates
        self._has_warned = threading.Event()
        self.client = Client(address, timeout=timeout, pool_size=pool_size, kind=kind)
        self.file = (TableFile if self.is_table else HashFile)(self.client)
        self.indexes = Indexes(self.client)

    @classmethod
    def url_settings(cls, url: str) -> dict[str, Any]:
        """``tokyo-tyrant://host:port``, or a socket's ``tokyo-tyrant:///path``."""
        parts = urlsplit(url)
        path = unquote(parts.path)
        try:
            port = parts.port
        except ValueError as error:
            raise errors.SettingsError(f"{_shown(url)}: {error}") from error
        if parts.username is not None or (parts.netloc and path not in {"", "/"}):
            raise errors.SettingsError(
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

    @property
    def table(self) -> TableFile:
        """The file, if it is a table."""
        if not isinstance(self.file, TableFile):
            raise errors.Unsupported(f"{self} cannot be searched")
        return self.file

    # Reading.

    def fetch(self, keys: Iterable[str]) -> Iterator[Row]:
        """Yield the rows of those keys that are there."""
        return self.rows(self.file.get_each(map(column_of, keys)))

    def scan(self) -> Iterator[Row]:
        """Yield all rows."""
        if self.is_table:
            yield from self.rows(self.table.search(Search())[0])
        else:
            yield from self.scan_in(None)

    def scan_in(self, descending: bool | None) -> Iterator[Row]:
        """Yield all rows of a hash, in the order of keys if one is wanted."""
        keys = self.file.keys()
        if descending is not None:
            keys = sorted(keys, reverse=descending)
        return self.rows(self.file.get_each(keys))

    def rows(self, pairs: Iterable[Pair]) -> Iterator[Row]:
        """Give the rows of keys and what is stored."""
        make = self.form.row
        return (make(key, stored) for key, stored in pairs)

    def count_all(self) -> int:
        """Ask the server."""
        return self.client.count()

    def scan_keys(self) -> Iterator[str]:
        """Ask for the keys alone."""
        return map(name_of, self.file.keys())

    # Writing.

    def insert(self, row: Row) -> bool:
        """Create, unless the key is taken."""
        return self._insert_each([self._bound(row)])[0]

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
            done += self.file.put_new(batch)
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
        is_atomic = self.client.has_function("patch")
        if not is_atomic:
            self._object_to_lost_updates()
        elif known is not None and self._patch_known(*known):
            return True
        stored_key = column_of(key)
        for _ in range(TRIES):
            before = self.file.get(stored_key)
            if before is None:
                return False
            after = self.stored_after(stored_key, before, changes)
            if after == before:
                return True
            if not is_atomic:
                self.replace(self.form.row(stored_key, after))
                return True
            outcome = self.client.patch(stored_key, self.file.steps(before, after))
            if outcome in {DONE, MISSING}:
                return outcome == DONE
        raise errors.StorageBusy(
            f"{self}: others changed the record {key!r} {TRIES} times meanwhile; "
            "nothing was written"
        )

    def swap(self, swaps: list[tuple[Row, Row | None]]) -> list[bool]:
        """Compare and write records in one step each, where the server can."""
        if not self.client.has_function("swap"):
            self._object_to_lost_updates()
            return super().swap(swaps)
        asked = [
            (
                column_of(before[0]),
                self.form.stored(before),
                None if after is None else self.form.stored(after),
            )
            for before, after in swaps
        ]
        outcomes: list[bytes] = []
        for batch in batches(asked):
            outcomes += self.client.swap(batch)
            if outcomes[-1] == REFUSED:
                done = outcomes.count(DONE)
                key = swaps[len(outcomes) - 1][0][0]
                message = f"{self}: the server refused to write the record {key!r}"
                if done:
                    raise errors.WriteInterrupted(message, done)
                raise errors.StorageError(message)
        return [outcome == DONE for outcome in outcomes]

    def _patch_known(self, before: Row, after: Row) -> bool:
        """Compare with the row that is known: mostly nobody has changed it."""
        if before[1] == after[1]:
            return False
        old, new = self.form.stored(before), self.form.stored(after)
        outcome = self.client.patch(column_of(before[0]), self.file.steps(old, new))
        return outcome == DONE

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
            raise errors.Unsupported(message)
        self._has_warned.set()
        warnings.warn(message, errors.LostUpdateWarning, stacklevel=3)

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

    def file_path(self) -> str:
        """Give the path that the server tells."""
        return self.client.status.get("path", "")

    def index_types(self) -> dict[bytes, IndexType]:
        """Give the columns that have an index, as far as the server tells.

        The original tells nothing: there, those that this storage made.
        """
        return self.indexes.all()

    def make_index(self, column: bytes, kind: IndexType) -> None:
        """Index a column, if no value in it is empty."""
        self.indexes.make(column, kind)

    def reindex(self, *models: type[Instance]) -> list[str]:
        """Make the indexes of models anew, or all that are known; give their names.

        To be called after an original server was killed: its indexes then lack
        records, and it does not say so. `pymodels serve` does it by itself.
        """
        self.check_open()
        kinds = {} if models else self.indexes.all()
        for model in models:
            check_model(model)
            for index in codec_of(model).indexes:
                for order in index.orders:
                    kind = type_of(order) if self.is_table else None
                    if kind is not None:
                        kinds[column_of(order.path[0])] = kind
        for column, kind in kinds.items():
            self.indexes.rebuild(column, kind)
        return [index_name(column, kind) for column, kind in kinds.items()]

    def trusts(self, condition: Condition, facts: TableFacts) -> bool:
        """Say whether an index on the column, if there is one, is in order.

        `pymodels serve` makes indexes of numbers anew before it tells what it knows.
        """
        is_numeric, column = condition.operator in NUMERIC, condition.column
        if not self.table.keeps_facts:
            return not is_numeric and self.indexes.is_rebuilt(column)
        return (
            facts.holds_ints(name_of(column)) if is_numeric else facts.has_clean_texts
        )


def _address(host: object, port: object, socket: object) -> Address:
    """Check where a server listens, which is a port or a socket."""
    if socket is not None:
        given = {"host": host, "port": port}
        names = ", ".join(name for name, value in given.items() if value is not None)
        if names:
            raise errors.SettingsError(
                f"{names} and socket exclude each other: a server is reached by a "
                "port, or by a UNIX socket instead"
            )
        if not isinstance(socket, str) or not socket:
            raise errors.SettingsError(f"socket is {socket!r}; it takes a path")
        try:
            # The program may change its folder. But a path must not be long, either.
            whole = os.path.abspath(socket)
            is_short = len(os.fsencode(whole)) <= LONGEST_SOCKET
        except UnicodeEncodeError as error:
            raise errors.SettingsError(
                f"socket is {socket!r}; no file has this name"
            ) from error
        return Address(path=whole if is_short else socket)
    host = HOST if host is None else host
    if not isinstance(host, str) or not host:
        raise errors.SettingsError(f"host is {host!r}; it takes a name or an address")
    port = PORT if port is None else port
    check_number("port", port, 1, LAST_PORT)
    return Address(host, int(str(port)))


def _shown(url: str) -> str:
    """Give a URL without a user and password, for messages."""
    scheme, separator, rest = url.partition("://")
    return f"{scheme}{separator}{rest.rpartition('@')[2]}"
