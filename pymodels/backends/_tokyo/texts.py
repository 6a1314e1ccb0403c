"""The texts of single values: natural for other programs, and read back.

`49`, `0.5`, `true`, `1960-01-31`, JSON for lists and maps; no exponents, because
the library reads none. A *word* says what a text is: ``int``, ``date``, ``list``,
perhaps with a rest behind a colon.
"""

import re
from base64 import b64encode
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any

from pymodels.backend import (
    LARGEST_INTEGER,
    SMALLEST_INTEGER,
    Kind,
    Shape,
    errors,
    is_naive,
    json_body,
)

EMPTY = b"\xc0\x80"
"""What stands for the empty text."""

_INTEGER = re.compile(r"0|-?[1-9][0-9]*", re.ASCII)
_MOST_KNOWN = 2048


class Unreadable(bytes):
    """A foreign value that is not text: present, equal to nothing, left as it is."""

    _type_marker = None


def float_text(value: float) -> str:
    """Spell a float by position: the library reads no exponents."""
    text = repr(value)
    if "e" not in text:
        return text
    text = format(Decimal(text), "f")
    return text if "." in text else f"{text}.0"


def spelled(value: Any) -> tuple[str, str | None]:
    """Give the word for a value's kind, and its text; None has no text."""
    match value:
        case None:
            return "none", None
        case bool():
            return "bool", "true" if value else "false"
        case str():
            return "str", value
        case int():
            return "int", str(value)
        case float():
            return "float", float_text(value)
        case Decimal():
            return _spelled_decimal(value)
        case datetime():
            return "naive" if is_naive(value) else "datetime", value.isoformat()
        case date():
            return "date", value.isoformat()
        case bytes():
            return "bytes", b64encode(value).decode()
        case list() | dict():
            text, marks = json_body.value_json(value)
            word = "list" if isinstance(value, list) else "map"
            return word if marks is None else f"{word}:{marks}", text
    raise errors.EncodeError(f"{value!r} cannot be written into a column")


def _spelled_decimal(value: Decimal) -> tuple[str, str]:
    exponent = int(value.as_tuple().exponent)
    if exponent <= 0:
        return "decimal", format(value, "f")
    sign, digits, _ = value.as_tuple()
    shown = Decimal((sign, (*digits, *(0,) * exponent), 0))
    # The zeros at its end are told apart from those that were written.
    return f"decimal:{exponent}", format(shown, "f")


def text_bytes(text: str) -> bytes:
    """Give what a column holds for a text."""
    return text.encode() if text else EMPTY


def text_or_bytes(value: bytes) -> str | bytes:
    """Give the text in a column; what is none, or has no bytes at all, stays bytes."""
    if value == EMPTY:
        return ""
    try:
        text = value.decode()
    except UnicodeDecodeError:
        return value
    return value if not text or "\0" in text else text


# Readers by word: each raises `ValueError` for a text that is not what the note says.


def _read_integer(text: str, rest: str) -> int:
    if _INTEGER.fullmatch(text) and SMALLEST_INTEGER <= int(text) <= LARGEST_INTEGER:
        return int(text)
    raise ValueError(text)


def _read_float(text: str, rest: str) -> float:
    value = float(text)
    if float_text(value) != text:
        raise ValueError(text)
    return value


def _read_decimal(text: str, rest: str) -> Decimal:
    value = Decimal(text)
    if not value.is_finite() or format(value, "f") != text:
        raise ValueError(text)
    if not rest:
        return value
    sign, digits, _ = value.as_tuple()
    kept = digits[: -int(rest)] or (0,)
    value = Decimal((sign, kept, int(rest)))
    if _spelled_decimal(value)[1] != text:
        raise ValueError(text)
    return value


def _read_bool(text: str, rest: str) -> bool:
    if text not in {"true", "false"}:
        raise ValueError(text)
    return text == "true"


def _read_by(word: str) -> Any:
    def read(text: str, rest: str) -> Any:
        value = json_body.read_text(text, (word,))
        if type(value) is str:
            raise ValueError(text)
        return value

    return read


def _read_json(kind: type) -> Any:
    def read(text: str, rest: str) -> Any:
        note = f'{{"value":{rest}}}' if rest else json_body.NOTHING_MARKED
        value = json_body.decode("", f'{{"value":{text}}}', note)["value"]
        if type(value) is not kind:
            raise ValueError(text)
        return value

    return read


_READERS: dict[str, Any] = {
    "str": lambda text, rest: text,
    "int": _read_integer,
    "float": _read_float,
    "decimal": _read_decimal,
    "bool": _read_bool,
    "date": _read_by("date"),
    "datetime": _read_by("datetime"),
    "naive": _read_by("naive"),
    "bytes": _read_by("bytes"),
    "list": _read_json(list),
    "map": _read_json(dict),
}


def read_noted(text: str, word: str) -> Any:
    """Read a text by its word in the note; `ValueError` if it does not fit."""
    kind, _, rest = word.partition(":")
    try:
        return _READERS[kind](text, rest)
    except (ArithmeticError, LookupError, TypeError, RecursionError) as error:
        raise ValueError(text) from error


def read_foreign(text: str | bytes, shape: Shape | None) -> Any:
    """Read what another program wrote, by what is declared at its place.

    Canonical text of the declared type reads as that, any other as a string; an
    empty value as None where no string is declared.
    """
    is_text = shape is None or Kind.STRING in shape.kinds
    if type(text) is bytes:
        if text:
            return Unreadable(text)
        return "" if is_text else None
    if is_text or shape is None:
        return text
    for word in _words_of(shape):
        try:
            value = read_noted(str(text), word)
        except ValueError:
            continue
        is_json = word in {"list", "map"}
        return json_body.read_declared(value, shape) if is_json else value
    return text


_WHOLE = {"int", "timedelta", "None", "bool"}


def is_whole(shape: Shape) -> bool:
    """Say whether the only numbers of a declared place are ints."""
    return {*shape.name.split(" or ")} <= _WHOLE


@lru_cache(_MOST_KNOWN)
def _words_of(shape: Shape) -> tuple[str, ...]:
    """Give the words that a foreign text is tried as, for a declared place."""
    kinds, found = shape.kinds, []
    if Kind.BOOL in kinds:
        found.append("bool")
    found += shape.reads_text
    if Kind.NUMBER in kinds and "decimal" not in shape.reads_text:
        found += ["int"] if is_whole(shape) else ["int", "float"]
    if Kind.LIST in kinds:
        found.append("list")
    if Kind.MAP in kinds:
        found.append("map")
    return tuple(found)
