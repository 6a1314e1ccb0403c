"""Fresh, empty storages for the kit: few servers, each lent to one at a time."""

from typing import Any

import tyrant

from pymodels.backends.tokyo_tyrant import Storage
from pymodels.tokyo.search import IndexType


class Fresh:
    """A factory of storages; their servers are emptied and used again."""

    def __init__(self, lost_updates: str = "warn", **server: Any) -> None:
        self._server = server
        self._settings = {"lost_updates": lost_updates}
        # A small file is emptied faster.
        self._options = () if server.get("is_original") else ("--bnum", "1000")
        self._free: list[tyrant.Server] = []
        self._all: list[tyrant.Server] = []

    def __call__(self, **settings: Any) -> Storage:
        """Open a storage on an empty file."""
        if not self._free:
            started = tyrant.Server(None, *self._options, **self._server)
            self._all.append(started)
            self._free.append(started)
        more = {**self._settings, **settings}
        return _Lent(self._free, self._server.get("kind", "TABLE"), more)

    def close(self) -> None:
        """End all servers."""
        for server in self._all:
            server.remove()


class _Lent(Storage):
    """A storage that gives its server back when it is closed."""

    def __init__(
        self, free: list[tyrant.Server], kind: Any, settings: dict[str, Any]
    ) -> None:
        self._free, self._lent = free, free.pop()
        super().__init__(**{**self._lent.settings, "kind": kind, **settings})
        self.clear()

    def close(self) -> None:
        if not self.is_closed:
            for column in self.indexes.all():
                self.client.set_index(column, IndexType.VOID)
            super().close()
            self._free.append(self._lent)
