"""Saving many instances at once: new ones in one go, known ones by their changes."""

from contextlib import ExitStack, nullcontext
from typing import TYPE_CHECKING, Any

from pymodels.errors import DuplicateKey
from pymodels.keys import new_key

if TYPE_CHECKING:
    from pymodels.storage import BaseStorage


def save_batch(storage: "BaseStorage", batch: list[Any]) -> list[str]:
    """Save some instances, all or none where there are transactions.

    Gives their keys in order. If it fails, each instance is as it was.
    """
    instances = batch
    if len(set(map(id, batch))) < len(batch):
        instances = list({id(one): one for one in batch}.values())
    codecs = {model: _codec(model) for model in set(map(type, instances))}
    row_of = codecs[type(batch[0])].row_of  # of any model
    rows = list(map(row_of, instances))
    asked = list(zip(instances, rows, strict=True))
    known = [one for one, row in asked if row is not None]
    new = [one for one, row in asked if row is None]
    refers = any(codec.reference_fields for codec in codecs.values())
    # New ones alone are one write, which is whole by itself.
    is_whole = storage.has_transactions and (known or refers)
    try:
        with storage.transaction() if is_whole else nullcontext(), ExitStack() as saved:
            if refers:
                for one in new:
                    # This may save others of the batch.
                    if one.key is None:
                        codec = codecs[type(one)]
                        saved.enter_context(codec.references_saved(one, storage))
                new = [one for one in new if one.key is None]
            _insert_new(storage, new, codecs)
            for one in known:
                one.save(storage)
    except BaseException:
        for one, row in asked:
            codecs[type(one)].set_row(one, row)
        raise
    return [row_of(one)[0] for one in batch]


def _insert_new(
    storage: "BaseStorage", new: list[Any], codecs: dict[type, Any]
) -> None:
    dumpers = {model: storage.dumper_of(model) for model in codecs}
    rows = [dumpers[type(one)](new_key(), one) for one in new]
    if not all(storage.insert_many(rows)):
        raise DuplicateKey("a value that must be unique, or a key, is taken")
    for row, one in zip(rows, new, strict=True):
        codec = codecs[type(one)]
        codec.set_row(one, row)
        codec.set_storage(one, storage)
        codec.round(one, storage)
        if codec.reference_fields:
            codec.settle(one, storage)


def _codec(model: type) -> Any:
    try:
        return model.__pymodels_codec__  # type: ignore[attr-defined]  # or it is none
    except AttributeError:
        raise TypeError(
            f"instances of models are expected, not of {model.__name__}"
        ) from None
