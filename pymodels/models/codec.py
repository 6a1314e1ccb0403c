"""ModelCodec: what a model knows of its records; between records and instances.

There is one to a model class, made when it is first needed. Loading means the
record, then pydantic's validation of it (law 14).
"""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext, suppress
from functools import cached_property
from typing import Any

from pydantic import ValidationError
from pydantic_core import SchemaSerializer, SchemaValidator

from pymodels.errors import (
    EncodeError,
    InvalidRecord,
    NotInModel,
    UnknownField,
)
from pymodels.indexes import BoundIndex
from pymodels.law.canonical import Misfits, canonical
from pymodels.law.changes import Changes, apply
from pymodels.law.evaluate import matcher
from pymodels.law.predicates import HasKind, Predicate, spelled, terms_of
from pymodels.law.shapes import Reading, Shape
from pymodels.law.values import Kind, Path, Record, copied, read
from pymodels.models import references, updates
from pymodels.models.fields import shape_of_model
from pymodels.models.kept import Keeper, kept_of, with_kept
from pymodels.models.meta import (
    bound_indexes,
    check_stored_names,
    equality_conditions,
    membership,
    merged_options,
    names_of,
)
from pymodels.models.protocols import OpenStorage
from pymodels.models.pydantic_parts import serializer_of, set_fields_set, validator_of
from pymodels.models.rounding import round_instance
from pymodels.models.schema import storage_schema
from pymodels.querying.plan import Row
from pymodels.querying.protocols import Instance
from pymodels.transactions import Transaction


class ModelCodec:
    """Shape, membership, validator and serializer of one model."""

    def __init__(
        self,
        model: type[Any],
        set_row: Callable[[Any, Row | None], None],
        set_storage: Callable[[Any, OpenStorage], None],
        row_of: Callable[[Any], Row | None],
    ) -> None:
        """Look at a complete model; the functions set and read an instance's slots."""
        self.model = model
        self.set_row, self.set_storage, self.row_of = set_row, set_storage, row_of
        self.options = merged_options(model)
        schema: Any = model.__pydantic_core_schema__
        self.fields: dict[str, Any] = dict(model.__pydantic_fields__)
        self.all_fields = set(self.fields)
        """What was given to a complete instance; loaded ones share it."""
        self.names: dict[str, str] = self.options["names"]
        check_stored_names(model)
        self.shape: Shape = shape_of_model(model, schema, names_of)
        self.schema = storage_schema(schema, names_of)
        self.membership: Predicate = membership(model, self.shape)
        self.reference_fields = tuple(
            name
            for name, member in self.shape.members.items()
            if any(one.operand for one in member.shape.walk())
        )
        self.keeps_extra = model.model_config.get("extra") == "allow"

    @cached_property
    def validator(self) -> SchemaValidator:
        """Validates a record, stored names and all, into an instance."""
        return validator_of(self.schema)

    @cached_property
    def serializer(self) -> SchemaSerializer:
        """Dumps an instance, stored names and all."""
        return serializer_of(self.schema)

    @cached_property
    def belongs(self) -> Callable[[str, Record], bool]:
        """Says whether a record is the model's own."""
        return matcher(self.membership)

    # What the short ways ask.

    @cached_property
    def reading(self) -> Reading:
        """From what an instance may be read as it is read from its record."""
        return min(shape.reading for shape in self.shape.walk())

    @cached_property
    def exact_types(self) -> dict[str, frozenset[type]] | None:
        """The exact types that a plain field's value may have, by the field's name.

        None where another field, or membership, asks for more than these.
        """
        terms = terms_of(self.membership)
        if self.keeps_extra or not all(isinstance(term, HasKind) for term in terms):
            return None
        members = self.shape.members
        types = {name: member.shape.types for name, member in members.items()}
        return types if all(types.values()) else None

    @cached_property
    def is_validated(self) -> bool:
        """Whether even values of exact types have to be validated."""
        members = self.shape.members.values()
        return self.shape.is_validated or any(m.shape.is_validated for m in members)

    @cached_property
    def keeper(self) -> Keeper:
        """What an instance keeps of its loading; false where that is nothing."""
        return Keeper(self.model.__pydantic_core_schema__, self.shape)

    @cached_property
    def keep(self) -> Callable[[Instance, Row], Row] | None:
        """Gives the row with what an instance keeps; None where that is nothing."""
        return self.keeper.keep if self.keeper else None

    @cached_property
    def indexes(self) -> tuple[BoundIndex, ...]:
        """The indexes of `Meta`, bound to stored names."""
        return bound_indexes(self.model, self.shape, self.membership)

    # From records to instances.

    def attach(
        self,
        instance: Instance,
        row: Row,
        storage: OpenStorage,
        transaction: Transaction | None = None,
    ) -> None:
        """Tell an instance its key, its stored form and where it is kept."""
        if transaction is not None:
            transaction.note_write(instance, self)
        self.set_row(instance, row)
        self.set_storage(instance, storage)
        if self.reference_fields:
            self.settle(instance, storage)
        if storage.keeps_milliseconds:
            self.round(instance, storage)
        if self.keep is not None:
            self.set_row(instance, self.keep(instance, row))

    def note_converted(
        self, instance: Instance, stored: Record, record: Record
    ) -> None:
        """Note in what an instance that was made of a record differs from its row."""
        row = self.row_of(instance)
        if row is not None and (kept := kept_of(row)) is not None:
            left, changed = self.keeper.left(kept, stored, record)
            kept = left._replace(assigned=changed)
            self.set_row(instance, with_kept(row, kept))

    def settle(self, instance: Instance, storage: OpenStorage) -> None:
        """Tell the references in an instance where they stand."""
        references.settle(instance, self.reference_fields, storage)

    @cached_property
    def holds_datetimes(self) -> bool:
        """Whether an instance can hold a datetime."""
        return any(Kind.DATETIME in shape.kinds for shape in self.shape.walk())

    def round(self, instance: Instance, storage: OpenStorage) -> None:
        """Cut an instance's datetimes to what its storage keeps of them."""
        if storage.keeps_milliseconds and self.holds_datetimes:
            # What is nested so deep is refused when it is encoded.
            with suppress(RecursionError):
                round_instance(instance)

    def loader(self, storage: OpenStorage) -> Callable[[Row], Any]:
        """Give the function from a row to an instance, by way of the record."""
        decode, shape, make = storage.decode, self.shape, self.maker(storage)
        # A copy: the storage may have shown its own, and validators may change it.
        return lambda row: make(row, copied(decode(row, shape)))

    def maker(self, storage: OpenStorage) -> Callable[[Row, Record], Any]:
        """Give the function from a row and its record to an instance."""
        validate, attach = self.validator.validate_python, self.attacher(storage)
        name = self.model.__name__

        def make(row: Row, record: Record) -> Any:
            try:
                instance = validate(record)
            except ValidationError as error:
                raise InvalidRecord(
                    f"the record {row[0]!r} is a {name} but does not validate: {error}",
                    row[0],
                    error.errors(),
                ) from error
            return attach(instance, row)

        return make

    def attacher(self, storage: OpenStorage) -> Callable[[Any, Row], Any]:
        """Give the function that tells a loaded instance its row and storage."""
        set_row, set_storage, all_fields = (
            self.set_row,
            self.set_storage,
            self.all_fields,
        )
        # No instance has so many fields where extra ones are kept.
        size = -1 if self.keeps_extra else len(all_fields)
        refers = bool(self.reference_fields)
        keep = self.keep

        def attach(instance: Any, row: Row) -> Any:
            set_row(instance, row)
            set_storage(instance, storage)
            if len(instance.__pydantic_fields_set__) == size:
                # One set for all complete instances: a third of the memory.
                set_fields_set(instance, all_fields)
            if refers:
                self.settle(instance, storage)
            if keep is not None:
                set_row(instance, keep(instance, row))
            return instance

        return attach

    # From instances to records.

    def record_of(
        self, instance: Instance, misfits: Misfits = (), **options: Any
    ) -> Record:
        """Dump the declared fields, and extra ones that the model keeps.

        ``misfits`` are values that stand in the store and may stay there.
        """
        try:
            dumped = self.serializer.to_python(
                instance, by_alias=True, round_trip=True, warnings=False, **options
            )
        except (ValueError, TypeError, AttributeError) as error:
            raise EncodeError(f"{self.model.__name__}: {error}") from error
        if self.keeps_extra:
            # pydantic takes cached properties for extra fields.
            for name in vars(instance).keys() - self.fields.keys():
                dumped.pop(name, None)
        record: Record = canonical(dumped, self.model.__name__, kept=misfits)
        return record

    def dumper(self, storage: OpenStorage) -> Callable[[str, Any], Row]:
        """Give the function from a key and a new instance to its row."""
        encode, record_of = storage.encode, self.new_record
        return lambda key, instance: encode(key, record_of(key, instance))

    def new_record(self, key: str, instance: Instance) -> Record:
        """Give the whole record of a new instance, checked, for its key.

        Raises `EncodeError`, `NotInModel`, or pydantic's `ValidationError` for
        what was put in without validation.
        """
        record = self.record_of(instance)
        for path, value in self.undeclared_conditions:
            if read(record, path) is None:
                record = apply(record, Changes({path: value}))
        self.check(record, key)
        return record

    @cached_property
    def undeclared_conditions(self) -> list[tuple[Path, Any]]:
        """Equality conditions on what the model does not declare, to be written."""
        found = []
        for path, value in equality_conditions(self.options, self.shape).items():
            stored, declared = self.shape.resolve(path)
            if declared is None or path[0] not in self.fields:
                found.append((stored, canonical(value, spelled(path))))
        return found

    def check(self, record: Record, key: str) -> None:
        """Refuse a record that is to be written and would not be the model's own.

        Raises `NotInModel`, or pydantic's `ValidationError` if it would not load.
        """
        if not self.belongs(key, record):
            broken = [
                str(term)
                for term in terms_of(self.membership)
                if not matcher(term)(key, record)
            ]
            name, needs = self.model.__name__, " and ".join(broken)
            raise NotInModel(f"this would not belong to {name}: it needs {needs}")
        # A copy: validators may change what they are given.
        self.validator.validate_python(copied(record))

    # Updates by query.

    def changes_to(
        self, values: Mapping[str, Any], storage: OpenStorage
    ) -> AbstractContextManager[Changes]:
        """Give the changes that set fields, or nested paths, in any record."""
        return updates.changes_to(self, values, storage)

    @property
    def validates_as_whole(self) -> bool:
        """Whether a field is valid only together with the others."""
        return self.shape.validates_as_whole

    def whole_change(
        self, values: Mapping[str, Any], storage: OpenStorage
    ) -> AbstractContextManager[Callable[[Row], Row] | None]:
        """Give the function that validates a row with new values, and puts them in.

        None where each value can be validated by itself.
        """
        if not self._has_wholes:
            return nullcontext()
        return updates.whole_change(self, values, storage)

    @cached_property
    def _has_wholes(self) -> bool:
        return any(shape.validates_as_whole for shape in self.shape.walk())

    def validated(self, name: str, value: Any) -> Any:
        """Validate the value of one field."""
        return updates.validated(self, (name,), value)

    def encode_field(self, name: str, value: Any) -> Any:
        """Validate one new value and give what is stored for it.

        What refers to an instance that is not saved yet is given as it is: it is
        saved with its holder. So is what is validated with the whole record.
        """
        if updates.takes_info(self, (name,)):
            return value
        try:
            return updates.encode_field(self, (name,), value, None, [])
        except EncodeError:
            if name in self.reference_fields:
                return value
            raise

    # References.

    def check_reference(self, name: str) -> None:
        """Raise `UnknownField` unless the name leads to a reference."""
        shape: Shape | None = self.shape
        for part in name.split("__"):
            while shape and shape.items and not shape.members:
                shape = shape.items
            shape = shape.step(part)[1] if shape else None
        if shape is None or not any(one.operand for one in shape.walk()):
            known = ", ".join(self.reference_fields) or "none"
            raise UnknownField(
                f"prefetch: {self.model.__name__} has no reference {name!r}; it has "
                f"{known}"
            )

    def prefetch(self, batch: list[Any], name: str, storage: OpenStorage) -> None:
        """Load what a batch of instances refers to."""
        references.prefetch(batch, tuple(name.split("__")), storage)
