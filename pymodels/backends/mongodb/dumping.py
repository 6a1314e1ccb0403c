"""From a new instance straight to a document, where that is proven to be the same."""

from collections.abc import Callable
from datetime import date, datetime
from operator import itemgetter
from typing import Any, NamedTuple
from uuid import UUID

from pymodels.backend import LARGEST_INTEGER, Instance, Row, codec_of
from pymodels.backends.mongodb.documents import KINDS, Document, stored_name

_PLAIN = frozenset({str, int, float, bool, date, list, UUID, type(None)})
LARGEST = LARGEST_INTEGER


class _Steps(NamedTuple):
    """What is to be done for values of one combination of types."""

    texts: Callable[[tuple[Any, ...]], tuple[str, ...]]
    lists: tuple[int, ...]
    numbers: tuple[int, ...]
    converted: tuple[tuple[str, Callable[[Any], Any]], ...]
    kinds: Document | None


def dumper(
    model: type[Instance], long_way: Callable[[str, Instance], Row]
) -> Callable[[str, Instance], Row]:
    """Give the function from a key and a new instance to a row.

    It looks at exact types, once for each combination of them; what is anything
    else, or no value of a record, goes the long way, which says so.
    """
    codec = codec_of(model)
    writing = codec.writing
    names = tuple(writing.types) if writing.is_plain else ()
    stored = tuple(codec.names.get(name, name) for name in names)
    if len(names) < 2 or any(stored_name(name) != name for name in stored):
        return long_way
    values_of = itemgetter(*names)
    validate = None if writing.is_checked else codec.validator.validate_python
    known: dict[tuple[type, ...], _Steps] = {}
    whole = ("_id", *stored)

    def dump(key: str, instance: Instance) -> Row:
        try:
            values = values_of(vars(instance))
            types = tuple(map(type, values))
            steps = known.get(types)
            if steps is None:
                writing.note_of(types)  # refuses what is not a field's exact type
                steps = known[types] = _steps(stored, types)
            text = "".join(steps.texts(values))
            for at in steps.lists:
                text += "".join(values[at])
            for at in steps.numbers:
                # NaN is between nothing.
                if not -LARGEST < values[at] < LARGEST:
                    return long_way(key, instance)
            if "\0" in text or not (text.isascii() or _is_encodable(text)):
                return long_way(key, instance)
            document = dict(zip(whole, (key, *values), strict=True))
            for name, convert in steps.converted:
                document[name] = convert(document[name])
            if validate is not None:
                validate({name: document[name] for name in stored})
        except (TypeError, KeyError, ValueError):
            return long_way(key, instance)
        if steps.kinds is not None:
            document[KINDS] = steps.kinds
        return (key, document)

    return dump


def _steps(stored: tuple[str, ...], types: tuple[type, ...]) -> _Steps:
    def places(*kinds: type) -> tuple[int, ...]:
        return tuple(at for at, kind in enumerate(types) if kind in kinds)

    pairs = list(zip(stored, types, strict=True))
    converted = [
        (name, _CONVERSIONS.get(kind, _key_of))
        for name, kind in pairs
        if kind in _CONVERSIONS or kind not in _PLAIN
    ]
    kinds = {name: "date" for name, kind in pairs if kind is date}
    return _Steps(
        _getter(places(str)),
        places(list),
        places(int, float),
        tuple(converted),
        kinds or None,
    )


def _getter(places: tuple[int, ...]) -> Callable[[tuple[Any, ...]], tuple[Any, ...]]:
    """Give the values at some places, as a tuple of however many."""
    if len(places) > 1:
        return itemgetter(*places)
    return lambda values: tuple([values[at] for at in places])


def _is_encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _key_of(reference: Any) -> Any:
    return reference.key


_CONVERSIONS: dict[type, Callable[[Any], Any]] = {
    date: lambda value: datetime(value.year, value.month, value.day),
    UUID: str,
    list: list,  # the document is kept, and the instance's list may change
}
