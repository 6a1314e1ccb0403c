"""The short way from a driver's own values to an instance, where it is the same.

Law 14: loading is the record and then its validation. Where a database keeps
values as Python has them, pydantic may be given these as they come; only a
datetime has to be told its zone first. What is refused goes the long way.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from pymodels.models.fast_loading import ALWAYS
from pymodels.models.protocols import Storage
from pymodels.models.pydantic_parts import set_fields_set
from pymodels.models.rounding import holds_datetimes
from pymodels.querying.plan import Row

if TYPE_CHECKING:
    from pymodels.models.codec import ModelCodec


class DirectLoading:
    """What one model's direct way needs; made once a model.

    ``datetimes`` are the stored names of the fields that may hold one.
    """

    def __init__(self, codec: "ModelCodec") -> None:
        self.codec = codec
        self.datetimes: list[str] = []
        # Which member of a union a value is of, only its record's type tells.
        self.is_possible = codec.json.level == ALWAYS and not has_union(codec.schema)
        for member in codec.shape.members.values():
            shape = member.shape
            if shape.reads_text in {("datetime",), ("naive",)}:
                self.datetimes.append(member.stored)
            elif holds_datetimes(shape):
                self.is_possible = False

    def loader(
        self,
        storage: Storage,
        values_of: Callable[[Row], Any],
        long_way: Callable[[Row], Any],
    ) -> Callable[[Row], Any]:
        """Give the function from a row to an instance.

        ``values_of`` gives the stored values of a row by their names, more than the
        declared ones if it likes, or None where a row has to go the long way.
        """
        if not self.is_possible:
            return long_way
        codec = self.codec
        validate = codec.validator.validate_python
        set_row, set_storage = codec.set_row, codec.set_storage
        whole, size = codec.all_fields, len(codec.fields)
        settled = bool(codec.reference_fields)

        def load(row: Row) -> Any:
            values = values_of(row)
            if values is None:
                return long_way(row)
            try:
                instance = validate(values)
            except ValidationError:
                # It tells the driver's values, not the record's.
                return long_way(row)
            set_row(instance, row)
            set_storage(instance, storage)
            if len(instance.__pydantic_fields_set__) == size:
                # One set for all complete instances: a third of the memory.
                set_fields_set(instance, whole)
            if settled:
                codec.settle(instance, storage)
            return instance

        return load


def has_union(schema: Any) -> bool:
    """Say whether there is a union anywhere in a core schema."""
    match schema:
        case {"type": "union"}:
            return True
        case dict():
            return any(map(has_union, schema.values()))
        case list() | tuple():
            return any(map(has_union, schema))
    return False
