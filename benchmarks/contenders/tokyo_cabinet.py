"""Tokyo Cabinet: a bare ctypes loop, and PyModels."""

import ctypes
import ctypes.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from uuid_utils.compat import uuid7

from benchmarks.contender import SPARE, Contender, Place
from benchmarks.contenders import ours
from benchmarks.contenders.tokyo_texts import from_texts, to_texts
from benchmarks.work import LOW_SCORE, OLDEST, PAGE, YOUNGEST, Document

LARGE, WRITER_CREATING = 1, 6
EQUAL_TEXT, AT_MOST, BETWEEN = 0, 12, 13
BIGGEST_FIRST = 3
DECIMAL_INDEX = 1

POINTER, TEXT, NUMBER = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int
YES, LONG, SMALL = ctypes.c_bool, ctypes.c_int64, ctypes.c_int8
SIZE = ctypes.POINTER(NUMBER)
FUNCTIONS: dict[str, tuple[Any, ...]] = {
    "tctdbnew": (POINTER,),
    "tctdbsetmutex": (YES, POINTER),
    "tctdbtune": (YES, POINTER, LONG, SMALL, SMALL, ctypes.c_uint8),
    "tctdbopen": (YES, POINTER, TEXT, NUMBER),
    "tctdbclose": (YES, POINTER),
    "tctdbvanish": (YES, POINTER),
    "tctdbput": (YES, POINTER, TEXT, NUMBER, POINTER),
    "tctdbputkeep": (YES, POINTER, TEXT, NUMBER, POINTER),
    "tctdbget": (POINTER, POINTER, TEXT, NUMBER),
    "tctdbtranbegin": (YES, POINTER),
    "tctdbtrancommit": (YES, POINTER),
    "tctdbiterinit": (YES, POINTER),
    "tctdbiternext3": (POINTER, POINTER),
    "tctdbsetindex": (YES, POINTER, TEXT, NUMBER),
    "tctdbqrynew": (POINTER, POINTER),
    "tctdbqryaddcond": (None, POINTER, TEXT, NUMBER, TEXT),
    "tctdbqrysetorder": (None, POINTER, TEXT, NUMBER),
    "tctdbqrysetlimit": (None, POINTER, NUMBER, NUMBER),
    "tctdbqrysearch": (POINTER, POINTER),
    "tctdbqrysearchout": (YES, POINTER),
    "tctdbqrydel": (None, POINTER),
    "tctdbrnum": (ctypes.c_uint64, POINTER),
    "tcmapload": (POINTER, TEXT, NUMBER),
    "tcmapdump": (POINTER, POINTER, SIZE),
    "tcmapdel": (None, POINTER),
    "tclistnum": (NUMBER, POINTER),
    "tclistdump": (POINTER, POINTER, SIZE),
    "tclistdel": (None, POINTER),
    "tcfree": (None, POINTER),
}
Condition = tuple[bytes, int, bytes]
AGES: Condition = (b"age", BETWEEN, b"%d %d" % (YOUNGEST, OLDEST))
ACTIVE: Condition = (b"active", EQUAL_TEXT, b"true")
LOW: Condition = (b"score", AT_MOST, b"%r" % LOW_SCORE)


def file_of(place: Place, name: str) -> str:
    """Return the path of a file."""
    return str(Path(place.folder) / f"{name}.tct")


def size_text(size: int) -> bytes:
    """Write a length as the library does."""
    if size < 128:
        return bytes((size,))
    return bytes((0xFF - size % 128,)) + size_text(size // 128)


def unpacked(packed: bytes) -> Iterator[str]:
    """Yield the texts in a dump of the library's."""
    at, end = 0, len(packed)
    while at < end:
        size, scale = 0, 1
        while (digit := packed[at]) >= 128:
            size += (0xFF - digit) * scale
            scale *= 128
            at += 1
        size += digit * scale
        yield packed[at + 1 : at + 1 + size].decode()
        at += 1 + size


class Table:
    """One file and the library's functions, nothing more."""

    def __init__(self, path: str) -> None:
        self.library = ctypes.CDLL(ctypes.util.find_library("tokyocabinet"))
        for name, (gives, *takes) in FUNCTIONS.items():
            function = getattr(self.library, name)
            function.restype, function.argtypes = gives, takes
        self.db = self.library.tctdbnew()
        self.library.tctdbsetmutex(self.db)
        self.library.tctdbtune(self.db, -1, -1, -1, LARGE)
        assert self.library.tctdbopen(self.db, path.encode(), WRITER_CREATING)

    def put(self, key: str, texts: dict[str, str], keep: bool = False) -> None:
        """Write one record."""
        parts = []
        for pair in texts.items():
            for part in pair:
                text = part.encode()
                parts += (size_text(len(text)), text)
        packed, name = b"".join(parts), key.encode()
        columns = self.library.tcmapload(packed, len(packed))
        put = self.library.tctdbputkeep if keep else self.library.tctdbput
        assert put(self.db, name, len(name), columns)
        self.library.tcmapdel(columns)

    def texts(self, pointer: int, dump: Any, free: Any) -> Iterator[str]:
        """Yield the texts in a map or a list of the library's."""
        size = NUMBER()
        dumped = dump(pointer, ctypes.byref(size))
        packed = ctypes.string_at(dumped, size.value)
        self.library.tcfree(dumped)
        free(pointer)
        return unpacked(packed)

    def record(self, columns: int) -> dict[str, str]:
        """Return the columns of a map of the library's."""
        texts = self.texts(columns, self.library.tcmapdump, self.library.tcmapdel)
        return dict(zip(texts, texts, strict=True))

    def get(self, key: str) -> dict[str, str]:
        """Read one record."""
        name = key.encode()
        return self.record(self.library.tctdbget(self.db, name, len(name)))

    def scan(self) -> Iterator[dict[str, str]]:
        """Read all."""
        self.library.tctdbiterinit(self.db)
        while columns := self.library.tctdbiternext3(self.db):
            yield self.record(columns)

    def question(self, conditions: list[Condition]) -> int:
        """Begin a search."""
        asked: int = self.library.tctdbqrynew(self.db)
        for name, operator, operand in conditions:
            self.library.tctdbqryaddcond(asked, name, operator, operand)
        return asked

    def find(
        self, conditions: list[Condition], order: bytes = b"", page: slice | None = None
    ) -> list[dict[str, str]]:
        """Read what a search finds."""
        asked = self.question(conditions)
        if order:
            self.library.tctdbqrysetorder(asked, order, BIGGEST_FIRST)
        if page:
            limit = page.stop - page.start
            self.library.tctdbqrysetlimit(asked, limit, page.start)
        found = self.library.tctdbqrysearch(asked)
        self.library.tctdbqrydel(asked)
        keys = self.texts(found, self.library.tclistdump, self.library.tclistdel)
        return [self.get(key) for key in keys]

    def count(self, conditions: list[Condition]) -> int:
        """Count what a search finds."""
        asked = self.question(conditions)
        found = self.library.tctdbqrysearch(asked)
        self.library.tctdbqrydel(asked)
        number: int = self.library.tclistnum(found)
        self.library.tclistdel(found)
        return number


class Raw(Contender):
    """The library by `ctypes`, one record a call."""

    title = "libtokyocabinet by ctypes"
    layout = "a table: a column of text for each field; a text key (UUID 7)"
    program = "import ctypes\nctypes.CDLL('libtokyocabinet.so.9')"
    takes_text_dates = True

    def __init__(self, place: Place) -> None:
        self.main = Table(file_of(place, "main"))
        self.spare = Table(file_of(place, SPARE))

    def write(self, table: Table, documents: list[Document]) -> list[str]:
        """Insert in one transaction."""
        keys = [str(uuid7()) for _ in documents]
        table.library.tctdbtranbegin(table.db)
        for key, document in zip(keys, documents, strict=True):
            table.put(key, to_texts(document), keep=True)
        table.library.tctdbtrancommit(table.db)
        return keys

    def fill(self, documents: list[Document]) -> list[Any]:
        self.main.library.tctdbvanish(self.main.db)
        return self.write(self.main, documents)

    def index(self) -> None:
        for name in (b"age", b"score"):
            assert self.main.library.tctdbsetindex(self.main.db, name, DECIMAL_INDEX)

    def empty(self) -> None:
        self.spare.library.tctdbvanish(self.spare.db)

    def stored(self) -> Any:
        return map(from_texts, self.spare.scan())

    def make(self, documents: list[Document]) -> list[Any]:
        return documents

    def single(self, document: Document) -> None:
        self.spare.put(str(uuid7()), to_texts(document), keep=True)

    def bulk(self, documents: list[Document]) -> None:
        self.write(self.spare, documents)

    def instances(self, made: list[Any]) -> None:
        self.write(self.spare, made)

    def get(self, key: Any) -> Any:
        return from_texts(self.main.get(key))

    def load(self, keys: list[Any]) -> list[Any]:
        return [(key, self.get(key)["age"]) for key in keys]

    def save(self, loaded: Any) -> None:
        key, age = loaded
        self.main.library.tctdbtranbegin(self.main.db)
        texts = self.main.get(key)
        texts["age"] = str(age + 1)
        self.main.put(key, texts)
        self.main.library.tctdbtrancommit(self.main.db)

    def scan(self) -> int:
        number = 0
        for texts in self.main.scan():
            from_texts(texts)
            number += 1
        return number

    def held(self) -> list[Any]:
        return [from_texts(texts) for texts in self.main.scan()]

    def filter(self) -> list[Any]:
        return [from_texts(texts) for texts in self.main.find([AGES, ACTIVE], b"age")]

    def count(self) -> int:
        return self.main.count([AGES, ACTIVE])

    def narrow(self, low: float, high: float) -> int:
        return self.main.count([(b"score", BETWEEN, b"%r %r" % (low, high))])

    def page(self) -> list[Any]:
        return [from_texts(texts) for texts in self.main.find([], b"age", PAGE)]

    def delete(self) -> int:
        before = self.spare.library.tctdbrnum(self.spare.db)
        asked = self.spare.question([LOW, ACTIVE])
        self.spare.library.tctdbqrysearchout(asked)
        self.spare.library.tctdbqrydel(asked)
        return int(before - self.spare.library.tctdbrnum(self.spare.db))

    def close(self) -> None:
        self.main.library.tctdbclose(self.main.db)
        self.spare.library.tctdbclose(self.spare.db)


class Ours(ours.Ours):
    """PyModels on a file of Tokyo Cabinet."""

    layout = "a table: a column for each field and a note of kinds"
    takes_text_dates = True

    def settings(self, place: Place, name: str) -> dict[str, Any]:
        return {
            "backend": "pymodels.backends.tokyo_cabinet",
            "path": file_of(place, name),
        }
