"""Model: an ordinary pydantic model whose instances are views of records."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar

from pydantic import BaseModel, ConfigDict

from pymodels.errors import DefinitionError
from pymodels.keys import check_key, new_key
from pymodels.law.canonical import canonical
from pymodels.models import changed, references, saving
from pymodels.models.codec import ModelCodec
from pymodels.models.kept import carried, note_assigned
from pymodels.models.meta import (
    assigned_plainly,
    check_names,
    letting_validators_assign,
    own_annotations,
    prefill,
)
from pymodels.models.pydantic_parts import set_fields_set
from pymodels.querying.plan import Row
from pymodels.querying.protocols import check_model, codec_of

if TYPE_CHECKING:
    from pymodels.querying.query import BaseQuery
    from pymodels.storage import BaseStorage

I = TypeVar("I", bound="Model")  # noqa: E741  # an instance
O = TypeVar("O", bound="Model")  # noqa: E741  # the other model of convert_to


class _Unmade:
    """Stands for the codec of a class until it is first asked for, and makes it."""

    def __get__(self, instance: object, model: type["Model"]) -> ModelCodec:
        if not model.__pydantic_complete__:
            model.model_rebuild()
        codec = ModelCodec(model, set_row, set_storage, _row_of)
        type.__setattr__(model, "__pymodels_codec__", codec)
        return codec


class Model(BaseModel):
    """A view of those records that fit it; its instances are pydantic models.

    What a record needs beyond the fields stands in a nested class ``Meta``:
    ``must_have`` and ``must_not_have`` (conditions, spelled as lookups), ``names``
    (field to stored name) and ``indexes``. They are inherited and merged.
    """

    if not TYPE_CHECKING:
        # Dunder names: a private attribute of a user's cannot have them. They are
        # read by descriptor alone, for an unset slot would be looked for in the
        # extra fields, where a document could put one.
        __slots__ = ("__pymodels_row__", "__pymodels_storage__")

    model_config = ConfigDict(validate_assignment=True)

    __pymodels_model__: ClassVar[bool] = True
    __pymodels_codec__: ClassVar[Any] = _Unmade()
    __pymodels_references__: ClassVar[frozenset[str]] = frozenset()
    __pymodels_careful__: ClassVar[bool] = True
    __pymodels_keeps__: ClassVar[bool] = False

    if not TYPE_CHECKING:
        # To a checker these would allow any name.
        def __init_subclass__(cls, **options):
            super().__init_subclass__(**options)
            type.__setattr__(cls, "__pymodels_codec__", _Unmade())
            # Before pydantic warns of them.
            check_names(cls.__name__, own_annotations(cls))

        def __setattr__(self, name, value):
            if not (self.__pymodels_careful__ and assigned_plainly(self, name, value)):
                super().__setattr__(name, value)
                if self.__pymodels_keeps__:
                    note_assigned(_row_of(self), name)
            if name in self.__pymodels_references__:
                where = self.storage
                if where is not None:
                    references.settle(self, (name,), where)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        """Let the model's own validators assign to `self`."""
        return letting_validators_assign(handler(source), handler.resolve_ref_schema)

    @classmethod
    def __pydantic_on_complete__(cls) -> None:
        """Refuse a model that cannot be stored, as soon as its types are known."""
        super().__pydantic_on_complete__()
        if cls.__module__ == __name__ and cls.__name__ == "Model":
            return
        check_names(cls.__name__, cls.__pydantic_fields__)  # those of mixins too
        if prefill(cls):
            cls.model_rebuild(force=True)
        if cls.model_config.get("extra") == "forbid":
            raise DefinitionError(
                f'{cls.__name__}: extra="forbid" cannot hold, as a record may have '
                "fields that only other models know; they are never touched"
            )
        if cls.__pydantic_root_model__:
            raise DefinitionError(f"{cls.__name__}: a record is a map, not one value")
        type.__setattr__(cls, "__pymodels_codec__", _Unmade())
        if cls.__pydantic_generic_metadata__["parameters"]:
            return
        codec = cls.__pymodels_codec__
        _ = codec.indexes
        cls.__pymodels_references__ = frozenset(codec.reference_fields)
        cls.__pymodels_careful__ = codec.shape.is_validated or codec.keeps_extra
        cls.__pymodels_keeps__ = bool(codec.keeper)

    @classmethod
    def model_rebuild(cls, **options: Any) -> bool | None:
        """Rebuild as pydantic does; what is known of the records, too."""
        # The caller's names are looked for one frame further up than pydantic does.
        depth = options.pop("_parent_namespace_depth", 2) + 1
        rebuilt = super().model_rebuild(_parent_namespace_depth=depth, **options)
        if rebuilt:
            type.__setattr__(cls, "__pymodels_codec__", _Unmade())
        return rebuilt

    @property
    def model_fields_set(self) -> set[str]:
        """The names of the fields that were given; the instance's own set."""
        found = self.__pydantic_fields_set__
        if found is type(self).__pymodels_codec__.all_fields:
            # Loaded instances share it until somebody looks.
            found = set(found)
            set_fields_set(self, found)
        return found

    @property
    def key(self) -> str | None:
        """The record's key; None before the first save."""
        row = _row_of(self)
        return None if row is None else str(row[0])

    pk = key

    @property
    def storage(self) -> "BaseStorage | None":
        """Where the record is kept; None before the first save."""
        found = _storage_of(self)
        return None if isinstance(found, type) else found

    @classmethod
    def objects(cls, storage: "BaseStorage") -> "BaseQuery[Self]":
        """Give the query of all records in a storage that belong to this model."""
        return _checked(storage).query(cls)

    @classmethod
    def fits(cls, record: Mapping[str, Any], key: str = "") -> bool:
        """Say whether a plain record belongs to this model; under a key, if it asks."""
        return codec_of(cls).belongs(key, canonical(dict(record), "record"))

    def save(
        self,
        storage: "BaseStorage | None" = None,
        *,
        key: str | None = None,
        replace: bool = False,
    ) -> str:
        """Write the instance and give its key.

        A new one writes all its fields, under a new key or the one given, which
        must be free unless ``replace`` is true. A loaded one writes what changed.
        Raises `DuplicateKey`, `NotInModel`, `EncodeError`, `RecordNotFound` if the
        record is gone; then nothing was written.
        """
        row, where = _row_of(self), self._place(storage)
        if row is not None and key is not None and key != row[0]:
            raise ValueError(
                f"{self!r} is saved as {row[0]!r}; save_as(key={key!r}) copies it"
            )
        return saving.save(self, row, where, key, replace)

    def _place(self, storage: "BaseStorage | None") -> "BaseStorage":
        """Give the storage to save to, and refuse one that is not the instance's."""
        known = _storage_of(self)
        if storage is None:
            if known is None or isinstance(known, type):
                raise ValueError(f"{self!r} knows no storage yet: save(storage)")
            return known
        if known is _checked(storage) or known is None or _row_of(self) is None:
            return storage
        if isinstance(known, type) and type(storage) is known:
            return storage
        if str(known) == str(storage):
            raise ValueError(
                f"{self!r} came from another storage that was opened as {known}; get "
                "it again from this one, or copy it by save_as(storage=...)"
            )
        raise ValueError(
            f"{self!r} is kept in {known}; save_as(storage=...) copies it to {storage}"
        )

    def save_as(
        self, key: str | None = None, storage: "BaseStorage | None" = None
    ) -> Self:
        """Copy the whole record, undeclared fields included; give the new instance.

        Unsaved changes go into the copy only. Raises `DuplicateKey` if the key
        given is taken.
        """
        row, known = _row_of(self), self.storage
        where = known if storage is None else _checked(storage)
        if known is None and _storage_of(self) is type(where):
            known = where  # unpickled: the stored form is read by any of its kind
        if where is None:
            raise ValueError(f"{self!r} knows no storage yet: save_as(storage=...)")
        chosen = new_key() if key is None else check_key(key)
        saving.save_copy(self, row, known, where, chosen)
        return where.get(type(self), chosen)

    def convert_to(self, model: type[O], **overrides: Any) -> O:
        """Give the same record as another model; nothing is written.

        Unsaved changes are applied, then the overrides, by the other model's field
        names. Raises pydantic's `ValidationError` if the other model refuses it.
        """
        check_model(model)
        row, where = _row_of(self), self.storage
        codec = model.__pymodels_codec__
        record = changed.whole_record(self, row, where)
        known = {
            name: value for name, value in overrides.items() if name in codec.fields
        }
        if unknown := overrides.keys() - known.keys():
            raise TypeError(
                f"{model.__name__} has no field {', '.join(sorted(unknown))}; it has "
                + ", ".join(codec.fields)
            )
        for name, value in known.items():
            stored = codec.names.get(name, name)
            record[stored] = codec.encode_field(name, value)
        instance: O = codec.validator.validate_python(record)
        if row is not None and where is not None:
            codec.attach(instance, saving.UnaskedRow(row), where)
            codec.note_converted(instance, where.decode(row, codec.shape), record)
        return instance

    def delete(self) -> None:
        """Remove the record; the instance is then as new, and can be saved again."""
        row, where = _row_of(self), self.storage
        if row is None or where is None:
            raise ValueError(f"{self!r} is not saved, so there is nothing to delete")
        where.delete(row[0])
        if (transaction := where.mapper(type(self)).transaction) is not None:
            transaction.note_write(self, type(self).__pymodels_codec__)
        set_row(self, None)

    def refresh(self) -> Self:
        """Load the record again into this instance, dropping unsaved changes.

        Raises `RecordNotFound` if the record is gone or no longer of this model.
        """
        row, where = _row_of(self), self.storage
        if row is None or where is None:
            raise ValueError(f"{self!r} is not saved, so there is nothing to load")
        fresh = where.get(type(self), row[0])
        object.__setattr__(self, "__dict__", fresh.__dict__)
        object.__setattr__(self, "__pydantic_extra__", fresh.__pydantic_extra__)
        fields_set = set(fresh.__pydantic_fields_set__)
        object.__setattr__(self, "__pydantic_fields_set__", fields_set)
        codec = type(self).__pymodels_codec__
        codec.attacher(where)(self, _get_row(fresh))
        if (transaction := where.mapper(type(self)).transaction) is not None:
            transaction.note_load(self, codec)
        return self

    def same_record(self, other: "Model") -> bool:
        """Say whether another instance, of any model, shows the same record."""
        mine, its = _row_of(self), _row_of(other)
        if mine is None or its is None:
            return self is other
        return mine[0] == its[0] and self.storage is other.storage

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, BaseModel):
            return NotImplemented
        if not super().__eq__(other):
            return False
        return not isinstance(other, Model) or self.key == other.key

    def __str__(self) -> str:
        return " ".join(f"{name}={value!r}" for name, value in self.__repr_args__())

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self}>"

    def __copy__(self) -> Self:
        return _carried(self, super().__copy__())

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Self:
        return _carried(self, super().__deepcopy__(memo))

    def __getstate__(self) -> dict[Any, Any]:
        state = super().__getstate__()
        row, where = _row_of(self), _storage_of(self)
        kind = where if isinstance(where, type) or where is None else type(where)
        return {**state, "__pymodels__": (row, kind)}

    def __setstate__(self, state: dict[Any, Any]) -> None:
        row, kind = state.pop("__pymodels__", (None, None))
        super().__setstate__(state)
        if row is not None:
            set_row(self, row)
        if kind is not None:
            # Which backend wrote the stored form; the storage itself stays behind.
            set_storage(self, kind)


_row = Model.__dict__["__pymodels_row__"]
_storage = Model.__dict__["__pymodels_storage__"]
_get_row, set_row = _row.__get__, _row.__set__
_get_storage, set_storage = _storage.__get__, _storage.__set__


def _row_of(instance: Model) -> Row | None:
    try:
        row: Row | None = _get_row(instance)
    except AttributeError:
        return None
    return row


def _checked(storage: "BaseStorage") -> "BaseStorage":
    if not hasattr(storage, "query_class"):
        raise TypeError(f"a storage is expected, not {storage!r}")
    return storage


def _storage_of(instance: Model) -> "BaseStorage | type[BaseStorage] | None":
    try:
        found: BaseStorage | type[BaseStorage] = _get_storage(instance)
    except AttributeError:
        return None
    return found


def _carried(source: Model, target: I) -> I:
    row, where = carried(_row_of(source)), _storage_of(source)
    if row is not None:
        set_row(target, row)
    if where is not None:
        set_storage(target, where)
    return target
