"""Records as natural documents of one collection."""

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from itertools import islice
from typing import Any, ClassVar, Literal
from urllib.parse import unquote, urlsplit

from bson.codec_options import CodecOptions, DatetimeConversion
from pymongo import WriteConcern
from pymongo.client_session import ClientSession
from pymongo.collection import Collection

from pymodels.backend import Instance, M
from pymodels.backends.mongodb import clients, inserting, loading
from pymodels.backends.mongodb.documents import Document, as_map, decode, encode
from pymodels.backends.mongodb.dumping import dumper
from pymodels.backends.mongodb.errors import translated
from pymodels.backends.mongodb.indexes import BY_CODE_POINT, create_index
from pymodels.backends.mongodb.journal import Journal
from pymodels.backends.mongodb.keys import (
    by_key,
    candidates_of,
    natives_of,
    place_of,
    text_of,
)
from pymodels.backends.mongodb.patch import patched, update_for
from pymodels.backends.mongodb.query import Query
from pymodels.backends.mongodb.transactions import Transaction
from pymodels.errors import SettingsError, Unsupported
from pymodels.indexes import BoundIndex
from pymodels.law.changes import Changes
from pymodels.law.shapes import Shape
from pymodels.law.values import Record
from pymodels.querying.plan import Row
from pymodels.settings import from_query
from pymodels.storage import BATCH_INSIDE, BaseStorage

KEYS_AT_ONCE = 10_000
SCANNED = 1_000
"""Documents in a batch of a scan: more of them wait in memory, and collect slower."""
READING: CodecOptions[Document] = CodecOptions(
    datetime_conversion=DatetimeConversion.DATETIME_AUTO,
    unicode_decode_error_handler="replace",
)


class Storage(BaseStorage):
    """Records as natural documents of one MongoDB collection."""

    query_class = Query
    keeps_milliseconds: ClassVar[bool] = True

    def __init__(
        self,
        database: str | None = None,
        *,
        collection: str = "records",
        host: str | None = None,
        port: int | None = None,
        uri: str | None = None,
        timeout: float | None = None,
        residual: Literal["allow", "warn", "forbid"] = "allow",
    ) -> None:
        """Connect to a server or cluster; what is not there is made by the first write.

        ``database`` and ``collection``: where the records are. ``host`` and
        ``port``: one server, "localhost" and 27017 by default. ``uri``: in place of
        these a whole ``mongodb://`` or ``mongodb+srv://`` URL with the driver's own
        options, for credentials, TLS, replica sets, concerns and time-outs.
        ``timeout``: seconds to look for a server that can be asked; 5, or 20 for a
        replica set, which may have to elect one. ``residual``: see `BaseStorage`.
        Raises `SettingsError` for what makes no sense and `StorageError` if no
        server is reached.
        """
        super().__init__(residual=residual)
        if uri is not None and (host is not None or port is not None):
            raise SettingsError("the URL names the servers; leave host and port away")
        if uri is None:
            uri = clients.uri_of(
                "localhost" if host is None else host, 27017 if port is None else port
            )
        parsed = clients.parse(uri)
        database = parsed["database"] if database is None else database
        if not database:
            raise SettingsError(
                "mongodb needs the setting database, or a URL with it: "
                "mongodb://localhost/app?collection=people"
            )
        clients.check_names(database, collection)
        clients.check_timeout(timeout)
        self._lock = threading.RLock()
        self._server = clients.connected(uri, timeout)
        found = self._server.client[database][collection]
        self.collection: Collection[Document] = found.with_options(READING)
        self.journal = Journal(self, self._server.hello)
        hosts = ",".join(f"{name}:{number}" for name, number in parsed["nodelist"])
        self.address = f"mongodb://{hosts}/{database}?collection={collection}"

    @classmethod
    def url_settings(cls, url: str) -> dict[str, Any]:
        """``mongodb://localhost/app?collection=people``, and the driver's options."""
        uri = clients.drivers_part(url)
        database = unquote(urlsplit(uri).path[1:])
        ours = {n: v for n, v in from_query(url, cls).items() if n in clients.OURS}
        return {"uri": uri, **({"database": database} if database else {}), **ours}

    def __str__(self) -> str:
        return self.address

    @property
    def connection(self) -> Collection[Document]:
        """The driver's collection; its ``database.client`` is shared."""
        self.check_open()
        return self.collection

    def close(self) -> None:
        """Let go of the client; the last storage of a server closes it."""
        if not self.is_closed:
            super().close()
            clients.release(self._server)

    def sync(self) -> None:
        """Wait until a majority has in its journal what was written."""
        self.check_open()
        journaled = self.collection.with_options(
            write_concern=WriteConcern("majority", j=True)
        )
        with translated(self, writes=True):
            journaled.delete_one({"_id": {"$in": []}})

    # Rows and records.

    def encode(self, key: str, record: Record) -> Row:
        """Give key and document."""
        return (key, encode(key, record))

    def decode(self, row: Row, shape: Shape | None = None) -> Record:
        """Give the record of a document."""
        return decode(row[1], shape)

    def key_place(self, row: Row) -> Any:
        """Sort keys that are no texts after those that are, as the server would."""
        return place_of(row[1]["_id"], row[0])

    def patched(self, row: Row, changes: Changes) -> Row:
        """Change the document as the server does."""
        return (row[0], patched(row[1], changes))

    def loader(self, model: type[M]) -> Callable[[Row], M]:
        """Validate documents directly, where that is the same."""
        return loading.loader(self, model)

    def sifter(self, model: type[M]) -> Callable[[Row], M | None] | None:
        """Tell membership by types, where that is all a model asks for."""
        return loading.sifter(self, model)

    def dumper(self, model: type[Instance]) -> Callable[[str, Instance], Row]:
        """Make documents directly, where that is the same."""
        return dumper(model, super().dumper(model))

    def rows(self, cursor: Iterable[Document]) -> Iterator[Row]:
        """Yield the rows that a cursor finds; it is closed in the end."""
        try:
            with translated(self):
                for document in cursor:
                    try:
                        key = document["_id"]
                    except TypeError:
                        document = as_map(document)
                        key = document["_id"]
                    yield (key if type(key) is str else text_of(key), document)
        finally:
            cursor.close()  # type: ignore[attr-defined]  # any cursor has it

    # Reading.

    def fetch(self, keys: Iterable[str]) -> Iterator[Row]:
        """Yield the documents of those keys that are there."""
        source = iter(keys)
        while batch := list(islice(source, KEYS_AT_ONCE)):
            missing = dict.fromkeys(batch)
            for row in self._found(batch):
                missing.pop(row[0], None)
                yield row
            others = [native for key in missing for native in natives_of(key)]
            if others:
                yield from self._found(others)

    def _found(self, natives: list[Any]) -> Iterator[Row]:
        if len(natives) > 1:
            asked = {"_id": {"$in": natives}}
            cursor = self.collection.find(asked, **self.by_code_point)
            yield from self.rows(cursor.batch_size(SCANNED))
            return
        with translated(self):
            document = self.collection.find_one(
                by_key(natives[0]), **self.by_code_point
            )
        if document is not None:
            document = as_map(document)
            yield (text_of(document["_id"]), document)

    def scan(self) -> Iterator[Row]:
        """Yield all documents."""
        cursor = self.collection.find(batch_size=SCANNED, session=self.session)
        return self.rows(cursor)

    def count_all(self) -> int:
        """Count on the server."""
        with translated(self):
            return self.collection.count_documents({}, session=self.session)

    # Writing.

    def insert(self, row: Row) -> bool:
        """Create, unless the key is taken."""
        return inserting.insert(self, row[0], row[1])

    def insert_many(self, rows: Iterable[Row]) -> list[bool]:
        """Create all, or none if one is refused."""
        documents = [row[1] for row in rows]
        return [inserting.insert_many(self, documents)] if documents else []

    @property
    def batch_size(self) -> int:
        """Write few at a time where they wait for the journal together."""
        return BATCH_INSIDE if self.journal.is_shared else super().batch_size

    def flush(self) -> None:
        """Wait for the journal, where batches have not."""
        self.journal.settle()

    def replace(self, row: Row) -> None:
        """Create or overwrite; a foreign key keeps its own type."""
        others = natives_of(row[0])
        for native in [row[0], *others] if others else ():
            if inserting.overwrite(self, native, row[1]):
                return
        inserting.overwrite(self, row[0], row[1], upsert=True)

    def patch(
        self, key: str, changes: Changes, known: tuple[Row, Row] | None = None
    ) -> bool:
        """Make the changes in one update."""
        update = update_for(changes)
        for native in candidates_of(key):
            self.note((native,))
            with translated(self, writes=True):
                result = self.collection.update_one(
                    by_key(native), update, **self.by_code_point
                )
            if result.matched_count:
                return True
        return False

    def discard(self, key: str) -> bool:
        """Remove."""
        for native in candidates_of(key):
            self.note((native,))
            with translated(self, writes=True):
                result = self.collection.delete_one(
                    by_key(native), **self.by_code_point
                )
            if result.deleted_count:
                return True
        return False

    def clear(self) -> None:
        """Remove all documents; indexes stay."""
        self.check_open()
        if self.is_in_savepoint:
            super().clear()
            return
        with translated(self, writes=True):
            self.collection.delete_many({}, session=self.session)

    # Transactions, on replica sets.

    @property
    def has_transactions(self) -> bool:
        """Whether the server is of a replica set, or routes to some."""
        return self._server.has_transactions

    @property
    def session(self) -> ClientSession | None:
        """The session of this thread's transaction, for calls of the driver."""
        running = self._transaction
        return None if running is None else running.session

    @property
    def by_code_point(self) -> dict[str, Any]:
        """Options of calls that name keys: whatever a collection says of its texts."""
        return {"session": self.session, "collation": BY_CODE_POINT}

    @property
    def is_in_savepoint(self) -> bool:
        """Whether what is written has to be noted, record by record."""
        running = self._transaction
        return running is not None and bool(running.savepoints)

    @property
    def _transaction(self) -> Transaction | None:
        return getattr(self._local, "transaction", None)

    def note(self, natives: Iterable[Any]) -> None:
        """Remember what is about to be written, if a savepoint may undo it."""
        running = self._transaction
        if running is not None and running.savepoints:
            with translated(self):
                running.note(natives)

    def exclusive(self) -> AbstractContextManager[object]:
        """Let this storage's threads take turns: the server would refuse the later."""
        return self._lock

    def begin(self, depth: int) -> None:
        """Begin a transaction, or set a savepoint."""
        if not self.has_transactions:
            raise Unsupported(
                f"{self} has no transactions: MongoDB has them on replica sets, and "
                "this server stands alone"
            )
        running = self._transaction
        if running is not None and depth:
            running.save()
            return
        with translated(self):
            self._local.transaction = Transaction(self.collection)

    def commit(self, depth: int) -> None:
        """Make a transaction final, or forget a savepoint."""
        running = self._transaction
        if running is None:
            return
        if depth:
            running.release()
            return
        self._local.transaction = None
        running.commit()

    def rollback(self, depth: int) -> None:
        """Undo a transaction, or what came after a savepoint."""
        running = self._transaction
        if running is None:
            return
        if depth:
            if len(running.savepoints) >= depth:
                with translated(self, writes=True):
                    running.undo()
            return
        self._local.transaction = None
        running.abort()

    # Indexes.

    def create_index(self, index: BoundIndex) -> str:
        """Make an index if it is not there; the first write after it may be slow."""
        with translated(self):
            return create_index(self.collection, index)

    def list_indexes(self) -> list[str]:
        """Give the names of all indexes but that of the key."""
        self.check_open()
        with translated(self):
            names = [found["name"] for found in self.collection.list_indexes()]
        return [name for name in names if name != "_id_"]
