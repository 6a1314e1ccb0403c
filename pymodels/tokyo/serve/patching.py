"""The atomic patch that `pymodels serve` adds to the protocol.

Its steps are triples of a verb, a column and a value: all that compare must hold, or
nothing is changed. `docs/serve.md` describes it for other clients.
"""

from collections.abc import Iterable

from pymodels.tokyo.protocol import CHANGED, CUT, DONE, IS, NO, SET


def patch_columns(
    columns: dict[bytes, bytes], steps: Iterable[tuple[bytes, ...]]
) -> bytes | None:
    """Change columns; say whether all is `DONE`, or something had `CHANGED` before.

    None for a verb that is not known.
    """
    before, outcome = dict(columns), DONE
    for verb, column, value in steps:
        if (verb == IS and before.get(column) != value) or (
            verb == NO and column in before
        ):
            outcome = CHANGED
        elif verb == SET:
            columns[column] = value
        elif verb == CUT:
            columns.pop(column, None)
        elif verb not in {IS, NO}:
            return None
    return outcome
