"""Records as natural documents of one collection."""

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from itertools import islice
from typing import Any, ClassVar, Literal, TypeVar
from urllib.parse import unquote, urlsplit

from bson.codec_options import CodecOptions, DatetimeConversion
from pymongo import WriteConcern
from pymongo.client_session import ClientSession
from pymongo.collection import Collection
from pymongo.errors import DuplicateKeyError

from pymodels.backend import (
    BaseStorage,
    BoundIndex,
    Changes,
    Instance,
    M,
    Record,
    Row,
    Shape,
    between,
    errors,
    from_query,
)
from pymodels.backends.mongodb import clients, fast
from pymodels.backends.mongodb.documents import Document, as_map, decode, encode
from pymodels.backends.mongodb.errors import is_of_key, translated
from pymodels.backends.mongodb.indexes import BY_CODE_POINT, create_index
from pymodels.backends.mongodb.keys import (
    by_key,
    candidates_of,
    natives_of,
    place_of,
    text_of,
)
from pymodels.backends.mongodb.patch import patched, typed, update_for
from pymodels.backends.mongodb.writing import (
    ServerTransaction,
    create_all,
    delete_one,
    overwrite,
    swap_all,
    update_all,
    update_one,
    write_all,
)

T = TypeVar("T")

KEYS_AT_ONCE = 10_000
SCANNED = 1_000
"""Documents in a batch of a scan: more of them wait in memory, and collect slower."""
READING: CodecOptions[Document] = CodecOptions(
    datetime_conversion=DatetimeConversion.DATETIME_AUTO,
    unicode_decode_error_handler="replace",
)


class Storage(BaseStorage):
    """Records as natural documents of one MongoDB collection."""

    keeps_milliseconds: ClassVar[bool] = True
    locks_writers: ClassVar[bool] = False

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
        Raises `StorageError` if no server is reached.
        """
        super().__init__(residual=residual)
        self._local = threading.local()
        uri = clients.uri_of(uri, host, port)
        parsed = clients.parse(uri)
        database = parsed["database"] if database is None else database
        if not database:
            raise errors.SettingsError(
                "mongodb needs the setting database, or a URL with it: "
                "mongodb://localhost/app?collection=people"
            )
        clients.check_names(database, collection)
        clients.check_timeout(timeout)
        self._lock = threading.RLock()
        self._server = clients.connected(uri, timeout)
        self.collection: Collection[Document] = self._server.client[
            database
        ].get_collection(collection, READING)
        hosts = ",".join(f"{name}:{number}" for name, number in parsed["nodelist"])
        self.address = f"mongodb://{hosts}/{database}?collection={collection}"

    @classmethod
    def url_settings(cls, url: str) -> dict[str, Any]:
        """``mongodb://localhost/app?collection=people``, and the driver's options."""
        pairs = from_query(url, cls).items()
        settings = {name: value for name, value in pairs if name in clients.OURS}
        if database := unquote(urlsplit(url).path[1:]):
            settings.setdefault("database", database)
        return {"uri": clients.drivers_part(url), **settings}

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
        majority = WriteConcern("majority", j=True)
        journaled = self.collection.with_options(write_concern=majority)
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
        """Sort other keys after texts, and among themselves as the server would."""
        return place_of(row[1]["_id"], row[0])

    def patched(self, row: Row, changes: Changes) -> Row:
        """Change the document as the server does."""
        return (row[0], patched(row[1], changes))

    def loader(self, model: type[M]) -> Callable[[Row], M]:
        """Validate documents directly, where that is the same."""
        return fast.loader(self, model)

    def sifter(self, model: type[M]) -> Callable[[Row], M | None] | None:
        """Tell membership by types, where that is all a model asks for."""
        return fast.sifter(self, model)

    def dumper(self, model: type[Instance]) -> Callable[[str, Instance], Row]:
        """Make documents directly, where that is the same."""
        return fast.dumper(self, model) or super().dumper(model)

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
            wanted = {"_id": {"$in": natives}}
            yield from self.rows(self.call(self.collection.find, wanted))
            return
        document = self.call(self.collection.find_one, by_key(natives[0]))
        if document is not None:
            document = as_map(document)
            yield (text_of(document["_id"]), document)

    def scan(self) -> Iterator[Row]:
        """Yield all documents."""
        return self.rows(self.call(self.collection.find, batch_size=SCANNED))

    def scan_keys(self) -> Iterator[str]:
        """Yield all keys."""
        documents = self.call(self.collection.find, {}, {"_id": 1})
        return (key for key, _ in self.rows(documents))

    def count_all(self) -> int:
        """Count on the server."""
        return self.call(self.collection.count_documents, {})

    # Writing.

    def insert(self, row: Row) -> bool:
        """Create, unless the key is taken."""
        key, document = row
        if self._is_taken(key):
            return False
        self._note((key,))
        with translated(self, writes=True):
            try:
                self.collection.insert_one(document, session=self.session)
            except DuplicateKeyError as error:
                if is_of_key(error):
                    return False
                raise
        return True

    def _is_taken(self, key: str) -> bool:
        """Ask first where a refusal would come too late, or not at all."""
        # No UUID is taken by chance.
        natives = [one for one in natives_of(key) if not isinstance(one, bytes)]
        if self.session is not None:
            # Any error ends the server's transaction.
            natives.append(key)
        return bool(natives) and any(True for _ in self._found(natives))

    def insert_many(self, rows: Iterable[Row]) -> list[bool]:
        """Create all, or none if one is refused."""
        documents = [row[1] for row in rows]
        if not documents:
            return []
        is_begun = self.session is not None
        if not (is_begun or self.has_transactions):
            create_all(self.collection, documents, self)
            return [True]
        if is_begun:
            # The transaction would not outlive a refusal.
            keys = [document["_id"] for document in documents]
            if len(set(keys)) < len(keys) or any(True for _ in self.fetch(keys)):
                return [False]
            self._note(keys)
        whole = nullcontext() if is_begun else self.transaction()
        with whole, translated(self, writes=True):
            self.collection.insert_many(documents, session=self.session)
        return [True]

    def replace(self, row: Row) -> None:
        """Create or overwrite; a foreign key keeps its own type."""
        key, document = row
        others = natives_of(key)
        if not (others and self._write_first([key, *others], overwrite, document)):
            self._write_first([key], overwrite, document, upsert=True)

    def patch(
        self, key: str, changes: Changes, known: tuple[Row, Row] | None = None
    ) -> bool:
        """Make the changes in one update."""
        if known is not None:
            changes = typed(changes, known[0][1])
        return self._write_first(candidates_of(key), update_one, update_for(changes))

    def patch_many(
        self, patches: Sequence[tuple[str, Changes, tuple[Row, Row] | None]]
    ) -> list[bool]:
        """Make the changes of all records in one request; foreign keys one by one."""
        keys = [key for key, _, _ in patches]
        self._note(keys)
        updates = [(by_key(key), update_for(asked)) for key, asked, _ in patches]
        found = update_all(self.collection, updates, self, self.session)
        if found == len(patches):
            return [True] * found
        texts = self.call(self.collection.find, {"_id": {"$in": keys}}, {"_id": 1})
        there = {row[0] for row in self.rows(texts)}
        return [key in there or self.patch(key, asked) for key, asked, _ in patches]

    def swap(self, swaps: list[tuple[Row, Row | None]]) -> list[bool]:
        """Compare and write on the server, in three requests at most.

        In a transaction what was read cannot have changed: the server refuses to write
        over what another has written since.
        """
        asked = [
            (before[1], None if after is None else self._changes(before, after))
            for before, after in swaps
        ]
        if self.session is None:
            return swap_all(self.collection, asked, self)
        self._note(before[1]["_id"] for before, _ in swaps)
        with translated(self, writes=True):
            write_all(self.collection, asked, self.session)
        return [True] * len(asked)

    def _changes(self, before: Row, after: Row) -> Changes:
        return between(self.decode(before), self.decode(after))

    def discard(self, key: str) -> bool:
        """Remove."""
        return self._write_first(candidates_of(key), delete_one)

    def _write_first(
        self,
        natives: Iterable[Any],
        write: Callable[..., int],
        *arguments: Any,
        **options: Any,
    ) -> bool:
        """Write to the first of some keys that is there; say whether one was."""
        for native in natives:
            self._note((native,))
            first = (self.collection, native, *arguments)
            if self.call(write, *first, **options, writes=True):
                return True
        return False

    def clear(self) -> None:
        """Remove all documents; indexes stay."""
        self.check_open()
        if self.is_in_savepoint:
            super().clear()
            return
        self.call(self.collection.delete_many, {}, writes=True)

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

    def call(
        self,
        method: Callable[..., T],
        *arguments: Any,
        writes: bool = False,
        **options: Any,
    ) -> T:
        """Call the driver: in this thread's session, with our errors.

        Texts compare by code point, whatever the collection says of them.
        """
        options |= {"session": self.session, "collation": BY_CODE_POINT}
        with translated(self, writes=writes):
            return method(*arguments, **options)

    @property
    def is_in_savepoint(self) -> bool:
        """Whether what is written has to be noted, record by record."""
        running = self._transaction
        return running is not None and bool(running.savepoints)

    @property
    def _transaction(self) -> ServerTransaction | None:
        return getattr(self._local, "transaction", None)

    def _note(self, natives: Iterable[Any]) -> None:
        """Remember what is about to be written, if a savepoint may undo it."""
        running = self._transaction
        if running is not None:
            with translated(self):
                running.note(natives)

    def exclusive(self) -> AbstractContextManager[object]:
        """Let this storage's threads take turns: the server would refuse the later."""
        return self._lock

    def begin(self, depth: int) -> None:
        """Begin a transaction, or set a savepoint."""
        if not self.has_transactions:
            raise errors.Unsupported(
                f"{self} has no transactions: MongoDB has them on replica sets, and "
                "this server stands alone"
            )
        if depth and (running := self._transaction) is not None:
            running.save()
        else:
            with translated(self):
                self._local.transaction = ServerTransaction(self.collection)

    def commit(self, depth: int) -> None:
        """Make a transaction final, or forget a savepoint."""
        running = self._transaction
        if running is not None and depth:
            running.release()
        elif running is not None:
            self._local.transaction = None
            running.commit()

    def rollback(self, depth: int) -> None:
        """Undo a transaction, or what came after a savepoint."""
        running = self._transaction
        if running is None:
            return
        if not depth:
            self._local.transaction = None
            running.abort()
        elif len(running.savepoints) >= depth:
            with translated(self, writes=True):
                running.undo()

    # Indexes.

    def create_index(self, index: BoundIndex) -> str:
        """Make an index if it is not there; the first write after it may be slow."""
        with translated(self):
            return create_index(self.collection, index)

    def list_indexes(self) -> list[str]:
        """Give the names of all indexes but that of the key."""
        self.check_open()
        with translated(self):
            names = list(self.collection.index_information())
        return [name for name in names if name != "_id_"]
