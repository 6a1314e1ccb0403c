"""The short ways between documents and instances, where they are proven the same.

From a document straight to an instance, with or without a look at whether it is a
member, and from a new instance straight to a document.
"""

from collections.abc import Callable
from datetime import UTC, date, datetime
from math import trunc
from operator import itemgetter
from struct import Struct
from typing import Any
from uuid import UUID

from pymodels.backend import (
    BaseStorage,
    HasKind,
    Instance,
    Kind,
    M,
    Predicate,
    Row,
    codec_of,
    datetimes_among_values,
    exact_dumper,
    terms_of,
    value_loader,
)
from pymodels.backends.mongodb.documents import KINDS, Document, stored_name

MOST_KNOWN = 256
_TYPES: dict[Kind, set[type]] = {
    Kind.NONE: {type(None)},
    Kind.NUMBER: {int, float},
    Kind.STRING: {str},
    Kind.MAP: {dict},
    Kind.LIST: {list},
    Kind.BYTES: {bytes},
    Kind.BOOL: {bool},
    Kind.DATE: {datetime},
    Kind.DATETIME: {datetime},
    Kind.OTHER: set(),
}


def loader(storage: BaseStorage, model: type[M]) -> Callable[[Row], M]:
    """Give the function from a row to an instance of a model."""
    return _direct(storage, model, codec_of(model).loader(storage))


def _direct(
    storage: BaseStorage, model: type[Instance], long_way: Callable[[Row], Any]
) -> Callable[[Row], Any]:
    datetimes = datetimes_among_values(model)
    if datetimes is None or not _keeps_names(model):
        return long_way
    if not datetimes:
        return value_loader(storage, model, itemgetter(1), long_way)
    names = tuple(datetimes)
    return value_loader(storage, model, lambda row: _zoned(row[1], names), long_way)


def _keeps_names(model: type[Instance]) -> bool:
    """Say whether all fields are stored under the names that records have."""
    members = codec_of(model).shape.members.values()
    return all(stored_name(one.stored) == one.stored for one in members)


def _zoned(document: Document, names: tuple[str, ...]) -> Document | None:
    """Tell datetimes their zone; None where a mark may mean something else."""
    kinds = document.get(KINDS)
    marks = kinds if type(kinds) is dict else {}
    zoned = document.copy()
    for name in names:
        value = document.get(name)
        if type(value) is not datetime:
            continue
        mark = marks.get(name)
        if mark == "datetime":
            zoned[name] = value.replace(tzinfo=UTC)
        elif mark != "naive":
            return None
    return zoned


def sifter(storage: BaseStorage, model: type[M]) -> Callable[[Row], M | None] | None:
    """Give the function from any row to an instance, or to None for no member.

    A look at the types of the required fields shows membership where that is all
    a model asks for; what is not plain is left to the evaluator.
    """
    codec = codec_of(model)
    required = _required(codec.membership)
    if datetimes_among_values(model) is None or not required or len(required) < 2:
        return None
    load_anyway, shape = codec.loader(storage), codec.shape

    def otherwise(row: Row) -> M | None:
        belongs = codec.belongs(row[0], storage.decode(row, shape))
        return load_anyway(row) if belongs else None

    load = _direct(storage, model, otherwise)
    values_of = itemgetter(*required)
    floats_of = _Plain([_types(kinds) for kinds in required.values()])
    dates = {n: kinds for n, kinds in required.items() if kinds & _DATES}
    usual: Document = {}

    def sift(row: Row) -> M | None:
        document = row[1]
        try:
            values = values_of(document)
            for at in floats_of[tuple(map(type, values))]:
                # Neither NaN nor an infinity is a number.
                if values[at] - values[at] != 0:
                    return otherwise(row)
        except KeyError:
            return otherwise(row)
        if dates:
            marks = document.get(KINDS)
            if marks != usual:
                if not _are_marked(document, dates):
                    return otherwise(row)
                usual.clear()
                usual.update(marks)
        return load(row)  # type: ignore[no-any-return]  # of this model

    return sift


_DATES = frozenset({Kind.DATE, Kind.DATETIME})


def _required(membership: Predicate) -> dict[str, frozenset[Kind]] | None:
    """Give the kinds that each required field may have; None if more is asked."""
    found = {}
    for term in terms_of(membership):
        if not isinstance(term, HasKind) or len(term.path) != 1:
            return None
        found[stored_name(term.path[0])] = term.kinds
    return found


def _types(kinds: frozenset[Kind]) -> set[type]:
    return set().union(*(_TYPES[kind] for kind in kinds))


class _Plain(dict[tuple[type, ...], tuple[int, ...]]):
    """By the types of values: which are floats; `KeyError` if one is not admitted."""

    def __init__(self, admitted: list[set[type]]) -> None:
        super().__init__()
        self.admitted = admitted

    def __missing__(self, types: tuple[type, ...]) -> tuple[int, ...]:
        pairs = zip(types, self.admitted, strict=True)
        if not all(one in allowed for one, allowed in pairs):
            raise KeyError(types)
        floats = tuple(at for at, kind in enumerate(types) if kind is float)
        if len(self) < MOST_KNOWN:
            self[types] = floats
        return floats


def _are_marked(document: Document, dates: dict[str, frozenset[Kind]]) -> bool:
    """Say whether the marks of required dates are of kinds that are admitted."""
    marks = document.get(KINDS)
    if type(marks) is not dict:
        return False
    for name, kinds in dates.items():
        if type(document[name]) is not datetime:
            continue
        mark = marks.get(name)
        if mark == "date":
            # With a time of day it is none; validation refuses it as one then.
            kind = Kind.DATE
        elif mark == "datetime" or mark == "naive":
            kind = Kind.DATETIME
        else:
            return False
        if kind not in kinds:
            return False
    return True


# From new instances.


def _text(value: str) -> str:
    if "\0" in value:
        raise ValueError(value)
    if not value.isascii():
        value.encode()
    return value


_SPELLINGS: dict[type, Callable[[Any], Any]] = {
    str: _text,
    date: lambda value: datetime(value.year, value.month, value.day),
    UUID: str,
    # A list of its own: the document is kept, and the instance's may change.
    list: lambda value: list(map(_text, value)),
}


def dumper(
    storage: BaseStorage, model: type[Instance]
) -> Callable[[str, Instance], Row] | None:
    """Give the function from a key and a new instance to a row, if there is one."""
    if not _keeps_names(model):
        return None
    return exact_dumper(storage, model, _SPELLINGS, _documents)


def _documents(
    fields: tuple[tuple[str, type, Any], ...],
) -> Callable[[str, Any, tuple[Any, ...]], Row]:
    names = [name for name, _, _ in fields]
    kinds = {name: "date" for name, kind, _ in fields if kind is date}
    as_they_are = {type(None), bool, str, int, float}
    spelled = [
        (name, at, spell)
        for at, (name, kind, spell) in enumerate(fields)
        if kind not in as_they_are
    ]
    checks = [
        (at, _CHECKS[kind]) for at, (_, kind, _) in enumerate(fields) if kind in _CHECKS
    ]
    places = [at for at, (_, kind, _) in enumerate(fields) if kind is str]
    texts_of = itemgetter(*places) if places else None

    def finish(key: str, instance: Any, values: tuple[Any, ...]) -> Row:
        if texts_of is not None:
            # All at once: one of them alone makes the whole refused.
            _text("".join(texts_of(values)))
        for at, check in checks:
            check(values[at])
        document: Document = {"_id": key}
        document.update(zip(names, values, strict=True))
        for name, at, spell in spelled:
            document[name] = spell(values[at])
        if kinds:
            document[KINDS] = kinds
        return (key, document)

    return finish


_CHECKS: dict[type, Callable[[Any], Any]] = {int: Struct("q").pack, float: trunc}
"""These refuse what is not in 64 bits, and what is not finite."""
