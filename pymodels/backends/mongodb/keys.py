"""Keys as MongoDB has them, and conditions on the text that each appears as (law 12).

Keys that we write are texts. Of the others, an ObjectId appears as its 24
hexadecimal digits, an integer as its digits, a UUID as its usual text, and anything
else as canonical Extended JSON. They are found by that text when no text key is
equal.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

from bson import json_util
from bson.binary import UUID_SUBTYPE, Binary
from bson.errors import BSONError
from bson.objectid import ObjectId

from pymodels.backend import LARGEST_INTEGER, SMALLEST_INTEGER, Kind
from pymodels.backend import predicates as p
from pymodels.backends.mongodb.filters import (
    ALWAYS,
    NEVER,
    Filter,
    Form,
    among,
    any_of,
)
from pymodels.backends.mongodb.ranges import Range, text_ends

ID = "_id"
IS_TEXT: Form = {"$type": ["string", "symbol"]}
_OBJECT_ID = re.compile(r"[0-9a-f]{24}")
_INTEGER = re.compile(r"0|-?[1-9][0-9]{0,18}")
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_DIGITS = "0123456789abcdef"
_OBJECT_ID_PLACES = (_DIGITS,) * 24
_UUID_PLACES = tuple("-" if at in {8, 13, 18, 23} else _DIGITS for at in range(36))


def text_of(native: Any) -> str:
    """Give the text that a document's `_id` appears as."""
    match native:
        case str():
            return native
        case ObjectId():
            return str(native)
        case int() if not isinstance(native, bool):
            return str(int(native))
        case Binary() if native.subtype == UUID_SUBTYPE and len(native) == 16:
            return str(UUID(bytes=bytes(native)))
    return json_util.dumps(
        native,
        json_options=json_util.CANONICAL_JSON_OPTIONS,
        ensure_ascii=False,
        separators=(",", ":"),
    )


def place_of(native: Any, text: str) -> tuple[Any, ...]:
    """Give what a key sorts by: texts first, then by the server's order of types."""
    match native:
        case str():
            return (0, text)
        case None:
            return (1,)
        case bool():
            return (6, native)
        case int() | float():
            return (2, native if native == native else float("-inf"))
        case bytes():
            return (4, len(native), getattr(native, "subtype", 0), bytes(native))
        case ObjectId():
            return (5, native.binary)
    return (7, text)


def natives_of(key: str) -> list[Any]:
    """Give what else than itself a text may stand for, most often nothing."""
    if _UUID.fullmatch(key):
        return [Binary(UUID(key).bytes, UUID_SUBTYPE)]
    if key[0] in "{[" or key in {"null", "true", "false"}:
        return _from_json(key)
    # Digits alone may be both.
    natives: list[Any] = [ObjectId(key)] if _OBJECT_ID.fullmatch(key) else []
    if _INTEGER.fullmatch(key) and SMALLEST_INTEGER <= int(key) <= LARGEST_INTEGER:
        natives.append(int(key))
    return natives


def candidates_of(key: str) -> Iterator[Any]:
    """Yield what to look for in turn: the text, then what it may stand for."""
    yield key
    yield from natives_of(key)


def _from_json(key: str) -> list[Any]:
    """Read a key of another type; only the very text that it appears as counts."""
    try:
        native = json_util.loads(key, json_options=json_util.CANONICAL_JSON_OPTIONS)
        return [native] if text_of(native) == key else []
    except (ValueError, TypeError, KeyError, BSONError, RecursionError):
        return []


def by_key(native: Any) -> Form:
    """Give the filter of one `_id`; what is not a text might look like an operator."""
    return {ID: native if type(native) is str else {"$eq": native}}


# Conditions.


def on_key(conditions: Form, *, exact: bool = True) -> Filter:
    """Give the filter for keys that fulfil conditions of the server's language."""
    return Filter(((ID, conditions),), exact=exact)


def compare_key(node: p.Comparison) -> Filter | None:
    """Compile a condition on the key, None where it looks into the text."""
    match node:
        case p.Exists():
            return ALWAYS
        case p.HasKind(kinds=kinds):
            return ALWAYS if Kind.STRING in kinds else NEVER
        case p.Equal(value=value, caseless=False):
            return _one_of((value,))
        case p.In(values=values):
            return _one_of(values)
        case p.DatePart() | p.Contains(within=Kind.LIST):
            return NEVER
        case p.Contains(value=value) if type(value) is not str:
            return NEVER
    return None


def _one_of(values: tuple[Any, ...]) -> Filter:
    natives = [
        native
        for value in values
        if type(value) is str and value
        for native in candidates_of(value)
        if not _looks_like_an_operator(native)
    ]
    return on_key(among(natives)) if natives else NEVER


def _looks_like_an_operator(native: Any) -> bool:
    """Say whether this is a map whose name begins with "$", which no key is."""
    return type(native) is dict and next(iter(native), "")[:1] == "$"


def key_in_range(within: Range) -> Filter:
    """Give the filter for keys whose text is in a range."""
    if within.kind is not Kind.STRING or within.is_empty:
        return NEVER
    return any_of(
        [
            on_key(text_ends(within)),
            _in_format(within, _OBJECT_ID_PLACES, ObjectId),
            _in_format(within, _UUID_PLACES, _uuid_of),
            _integers(within),
        ]
    )


def _uuid_of(text: str) -> Binary:
    return Binary(UUID(text).bytes, UUID_SUBTYPE)


def _in_format(
    within: Range, places: tuple[str, ...], native_of: Callable[[str], Any]
) -> Filter:
    """Give the range of natives whose texts, which rise with them, are in a range.

    ``places`` are the characters that may stand at each place of such a text.
    """
    start, is_outside = within.low or ("", False)
    low, is_after = _edge(start, places)
    is_low = is_after and not (low == start and is_outside)
    ends = {"$gte" if is_low else "$gt": native_of(low)}
    if within.high is None:
        ends["$lte"] = native_of("".join(one[-1] for one in places))
    else:
        stop, is_inside = within.high
        high, is_after = _edge(stop, places)
        is_high = not is_after or (high == stop and is_inside)
        ends["$lte" if is_high else "$lt"] = native_of(high)
    return on_key(ends)


def _edge(end: str, places: tuple[str, ...]) -> tuple[str, bool]:
    """Give the first text of a format that is not before an end, and True.

    Or the last that is before it, and False.
    """
    shared = 0
    for one, allowed in zip(end, places, strict=False):
        if one not in allowed:
            before = [other for other in allowed if other < one]
            if before:
                rest = "".join(other[-1] for other in places[shared + 1 :])
                return end[:shared] + before[-1] + rest, False
            break
        shared += 1
    text = end[:shared] + "".join(other[0] for other in places[shared:])
    return text, not (shared == len(places) < len(end))


def _integers(within: Range) -> Filter:
    """Give the integers whose digits are in a range of texts."""
    types = ["int", "long"]
    tests = [
        {operator: [{"$toString": f"${ID}"}, {"$literal": end}]}
        for operator, end in text_ends(within).items()
    ]
    is_integer = {"$in": [{"$type": f"${ID}"}, types]}
    whole = {"$cond": [is_integer, {"$and": tests}, False]}
    return Filter(((ID, {"$type": types}),), others=({"$expr": whole},))
