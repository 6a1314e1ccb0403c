"""Maps and lists as single byte strings, as the library dumps and loads them.

Each entry is a length and that many bytes. A length is written in digits of base
128, the lowest first; every digit but the last is stored as its one's complement,
which is a byte of 128 or more.
"""

from collections.abc import Iterable, Iterator, Mapping

_SHORT = 128
_ONE_BYTE = [bytes([size]) for size in range(_SHORT)]


def length(size: int) -> bytes:
    """Write a length."""
    if size < _SHORT:
        return _ONE_BYTE[size]
    digits = bytearray()
    while size >= _SHORT:
        digits.append(0xFF - size % _SHORT)
        size //= _SHORT
    digits.append(size)
    return bytes(digits)


def read_length(packed: bytes, at: int) -> tuple[int, int]:
    """Read a length; give it, and where the bytes begin."""
    size, scale = 0, 1
    while (digit := packed[at]) >= _SHORT:
        size += (0xFF - digit) * scale
        scale *= _SHORT
        at += 1
    return size + digit * scale, at + 1


def pack(parts: Iterable[bytes]) -> bytes:
    """Write byte strings one after the other, each with its length."""
    found = []
    for part in parts:
        found.append(length(len(part)))
        found.append(part)
    return b"".join(found)


def pack_map(columns: Mapping[bytes, bytes]) -> bytes:
    """Write names and values, in the order of the map."""
    found: list[bytes] = []
    for name, value in columns.items():
        found += (length(len(name)), name, length(len(value)), value)
    return b"".join(found)


def unpack(packed: bytes) -> Iterator[bytes]:
    """Read byte strings one after the other."""
    at, end = 0, len(packed)
    while at < end:
        size = packed[at]
        at += 1
        if size >= _SHORT:
            size, at = read_length(packed, at - 1)
        yield packed[at : at + size]
        at += size


def unpack_map(packed: bytes) -> dict[bytes, bytes]:
    """Read names and values."""
    parts = unpack(packed)
    return dict(zip(parts, parts, strict=True))


def joined_by_nul(packed: bytes) -> bytes | None:
    """Join byte strings by NUL, where it is quick: all are short, and none has one."""
    if 0 in packed or not packed:
        return None
    joined, at, end = bytearray(packed), 0, len(packed)
    while at < end:
        size = packed[at]
        if size >= _SHORT:
            return None
        # A length of one byte stands where the NUL has to.
        joined[at] = 0
        at += size + 1
    return bytes(joined[1:])
