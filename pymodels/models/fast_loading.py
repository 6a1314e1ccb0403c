"""The short ways from stored forms to instances, where they are proven the same.

Law 14: loading is the record and then its validation. pydantic reads JSON text, or
a driver's own values, in half the time; for the models whose `Shape` says so, and
notes that fit, both give the same instance or error. All of this may go without
changing an answer: `ModelCodec.loader` is always right.
"""

import json
from collections.abc import Callable, Collection
from typing import Any

from pydantic import ValidationError

from pymodels.law.json_body import NOTHING_MARKED
from pymodels.law.predicates import HasKind, terms_of
from pymodels.law.shapes import Reading, Shape
from pymodels.law.values import Kind
from pymodels.querying.plan import Row
from pymodels.querying.protocols import Codec, Instance, codec_of

_MARKED_AS = {
    "date": ("date",),
    "datetime": ("datetime", "naive"),
    "naive": ("datetime", "naive"),
    "decimal": ("decimal",),
}
MOST_KNOWN = 256


def json_loader(storage: Any, model: type[Instance]) -> Callable[[Row], Any]:
    """Give the function from a row (key, body, kinds) to an instance."""
    codec = codec_of(model)
    long_way = codec.loader(storage)
    if codec.reading == Reading.RECORD:
        return long_way
    # What JSON mode refuses, the long way may take, or refuse in its own words.
    return _from_json(codec, storage, None, _Notes(codec), long_way)


def json_sifter(
    storage: Any, model: type[Instance]
) -> Callable[[Row], Any | None] | None:
    """Give the function from a row to an instance, or to None for no member.

    A text that validates strictly has in each field a kind that its type admits;
    whatever does not is looked at the long way. None where that does not tell
    membership.
    """
    codec = codec_of(model)
    of_kinds = all(isinstance(term, HasKind) for term in terms_of(codec.membership))
    if codec.reading < Reading.JSON or not of_kinds:
        return None
    load, belongs = json_loader(storage, model), codec.belongs

    def otherwise(row: Row) -> Any | None:
        is_member = belongs(row[0], storage.decode(row, codec.shape))
        return load(row) if is_member else None

    members = codec.shape.members.values()
    texts = [one.stored for one in members if one.required and one.shape.reads_text]
    return _from_json(codec, storage, True, _Notes(codec, texts), otherwise)


def _from_json(
    codec: Codec,
    storage: Any,
    strict: bool | None,
    notes: "_Notes",
    otherwise: Callable[[Row], Any],
) -> Callable[[Row], Any]:
    validate, known = codec.validator.validate_json, notes.known
    attach = codec.attacher(storage)

    def load(row: Row) -> Any:
        if row[2] not in known and not notes.fit(row):
            return otherwise(row)
        try:
            instance = validate(row[1], strict=strict)
        except ValidationError:
            return otherwise(row)
        return attach(instance, row)

    return load


class _Notes:
    """Which notes of kinds allow a model's short way; those met are remembered.

    ``texts`` are required names of which the note has to tell that they are no
    mere strings; None where it need not tell that.
    """

    def __init__(self, codec: Codec, texts: Collection[str] | None = None) -> None:
        self.shape, self.texts = codec.shape, texts
        self.takes_marks = codec.reading >= Reading.JSON
        self.known: set[str | None] = set() if texts else {NOTHING_MARKED}

    def fit(self, row: Row) -> bool:
        """Say whether a row's note allows the short way; remember that it does."""
        body, kinds = row[1], row[2]
        if not self.takes_marks:
            return False
        if kinds is None:
            # What another program wrote may hold words that only pydantic reads.
            return self.texts is None and "NaN" not in body and "Infinity" not in body
        note = json.loads(kinds)
        if not _fits(note, self.shape) or not all(n in note for n in self.texts or ()):
            return False
        if len(self.known) < MOST_KNOWN:
            self.known.add(kinds)
        return True


def _fits(mark: Any, shape: Shape | None) -> bool:
    if mark is None or shape is None:
        # Undeclared: validation does not look at it, however it is marked.
        return True
    match mark:
        case str():
            texts = shape.reads_text
            return len(texts) == 1 and mark in _MARKED_AS.get(texts[0], ())
        case dict():
            return all(_fits(one, shape.stored_member(n)) for n, one in mark.items())
        case list():
            return all(_fits(one, shape.items) for one in mark)
    return False


def datetimes_among_values(model: type[Instance]) -> list[str] | None:
    """Give the stored names of the fields that may hold a datetime.

    None where a driver's own values do not tell what the record is.
    """
    codec, found = codec_of(model), []
    if codec.reading < Reading.VALUES:
        return None
    for member in codec.shape.members.values():
        if member.shape.reads_text in {("datetime",), ("naive",)}:
            found.append(member.stored)
        elif any(Kind.DATETIME in one.kinds for one in member.shape.walk()):
            return None
    return found


def value_loader(
    storage: Any,
    model: type[Instance],
    values_of: Callable[[Row], Any],
    long_way: Callable[[Row], Any],
) -> Callable[[Row], Any]:
    """Give the function from a row of a driver's own values to an instance.

    ``values_of`` gives the stored values of a row by their names, more than the
    declared ones if it likes, or None where a row has to go the long way. Only for
    models of which `datetimes_among_values` tells.
    """
    codec = codec_of(model)
    validate, attach = codec.validator.validate_python, codec.attacher(storage)

    def load(row: Row) -> Any:
        values = values_of(row)
        if values is None:
            return long_way(row)
        try:
            instance = validate(values)
        except ValidationError:
            # It tells the driver's values, not the record's.
            return long_way(row)
        return attach(instance, row)

    return load
