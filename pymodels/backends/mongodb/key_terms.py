"""Conditions on keys: texts, and what other programs use as `_id` (law 12).

An ObjectId, a UUID or an integer is compared by its text, as it appears. Of the
first two the text rises with the value, so that a range of texts is one of values.
"""

from typing import Any
from uuid import UUID

from bson.binary import UUID_SUBTYPE, Binary
from bson.objectid import ObjectId

from pymodels.backends.mongodb.filters import ALWAYS, NEVER, Filter, Form, any_of
from pymodels.backends.mongodb.keys import natives_of
from pymodels.backends.mongodb.ranges import Range, is_empty, text_ends
from pymodels.law import predicates as p
from pymodels.law.values import Kind

ID = "_id"
DIGITS = "0123456789abcdef"
OBJECT_ID = (DIGITS,) * 24
"""The characters that may stand at each place of a text."""
UUID_TEXT = tuple("-" if at in {8, 13, 18, 23} else DIGITS for at in range(36))


def on_key(node: p.Comparison, within: Range | None) -> Filter | None:
    """Compile a condition on the key; ``within`` is its range, if it asks for one."""
    if within is not None:
        return key_range(within)
    match node:
        case p.Exists():
            return ALWAYS
        case p.HasKind(kinds=kinds):
            return ALWAYS if Kind.STRING in kinds else NEVER
        case p.Equal(value=value, caseless=False):
            return _among((value,))
        case p.In(values=values):
            return _among(values)
        case p.DatePart():
            return NEVER
        case p.Contains(value=value, within=Kind.LIST):
            return NEVER
        case p.Contains(value=value) if type(value) is not str:
            return NEVER
    return None


def _among(values: tuple[Any, ...]) -> Filter:
    found: list[Any] = []
    for value in values:
        if type(value) is not str or not value:
            continue
        # A map whose name begins with "$" is no key, but would be an operator.
        found += [value, *(one for one in natives_of(value) if type(one) is not dict)]
        maps = [one for one in natives_of(value) if type(one) is dict]
        found += [one for one in maps if next(iter(one), "")[:1] != "$"]
    if not found:
        return NEVER
    return _keys({"$eq": found[0]} if len(found) == 1 else {"$in": found})


def _keys(conditions: Form) -> Filter:
    return Filter(((ID, conditions),))


def not_text() -> Filter:
    """Give the filter for keys of other types, which only we can look into."""
    return _keys({"$not": {"$type": ["string", "symbol"]}})


def key_text(conditions: Form) -> Filter:
    """Give the filter for keys that are texts, by a condition on texts."""
    return _keys(conditions)


def key_range(within: Range) -> Filter:
    """Give the filter for keys in a range of texts."""
    if within.kind is not Kind.STRING or is_empty(within):
        return NEVER
    texts = _keys(text_ends(within))
    return any_of(
        [
            texts,
            _of_format(within, OBJECT_ID),
            _of_format(within, UUID_TEXT),
            _integers(within),
        ]
    )


def _of_format(within: Range, places: tuple[str, ...]) -> Filter:
    """Give the range of ObjectIds, or UUIDs, whose texts are in a range."""
    low = "".join(one[0] for one in places)
    if within.low is not None:
        found = _lowest(within.low, places, at_least=within.has_low)
        if found is None:
            return NEVER
        low = found
    high, operator = None, "$lt"
    if within.high is not None:
        high = _lowest(within.high, places, at_least=not within.has_high)
    if high is None:
        high, operator = "".join(one[-1] for one in places), "$lte"
    return _keys({"$gte": _native(low), operator: _native(high)})


def _native(text: str) -> Any:
    if len(text) == len(OBJECT_ID):
        return ObjectId(text)
    return Binary(UUID(text).bytes, UUID_SUBTYPE)


def _lowest(text: str, places: tuple[str, ...], *, at_least: bool) -> str | None:
    """Give the first text of a format that is not before another (or is after it)."""
    for at, allowed in enumerate(places):
        if at == len(text):
            return text + _zeros(places[at:])
        if text[at] in allowed:
            continue
        later = [one for one in allowed if one > text[at]]
        if later:
            return text[:at] + later[0] + _zeros(places[at + 1 :])
        return _next(text[:at], places)
    whole = text[: len(places)]
    return whole if at_least and len(text) == len(places) else _next(whole, places)


def _next(head: str, places: tuple[str, ...]) -> str | None:
    """Give the first text of a format after all that begin with a head."""
    for at in reversed(range(len(head))):
        later = places[at][places[at].index(head[at]) + 1 :]
        if later:
            return head[:at] + later[0] + _zeros(places[at + 1 :])
    return None


def _zeros(places: tuple[str, ...]) -> str:
    return "".join(one[0] for one in places)


def _integers(within: Range) -> Filter:
    """Give the integers whose digits are in a range of texts."""
    text: Form = {"$toString": "$_id"}
    operators = text_ends(within)
    tests = [
        {operator: [text, {"$literal": end}]} for operator, end in operators.items()
    ]
    types = ["int", "long"]
    is_integer = {"$in": [{"$type": "$_id"}, types]}
    whole = {"$cond": [is_integer, {"$and": tests}, False]}
    return Filter(((ID, {"$type": types}),), others=({"$expr": whole},))
