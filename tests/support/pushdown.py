"""The tables "what is pushed down", made by asking each backend.

python tests/support/pushdown.py writes them into the pages; test_docs.py fails on one
whose table is not what the backend says today.
"""

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import servers

import pymodels
from pymodels import BaseStorage, Model
from pymodels.errors import QueryError
from pymodels.law.predicates import And, Predicate
from pymodels.querying.lookups import LOOKUPS
from pymodels.querying.plan import Native

DOCS = Path(__file__).parents[2] / "docs"
SETTINGS = {
    "sqlite": "sqlite:///:memory:",
    "tokyo_cabinet": "tokyo-cabinet:///{folder}/sample.tct",
}
"""Of the embedded backends that push anything down."""
SERVERS = {"mongodb": servers.mongodb, "tokyo_tyrant": servers.tokyo_tyrant}
"""Of the others: what gives the URL of an empty place."""
START, END = (
    "<!-- pushdown: made by tests/support/pushdown.py -->",
    "<!-- pushdown: end -->",
)


Bytes, Bool, Date, Datetime, List = bytes, bool, date, datetime, list[str]


class Sample(Model):
    """A field of each kind, named as the columns are."""

    number: int | None = None
    decimal: Decimal | None = None
    string: str | None = None
    bytes: Bytes | None = None
    bool: Bool | None = None
    date: Date | None = None
    datetime: Datetime | None = None
    list: List | None = None
    map: dict[str, int] | None = None
    undeclared: Any = None


VALUES: dict[str, Any] = {
    "number": 7,
    "decimal": Decimal("1.5"),
    "string": "word",
    "bytes": b"b",
    "bool": True,
    "date": date(2026, 1, 31),
    "datetime": datetime(2026, 1, 31, tzinfo=UTC),
    "list": ["word"],
    "map": {"a": 1},
    "undeclared": "word",
}
ON_WORDS = ("like", "like_any", "search", "matches", "matches_caseless")


def operand(lookup: str, field: str) -> Any:
    value = VALUES[field]
    match lookup:
        case "between":
            return (value, value)
        case "in":
            return [value]
        case "exists":
            return True
        case "contains" | "contains_any" if field == "list":
            return ["word"]
        case "contains_any":
            return [value]
        case "year":
            return 2026
        case "month" | "day":
            return 1
        case _ if lookup in ON_WORDS or (lookup[0] == "i" and lookup[1:] in LOOKUPS):
            return "word"
    return value


def answer(storage: BaseStorage, lookup: str, field: str) -> str:
    """Say what the backend makes of one lookup on one field."""
    try:
        query = Sample.objects(storage).where(
            **{f"{field}__{lookup}": operand(lookup, field)}
        )
    except QueryError:
        return ""
    predicate: Predicate = query.spec.predicate
    terms = predicate.terms if isinstance(predicate, And) else (predicate,)
    found: list[Native | None] = [query.compile(term) for term in terms]
    if all(native is not None and native.exact for native in found):
        return "exact"
    return "superset" if any(found) else "no"


def order_answer(storage: BaseStorage, field: str) -> str:
    try:
        query = Sample.objects(storage).order_by(field)
    except QueryError:
        return ""
    return "yes" if query.can_sort(query.spec.complete_order()) else "no"


@contextmanager
def url_of(backend: str) -> Iterator[str]:
    if backend in SERVERS:
        with SERVERS[backend]() as url:
            yield url
        return
    with TemporaryDirectory() as folder:
        yield SETTINGS[backend].format(folder=folder)


def table(backend: str) -> str:
    """Make the table of one backend as it is written on its page."""
    with url_of(backend) as url, pymodels.get_storage(url) as storage:
        rows = [
            [f"`{name}`", *(answer(storage, name, f) for f in VALUES)]
            for name in LOOKUPS
        ]
        rows.append(["order", *(order_answer(storage, f) for f in VALUES)])
    lines = ["| | " + " | ".join(VALUES) + " |", "| --- " * (len(VALUES) + 1) + "|"]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(re.sub(r" +", " ", line) for line in lines)


def written(backend: str) -> str:
    """Give the table that stands on the page now."""
    text = (DOCS / "backends" / f"{backend}.md").read_text("utf-8")
    return text.partition(START)[2].partition(END)[0].strip()


def main() -> None:
    for backend in (*SETTINGS, *SERVERS):
        page = DOCS / "backends" / f"{backend}.md"
        before, _, rest = page.read_text("utf-8").partition(START)
        after = rest.partition(END)[2]
        page.write_text(
            f"{before}{START}\n{table(backend)}\n{END}{after}", encoding="utf-8"
        )


if __name__ == "__main__":
    sys.exit(main())
