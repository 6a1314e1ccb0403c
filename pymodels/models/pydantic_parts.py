"""What we use of pydantic beyond what its pages promise: all of it stands here.

`tests/test_pydantic_parts.py` tries each part and names the versions it was proven
on; `make versions` runs it with the oldest and the newest.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pydantic import BaseModel
from pydantic_core import SchemaSerializer, SchemaValidator

from pymodels.models.schema import nodes

PROVEN_ON = ("2.12", "2.13", "2.14")
"""The versions of pydantic with which the tests pass."""

# A slot's own setter takes half the time that `object.__setattr__` does.
set_fields_set = BaseModel.__dict__["__pydantic_fields_set__"].__set__


def validator_of(schema: Any, config: Any = None) -> SchemaValidator:
    """Make a validator of a core schema, nested models included."""
    made: SchemaValidator = _made(SchemaValidator, schema, config)
    return made


def serializer_of(schema: Any, config: Any = None) -> SchemaSerializer:
    """Make a serializer of a core schema, nested models included."""
    made: SchemaSerializer = _made(SchemaSerializer, schema, config)
    return made


def _made(kind: Any, schema: Any, config: Any) -> Any:
    """Make one in which nested models are read and written as the schema says.

    Left to itself, pydantic takes the validator that a nested class has already,
    whatever the schema says.
    """
    if _HAS_FLAG:
        return kind(schema, config, _use_prebuilt=False)
    kinds = {"model", "dataclass"}
    with _unfinished({one["cls"] for one in nodes(schema) if one["type"] in kinds}):
        return kind(schema, config)


def _has_flag() -> bool:
    try:
        SchemaValidator({"type": "any"}, None, _use_prebuilt=False)
    except TypeError:
        return False
    return True


_HAS_FLAG = _has_flag()
_lock = threading.Lock()


@contextmanager
def _unfinished(classes: set[Any]) -> Iterator[None]:
    """Let classes look unfinished, for pydantic 2.12: these have nothing to take."""
    with _lock:
        finished = [cls for cls in classes if vars(cls).get("__pydantic_complete__")]
        try:
            for cls in finished:
                cls.__pydantic_complete__ = False
            yield
        finally:
            for cls in finished:
                cls.__pydantic_complete__ = True
