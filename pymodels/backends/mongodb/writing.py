"""Writes of more than one step: batches, whole documents, transactions."""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any

import bson
from bson.codec_options import CodecOptions, DatetimeConversion
from bson.raw_bson import RawBSONDocument
from pymongo import DeleteOne, UpdateOne
from pymongo import errors as driver_errors
from pymongo.client_session import ClientSession
from pymongo.collection import Collection

from pymodels.backend import Changes, errors
from pymodels.backends.mongodb.documents import Document, as_map
from pymodels.backends.mongodb.errors import (
    GONE_TRANSACTION,
    NOT_BSON,
    translated,
    translation,
)
from pymodels.backends.mongodb.indexes import BY_CODE_POINT
from pymodels.backends.mongodb.keys import by_key
from pymodels.backends.mongodb.patch import document_with

RAW: CodecOptions[RawBSONDocument] = CodecOptions(
    document_class=RawBSONDocument, datetime_conversion=DatetimeConversion.DATETIME_AUTO
)


def create_all(
    collection: Collection[Document], documents: Sequence[Document], where: object
) -> None:
    """Create all documents without a transaction, or take back what was created."""
    try:
        with translated(where, writes=True):
            collection.insert_many(documents)
    except errors.WriteUncertain:
        raise
    except (errors.PyModelsError, KeyboardInterrupt) as error:
        keys = [document["_id"] for document in documents]
        cause = error.__cause__
        if isinstance(cause, driver_errors.BulkWriteError):
            keys = keys[: cause.details["nInserted"]]
        elif isinstance(error, errors.StorageError):
            # Either nothing was sent, or nobody knows what became of it.
            raise
        if keys:
            _take_back(collection, keys, error, where)
        raise


def _take_back(
    collection: Collection[Document],
    keys: list[Any],
    error: BaseException,
    where: object,
) -> None:
    """Remove what a batch created before it failed; say so if that fails as well."""
    left = f"up to {len(keys)} records of the batch may be left"
    try:
        with translated(where, writes=True):
            collection.delete_many({"_id": {"$in": keys}})
    except errors.PyModelsError as second:
        left = f"{left}: taking them back failed too ({second})"
        if isinstance(error, KeyboardInterrupt):
            error.add_note(left)
            return
        raise errors.WriteUncertain(f"{error}; {left}") from error
    except KeyboardInterrupt as second:
        second.add_note(left)
        raise


def overwrite(
    collection: Collection[Document],
    native: Any,
    document: Document,
    *,
    upsert: bool = False,
    **options: Any,
) -> int:
    """Put a whole document in the place of another; say how many there were."""
    whole = {name: value for name, value in document.items() if name != "_id"}
    if any(name[:1] == "$" for name in whole):
        # A pipeline takes names that are operators elsewhere.
        update = [{"$replaceWith": {"$literal": {"_id": native, **whole}}}]
        result = collection.update_one(by_key(native), update, upsert, **options)
    else:
        result = collection.replace_one(by_key(native), whole, upsert, **options)
    return result.matched_count


def update_one(
    collection: Collection[Document], native: Any, update: Any, **options: Any
) -> int:
    """Change a document; say how many there were."""
    return collection.update_one(by_key(native), update, **options).matched_count


def delete_one(collection: Collection[Document], native: Any, **options: Any) -> int:
    """Remove a document; say how many there were."""
    return collection.delete_one(by_key(native), **options).deleted_count


Swap = tuple[Document, Changes | None]
"""A document as it was read, and what changes in it; None to remove it."""


def swap_all(
    collection: Collection[Document], swaps: Sequence[Swap], where: object
) -> list[bool]:
    """Write documents that are still as they were read; say for each if it was.

    All are sent at once. The server refuses each update by itself, by its index, since
    its pipeline fails where the document is another. Of removals it only counts those
    that were done; but a record that is gone by then needs no second try.
    """
    with translated(where):
        raws = _still_so(collection, [document for document, _ in swaps])
    outcomes = [raw is not None for raw in raws]
    asked = [(at, raw, swaps[at][1]) for at, raw in enumerate(raws) if raw is not None]
    puts = [(at, raw, changes) for at, raw, changes in asked if changes is not None]
    updates = [
        UpdateOne(
            by_key(raw["_id"]),
            _with(changes, if_still=raw),
            upsert=True,
            collation=BY_CODE_POINT,
        )
        for _, raw, changes in puts
    ]
    for refused in _refused(collection, updates, where):
        outcomes[puts[refused][0]] = False
    outs = [(at, raw) for at, raw, changes in asked if changes is None]
    if outs:
        with translated(where, writes=True):
            removed = _removed(collection, [raw for _, raw in outs])
        for (at, _), is_done in zip(outs, removed, strict=True):
            outcomes[at] = is_done
    return outcomes


def _still_so(
    collection: Collection[Document], documents: list[Document]
) -> list[RawBSONDocument | None]:
    """Read documents again as the server has them; None for those that have changed.

    What the driver makes of some values, such as those of retired types, is not what
    the server would compare.
    """
    natives = [document["_id"] for document in documents]
    options = collection.codec_options
    found = {}
    for raw in collection.with_options(RAW).find({"_id": {"$in": natives}}):
        again = bson.decode(raw.raw, options)
        found[bson.encode(as_map(again), codec_options=options)] = raw
    return [
        found.get(bson.encode(document, codec_options=options))
        for document in documents
    ]


def _removed(
    collection: Collection[Document], documents: list[RawBSONDocument]
) -> Iterable[bool]:
    """Remove documents that are still as they were read; say for each if it was."""
    removals = [
        DeleteOne(
            {**by_key(document["_id"]), "$expr": _is_still(document)},
            collation=BY_CODE_POINT,
        )
        for document in documents
    ]
    done = collection.bulk_write(removals, ordered=False).deleted_count
    if done == len(documents):
        return [True] * done
    natives = [document["_id"] for document in documents]
    found = collection.find({"_id": {"$in": natives}}, {"_id": 1})
    left = [document["_id"] for document in found]
    gone = [at for at, native in enumerate(natives) if native not in left]
    ours = set(gone[:done])
    return [at in ours for at in range(len(documents))]


def update_all(
    collection: Collection[Document],
    updates: Sequence[tuple[Document, Any]],
    where: object,
    session: ClientSession | None = None,
) -> int:
    """Change documents, each the one of a filter; say how many were there.

    Raises `WriteInterrupted` if one is refused after others were changed; in a
    transaction none of them stays.
    """
    found = [UpdateOne(one, update, collation=BY_CODE_POINT) for one, update in updates]
    try:
        with translated(where, writes=True):
            return collection.bulk_write(found, session=session).matched_count
    except errors.PyModelsError as error:
        cause = error.__cause__
        if session is not None or not isinstance(cause, driver_errors.BulkWriteError):
            raise
        done = (cause.details or {}).get("nMatched", 0)
        if not done or isinstance(error, errors.WriteUncertain):
            raise
        text = f"{done} records were written, then: {error}"
        raise errors.WriteInterrupted(text, done) from error


def write_all(
    collection: Collection[Document], swaps: Sequence[Swap], session: ClientSession
) -> None:
    """Write documents in a transaction, where what was read cannot have changed."""
    collection.bulk_write(
        [
            DeleteOne(by_key(document["_id"]))
            if changes is None
            else UpdateOne(by_key(document["_id"]), _with(changes))
            for document, changes in swaps
        ],
        session=session,
    )


FAIL = {"$toInt": {"$concat": ["changed: ", {"$type": "$_id"}]}}
"""An expression that no document fulfils, and that the server does not foresee."""
NOT_CONVERTED = 241


def _with(changes: Changes, if_still: Any = None) -> list[Document]:
    """Give the pipeline that changes a document, or fails where it is another."""
    whole: Any = document_with(changes) if changes else "$$ROOT"
    if if_still is not None:
        whole = {"$cond": [_is_still(if_still), whole, FAIL]}
    return [{"$replaceWith": whole}]


def _is_still(document: Any) -> Document:
    return {"$eq": ["$$ROOT", {"$literal": document}]}


def _refused(
    collection: Collection[Document], updates: list[UpdateOne], where: object
) -> list[int]:
    """Send updates; give those whose document had changed or was gone.

    Raises `WriteInterrupted` if others failed after some were written.
    """
    if not updates:
        return []
    try:
        collection.bulk_write(updates, ordered=False)
    except driver_errors.BulkWriteError as error:
        failures = (error.details or {}).get("writeErrors", [])
        others = [one for one in failures if one["code"] != NOT_CONVERTED]
        if not others and failures:
            return [one["index"] for one in failures]
        done = len(updates) - len(failures)
        ours = translation(error, where, writes=True, failure=next(iter(others), None))
        if not done or isinstance(ours, errors.WriteUncertain):
            raise ours from error
        ours.__cause__ = error
        text = f"{done} records were written, then: {ours}"
        raise errors.WriteInterrupted(text, done) from ours
    except (driver_errors.PyMongoError, *NOT_BSON) as error:
        raise translation(error, where, writes=True) from error
    return []


class ServerTransaction:
    """What a thread has begun and not yet ended: a session, and savepoints of our own.

    MongoDB has no savepoints. While one is open, each document is read before it is
    written, within the same transaction, and put back if the savepoint is undone.
    """

    def __init__(self, collection: Collection[Document]) -> None:
        """Begin one on the server of a collection."""
        self.raw = collection.with_options(RAW)
        self.session: ClientSession = collection.database.client.start_session()
        self.session.start_transaction()
        self.savepoints: list[int] = []
        self.before: list[tuple[Any, RawBSONDocument | None]] = []

    def note(self, natives: Iterable[Any]) -> None:
        """Remember documents that are about to be written, if there is a savepoint."""
        if self.savepoints:
            for native in natives:
                place = {"_id": {"$eq": native}}
                document = self.raw.find_one(place, session=self.session)
                self.before.append((native, document))

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
            try:
                self._put_back({"_id": {"$eq": native}}, document)
            except driver_errors.OperationFailure as error:
                # The server has undone all of it already: its commit will say so.
                if error.code not in GONE_TRANSACTION:
                    raise

    def _put_back(self, place: Document, document: RawBSONDocument | None) -> None:
        if document is None:
            self.raw.delete_one(place, session=self.session)
            return
        whole = [{"$replaceWith": {"$literal": document}}]
        self.raw.update_one(place, whole, upsert=True, session=self.session)

    def commit(self) -> None:
        """Make it final; `WriteUncertain` if the answer is lost."""
        try:
            with translated(self.raw.full_name, writes=True):
                self.session.commit_transaction()
        finally:
            self.session.end_session()

    def abort(self) -> None:
        """Undo all of it; a server that cannot be reached does so by itself."""
        with suppress(driver_errors.PyMongoError):
            self.session.abort_transaction()
        self.session.end_session()
