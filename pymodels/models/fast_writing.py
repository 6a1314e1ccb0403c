"""The short ways from new instances to stored forms, where they are proven the same.

For models whose fields are all plain, which `ModelCodec.exact_types` says: each
combination of exact types is looked at once, and a table says how a value of each
type is spelled. Whatever is not of these types, or no value of a record, goes the
long way, which says so. All of this may go without changing an answer.
"""

from collections.abc import Callable, Mapping
from datetime import date
from math import trunc
from operator import itemgetter
from struct import Struct
from struct import error as StructError
from typing import Any

from pydantic import ValidationError
from pydantic_core import PydanticSerializationError

from pymodels.law.json_body import to_json
from pymodels.law.values import LARGEST_INTEGER
from pymodels.querying.plan import Row
from pymodels.querying.protocols import Instance, codec_of

Spelling = Callable[[Any], Any]
"""Spells one value; `ValueError` or `TypeError` for what no record holds."""
Fields = tuple[tuple[str, type, Spelling | None], ...]
"""The stored names of all fields, each with the exact type of its value."""
Finish = Callable[[str, Any, tuple[Any, ...]], Row]
"""From a key, an instance and its values to a row."""
_REFUSED = (
    PydanticSerializationError,
    ValidationError,
    ValueError,
    TypeError,
    KeyError,
    AttributeError,
    OverflowError,
    StructError,
)


def exact_dumper(
    storage: Any,
    model: type[Instance],
    spellings: Mapping[type, Spelling],
    prepare: Callable[[Fields], Finish],
) -> Callable[[str, Any], Row]:
    """Give the function from a key and a new instance to a row.

    ``spellings`` says how values are spelled, those of types that it lacks not at
    all; references are spelled as their keys. ``prepare`` makes the function that
    spells values and puts a row together, once for each combination of types.
    """
    codec = codec_of(model)
    record_of, encode = codec.new_record, storage.encode

    def long_way(key: str, instance: Any) -> Row:
        return encode(key, record_of(key, instance))  # type: ignore[no-any-return]  # a row

    exact = codec.exact_types
    if exact is None or len(exact) < 2:
        return long_way
    stored = tuple(codec.names.get(name, name) for name in exact)
    values_of, admitted = itemgetter(*exact), tuple(exact.values())
    validate = codec.validator.validate_python if codec.is_validated else None
    finishes: dict[tuple[type, ...], Finish] = {}

    def prepared(types: tuple[type, ...]) -> Finish:
        for kind, allowed in zip(types, admitted, strict=True):
            if kind not in allowed:
                raise TypeError(kind)
        found = [_spelling(kind, spellings) for kind in types]
        fields = tuple(zip(stored, types, found, strict=True))
        return finishes.setdefault(types, prepare(fields))

    def dump(key: str, instance: Any) -> Row:
        try:
            values = values_of(vars(instance))
            types = tuple(map(type, values))
            finish = finishes.get(types) or prepared(types)
            if validate is not None:
                validate(dict(zip(stored, values, strict=True)))
            return finish(key, instance, values)
        except _REFUSED:
            return long_way(key, instance)

    return dump


def _spelling(kind: type, spellings: Mapping[type, Spelling]) -> Spelling | None:
    as_text = spellings.get(str)
    if as_text is None or not hasattr(kind, "__pymodels_reference__"):
        return spellings.get(kind)
    return lambda reference: as_text(reference.key)


def json_dumper(storage: Any, model: type[Instance]) -> Callable[[str, Any], Row]:
    """Give the function from a key and a new instance to (key, body, kinds).

    pydantic writes the text, four times as fast as a record is made and dumped.
    """
    write = codec_of(model).serializer.to_json

    def prepare(fields: Fields) -> Finish:
        note = to_json({name: "date" for name, kind, _ in fields if kind is date})
        checks = [(at, one[2]) for at, one in enumerate(fields) if one[2] is not None]

        def finish(key: str, instance: Any, values: tuple[Any, ...]) -> Row:
            for at, check in checks:
                check(values[at])
            text = write(instance, by_alias=True, warnings="error").decode()
            if "\\u0000" in text:
                raise ValueError(text)
            return (key, text, note)

        return finish

    return exact_dumper(storage, model, _CHECKS, prepare)


_CHECKS: dict[type, Spelling] = {int: Struct("q").pack, float: trunc}
"""These refuse what is not in 64 bits, and what is not finite."""


def number(value: Any) -> Any:
    """Check that a number is finite and fits; what is close to the edge does not."""
    # NaN is between nothing.
    if -LARGEST_INTEGER < value < LARGEST_INTEGER:
        return value
    raise ValueError(value)
