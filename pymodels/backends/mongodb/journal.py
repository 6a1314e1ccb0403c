"""Batches that wait for the journal once, together: on a server that stands alone.

Such a server forgets what is not in its journal when it dies. It tells by its process
whether it did: each start has another identity (`topologyVersion` of ``hello``).
"""

import threading
from typing import TYPE_CHECKING, Any

from pymongo import WriteConcern
from pymongo.collection import Collection

from pymodels.backends.mongodb.documents import Document
from pymodels.backends.mongodb.errors import translated
from pymodels.errors import StorageError, WriteUncertain

if TYPE_CHECKING:
    from pymodels.backends.mongodb.storage import Storage

UNJOURNALED = WriteConcern(1, j=False)


class Journal(threading.local):
    """What a thread has written to a storage without waiting for the journal."""

    def __init__(self, storage: "Storage", hello: Document) -> None:
        """Look at what a server says of itself."""
        self._storage = storage
        self._process: Any = None
        concern = storage.collection.write_concern.document
        waits = bool(concern.get("j", concern.get("w") == "majority"))
        self.is_shared = waits and "setName" not in hello and bool(_process_of(hello))
        """Whether batches need not wait one by one."""

    def collection(self) -> Collection[Document]:
        """Give the collection for writes that will be settled."""
        if self._process is None:
            self._process = self._running()
        return self._storage.collection.with_options(write_concern=UNJOURNALED)

    def settle(self) -> None:
        """Wait for the journal; `WriteUncertain` if the server died meanwhile."""
        before, self._process = self._process, None
        if before is None:
            return
        try:
            self._storage.sync()
            after = self._running()
        except StorageError as error:
            raise WriteUncertain(
                f"nobody knows whether the batches before were saved: {error}"
            ) from error
        if after != before:
            raise WriteUncertain(
                f"{self._storage}: the server was started again; nobody knows which "
                "of the batches before were saved"
            )

    def _running(self) -> Any:
        with translated(self._storage):
            admin = self._storage.collection.database.client.admin
            return _process_of(admin.command("hello"))


def _process_of(hello: Document) -> Any:
    version = hello.get("topologyVersion")
    return version.get("processId") if isinstance(version, dict) else None
