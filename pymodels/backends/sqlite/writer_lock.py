"""The lock of the one connection that writes."""

import threading

from pymodels.errors import StorageBusy


class WriterLock:
    """A lock that its thread may take again; others wait up to the time-out."""

    def __init__(self, path: str, timeout: float) -> None:
        self._path = path
        self._timeout = min(max(timeout, 0.0), threading.TIMEOUT_MAX)
        self._lock = threading.RLock()
        # No method of ours: an interrupt at its start would leave the lock taken.
        self.release = self._lock.release
        # What `threading.Condition` asks of a lock.
        self._is_mine = self._lock._is_owned  # type: ignore[attr-defined]  # untold by the stubs

    def acquire(self) -> None:
        """Take it, or raise `StorageBusy`."""
        was_mine = self._is_mine()
        try:
            if self._lock.acquire(timeout=self._timeout):
                return
        except BaseException:
            # An interrupt may come when it is taken already.
            if not was_mine and self._is_mine():
                self._lock.release()
            raise
        raise StorageBusy(
            f"{self._path}: another thread wrote, or was in a transaction, for "
            f"longer than the time-out of {self._timeout:g} seconds"
        )

    def wait(self) -> None:
        """Take it, however long that takes."""
        self._lock.acquire()
