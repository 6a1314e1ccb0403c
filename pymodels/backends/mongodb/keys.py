"""Keys as MongoDB has them, and the text that each appears as (law 12).

Keys that we write are texts. Of the others, an ObjectId appears as its 24
hexadecimal digits, an integer as its digits, a UUID as its usual text, and anything
else as canonical Extended JSON. They are found by that text when no text key is
equal.
"""

import re
from collections.abc import Iterator
from typing import Any
from uuid import UUID

from bson import json_util
from bson.binary import UUID_SUBTYPE, Binary
from bson.errors import BSONError
from bson.objectid import ObjectId

from pymodels.law.values import LARGEST_INTEGER, SMALLEST_INTEGER

_OBJECT_ID = re.compile(r"[0-9a-f]{24}")
_INTEGER = re.compile(r"0|-?[1-9][0-9]{0,18}")
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def text_of(native: Any) -> str:
    """Give the text that a document's `_id` appears as."""
    match native:
        case str():
            return native
        case ObjectId():
            return str(native)
        case bool():
            return _as_json(native)
        case int():
            return str(int(native))
        case Binary() if native.subtype == UUID_SUBTYPE and len(native) == 16:
            return str(UUID(bytes=bytes(native)))
    return _as_json(native)


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
    if _OBJECT_ID.fullmatch(key):
        # Digits alone may be both.
        return [ObjectId(key), *_integers(key)]
    if _UUID.fullmatch(key):
        return [Binary(UUID(key).bytes, UUID_SUBTYPE)]
    if key[0] in "{[" or key in {"null", "true", "false"}:
        return _from_json(key)
    return _integers(key)


def candidates_of(key: str) -> Iterator[Any]:
    """Yield what to look for in turn: the text, then what it may stand for."""
    yield key
    yield from natives_of(key)


def _integers(key: str) -> list[Any]:
    if not _INTEGER.fullmatch(key):
        return []
    number = int(key)
    return [number] if SMALLEST_INTEGER <= number <= LARGEST_INTEGER else []


def _as_json(native: Any) -> str:
    return json_util.dumps(
        native,
        json_options=json_util.CANONICAL_JSON_OPTIONS,
        ensure_ascii=False,
        separators=(",", ":"),
    )


def _from_json(key: str) -> list[Any]:
    """Read a key of another type; only the very text that it appears as counts."""
    try:
        native = json_util.loads(key, json_options=json_util.CANONICAL_JSON_OPTIONS)
        return [native] if text_of(native) == key else []
    except (ValueError, TypeError, KeyError, BSONError, RecursionError):
        return []


def by_key(native: Any) -> dict[str, Any]:
    """Give the filter of one `_id`; what is no text might look like an operator."""
    return {"_id": native if type(native) is str else {"$eq": native}}
