"""What a contender is: one way to do the work on one database."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from benchmarks.work import Document, fields_of

SPARE = "spare"
"""The second place of a contender, where it inserts and deletes."""


@dataclass
class Place:
    """Where a contender keeps its records: files, a server or two sockets."""

    name: str
    folder: str
    url: str = ""
    sockets: Sequence[str] = field(default=())


class Contender:
    """One way to do the work.

    A subclass has two places for records: the main one, which is read, and a spare
    one, which is emptied and filled again. Methods that are measured do one thing and
    are called by `each`.
    """

    title: str
    layout: str
    program: ClassVar[str] = ""
    """Imports it and defines a model: what a program needs to start."""
    missing: ClassVar[dict[str, str]] = {}
    """Operations that it does not have, with the reason."""
    takes_text_dates: ClassVar[bool] = False

    def __init__(self, place: Place) -> None:
        """Open both places as they are."""
        raise NotImplementedError

    def fill(self, documents: list[Document]) -> list[Any]:
        """Empty the main place and fill it; return the keys in the same order."""
        raise NotImplementedError

    def index(self) -> None:
        """Make indexes on age and on score in the main place."""
        raise NotImplementedError

    def empty(self) -> None:
        """Empty the spare place."""
        raise NotImplementedError

    def stored(self) -> Iterable[Any]:
        """Return what is in the spare place."""
        raise NotImplementedError

    def make(self, documents: list[Document]) -> list[Any]:
        """Make the instances for `instances`."""
        raise NotImplementedError

    def load(self, keys: list[Any]) -> list[Any]:
        """Load what `save` will change."""
        return [self.get(key) for key in keys]

    def single(self, document: Document) -> Any:
        """Insert one."""
        raise NotImplementedError

    def bulk(self, documents: list[Document]) -> Any:
        """Insert many, all or nothing."""
        raise NotImplementedError

    def instances(self, made: list[Any]) -> Any:
        """Insert many that `make` has made."""
        raise NotImplementedError

    def get(self, key: Any) -> Any:
        """Load one by its key."""
        raise NotImplementedError

    def save(self, loaded: Any) -> Any:
        """Add one to the age and save it."""
        raise NotImplementedError

    def scan(self) -> Any:
        """Stream all records and return how many there were."""
        raise NotImplementedError

    def held(self) -> Any:
        """Load all records into a list."""
        raise NotImplementedError

    def filter(self) -> Any:
        """Load those between two ages who are active, the oldest first."""
        raise NotImplementedError

    def count(self) -> Any:
        """Count what `filter` finds."""
        raise NotImplementedError

    def narrow(self, low: float, high: float) -> Any:
        """Count the scores in a range."""
        raise NotImplementedError

    def page(self) -> Any:
        """Load the second page of all, the oldest first."""
        raise NotImplementedError

    def delete(self) -> Any:
        """Delete the active ones with a low score from the spare place."""
        raise NotImplementedError

    def each(
        self, method: Callable[..., Any], calls: Iterable[tuple[Any, ...]]
    ) -> list[Any]:
        """Call a method again and again; return what it gave."""
        return [method(*arguments) for arguments in calls]

    def plain(self, loaded: Any) -> tuple[Any, ...]:
        """Return the values of what was loaded, to compare."""
        return fields_of(loaded)

    def close(self) -> None:
        """Close both places."""


class AsynchronousContender(Contender):
    """A contender of coroutines; its loop is entered once for each piece of work."""

    def __init__(self, place: Place) -> None:
        """Make the loop and open."""
        self.loop = asyncio.new_event_loop()
        self.loop.run_until_complete(self.open(place))

    async def open(self, place: Place) -> None:
        """Open both places as they are."""
        raise NotImplementedError

    def each(
        self, method: Callable[..., Any], calls: Iterable[tuple[Any, ...]]
    ) -> list[Any]:
        """Await a method again and again."""

        async def one_by_one() -> list[Any]:
            return [await method(*arguments) for arguments in calls]

        return self.loop.run_until_complete(one_by_one())

    def close(self) -> None:
        """Close the loop."""
        self.loop.close()
