"""Saving many instances at once: new ones in one go, known ones by their changes."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from pymodels.errors import DuplicateKey
from pymodels.keys import new_key
from pymodels.plan import Row

if TYPE_CHECKING:
    from pymodels.model import Model
    from pymodels.storage import BaseStorage


def save_batch(storage: "BaseStorage", batch: list["Model"]) -> list[str]:
    """Save some instances; give their keys in order."""
    keys: list[str] = []
    fresh: list[tuple[Row, Model]] = []
    known: list[Model] = []
    dumpers: dict[type, Callable[[str, Model], Row]] = {}
    for instance in batch:
        model = type(instance)
        if model not in dumpers:
            dumpers[model] = storage.dumper(model)
        if instance.key is not None and instance.storage is storage:
            known.append(instance)
            keys.append(instance.key)
            continue
        model.__pymodels_codec__.save_references(instance, storage)
        key = new_key()
        keys.append(key)
        fresh.append((dumpers[model](key, instance), instance))
    done = storage.insert_many([row for row, _ in fresh])
    if not all(done):
        raise DuplicateKey("a value that must be unique, or a key, is taken")
    for row, instance in fresh:
        type(instance).__pymodels_codec__.attach(instance, row, storage)
    for instance in known:
        instance.save()
    return keys
