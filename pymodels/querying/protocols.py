"""What queries, storages and backends know of models, which stand above them.

`ModelCodec` is the `Codec`, and every `Model` is an `Instance`.
"""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any, ClassVar, Protocol, TypeGuard, TypeVar

from pymodels.indexes import BoundIndex
from pymodels.law.canonical import Misfits
from pymodels.law.changes import Changes
from pymodels.law.predicates import Predicate
from pymodels.law.shapes import Reading, Shape
from pymodels.law.values import Record
from pymodels.querying.plan import Row


class Codec(Protocol):
    """What a model knows of its records, and the way from one to the other."""

    model: type[Any]
    fields: dict[str, Any]
    names: dict[str, str]
    shape: Shape
    schema: Any
    membership: Predicate
    reference_fields: tuple[str, ...]

    @property
    def validator(self) -> Any:
        """Validates a record, stored names and all, into an instance."""

    @property
    def serializer(self) -> Any:
        """Dumps an instance, stored names and all."""

    @property
    def reading(self) -> Reading:
        """From what an instance may be read as it is read from its record."""

    @property
    def exact_types(self) -> Mapping[str, frozenset[type]] | None:
        """The exact types of each field's values, None where more is asked."""

    @property
    def is_validated(self) -> bool:
        """Whether even values of exact types have to be validated."""

    @property
    def indexes(self) -> tuple[BoundIndex, ...]:
        """The indexes that the model asks for."""

    @property
    def belongs(self) -> Callable[[str, Record], bool]:
        """The function of key and record that says whether it is the model's own."""

    def loader(self, storage: Any) -> Callable[[Row], Any]:
        """Give the function from a row to an instance, by way of the record."""

    def maker(self, storage: Any) -> Callable[[Row, Record], Any]:
        """Give the function from a row and its record to an instance."""

    def attacher(self, storage: Any) -> Callable[[Any, Row], Any]:
        """Give the function that tells a loaded instance its row and storage."""

    def dumper(self, storage: Any) -> Callable[[str, Any], Row]:
        """Give the function from a key and a new instance to its row."""

    def new_record(self, key: str, instance: Any) -> Record:
        """Give the whole record of a new instance, checked."""

    def record_of(self, instance: Any, misfits: Misfits = ()) -> Record:
        """Dump what is stored of an instance."""

    def check(self, record: Record, key: str) -> None:
        """Refuse a record that is to be written and would not be the model's own."""

    def attach(self, instance: Any, row: Row, storage: Any) -> None:
        """Tell an instance its key, its stored form and where it is kept."""

    def round(self, instance: Any, storage: Any) -> None:
        """Cut an instance's datetimes to what its storage keeps of them."""

    def changes_to(
        self, values: Mapping[str, Any], storage: Any
    ) -> AbstractContextManager[Changes]:
        """Give the changes that set fields, or nested paths, in any record.

        What is saved for them is removed if what is done with them fails.
        """

    @property
    def validates_as_whole(self) -> bool:
        """Whether a field is valid only together with the others."""

    def whole_change(
        self, values: Mapping[str, Any], storage: Any
    ) -> AbstractContextManager[Callable[[Row], Row] | None]:
        """Give the function that validates a row with new values, and puts them in.

        None where each value can be validated by itself.
        """

    def check_reference(self, name: str) -> None:
        """Raise `UnknownField` unless the name leads to a reference."""

    def prefetch(self, batch: list[Any], name: str, storage: Any) -> None:
        """Load what a batch of instances refers to."""


class Instance(Protocol):
    """One object of a model."""

    __pymodels_codec__: ClassVar[Any]  # a Codec; a checker wants it settable

    @property
    def key(self) -> str | None:
        """The key of its record; None before the first save."""

    @property
    def storage(self) -> Any:
        """Where its record is; None before the first save."""

    @property
    def model_fields_set(self) -> set[str]:
        """The names of the fields that were given."""


M = TypeVar("M", bound=Instance)

IS_MODEL = "__pymodels_model__"
"""What every model class has."""


def codec_of(model: type[Instance]) -> Codec:
    """Give what a model knows of its records."""
    codec: Codec = model.__pymodels_codec__
    return codec


def is_model(candidate: object) -> TypeGuard[type[Instance]]:
    """Say whether something is a model class; its codec may still be in the making."""
    return isinstance(candidate, type) and hasattr(candidate, IS_MODEL)


def check_model(model: object) -> None:
    """Raise `TypeError` for what is not a model class."""
    if not is_model(model):
        raise TypeError(f"a model class is expected, not {model!r}")
