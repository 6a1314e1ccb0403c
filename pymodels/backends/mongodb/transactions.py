"""One thread's transaction: the driver's session, and savepoints of our own.

MongoDB has no savepoints. While one is open, each document is read before it is
written, within the same transaction, and put back if the savepoint is undone.
"""

from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument
from pymongo import errors
from pymongo.client_session import ClientSession
from pymongo.collection import Collection

from pymodels.backends.mongodb.documents import Document
from pymodels.backends.mongodb.errors import GONE_TRANSACTION, translated

RAW: CodecOptions[RawBSONDocument] = CodecOptions(document_class=RawBSONDocument)


class Transaction:
    """What a thread has begun and not yet ended."""

    def __init__(self, collection: Collection[Document]) -> None:
        """Begin one on the server of a collection."""
        self.raw = collection.with_options(RAW)
        self.where = f"{collection.full_name}"
        self.session: ClientSession = collection.database.client.start_session()
        self.session.start_transaction()
        self.savepoints: list[int] = []
        self.before: list[tuple[Any, RawBSONDocument | None]] = []

    def note(self, natives: Iterable[Any]) -> None:
        """Remember documents that are about to be written, for a savepoint."""
        if not self.savepoints:
            return
        for native in natives:
            found = self.raw.find_one({"_id": {"$eq": native}}, session=self.session)
            self.before.append((native, found))

    def save(self) -> None:
        """Set a savepoint."""
        self.savepoints.append(len(self.before))

    def release(self) -> None:
        """Forget a savepoint; an outer one may still undo what came after it."""
        self.savepoints.pop()
        if not self.savepoints:
            self.before.clear()

    def undo(self) -> None:
        """Put back what was there at the last savepoint, newest first."""
        start = self.savepoints.pop()
        while len(self.before) > start:
            native, document = self.before.pop()
            self._put_back({"_id": {"$eq": native}}, document)

    def _put_back(self, place: Document, document: RawBSONDocument | None) -> None:
        try:
            if document is None:
                self.raw.delete_one(place, session=self.session)
                return
            whole = [{"$replaceWith": {"$literal": document}}]
            self.raw.update_one(place, whole, upsert=True, session=self.session)
        except errors.OperationFailure as error:
            # The server has undone the whole of it already: its commit will say so.
            if error.code not in GONE_TRANSACTION:
                raise

    def commit(self) -> None:
        """Make it final; `WriteUncertain` if the answer is lost."""
        try:
            with translated(self.where, writes=True):
                self.session.commit_transaction()
        finally:
            self.session.end_session()

    def abort(self) -> None:
        """Undo all of it; a server that cannot be told does so by itself."""
        with suppress(errors.PyMongoError):
            self.session.abort_transaction()
        self.session.end_session()
