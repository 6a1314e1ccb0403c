"""The atomic patch that `pymodels serve` adds to the protocol.

Its steps are triples of a verb, a column and a value: all that compare must hold, or
nothing is changed. `docs/serve.md` describes it for other clients.
"""

from collections.abc import Iterable

IS, NO, SET, CUT = b"is", b"no", b"set", b"cut"
DONE, CHANGED, MISSING = b"done", b"changed", b"missing"

Step = tuple[bytes, ...]


def patch_columns(
    columns: dict[bytes, bytes], steps: Iterable[Step]
) -> tuple[bytes | None, dict[bytes, bytes] | None]:
    """Give what came of it, and the new columns if they are to be written.

    Nothing came of it (None) if there is a verb that is not known.
    """
    changed = dict(columns)
    outcome = DONE
    for verb, column, value in steps:
        match verb:
            case b"is":
                outcome = outcome if columns.get(column) == value else CHANGED
            case b"no":
                outcome = CHANGED if column in columns else outcome
            case b"set":
                changed[column] = value
            case b"cut":
                changed.pop(column, None)
            case _:
                return None, None
    return outcome, changed if outcome is DONE else None


def patch_value(
    value: bytes | None, steps: Iterable[Step]
) -> tuple[bytes | None, bytes | None]:
    """Do the same to a record that is one value, under the empty column."""
    if value is None:
        return MISSING, None
    outcome, changed = patch_columns({b"": value}, steps)
    if changed is None:
        return outcome, None
    return (outcome, changed[b""]) if [*changed] == [b""] else (None, None)
