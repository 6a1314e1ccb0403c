"""What models call of a storage, which stands above them and imports them."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Any, ClassVar, Protocol

from pymodels.law.changes import Changes
from pymodels.law.shapes import Shape
from pymodels.law.values import Record
from pymodels.querying.plan import Row
from pymodels.transactions import Transaction


class InstanceMapper(Protocol):
    """The functions between the rows of a storage and the instances of one model."""

    transaction: Transaction | None

    @property
    def load(self) -> Callable[[Row], Any]:
        """From a row to an instance."""

    @property
    def dump(self) -> Callable[[str, Any], Row]:
        """From a key and a new instance to a row."""


class OpenStorage(Protocol):
    """Every storage, as models see it."""

    keeps_milliseconds: ClassVar[bool]

    @property
    def has_transactions(self) -> bool:
        """Whether `transaction` is more than `Unsupported`."""

    def transaction(self) -> AbstractContextManager[Any]:
        """Make what is written inside all or nothing."""

    def mapper(self, model: type[Any]) -> InstanceMapper:
        """Give the functions between rows and instances; refuse after `close`."""

    def get(self, model: type[Any], key: str | None) -> Any:
        """Load one record."""

    def get_many(self, model: type[Any], keys: Iterable[str]) -> list[Any]:
        """Load several records."""

    def fetch(self, keys: Iterable[str]) -> Iterable[Row]:
        """Yield the rows of those keys that are there."""

    def encode(self, key: str, record: Record) -> Row:
        """Turn a record into a row."""

    def decode(self, row: Row, shape: Shape | None = None) -> Record:
        """Turn a row into its record."""

    def insert(self, row: Row) -> bool:
        """Create a record; say False if the key exists."""

    def insert_many(self, rows: Iterable[Row]) -> Iterable[bool]:
        """Create several records."""

    def replace(self, row: Row) -> None:
        """Create or overwrite a record."""

    def patch(
        self, key: str, changes: Changes, known: tuple[Row, Row] | None = None
    ) -> bool:
        """Change paths of one record in one step; say whether it was there."""

    def patch_many(
        self, patches: Sequence[tuple[str, Changes, tuple[Row, Row] | None]]
    ) -> list[bool]:
        """Change paths of several records; say for each whether it was there."""

    def patched(self, row: Row, changes: Changes) -> Row:
        """Give a row with changes in it."""
