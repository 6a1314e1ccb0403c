"""Keys: what may be one, and how a new one is made (law 12)."""

from typing import TypeGuard

from uuid_utils import uuid7

from pymodels.errors import EncodeError

LONGEST_KEY = 512


def new_key() -> str:
    """Make a UUID version 7 as text (RFC 9562): rising within a process."""
    return str(uuid7())


def is_key(key: object) -> TypeGuard[str]:
    """Say whether something can be a key: 1 to 512 bytes of UTF-8 without NUL."""
    if type(key) is not str or not key or "\0" in key:
        return False
    if key.isascii():
        return len(key) <= LONGEST_KEY
    try:
        return len(key) <= LONGEST_KEY and len(key.encode()) <= LONGEST_KEY
    except UnicodeEncodeError:
        return False


def check_key(key: object) -> str:
    """Give the key, or raise `EncodeError` saying what a key is."""
    if is_key(key):
        return key
    raise EncodeError(
        f"{key!r} cannot be a key: a key is a string of 1 to {LONGEST_KEY} bytes in "
        "UTF-8, without NUL and lone surrogates"
    )
