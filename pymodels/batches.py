"""Saving many instances at once: new ones in one go, known ones by their changes."""

from contextlib import ExitStack, nullcontext
from typing import TYPE_CHECKING, Any

from pymodels.errors import DuplicateKey
from pymodels.keys import new_key

if TYPE_CHECKING:
    from pymodels.model import Model
    from pymodels.storage import BaseStorage


def save_batch(storage: "BaseStorage", batch: list["Model"]) -> list[str]:
    """Save some instances, all or none where there are transactions.

    Gives their keys in order. If it fails, each instance is as it was.
    """
    instances = list({id(one): one for one in batch}.values())
    rows = [_codec(one).row_of(one) for one in instances]
    known = [one for one in instances if one.key is not None]
    # New ones alone are one write, which is whole by itself.
    whole = storage.transaction if storage.has_transactions else nullcontext
    is_plain = not known and not any(map(_refers, instances))
    try:
        with nullcontext() if is_plain else whole(), ExitStack() as saved:
            for one in instances:
                if one.key is None:
                    # This may save others of the batch.
                    saved.enter_context(_codec(one).references_saved(one, storage))
            _insert_new(storage, [one for one in instances if one.key is None])
            for one in known:
                one.save(storage)
    except BaseException:
        for one, row in zip(instances, rows, strict=True):
            _codec(one).set_row(one, row)
        raise
    return [str(one.key) for one in batch]


def _insert_new(storage: "BaseStorage", instances: list["Model"]) -> None:
    dumpers = {model: storage.dumper(model) for model in set(map(type, instances))}
    fresh = [(dumpers[type(one)](new_key(), one), one) for one in instances]
    if not all(storage.insert_many([row for row, _ in fresh])):
        raise DuplicateKey("a value that must be unique, or a key, is taken")
    for row, one in fresh:
        _codec(one).attach(one, row, storage)


def _codec(instance: "Model") -> Any:
    try:
        return type(instance).__pymodels_codec__
    except AttributeError:
        raise TypeError(
            f"an instance of a model is expected, not {instance!r}"
        ) from None


def _refers(instance: "Model") -> bool:
    return bool(_codec(instance).reference_fields)
