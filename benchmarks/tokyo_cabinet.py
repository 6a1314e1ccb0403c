"""Tokyo Cabinet against a bare ctypes loop: `python -m benchmarks.tokyo_cabinet`.

The loop gives dicts of strings and takes them, one record a call, with the library's
own packed maps: what anyone would write who needs no models. Prints ratios of medians
of interleaved rounds, lower is better.
"""

import ctypes
import ctypes.util
import sys
import tempfile
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

from benchmarks.people import documents
from benchmarks.timing import interleaved, report
from pymodels import BaseStorage, Model, get_storage
from pymodels.keys import new_key

COUNT = 100_000
ROUNDS = 7
LARGE, WRITER_CREATING = 1, 6

Contenders = dict[str, Callable[[], object]]
Strings = dict[str, str]


class Person(Model):
    """Eight short texts."""

    first_name: str
    last_name: str
    email: str
    city: str
    country: str
    job: str
    phone: str
    remark: str


class IndexedPerson(Person):
    """The same, with an index."""

    class Meta:
        indexes = ["city"]


def people(number: int) -> Iterator[Strings]:
    """Make records of short texts; one in fifty is of a city."""
    for at, one in enumerate(documents(number)):
        yield {
            "first_name": one["first_name"],
            "last_name": one["last_name"],
            "email": one["email"],
            "city": f"city {at % 50}",
            "country": f"country {at % 7}",
            "job": f"job {one['age']}",
            "phone": f"+31 {at:09}",
            "remark": " ".join(one["tags"]) or "none",
        }


def size_text(size: int) -> bytes:
    """Write a length as the library does."""
    if size < 128:
        return bytes((size,))
    return bytes((0xFF - size % 128,)) + size_text(size // 128)


class Raw:
    """The library, and nothing more."""

    def __init__(self, path: Path) -> None:
        self.library = ctypes.CDLL(ctypes.util.find_library("tokyocabinet"))
        for name, (gives, *takes) in self.functions().items():
            function = getattr(self.library, name)
            function.restype, function.argtypes = gives, takes
            setattr(self, name, function)
        self.db = self.tctdbnew()
        self.tctdbsetmutex(self.db)
        self.tctdbtune(self.db, -1, -1, -1, LARGE)
        assert self.tctdbopen(self.db, bytes(path), WRITER_CREATING)

    @staticmethod
    def functions() -> dict[str, tuple[Any, ...]]:
        """Say what each function gives and takes."""
        pointer, text, number = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int
        size, yes, long = ctypes.POINTER(number), ctypes.c_bool, ctypes.c_int64
        small = ctypes.c_int8
        return {
            "tctdbnew": (pointer,),
            "tctdbsetmutex": (yes, pointer),
            "tctdbtune": (yes, pointer, long, small, small, ctypes.c_uint8),
            "tctdbopen": (yes, pointer, text, number),
            "tctdbclose": (yes, pointer),
            "tctdbvanish": (yes, pointer),
            "tctdbput": (yes, pointer, text, number, pointer),
            "tctdbputkeep": (yes, pointer, text, number, pointer),
            "tctdbget": (pointer, pointer, text, number),
            "tctdbout": (yes, pointer, text, number),
            "tctdbtranbegin": (yes, pointer),
            "tctdbtrancommit": (yes, pointer),
            "tctdbiterinit": (yes, pointer),
            "tctdbiternext3": (pointer, pointer),
            "tctdbsetindex": (yes, pointer, text, number),
            "tctdbqrynew": (pointer, pointer),
            "tctdbqryaddcond": (None, pointer, text, number, text),
            "tctdbqrysearch": (pointer, pointer),
            "tctdbqrydel": (None, pointer),
            "tcmapload": (pointer, text, number),
            "tcmapdump": (pointer, pointer, size),
            "tcmapdel": (None, pointer),
            "tclistnum": (number, pointer),
            "tclistdump": (pointer, pointer, size),
            "tclistdel": (None, pointer),
            "tcfree": (None, pointer),
        }

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(name)

    def put(self, key: str, record: Strings, keep: bool = False) -> None:
        """Write one dict of strings."""
        parts = []
        for pair in record.items():
            for part in pair:
                text = part.encode()
                parts += (size_text(len(text)), text)
        packed, name = b"".join(parts), key.encode()
        columns = self.tcmapload(packed, len(packed))
        put = self.tctdbputkeep if keep else self.tctdbput
        assert put(self.db, name, len(name), columns)
        self.tcmapdel(columns)

    def record(self, columns: int) -> Strings:
        """Give the dict of strings of a map of the library's."""
        texts = self.texts(columns, self.tcmapdump, self.tcmapdel)
        return dict(zip(texts, texts, strict=True))

    def texts(self, pointer: int, dump: Any, free: Any) -> Iterator[str]:
        """Give the texts in a map or a list of the library's."""
        size = ctypes.c_int()
        dumped = dump(pointer, ctypes.byref(size))
        packed = ctypes.string_at(dumped, size.value)
        self.tcfree(dumped)
        free(pointer)
        return unpacked(packed)

    def get(self, key: str) -> Strings:
        """Read one dict of strings."""
        name = key.encode()
        return self.record(self.tctdbget(self.db, name, len(name)))

    def scan(self) -> Iterator[Strings]:
        """Read all."""
        self.tctdbiterinit(self.db)
        while columns := self.tctdbiternext3(self.db):
            yield self.record(columns)

    def search(self, column: bytes, operand: bytes) -> int:
        """Search for equal texts; give the library's list."""
        query = self.tctdbqrynew(self.db)
        self.tctdbqryaddcond(query, column, 0, operand)
        found: int = self.tctdbqrysearch(query)
        self.tctdbqrydel(query)
        return found

    def find(self, column: bytes, operand: bytes) -> list[Strings]:
        """Read all with an equal text."""
        found = self.search(column, operand)
        keys = self.texts(found, self.tclistdump, self.tclistdel)
        return [self.get(key) for key in keys]

    def count(self, column: bytes, operand: bytes) -> int:
        """Count all with an equal text."""
        found = self.search(column, operand)
        many: int = self.tclistnum(found)
        self.tclistdel(found)
        return many


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


def consume(items: Any) -> None:
    """Let each item go again."""
    for _ in items:
        pass


class Work:
    """The same records in a raw table and in a storage, and the things to measure."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.files, self.has_index = folder, 0, False
        self.raw, self.ours = self.opened()
        self.records = list(people(COUNT))
        keys = [new_key() for _ in self.records]
        for key, record in zip(keys, self.records, strict=True):
            self.raw.put(key, record)
        with self.ours.transaction():
            for key, record in zip(keys, self.records, strict=True):
                Person(**record).save(self.ours, key=key)
        self.some = keys[:: COUNT // 5000]
        self.prepare: Callable[[], object] = bool

    def opened(self) -> tuple[Raw, BaseStorage]:
        """Open two empty tables."""
        self.files += 1
        raw = Raw(self.folder / f"raw{self.files}.tct")
        ours = get_storage(f"tokyo-cabinet:///{self.folder / f'ours{self.files}.tct'}")
        return raw, ours

    def get(self) -> Contenders:
        """Load 5,000 records by key."""
        return {
            "raw": lambda: [self.raw.get(key) for key in self.some],
            "ours": lambda: [self.ours.get(Person, key) for key in self.some],
        }

    def scan(self) -> Contenders:
        """Stream all records."""
        return {
            "raw": lambda: consume(self.raw.scan()),
            "ours": lambda: consume(Person.objects(self.ours)),
        }

    def filter(self) -> Contenders:
        """Find one in fifty by an exact condition."""
        query = Person.objects(self.ours).where(city="city 7")
        return {
            "raw": lambda: self.raw.find(b"city", b"city 7"),
            "ours": lambda: list(query),
        }

    def count(self) -> Contenders:
        """Count them."""
        query = Person.objects(self.ours).where(city="city 7")
        return {
            "raw": lambda: self.raw.count(b"city", b"city 7"),
            "ours": query.count,
        }

    def indexed(self) -> None:
        """Give both an index on the city."""
        if not self.has_index:
            self.has_index = True
            assert self.raw.tctdbsetindex(self.raw.db, b"city", 0)
            self.ours.ensure_indexes(IndexedPerson)

    def filter_indexed(self) -> Contenders:
        """The same, by an index."""
        self.indexed()
        return self.filter()

    def count_indexed(self) -> Contenders:
        """The same, by an index."""
        self.indexed()
        return self.count()

    def single(self) -> Contenders:
        """Insert 2,000 records, one by one."""
        raw, ours = self.opened()

        def insert_raw() -> None:
            for record in self.records[:2000]:
                raw.put(new_key(), record, keep=True)

        def insert_ours() -> None:
            for record in self.records[:2000]:
                Person(**record).save(ours)

        return {"raw": insert_raw, "ours": insert_ours}

    def bulk(self) -> Contenders:
        """Insert 20,000 records from dicts, all or nothing."""
        raw, ours = self.opened()

        def insert_raw() -> None:
            raw.tctdbvanish(raw.db)
            raw.tctdbtranbegin(raw.db)
            for record in self.records[:20_000]:
                raw.put(new_key(), record, keep=True)
            raw.tctdbtrancommit(raw.db)

        def insert_ours() -> None:
            ours.clear()
            with ours.transaction():
                ours.save_many(Person(**record) for record in self.records[:20_000])

        return {"raw": insert_raw, "ours": insert_ours}

    def save(self) -> Contenders:
        """Change one field of 500 records that were loaded, a transaction each."""
        self.indexed()
        loaded = [self.ours.get(Person, key) for key in self.some[:500]]
        values = count(100)

        def save_raw() -> None:
            for key in self.some[:500]:
                self.raw.tctdbtranbegin(self.raw.db)
                record = self.raw.get(key)
                record["job"] = f"job {next(values)}"
                self.raw.put(key, record)
                self.raw.tctdbtrancommit(self.raw.db)

        def save_ours() -> None:
            for person in loaded:
                person.job = f"job {next(values)}"
                person.save()

        return {"raw": save_raw, "ours": save_ours}


GOALS = {
    "get": ("get by key", 1.4),
    "scan": ("full scan as instances, streamed", 1.4),
    "filter": ("filter, exact condition, no index", 1.4),
    "count": ("count, exact condition, no index", 1.05),
    "single": ("single insert", 1.4),
    "bulk": ("bulk insert from dicts, one transaction", 1.4),
    "filter_indexed": ("filter, exact condition, index", 1.4),
    "count_indexed": ("count, exact condition, index", 1.05),
    "save": ("save one field, a transaction each", 1.4),
}


def main() -> None:
    """Measure what is named, or everything."""
    names = sys.argv[1:] or list(GOALS)
    print("| operation | times raw | goal | |\n| --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as folder:
        work = Work(Path(folder))
        for name in names:
            title, goal = GOALS[name]
            work.prepare = bool
            contenders = getattr(work, name)()
            found = interleaved(contenders, ROUNDS, work.prepare)
            print(report(title, found["raw"], found["ours"], goal), flush=True)


if __name__ == "__main__":
    main()
