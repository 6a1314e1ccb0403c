"""Reference[Model]: a key that loads the record it names."""

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Generic, get_args

from pydantic import BaseModel, GetCoreSchemaHandler
from pydantic_core import core_schema

from pymodels.errors import (
    DanglingReference,
    EncodeError,
    PyModelsError,
    QueryError,
    RecordNotFound,
    WriteInterrupted,
    WriteUncertain,
)
from pymodels.keys import check_key, is_key
from pymodels.law.shapes import Reading, Shape
from pymodels.law.values import Kind
from pymodels.models.fields import STORED_AS
from pymodels.models.protocols import OpenStorage
from pymodels.querying.protocols import Instance, M, is_model

if TYPE_CHECKING:
    from typing import Self


class Reference(Generic[M]):
    """The key of another record, stored as a string.

    As a field's type it takes an instance, a key or another reference. An
    instance that is not saved yet is saved when its holder is. The storage to
    load from is the one that the holder came from, or was saved to.
    """

    __pymodels_reference__ = True
    __slots__ = ("__weakref__", "_holder", "_instance", "_key", "_model", "_storage")

    def __init__(self, target: "M | str | Reference[M]") -> None:
        self._model: Any = None
        self._storage: OpenStorage | None = None
        self._instance: M | None = None
        self._holder = ""
        self._key = ""
        if isinstance(target, Reference):
            self._key = target._key
            self._storage, self._instance = target._storage, target._instance
            self._model = target._model
        elif isinstance(target, str):
            self._key = check_key(target)
        else:
            self._instance = target
            self._key = target.key or ""

    if TYPE_CHECKING:
        # To a checker the field is a reference that takes instances and keys.
        def __get__(self, instance: object, owner: type | None = None) -> Self: ...
        def __set__(
            self, instance: object, value: "M | str | Reference[M]"
        ) -> None: ...

    @property
    def key(self) -> str | None:
        """The key of the record, None while its instance is not saved."""
        if self._instance is not None:
            return self._instance.key or self._key or None
        return self._key

    def load(self, storage: OpenStorage | None = None) -> M:
        """Give the instance, loading it the first time.

        Raises `DanglingReference` if the record is gone or of another model.
        """
        if self._instance is not None:
            return self._instance
        where = storage or self._storage
        if where is None:
            raise QueryError(
                f"the reference to {self._key!r} knows no storage, as its holder is "
                "not saved: give one, load(storage)"
            )
        model = self.model
        try:
            self._instance = where.get(model, self._key)
        except RecordNotFound as error:
            raise self._dangling(model, where) from error
        return self._instance

    def _dangling(self, model: type, storage: OpenStorage) -> DanglingReference:
        holder = self._holder or "a reference"
        return DanglingReference(
            f"{holder} refers to {model.__name__} {self._key!r}, which is not in "
            f"{storage}"
        )

    @property
    def model(self) -> "type[M]":
        """The model that is referred to."""
        model = self._model() if callable(self._model) else None
        if model is None:
            raise QueryError(
                f"the reference to {self._key!r} stands in no field that says of "
                "which model it is"
            )
        found: type[M] = model
        return found

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Reference):
            return NotImplemented
        if self.key is None:
            return self._instance is other._instance
        return self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)

    def __repr__(self) -> str:
        return f"Reference({self.key!r})"

    def __copy__(self) -> "Reference[M]":
        return Reference(self)

    def __deepcopy__(self, memo: dict[int, Any]) -> "Reference[M]":
        copied: Reference[M] = Reference(self)
        if self._key:
            # What was loaded is a cache; an unsaved instance is not.
            copied._instance = None
        return copied

    def __reduce__(self) -> tuple[Any, ...]:
        target = self._instance if self.key is None else self.key
        return _restored, (target, self._model() if callable(self._model) else None)

    @classmethod
    def __get_pydantic_core_schema__(
        cls, source: Any, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        arguments = get_args(source)
        target = arguments[0] if arguments else None
        model_of = _model_getter(target)

        def accept(value: Any) -> Reference[Any]:
            if not is_key(value):
                _check_target(value, model_of())
            # One of its own: each holder tells it where it stands.
            reference: Reference[Any] = Reference(value)
            reference._model = model_of
            return reference

        validate = core_schema.no_info_after_validator_function(
            accept, core_schema.str_schema(min_length=1)
        )
        return core_schema.json_or_python_schema(
            json_schema=validate,
            python_schema=core_schema.no_info_plain_validator_function(accept),
            serialization=core_schema.plain_serializer_function_ser_schema(
                _key_of, return_schema=core_schema.str_schema()
            ),
            metadata={STORED_AS: _shape(model_of)},
        )


def _shape(model_of: Callable[[], Any]) -> Shape:
    return Shape(
        frozenset({Kind.STRING}),
        "Reference",
        operand=lambda value: _operand(value, model_of),
        reading=Reading.VALUES,
        types=frozenset({Reference}),
    )


def _restored(target: Any, model: Any) -> Reference[Any]:
    """Make a reference again that was pickled."""
    reference: Reference[Any] = Reference(target)
    reference._model = None if model is None else _model_getter(model)
    return reference


def _check_target(value: Any, model: type[Instance] | None) -> None:
    """Refuse what is neither an instance of the model nor a reference to it."""
    found: Any = type(value)
    if isinstance(value, Reference):
        known = value._model() if callable(value._model) else None
        found = known if value._instance is None else type(value._instance)
    elif not is_model(found):
        raise ValueError("an instance, a key or a Reference is expected")
    if model is not None and found is not None and not issubclass(found, model):
        raise ValueError(
            f"a {model.__name__} or its key is expected, not a {found.__name__}"
        )


def _key_of(value: Any) -> str:
    # A key or an instance may have been put in without validation.
    key = value if is_key(value) else getattr(value, "key", None)
    if key is None:
        raise ValueError("the instance referred to is not saved yet")
    return str(key)


def _model_getter(target: Any) -> Callable[[], type[Instance] | None]:
    """Give a function that finds the model when it is needed, not before."""
    if target is None or isinstance(target, type):
        return lambda: target
    name = getattr(target, "__forward_arg__", target)

    def find() -> type[Instance] | None:
        if not isinstance(name, str):
            return None
        return _by_name(BaseModel, name)

    return find


def _by_name(base: type[BaseModel], name: str) -> type[Instance] | None:
    for child in base.__subclasses__():
        if child.__name__ == name and is_model(child):
            return child
        if found := _by_name(child, name):
            return found
    return None


def _operand(value: Any, model_of: Callable[[], type[Instance] | None]) -> Any:
    """What a user asks of a reference: an instance, a reference or a key."""
    if isinstance(value, str) or value is None:
        return value
    model = model_of()
    if not isinstance(value, Reference) and not isinstance(value, model or object):
        name = model.__name__ if model else "model"
        raise QueryError(f"a {name} or its key is expected, not {value!r}")
    key = getattr(value, "key", None)
    if key is None:
        raise QueryError(f"{value!r} is not saved; nothing can refer to it yet")
    return key


def targets_in(value: Any, shape: Shape | None) -> Iterator[Any]:
    """Walk over what stands where a shape says that there are references.

    These are references, or instances and keys put there without validation.
    """
    if shape is None or shape.admits_anything or value is None:
        return
    if shape.operand is not None and _refers(value):
        yield value
    elif isinstance(value, dict):
        for name, part in value.items():
            yield from targets_in(part, shape.step(str(name))[1])
    elif isinstance(value, list | tuple | set | frozenset):
        for part in value:
            yield from targets_in(part, shape.items)
    elif shape.members:
        parts = getattr(value, "__dict__", {})
        for name in shape.members.keys() & parts.keys():
            yield from targets_in(parts[name], shape.members[name].shape)


def _refers(value: Any) -> bool:
    return isinstance(value, Reference | str) or is_model(type(value))


def settle(instance: Instance, names: Iterable[str], storage: OpenStorage) -> None:
    """Tell the references in some fields where they stand and where to load from."""
    model = type(instance)
    for name in names:
        for target in _targets(instance, name):
            if isinstance(target, Reference):
                target._storage = storage
                target._holder = f"{model.__name__} {instance.key!r}.{name}"


def _targets(instance: Instance, name: str) -> Iterator[Any]:
    shape = type(instance).__pymodels_codec__.shape.members[name].shape
    return targets_in(vars(instance).get(name), shape)


@contextmanager
def removed_on_failure() -> Iterator[list[Any]]:
    """Collect what is saved on the way, and remove it if what is done inside fails.

    It stays where something that refers to it was written, or may have been.
    """
    saved: list[Any] = []
    try:
        yield saved
    except (WriteInterrupted, WriteUncertain):
        raise
    except BaseException:
        for target in reversed(saved):
            with suppress(PyModelsError):
                target.delete()
        raise


@contextmanager
def saved_first(instance: Instance, storage: OpenStorage) -> Iterator[None]:
    """Save what an instance refers to and is not saved yet.

    If what is done inside fails, it is removed again: a save that fails has written
    nothing.
    """
    being_saved: set[int] = vars(_thread).setdefault("being_saved", set())
    with removed_on_failure() as saved:
        adopt(instance)
        being_saved.add(id(instance))
        try:
            for name in type(instance).__pymodels_codec__.reference_fields:
                for target in _targets(instance, name):
                    saved += save_target(target, storage, being_saved)
        finally:
            being_saved.discard(id(instance))
        yield


_thread = threading.local()
"""Holds the identities of the instances that this thread is in the middle of saving."""


def adopt(instance: Instance) -> None:
    """Turn bare instances that slipped past validation into references."""
    codec = type(instance).__pymodels_codec__
    for name in codec.reference_fields:
        value = vars(instance).get(name)
        if is_model(type(value)):
            vars(instance)[name] = codec.validated(name, value)


def save_target(
    target: Any, storage: OpenStorage | None, saving: set[int]
) -> Iterator[Any]:
    """Save what is referred to, unless it is saved; give it if it was not.

    Raises `EncodeError` for one that is being saved: a circle of new instances,
    none of which has a key yet that the others could store.
    """
    model = target._instance if isinstance(target, Reference) else target
    if model is None or isinstance(model, str):
        return
    if model.key is None:
        if id(model) in saving:
            raise EncodeError(
                f"{model!r} refers to itself through instances that are not saved yet; "
                "save one of them first, without its reference"
            )
        model.save(storage)
        yield model
    if isinstance(target, Reference):
        target._key = model.key


def prefetch(
    instances: Iterable[Instance], path: tuple[str, ...], storage: OpenStorage
) -> None:
    """Load what many instances refer to, one batch for all of them."""
    waiting: dict[type, dict[str, list[Reference[Any]]]] = {}
    for instance in instances:
        shape = type(instance).__pymodels_codec__.shape
        for reference in _at(instance, path, shape):
            if isinstance(reference, Reference) and reference._instance is None:
                of_model = waiting.setdefault(reference.model, {})
                of_model.setdefault(reference._key, []).append(reference)
    for model, by_key in waiting.items():
        loaded: list[Any] = storage.get_many(model, by_key)
        found = {one.key: one for one in loaded}
        for key, references in by_key.items():
            for reference in references:
                if key not in found:
                    raise reference._dangling(model, storage)
                reference._instance = found[key]


def _at(value: Any, path: tuple[str, ...], shape: Shape | None) -> Iterator[Any]:
    """Walk over the references at a path, through lists too."""
    if not path:
        yield from targets_in(value, shape)
    elif shape is not None and isinstance(value, list | tuple | set | frozenset):
        for part in value:
            yield from _at(part, path, shape.items)
    elif shape is not None and value is not None:
        parts = value if isinstance(value, dict) else vars(value)
        yield from _at(parts.get(path[0]), path[1:], shape.step(path[0])[1])
