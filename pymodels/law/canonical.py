"""From Python values to the values of records: law 1, in one direction.

The way back is pydantic's: it validates the record's value into the field's type.
"""

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from ipaddress import (
    IPv4Address,
    IPv4Interface,
    IPv4Network,
    IPv6Address,
    IPv6Interface,
    IPv6Network,
)
from pathlib import PurePath
from typing import Any
from uuid import UUID

from pymodels.errors import EncodeError
from pymodels.law.values import (
    LARGEST_INTEGER,
    SMALLEST_INTEGER,
    Record,
    is_naive,
    same,
    sort_key,
)

AS_TEXT = (
    PurePath,
    IPv4Address,
    IPv4Interface,
    IPv4Network,
    IPv6Address,
    IPv6Interface,
    IPv6Network,
)
"""Classes whose instances, those of subclasses too, are stored as their text."""

Misfits = Sequence[Any]
"""What stands in the store already, and is left as it is though it fits no kind."""

DECIMAL_DIGITS = 34
# IEEE 754 decimal128: what every database that has decimals at all can hold.
DECIMAL_EXPONENTS = (-6176, 6144)
HIGHEST_WRITTEN = 6111
DEEPEST = 100
DRIVERS_OWN = "_type_marker"
"""Values that have this, as those of BSON do, are of no kind, whatever their base."""
SPELLED_BITS = 256


def canonical(
    value: Any, where: str = "value", depth: int = 0, kept: Misfits = ()
) -> Any:
    """Turn a Python value into the record's value that stands for it.

    A new value of the kinds in `Kind`, nested ones included, that shares no list
    or map with the one given. Raises `EncodeError` for anything else, but for what
    is ``kept``: the values and names that stand in the store already and fit no
    kind. `where` names the place in its message, and `depth` is how many maps lie
    above it.
    """
    return _canonical(value, where, depth, kept)


def misfits(value: Any) -> list[Any]:
    """Find the values and names inside a stored value that `canonical` refuses."""
    if type(value) is list:
        return [found for part in value for found in misfits(part)]
    if type(value) is dict:
        inside = [found for part in value.values() for found in misfits(part)]
        return inside + [name for name in value if _is_refused(field_name, name)]
    return [value] if _is_refused(canonical, value) else []


def _is_refused(convert: Callable[[Any, str], Any], value: Any) -> bool:
    try:
        convert(value, "")
    except EncodeError:
        return True
    return False


def _canonical(value: Any, where: str, depth: int, kept: Misfits) -> Any:
    if kept and any(same(value, one) for one in kept):
        return value
    convert = _CONVERSIONS.get(type(value))
    if convert is None:
        convert = _conversion_by_base(value)
    if convert is None:
        raise EncodeError(
            f"{where}: a {type(value).__name__} cannot be stored; a record holds "
            "None, bool, int, float, Decimal, str, bytes, date, datetime, lists "
            "and maps of these"
        )
    if depth > DEEPEST:
        raise EncodeError(f"{where}: more than {DEEPEST} levels of lists and maps")
    return convert(value, where, depth, kept)


def _unchanged(value: Any, where: str, depth: int, kept: Misfits) -> Any:
    return value


def _integer(value: int, where: str, depth: int, kept: Misfits) -> int:
    if SMALLEST_INTEGER <= value <= LARGEST_INTEGER:
        return int(value)
    # Python refuses to spell out a number of thousands of digits.
    size = value.bit_length()
    number = str(value) if size < SPELLED_BITS else f"an int of {size} bits"
    raise EncodeError(f"{where}: {number} does not fit into 64 bits")


def _real(value: float, where: str, depth: int, kept: Misfits) -> float:
    if math.isfinite(value):
        return float(value)
    raise EncodeError(f"{where}: {value} is not a finite number")


def _decimal(value: Decimal, where: str, depth: int, kept: Misfits) -> Decimal:
    if not value.is_finite():
        raise EncodeError(f"{where}: {value} is not a finite number")
    digits, exponent = value.as_tuple().digits, value.as_tuple().exponent
    lowest, highest = DECIMAL_EXPONENTS
    if len(digits) > DECIMAL_DIGITS:
        raise EncodeError(
            f"{where}: {value} has {len(digits)} digits, of {DECIMAL_DIGITS} allowed"
        )
    if int(exponent) < lowest or value.adjusted() > highest:
        raise EncodeError(
            f"{where}: the exponent of {value} is outside {lowest} to {highest}"
        )
    return value if int(exponent) <= HIGHEST_WRITTEN else _padded(value)


def _padded(value: Decimal) -> Decimal:
    """Write an equal number with more zeros, as every decimal128 is written."""
    sign, digits, exponent = value.as_tuple()
    zeros = (0,) * (int(exponent) - HIGHEST_WRITTEN) if value else ()
    return Decimal((sign, digits + zeros, HIGHEST_WRITTEN))


def _text(value: str, where: str, depth: int, kept: Misfits) -> str:
    if "\0" in value:
        raise EncodeError(f"{where}: {value!r} holds a NUL character")
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise EncodeError(f"{where}: {value!r} holds a lone surrogate") from error
    return str.__str__(value)


def _as_text(value: Any, where: str, depth: int, kept: Misfits) -> str:
    return _text(str(value), where, depth, kept)


def _time(value: time, where: str, depth: int, kept: Misfits) -> str:
    return value.isoformat()


def _duration(value: timedelta, where: str, depth: int, kept: Misfits) -> int:
    return _integer(value // timedelta(microseconds=1), where, depth, kept)


def _moment(value: datetime, where: str, depth: int, kept: Misfits) -> datetime:
    if is_naive(value):
        # `fold` and a tzinfo without an offset say nothing that is kept.
        return value.replace(tzinfo=None, fold=0)
    try:
        return value.astimezone(UTC)
    except OverflowError as error:
        raise EncodeError(f"{where}: {value} is outside the years 1 to 9999") from error


def _list(value: Any, where: str, depth: int, kept: Misfits) -> list[Any]:
    return [
        _canonical(part, f"{where}[{index}]", depth + 1, kept)
        for index, part in enumerate(value)
    ]


def _sorted_list(value: Any, where: str, depth: int, kept: Misfits) -> list[Any]:
    return sorted(_list(value, where, depth, kept), key=sort_key)


def _map(value: Mapping[Any, Any], where: str, depth: int, kept: Misfits) -> Record:
    result: Record = {}
    for name, part in value.items():
        spelled = name if name in kept else field_name(name, where)
        result[spelled] = _canonical(part, f"{where}.{spelled}", depth + 1, kept)
    return result


def field_name(name: Any, where: str) -> str:
    """Check the name of a field, or of a nested map's entry, and give its text."""
    if isinstance(name, Enum):
        name = name.value
    if isinstance(name, UUID | PurePath):
        name = str(name)
    if type(name) is not str:
        raise EncodeError(f"{where}: a name must be a string, not {name!r}")
    if not name:
        raise EncodeError(f"{where}: a name must not be empty")
    return _text(name, f"{where}, the name {name!r}", 0, ())


def _enumerated(value: Enum, where: str, depth: int, kept: Misfits) -> Any:
    return _canonical(value.value, where, depth, kept)


def _dataclass(value: Any, where: str, depth: int, kept: Misfits) -> Record:
    fields = dataclasses.fields(value)
    return _map({f.name: getattr(value, f.name) for f in fields}, where, depth, kept)


def _model(value: Any, where: str, depth: int, kept: Misfits) -> Record:
    """A pydantic model met outside a field: its fields as they are."""
    names = type(value).__pydantic_fields__.keys() & vars(value).keys()
    fields = {name: part for name, part in vars(value).items() if name in names}
    return _map({**fields, **(value.model_extra or {})}, where, depth, kept)


_Conversion = Callable[[Any, str, int, Misfits], Any]

_CONVERSIONS: dict[type, _Conversion] = {
    type(None): _unchanged,
    bool: _unchanged,
    int: _integer,
    float: _real,
    Decimal: _decimal,
    str: _text,
    bytes: _unchanged,
    date: _unchanged,
    datetime: _moment,
    list: _list,
    dict: _map,
    tuple: _list,
    set: _sorted_list,
    frozenset: _sorted_list,
    UUID: _as_text,
    time: _time,
    timedelta: _duration,
}

# Looked through in this order: an IntEnum is an Enum before it is an int.
_BASES: tuple[tuple[type | tuple[type, ...], _Conversion], ...] = (
    (Enum, _enumerated),
    (AS_TEXT, _as_text),
    (datetime, _moment),
    (date, lambda value, where, depth, kept: date(value.year, value.month, value.day)),
    (timedelta, _duration),
    (time, _time),
    (UUID, _as_text),
    (
        Decimal,
        lambda value, where, depth, kept: _decimal(Decimal(value), where, depth, kept),
    ),
    (int, _integer),
    (float, _real),
    (str, _text),
    (bytes, lambda value, where, depth, kept: bytes(value)),
    (dict, _map),
    ((list, tuple), _list),
    ((set, frozenset), _sorted_list),
)


def _conversion_by_base(value: Any) -> _Conversion | None:
    if isinstance(value, type) or hasattr(value, DRIVERS_OWN):
        return None
    for base, convert in _BASES:
        if isinstance(value, base):
            return convert
    if dataclasses.is_dataclass(value):
        return _dataclass
    if hasattr(type(value), "__pydantic_fields__"):
        return _model
    if hasattr(value, "unicode_string"):  # pydantic's URL types, without pydantic
        return _as_text
    return None
