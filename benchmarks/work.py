"""The work that every contender does: the documents, the operations, the answers."""

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from hashlib import blake2b
from typing import Any

Document = dict[str, Any]

NAMES = ["Ada", "Grace", "Guido", "Larry", "Barbara", "Edsger", "Niklaus", "Frances"]
FIELDS = {
    "first_name": str,
    "last_name": str,
    "age": int,
    "email": str,
    "score": float,
    "active": bool,
    "birth_date": date,
    "tags": list,
}
YOUNGEST, OLDEST = 30, 40
"""The filter: these ages and those between them, and active."""
LOW_SCORE = 10.0
"""The delete: at most this score, and active."""
PAGE = slice(20, 40)


@dataclass(frozen=True)
class Sizes:
    """How much is done in one run of an operation."""

    records: int = 20_000
    bulk: int = 5_000
    singles: int = 500
    gets: int = 1_000
    counts: int = 3
    narrow: int = 200
    pages: int = 30
    imports: int = 9
    launches: int = 3
    rounds: int = 5


QUICK = Sizes(
    records=2_000,
    bulk=500,
    singles=50,
    gets=200,
    narrow=20,
    pages=5,
    imports=3,
    launches=1,
    rounds=3,
)
COUNTED = Sizes(
    records=300,
    bulk=50,
    singles=10,
    gets=10,
    counts=1,
    narrow=3,
    pages=1,
    launches=1,
    rounds=1,
)
"""For instructions, which hardly vary."""


@dataclass(frozen=True)
class Operation:
    """One thing that is measured.

    ``method`` of a contender is called; ``begin`` says what has to be there first,
    and ``answer`` what is compared between the contenders afterwards.
    """

    name: str
    title: str
    method: str
    begin: str = ""
    answer: str = "number"
    has_index: bool = False


OPERATIONS = [
    Operation("single", "single insert", "single", "empty", "stored"),
    Operation("bulk", "bulk insert from dicts", "bulk", "empty", "stored"),
    Operation(
        "instances", "bulk insert of instances", "instances", "instances", "stored"
    ),
    Operation("get", "get by key", "get", "keys", "records"),
    Operation("save", "save one field", "save", "loaded", "saved"),
    Operation("scan", "scan, streamed", "scan"),
    Operation("list", "all into a list", "held", answer="records"),
    Operation("filter", "filter and order, no index", "filter", answer="ordered"),
    Operation("count", "count, no index", "count", "counts"),
    Operation("delete", "delete by query, no index", "delete", "filled", "deleted"),
    Operation(
        "filter_indexed",
        "filter and order, index",
        "filter",
        answer="ordered",
        has_index=True,
    ),
    Operation("count_indexed", "count, index", "count", "counts", has_index=True),
    Operation(
        "narrow", "count of a narrow range, index", "narrow", "ranges", has_index=True
    ),
    Operation(
        "page",
        "a page of 20, ordered by index",
        "page",
        "pages",
        "ages",
        has_index=True,
    ),
]
TITLES = {operation.name: operation.title for operation in OPERATIONS} | {
    "growth": "growth of memory by a scan, MiB",
    "held": "bytes of a held record",
    "import": "import and one model",
}


def documents(count: int, seed: int = 1) -> Iterator[Document]:
    """Yield dicts with real dates."""
    chance = random.Random(seed)
    for number in range(count):
        yield {
            "first_name": chance.choice(NAMES),
            "last_name": f"{chance.choice(NAMES)}son{number % 1000}",
            "age": chance.randrange(100),
            "email": f"person{number}@example.org",
            "score": chance.random() * 100,
            "active": chance.random() < 0.5,
            "birth_date": date(1950, 1, 1) + timedelta(chance.randrange(20000)),
            "tags": [f"t{chance.randrange(20)}" for _ in range(chance.randrange(5))],
        }


def with_text_date(document: Document) -> Document:
    """Return a copy as JSON has it."""
    return {**document, "birth_date": document["birth_date"].isoformat()}


def narrow_ranges(count: int) -> list[tuple[float, float]]:
    """Return ranges of the score that hold a hundredth of the records each."""
    chance = random.Random(2)
    starts = [chance.random() * 99 for _ in range(count)]
    return [(start, start + 1) for start in starts]


def fields_of(record: Any) -> tuple[Any, ...]:
    """Return the values of an instance, a document or a dict, spelled alike."""
    if isinstance(record, dict):
        values = {name: record[name] for name in FIELDS}
    else:
        values = {name: getattr(record, name) for name in FIELDS}
    values["birth_date"] = str(values["birth_date"])[:10]
    values["active"] = bool(values["active"])
    values["tags"] = list(values["tags"])
    return tuple(values.values())


def checksum(records: Iterable[tuple[Any, ...]]) -> str:
    """Return a checksum of records in any order."""
    total = number = 0
    for record in records:
        digest = blake2b(repr(record).encode(), digest_size=8).digest()
        total += int.from_bytes(digest)
        number += 1
    return f"{number}:{total % 2**64:016x}"
