"""From a document straight to an instance, and whether it is a member by the way."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

from pymodels.backends.mongodb.documents import (
    KINDS,
    Document,
    is_midnight,
    stored_name,
)
from pymodels.plan import Row
from pymodels.predicates import HasKind, terms_of
from pymodels.values import Kind

if TYPE_CHECKING:
    from pymodels.model import Model
    from pymodels.storage import BaseStorage

M = TypeVar("M", bound="Model")

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


def loader(storage: "BaseStorage", model: type[M]) -> Callable[[Row], M]:
    """Give the function from a row to an instance of a model."""
    direct = model.__pymodels_codec__.direct
    names = tuple(direct.datetimes)
    stored = [member.stored for member in direct.codec.shape.members.values()]
    if any(stored_name(name) != name for name in stored):
        return direct.codec.loader(storage)
    values_of: Callable[[Row], Any] = _document
    if names:
        values_of = lambda row: _zoned(row[1], names)  # noqa: E731  # one of two
    return direct.loader(storage, values_of)  # type: ignore[return-value]  # of this model


def _document(row: Row) -> Document:
    document: Document = row[1]
    return document


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


def sifter(
    storage: "BaseStorage", model: type[M], load: Callable[[Row], M]
) -> Callable[[Row], M | None] | None:
    """Give the function from any row to an instance, or None for no member.

    A look at the types of the required fields tells membership where that is all
    a model asks for; whatever is not plain is asked of the evaluator.
    """
    codec = model.__pymodels_codec__
    terms = terms_of(codec.membership)
    if not codec.direct.is_possible or not terms:
        return None
    admitted: dict[str, set[type]] = {}
    dates: dict[str, frozenset[Kind]] = {}
    for term in terms:
        if not isinstance(term, HasKind) or len(term.path) != 1:
            return None
        name = stored_name(term.path[0])
        admitted[name] = set().union(*(_TYPES[kind] for kind in term.kinds))
        if datetime in admitted[name]:
            dates[name] = term.kinds
    names = tuple(admitted)
    floats = tuple(name for name in names if float in admitted[name])
    fits = _fitting(list(admitted.values()))

    def sift(row: Row) -> M | None:
        document = row[1]
        try:
            is_plain = fits(tuple([type(document[name]) for name in names]))
            for name in floats:
                # Neither NaN nor an infinity is a number.
                number = document[name]
                is_plain = is_plain and number - number == 0
        except (KeyError, TypeError):
            is_plain = False
        if is_plain and (not dates or _are_marked(document, dates)):
            return load(row)
        if codec.belongs(row[0], storage.decode(row, codec.shape)):
            return load(row)
        return None

    return sift


def _fitting(admitted: list[set[type]]) -> Callable[[tuple[type, ...]], bool]:
    """Say whether each of several types is admitted; each combination once."""
    known: dict[tuple[type, ...], bool] = {}

    def fits(types: tuple[type, ...]) -> bool:
        found = known.get(types)
        if found is None:
            pairs = zip(types, admitted, strict=True)
            found = all(one in allowed for one, allowed in pairs)
            if len(known) < MOST_KNOWN:
                known[types] = found
        return found

    return fits


def _are_marked(document: Document, dates: dict[str, frozenset[Kind]]) -> bool:
    """Say whether the marks of required dates tell kinds that are admitted."""
    marks = document.get(KINDS)
    if type(marks) is not dict:
        return False
    for name, kinds in dates.items():
        value = document[name]
        if type(value) is not datetime:
            continue
        mark = marks.get(name)
        if mark == "date" and is_midnight(value):
            kind = Kind.DATE
        elif mark in {"datetime", "naive"}:
            kind = Kind.DATETIME
        else:
            return False
        if kind not in kinds:
            return False
    return True
