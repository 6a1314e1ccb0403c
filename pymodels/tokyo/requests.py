"""A search as the arguments of a request.

A server ignores what it does not understand, so that an operand cut short would
match other rows than were asked for: what cannot be said is refused here.
"""

from collections.abc import Sequence

from pymodels.tokyo.search import Search

GET, OUT, COUNT, HINT = b"get", b"out", b"count", b"hint"
HINT_START = b"\0\0[[HINT]]\n"


def search_arguments(search: Search) -> list[bytes]:
    """Spell a search; `ValueError` if a column or an operand holds a NUL."""
    found = [
        _joined(b"addcond", one.column, b"%d" % one.number, one.operand)
        for one in search.conditions
    ]
    if search.order is not None:
        direction = b"%d" % search.order.direction
        found.append(_joined(b"setorder", search.order.column, direction))
    if search.limits is not None:
        found.append(b"setlimit\0%d\0%d" % search.limits)
    return found


def _joined(*parts: bytes) -> bytes:
    if any(b"\0" in part for part in parts):
        raise ValueError(f"{parts!r} holds a NUL, which ends a text on the wire")
    return b"\0".join(parts)


def hint_in(strings: Sequence[bytes]) -> str:
    """Give the hint, which comes last in the strings of an answer."""
    if strings and strings[-1].startswith(HINT_START):
        return strings[-1][len(HINT_START) :].decode("utf-8", "replace")
    return ""
