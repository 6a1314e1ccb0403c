"""A search as the arguments of the functions ``search`` and ``metasearch``.

A server ignores what it does not understand, so that an operand cut short would
match other rows than were asked for: what cannot be said is refused here.
"""

from collections.abc import Sequence
from itertools import chain

from pymodels.tokyo.search import Condition, Joining, Ordering, Search

GET, OUT, COUNT, HINT, NEXT = b"get", b"out", b"count", b"hint", b"next"
HINT_START = b"\0\0[[HINT]]\n"


def search_arguments(search: Search) -> list[bytes]:
    """Spell a search; `ValueError` if a column or an operand holds a NUL."""
    found = [_condition(one) for one in search.conditions]
    if search.order is not None:
        found.append(_order(search.order))
    if search.max >= 0 or search.skip > 0:
        found.append(_joined(b"setlimit", b"%d" % search.max, b"%d" % search.skip))
    return found


def metasearch_arguments(searches: Sequence[Search], joining: Joining) -> list[bytes]:
    """Spell several searches whose results are joined."""
    spelled = (search_arguments(one) for one in searches)
    parted = chain.from_iterable((NEXT, *one) for one in spelled)
    return [*list(parted)[1:], _joined(b"mstype", b"%d" % joining)]


def _condition(condition: Condition) -> bytes:
    number = b"%d" % condition.number
    return _joined(b"addcond", condition.column, number, condition.operand)


def _order(order: Ordering) -> bytes:
    return _joined(b"setorder", order.column, b"%d" % order.direction)


def _joined(*parts: bytes) -> bytes:
    if any(b"\0" in part for part in parts):
        raise ValueError(f"{parts!r} holds a NUL, which ends a text on the wire")
    return b"\0".join(parts)


def columns_of(joined: bytes) -> dict[bytes, bytes] | None:
    """Read names and values joined with NUL; None if they do not pair up.

    A value that holds a NUL itself cannot be told apart; that can come from other
    programs only.
    """
    if not joined:
        return {}
    parts = joined.split(b"\0")
    if len(parts) % 2:
        return None
    return dict(zip(parts[::2], parts[1::2], strict=True))


def without_hint(strings: Sequence[bytes]) -> tuple[Sequence[bytes], str]:
    """Take the hint, which comes last, off the strings of an answer."""
    if strings and strings[-1].startswith(HINT_START):
        hint = strings[-1][len(HINT_START) :].decode("utf-8", "replace")
        return strings[:-1], hint
    return strings, ""
