"""ModelCodec: what a model knows of its records; between records and instances.

There is one to a model class, made when it is first needed. Loading means the
record, then pydantic's validation of it (law 14).
"""

from collections.abc import Callable, Mapping
from contextlib import (
    suppress,
)
from functools import cached_property
from typing import Any

from pydantic import ValidationError
from pydantic_core import SchemaSerializer, SchemaValidator

from pymodels.errors import (
    DefinitionError,
    EncodeError,
    InvalidRecord,
    NotInModel,
    QueryError,
    UnknownField,
)
from pymodels.indexes import BoundIndex, Index
from pymodels.law.canonical import canonical, field_name
from pymodels.law.changes import Changes, apply
from pymodels.law.evaluate import matcher
from pymodels.law.predicates import Predicate, spelled, terms_of
from pymodels.law.shapes import Shape
from pymodels.law.values import Path, Record, copied, read
from pymodels.models import references, updates
from pymodels.models.fast_loading import JsonLoading
from pymodels.models.fast_values import DirectLoading
from pymodels.models.fast_writing import JsonWriting
from pymodels.models.fields import shape_of_model
from pymodels.models.membership import equality_conditions, membership, merged_options
from pymodels.models.protocols import Storage
from pymodels.models.pydantic_parts import serializer_of, set_fields_set, validator_of
from pymodels.models.rounding import holds_datetimes, round_instance
from pymodels.models.schema import definitions_of, model_node, storage_schema
from pymodels.querying.binding import parse_order
from pymodels.querying.plan import Row
from pymodels.querying.protocols import Instance, is_model


class ModelCodec:
    """Shape, membership, validator and serializer of one model."""

    def __init__(
        self,
        model: type[Any],
        set_row: Callable[[Any, Row | None], None],
        set_storage: Callable[[Any, Storage], None],
        row_of: Callable[[Any], Row | None],
    ) -> None:
        """Look at a complete model; the functions set and read an instance's slots."""
        self.model = model
        self.set_row, self.set_storage, self.row_of = set_row, set_storage, row_of
        self.options = merged_options(model)
        schema: Any = model.__pydantic_core_schema__
        definitions = definitions_of(schema)
        self.fields: dict[str, Any] = model_node(schema, definitions)["fields"]
        self.all_fields = set(self.fields)
        """What was given to a complete instance; loaded ones share it."""
        self.names: dict[str, str] = self.options["names"]
        self._check_names()
        self.shape: Shape = shape_of_model(model, schema, names_of)
        self.schema = storage_schema(schema, names_of)
        self.membership: Predicate = membership(model, schema, definitions, self.shape)
        self.reference_fields = tuple(
            name for name, member in self.shape.members.items() if refers(member.shape)
        )
        self.keeps_extra = model.model_config.get("extra") == "allow"

    def _check_names(self) -> None:
        for name in self.names:
            if name not in self.fields:
                raise DefinitionError(
                    f"{self.model.__name__}.Meta.names: there is no field {name!r}"
                )
            try:
                field_name(self.names[name], f"{self.model.__name__}.Meta.names")
            except EncodeError as error:
                raise DefinitionError(str(error)) from error
        stored = [self.names.get(name, name) for name in self.fields]
        if len(set(stored)) < len(stored):
            raise DefinitionError(
                f"{self.model.__name__}.Meta.names: two fields share one stored name"
            )
        if not self.model.__pydantic_custom_init__:
            return
        config = self.model.model_config
        aliased = any("validation_alias" in field for field in self.fields.values())
        by_name = config.get("populate_by_name") or config.get("validate_by_name")
        if self.names or (aliased and not by_name):
            raise DefinitionError(
                f"{self.model.__name__}: an __init__ of its own cannot be called with "
                "stored names; with Meta.names it must go, with aliases set "
                "validate_by_name=True"
            )

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

    @cached_property
    def json(self) -> JsonLoading:
        """The short way for stores that keep JSON text."""
        return JsonLoading(self)

    @cached_property
    def direct(self) -> DirectLoading:
        """The short way for stores that keep values as Python has them."""
        return DirectLoading(self)

    @cached_property
    def writing(self) -> JsonWriting:
        """The short way out, to stores that keep JSON text."""
        return JsonWriting(self)

    @cached_property
    def indexes(self) -> tuple[BoundIndex, ...]:
        """The indexes of `Meta`, bound to stored names."""
        try:
            return tuple(map(self._index, self.options["indexes"]))
        except (QueryError, TypeError) as error:
            name = self.model.__name__
            raise DefinitionError(f"{name}.Meta.indexes: {error}") from error

    def _index(self, declared: Any) -> BoundIndex:
        if isinstance(declared, str):
            declared = Index(declared)
        elif isinstance(declared, tuple | list):
            declared = Index(*declared)
        if not isinstance(declared, Index):
            raise TypeError(
                f"{declared!r} is neither a name, nor a tuple of names, nor an Index"
            )
        orders = tuple(parse_order(self.shape, name) for name in declared.names)
        return BoundIndex(orders, declared.unique, self.membership, self.model.__name__)

    # From records to instances.

    def attach(self, instance: Instance, row: Row, storage: Storage) -> None:
        """Tell an instance its key, its stored form and where it is kept."""
        self.set_row(instance, row)
        self.set_storage(instance, storage)
        if self.reference_fields:
            self.settle(instance, storage)
        if storage.keeps_milliseconds:
            self.round(instance, storage)

    def settle(self, instance: Instance, storage: Storage) -> None:
        """Tell the references in an instance where they stand."""
        references.settle(instance, self.reference_fields, storage)

    @cached_property
    def holds_datetimes(self) -> bool:
        """Whether an instance can hold a datetime."""
        return holds_datetimes(self.shape)

    def round(self, instance: Instance, storage: Storage) -> None:
        """Cut an instance's datetimes to what its storage keeps of them."""
        if storage.keeps_milliseconds and self.holds_datetimes:
            # What is nested so deep is refused when it is encoded.
            with suppress(RecursionError):
                round_instance(instance)

    def validate(self, record: Record, key: str) -> Instance:
        """Validate a record into an instance, or raise `InvalidRecord`."""
        try:
            found: Instance = self.validator.validate_python(record)
        except ValidationError as error:
            raise self.invalid(key, error) from error
        return found

    def invalid(self, key: str, error: ValidationError) -> InvalidRecord:
        """Tell of a record that belongs to the model but does not validate."""
        return InvalidRecord(
            f"the record {key!r} is a {self.model.__name__} but does not validate: "
            f"{error}",
            key,
            error.errors(),
        )

    def loader(self, storage: Storage) -> Callable[[Row], Any]:
        """Give the function from a row to an instance, by way of the record."""
        decode, shape, make = storage.decode, self.shape, self.maker(storage)
        # A copy: the storage may have shown its own, and validators may change it.
        return lambda row: make(row, copied(decode(row, shape)))

    def maker(self, storage: Storage) -> Callable[[Row, Record], Any]:
        """Give the function from a row and its record to an instance."""
        validate, set_row = self.validator.validate_python, self.set_row
        set_storage, settled = self.set_storage, bool(self.reference_fields)
        whole = self.all_fields
        # No record has so many fields where extra ones are kept.
        size = -1 if self.keeps_extra else len(whole)

        def make(row: Row, record: Record) -> Any:
            try:
                instance = validate(record)
            except ValidationError as error:
                raise self.invalid(row[0], error) from error
            set_row(instance, row)
            set_storage(instance, storage)
            if len(instance.__pydantic_fields_set__) == size:
                # One set for all complete instances, as when JSON is loaded.
                set_fields_set(instance, whole)
            if settled:
                self.settle(instance, storage)
            return instance

        return make

    # From instances to records.

    def record_of(self, instance: Instance, **options: Any) -> Record:
        """Dump the declared fields, and extra ones that the model keeps."""
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
        record: Record = canonical(dumped, self.model.__name__)
        return record

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

    def changes_to(self, values: Mapping[str, Any], storage: Storage) -> Changes:
        """Give the changes that set fields, or nested paths, in any record."""
        return updates.changes_to(self, values, storage)

    def validated(self, name: str, value: Any) -> Any:
        """Validate the value of one field."""
        return updates.field_validator(self, (name,)).validate_python(value)

    def encode_field(self, name: str, value: Any) -> Any:
        """Validate one new value and give what is stored for it.

        What refers to an instance that is not saved yet is given as it is: it is
        saved with its holder.
        """
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
        if shape is None or not refers(shape):
            known = ", ".join(self.reference_fields) or "none"
            raise UnknownField(
                f"prefetch: {self.model.__name__} has no reference {name!r}; it has "
                f"{known}"
            )

    def prefetch(self, batch: list[Any], name: str, storage: Storage) -> None:
        """Load what a batch of instances refers to."""
        references.prefetch(batch, tuple(name.split("__")), storage)


def names_of(cls: type) -> dict[str, str]:
    """Give the stored names that a class's `Meta` chooses."""
    if not is_model(cls):
        return {}
    names: dict[str, str] = merged_options(cls)["names"]
    return names


def refers(shape: Shape, seen: frozenset[int] = frozenset()) -> bool:
    """Say whether there is a reference at a place, or below it."""
    if shape.operand is not None:
        return True
    if id(shape) in seen:
        return False
    seen |= {id(shape)}
    below = [*(member.shape for member in shape.members.values())]
    below += [one for one in (shape.items, shape.rest) if one is not None]
    return any(refers(one, seen) for one in below)
