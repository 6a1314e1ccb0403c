"""Mapper: the functions between the rows of a storage and the instances of a model."""

from collections.abc import Callable
from functools import cached_property
from typing import Generic

from pymodels.hooks import StorageHooks
from pymodels.querying.plan import Row
from pymodels.querying.protocols import M, codec_of
from pymodels.transactions import Transaction


class Mapper(Generic[M]):
    """The functions between the rows of a storage and the instances of one model."""

    transaction: Transaction | None = None

    def __init__(self, storage: StorageHooks, model: type[M]) -> None:
        self._storage, self._model = storage, model

    @cached_property
    def load(self) -> Callable[[Row], M]:
        """From the row of a member to its instance."""
        return self._storage.loader(self._model)

    @cached_property
    def dump(self) -> Callable[[str, M], Row]:
        """From a key and a new instance to its row."""
        return self._storage.dumper(self._model)

    @cached_property
    def shows_membership(self) -> bool:
        """Whether loading a row tells by itself if it is a member's."""
        return self._quick_sift is not None

    @cached_property
    def sift(self) -> Callable[[Row], M | None]:
        """From any row to an instance, or to None where it is not a member's."""
        if self._quick_sift is not None:
            return self._quick_sift
        codec, decode, load = codec_of(self._model), self._storage.decode, self.load
        belongs, shape = codec.belongs, codec.shape
        return lambda row: load(row) if belongs(row[0], decode(row, shape)) else None

    @cached_property
    def _quick_sift(self) -> Callable[[Row], M | None] | None:
        return self._storage.sifter(self._model)


class Noting(Mapper[M]):
    """A mapper in a transaction: what it loads is noted, for a rollback."""

    def __init__(self, mapper: Mapper[M], transaction: Transaction) -> None:
        super().__init__(mapper._storage, mapper._model)
        self._mapper, self.transaction = mapper, transaction
        self._note = transaction.note_load
        self._codec = codec_of(mapper._model)

    @cached_property
    def load(self) -> Callable[[Row], M]:
        """From the row of a member to its instance."""
        load, note, codec = self._mapper.load, self._note, self._codec

        def loaded(row: Row) -> M:
            instance = load(row)
            note(instance, codec)
            return instance

        return loaded

    @cached_property
    def sift(self) -> Callable[[Row], M | None]:
        """From any row to an instance, or to None where it is not a member's."""
        sift, note, codec = self._mapper.sift, self._note, self._codec

        def sifted(row: Row) -> M | None:
            instance = sift(row)
            if instance is not None:
                note(instance, codec)
            return instance

        return sifted

    @cached_property
    def dump(self) -> Callable[[str, M], Row]:
        """From a key and a new instance to its row."""
        return self._mapper.dump

    @cached_property
    def shows_membership(self) -> bool:
        """Whether loading a row tells by itself if it is a member's."""
        return self._mapper.shows_membership
