"""Storages that fail on purpose: the n-th writing hook, before or after it has acted.

`faulty` changes one open storage, of any backend, from outside::

    with faulty(storage, at=3) as fault:
        ...  # the third writing hook raises StorageError, and does nothing
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from pymodels.errors import StorageError, WriteUncertain
from pymodels.storage import BaseStorage

WRITING = (
    *("insert", "insert_many", "replace", "patch", "patch_many", "discard", "swap"),
    *("begin", "commit"),
)
"""The hooks that write."""


class Fault:
    """What is to go wrong in a storage, once, and whether it has."""

    def __init__(self, at: int, after: bool) -> None:
        self.at, self.after = at, after
        self.calls = 0
        """How many writing hooks were called."""
        self.hook: str | None = None
        """The hook that failed; None as long as none has."""

    def around(self, name: str, hook: Callable[..., Any]) -> Callable[..., Any]:
        """Give a hook that fails when it is its turn."""

        def failing(*arguments: Any, **options: Any) -> Any:
            self.calls += 1
            if self.calls != self.at:
                return hook(*arguments, **options)
            self.hook = name
            if not self.after:
                raise StorageError(f"{name} failed on purpose")
            outcome = hook(*arguments, **options)
            if name == "insert_many":
                list(outcome)
            raise WriteUncertain(f"the answer of {name} was lost on purpose")

        return failing


@contextmanager
def faulty(storage: BaseStorage, at: int, after: bool = False) -> Iterator[Fault]:
    """Let the writing hook number ``at`` of a storage fail, and no other.

    It raises `StorageError` and does nothing; or, ``after`` it has done its work,
    `WriteUncertain`, as where the answer of a server is lost. Hooks count that are
    called by other hooks, too.
    """
    fault = Fault(at, after)
    for name in WRITING:
        vars(storage)[name] = fault.around(name, getattr(storage, name))
    try:
        yield fault
    finally:
        for name in WRITING:
            del vars(storage)[name]
