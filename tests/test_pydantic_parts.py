"""What we use of pydantic beyond what it promises does what we take it for."""

from typing import Any

import pydantic
from pydantic import BaseModel
from pydantic_core import core_schema

from pymodels.models.pydantic_parts import (
    PROVEN_ON,
    serializer_of,
    set_fields_set,
    validator_of,
)


class Inner(BaseModel):
    number: int


class Outer(BaseModel):
    inner: Inner


def renamed(node: Any) -> Any:
    """Give a schema in which the inner field is stored under another name."""
    if isinstance(node, dict):
        found = {name: renamed(part) for name, part in node.items()}
        if found.get("type") == "model-field" and "number" not in found:
            schema = found["schema"]
            if schema.get("type") == "int":
                found |= {"validation_alias": "n", "serialization_alias": "n"}
        return found
    return node


def test_the_installed_version_is_one_it_was_proven_on():
    installed = ".".join(pydantic.VERSION.split(".")[:2])
    assert installed in PROVEN_ON, (
        "run `make versions`, then add this version of pydantic to PROVEN_ON"
    )


def test_nested_models_are_read_and_written_as_the_schema_says():
    schema = renamed(Outer.__pydantic_core_schema__)
    read: Any = validator_of(schema).validate_python({"inner": {"n": 3}})
    assert read == Outer(inner=Inner(number=3))
    written = serializer_of(schema).to_python(read, by_alias=True)
    assert written == {"inner": {"n": 3}}


def test_the_models_themselves_stay_as_they_were():
    validator_of(renamed(Outer.__pydantic_core_schema__))
    assert Outer.__pydantic_complete__
    assert Inner.__pydantic_complete__
    assert Outer.model_validate({"inner": {"number": 3}}).inner.number == 3


def test_a_validator_takes_the_settings_of_a_model():
    validator = validator_of(
        core_schema.str_schema(), core_schema.CoreConfig(str_to_upper=True)
    )
    assert validator.validate_python("a") == "A"


def test_the_set_of_given_fields_can_be_set():
    one = Inner(number=3)
    shared = {"number"}
    set_fields_set(one, shared)
    assert one.__pydantic_fields_set__ is shared
    assert one.model_fields_set == {"number"}
