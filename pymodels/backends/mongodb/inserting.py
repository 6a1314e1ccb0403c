"""Creating documents, one or many: all of them or none."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pymongo import errors
from pymongo.collection import Collection

from pymodels.backends.mongodb.documents import Document
from pymodels.backends.mongodb.errors import translated
from pymodels.backends.mongodb.keys import by_key, natives_of
from pymodels.errors import PyModelsError, StorageError, WriteUncertain

if TYPE_CHECKING:
    from pymodels.backends.mongodb.storage import Storage


def insert(storage: "Storage", key: str, document: Document) -> bool:
    """Create a document, unless its key is taken."""
    if _is_taken(storage, key):
        return False
    storage.note((key,))
    with translated(storage, writes=True):
        try:
            storage.collection.insert_one(document, session=storage.session)
        except errors.DuplicateKeyError as error:
            if _is_of_key(error):
                return False
            raise
    return True


def _is_taken(storage: "Storage", key: str) -> bool:
    """Ask first where a refusal would come too late, or not at all."""
    # No UUID is taken by chance.
    natives = [one for one in natives_of(key) if not isinstance(one, bytes)]
    if storage.session is not None:
        # Any error ends the server's transaction.
        natives.append(key)
    if not natives:
        return False
    with translated(storage):
        found = storage.collection.find_one(
            {"_id": {"$in": natives}}, {"_id": 1}, **storage.by_code_point
        )
    return found is not None


def _is_of_key(error: errors.DuplicateKeyError) -> bool:
    """Say whether it is the key that is taken, and no other unique value."""
    details = error.details or {}
    return list(details.get("keyPattern", {"_id": 1})) == ["_id"]


def insert_many(storage: "Storage", documents: Sequence[Document]) -> bool:
    """Create all documents, or none if a key is taken."""
    if storage.session is not None:
        return _inside(storage, documents)
    if not storage.has_transactions:
        _alone(storage, documents)
        return True
    with storage.transaction():
        _all(storage, storage.collection, documents)
    return True


def _all(
    storage: "Storage",
    collection: Collection[Document],
    documents: Sequence[Document],
) -> None:
    with translated(storage, writes=True):
        collection.insert_many(documents, session=storage.session)


def _inside(storage: "Storage", documents: Sequence[Document]) -> bool:
    """Create all within a transaction, which would not outlive a refusal."""
    keys: list[Any] = [document["_id"] for document in documents]
    if len(set(keys)) < len(keys) or any(True for _ in storage.fetch(keys)):
        return False
    storage.note(keys)
    _all(storage, storage.collection, documents)
    return True


def _alone(storage: "Storage", documents: Sequence[Document]) -> None:
    """Create all where there are no transactions, or take back what was created.

    A whole batch is one of many, which wait for the journal together.
    """
    journal, collection = storage.journal, storage.collection
    if journal.is_shared and len(documents) >= storage.batch_size:
        collection = journal.collection()
    try:
        _all(storage, collection, documents)
    except WriteUncertain:
        raise
    except (PyModelsError, KeyboardInterrupt) as error:
        keys = [document["_id"] for document in documents]
        cause = error.__cause__
        if isinstance(cause, errors.BulkWriteError):
            keys = keys[: cause.details["nInserted"]]
        elif isinstance(error, StorageError):
            # Either nothing was sent, or nobody knows what became of it.
            raise
        _take_back(storage, keys, error)
        raise


def _take_back(storage: "Storage", keys: list[Any], error: BaseException) -> None:
    """Remove what a batch created before it failed; tell if that fails as well."""
    if not keys:
        return
    left = f"up to {len(keys)} records of the batch may be left"
    try:
        with translated(storage, writes=True):
            storage.collection.delete_many({"_id": {"$in": keys}})
    except PyModelsError as second:
        left = f"{left}: taking them back failed too ({second})"
        if isinstance(error, KeyboardInterrupt):
            error.add_note(left)
            return
        raise WriteUncertain(f"{error}; {left}") from error
    except KeyboardInterrupt as second:
        second.add_note(left)
        raise


def overwrite(
    storage: "Storage", native: Any, document: Document, *, upsert: bool = False
) -> bool:
    """Put a whole document in the place of another; say whether there was one."""
    whole = {name: value for name, value in document.items() if name != "_id"}
    storage.note((native,))
    collection, options = storage.collection, storage.by_code_point
    with translated(storage, writes=True):
        if not any(name[:1] == "$" for name in whole):
            found = collection.replace_one(by_key(native), whole, upsert, **options)
            return found.matched_count > 0
        # A pipeline takes names that are operators elsewhere.
        update: Any = [{"$replaceWith": {"$literal": {"_id": native, **whole}}}]
        found = collection.update_one(by_key(native), update, upsert, **options)
    return found.matched_count > 0
