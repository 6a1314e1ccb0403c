"""Finding the library, and what its functions take and give.

Declared are the functions that we call, each with its types: nothing is guessed
at a call. Buffers that the library gives are ours to free, with its own function.
"""

import ctypes
import ctypes.util
import os
from functools import cache
from typing import Any

from pymodels.tokyo.errors import INVALID, LibraryMissing, TokyoError

NAMES = ("libtokyocabinet.so.9", "libtokyocabinet.so.8", "libtokyocabinet.9.dylib")
PACKAGES = (
    "Debian and Ubuntu: apt install libtokyocabinet9 (or libtokyocabinet9t64); "
    "Fedora: dnf install tokyocabinet; Arch: pacman -S tokyocabinet; "
    "Homebrew: brew install tokyo-cabinet"
)
CHOSEN = "PYMODELS_TOKYOCABINET"
"""An environment variable: the library's file, where it is not found by itself."""

LONGEST = 2**31 - 1
"""What a size, an int of C, can say."""

_POINTER, _TEXT, _BYTES = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_char_p
_INT, _SIZE = ctypes.c_int, ctypes.POINTER(ctypes.c_int)
_LONG, _COUNT, _YES = ctypes.c_int64, ctypes.c_uint64, ctypes.c_bool
_SMALL, _BITS = ctypes.c_int8, ctypes.c_uint8
_REAL = ctypes.c_double

_Signature = tuple[Any, tuple[Any, ...]]

_SHARED: dict[str, _Signature] = {
    "tcfree": (None, (_POINTER,)),
    "tcmapload": (_POINTER, (_BYTES, _INT)),
    "tcmapdump": (_POINTER, (_POINTER, _SIZE)),
    "tcmapdel": (None, (_POINTER,)),
    "tclistload": (_POINTER, (_BYTES, _INT)),
    "tclistdump": (_POINTER, (_POINTER, _SIZE)),
    "tclistnum": (_INT, (_POINTER,)),
    "tclistdel": (None, (_POINTER,)),
    "tctdbstrtoindextype": (_INT, (_TEXT,)),
    "tctdbqrystrtocondop": (_INT, (_TEXT,)),
}

_OF_EACH: dict[str, _Signature] = {
    "new": (_POINTER, ()),
    "del": (None, (_POINTER,)),
    "close": (_YES, (_POINTER,)),
    "out": (_YES, (_POINTER, _BYTES, _INT)),
    "fwmkeys": (_POINTER, (_POINTER, _BYTES, _INT, _INT)),
    "sync": (_YES, (_POINTER,)),
    "vanish": (_YES, (_POINTER,)),
    "tranbegin": (_YES, (_POINTER,)),
    "trancommit": (_YES, (_POINTER,)),
    "tranabort": (_YES, (_POINTER,)),
    "rnum": (_COUNT, (_POINTER,)),
}

_OF_ONE_KIND: dict[str, _Signature] = {
    "errmsg": (_TEXT, (_INT,)),
    "ecode": (_INT, (_POINTER,)),
    "setmutex": (_YES, (_POINTER,)),
    "open": (_YES, (_POINTER, _TEXT, _INT)),
}

_TUNED: dict[str, _Signature] = {
    "tune": (_YES, (_POINTER, _LONG, _SMALL, _SMALL, _BITS)),
}

_PLAIN: dict[str, _Signature] = {
    "put": (_YES, (_POINTER, _BYTES, _INT, _BYTES, _INT)),
    "putkeep": (_YES, (_POINTER, _BYTES, _INT, _BYTES, _INT)),
    "get": (_POINTER, (_POINTER, _BYTES, _INT, _SIZE)),
}

_TABLE: dict[str, _Signature] = {
    "put": (_YES, (_POINTER, _BYTES, _INT, _POINTER)),
    "putkeep": (_YES, (_POINTER, _BYTES, _INT, _POINTER)),
    "get": (_POINTER, (_POINTER, _BYTES, _INT)),
    "iterinit": (_YES, (_POINTER,)),
    "iterinit2": (_YES, (_POINTER, _BYTES, _INT)),
    "iternext": (_POINTER, (_POINTER, _SIZE)),
    "iternext3": (_POINTER, (_POINTER,)),
    "setindex": (_YES, (_POINTER, _TEXT, _INT)),
    "qrynew": (_POINTER, (_POINTER,)),
    "qrydel": (None, (_POINTER,)),
    "qryaddcond": (None, (_POINTER, _TEXT, _INT, _TEXT)),
    "qrysetorder": (None, (_POINTER, _TEXT, _INT)),
    "qrysetlimit": (None, (_POINTER, _INT, _INT)),
    "qrysearch": (_POINTER, (_POINTER,)),
    "qrysearchout": (_YES, (_POINTER,)),
    "qryhint": (_TEXT, (_POINTER,)),
}

_TREE: dict[str, _Signature] = {
    "tune": (_YES, (_POINTER, _INT, _INT, _LONG, _SMALL, _SMALL, _BITS)),
    "out3": (_YES, (_POINTER, _BYTES, _INT)),
}

_ABSTRACT: dict[str, _Signature] = {
    "open": (_YES, (_POINTER, _TEXT)),
    "putcat": (_YES, (_POINTER, _BYTES, _INT, _BYTES, _INT)),
    "vsiz": (_INT, (_POINTER, _BYTES, _INT)),
    "iterinit": (_YES, (_POINTER,)),
    "iternext": (_POINTER, (_POINTER, _SIZE)),
    "addint": (_INT, (_POINTER, _BYTES, _INT, _INT)),
    "adddouble": (_REAL, (_POINTER, _BYTES, _INT, _REAL)),
    "optimize": (_YES, (_POINTER, _TEXT)),
    "size": (_COUNT, (_POINTER,)),
    "misc": (_POINTER, (_POINTER, _TEXT, _POINTER)),
}

_FAMILIES: dict[str, dict[str, _Signature]] = {
    "tctdb": _OF_EACH | _OF_ONE_KIND | _TUNED | _TABLE,
    "tchdb": _OF_EACH | _OF_ONE_KIND | _TUNED | _PLAIN,
    "tcbdb": _OF_EACH | _OF_ONE_KIND | _PLAIN | _TREE,
    "tcadb": _OF_EACH | _PLAIN | _ABSTRACT,
}


class Calls:
    """The functions of one family, by their names without its prefix."""

    def __init__(self, library: ctypes.CDLL, prefix: str) -> None:
        for name, signature in _FAMILIES[prefix].items():
            setattr(self, name, _declared(library, prefix + name, signature))
        for name, signature in _SHARED.items():
            setattr(self, name, _declared(library, name, signature))

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"{name} is not declared in {__name__}")


def _declared(library: ctypes.CDLL, name: str, signature: _Signature) -> Any:
    found = getattr(library, name)
    found.restype, found.argtypes = signature
    return found


@cache
def load() -> ctypes.CDLL:
    """Load the library; raise `LibraryMissing` if it is not there.

    The interpreter's lock is let go in each call: opening a locked file and
    beginning a transaction wait.
    """
    chosen = os.environ.get(CHOSEN)
    found = chosen or ctypes.util.find_library("tokyocabinet")
    for name in (chosen,) if chosen else (*NAMES, found):
        if name is None:
            continue
        try:
            return ctypes.CDLL(name)
        except OSError:
            continue
    where = f" ({CHOSEN} names {chosen!r})" if chosen else ""
    raise LibraryMissing(
        f"the Tokyo Cabinet library is not installed{where}. {PACKAGES}"
    )


@cache
def calls(prefix: str) -> Calls:
    """Give the functions of ``tctdb``, ``tchdb``, ``tcbdb`` or ``tcadb``."""
    return Calls(load(), prefix)


def is_installed() -> bool:
    """Say whether the library can be loaded."""
    try:
        load()
    except LibraryMissing:
        return False
    return True


def version() -> str:
    """Give the library's version."""
    text = ctypes.c_char_p.in_dll(load(), "tcversion").value or b""
    return text.decode()


def size_of(part: bytes) -> int:
    """Give a length that an int of C can hold."""
    if len(part) > LONGEST:
        raise TokyoError(INVALID, f"{len(part)} bytes are too many for one value")
    return len(part)


def as_text(part: bytes) -> bytes:
    """Check what the library reads up to its first NUL."""
    if b"\0" in part:
        raise TokyoError(INVALID, f"{part[:40]!r} holds a NUL, which ends a text")
    return part
