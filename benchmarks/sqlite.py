"""SQLite against `sqlite3` with one JSON text column: `python -m benchmarks.sqlite`.

Prints ratios of medians of interleaved rounds, lower is better; the goals are
those of the project's performance page.
"""

import json
import sqlite3
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any

from benchmarks.people import IndexedPerson, Person, documents
from benchmarks.timing import interleaved, report
from pymodels import get_storage
from pymodels.keys import new_key

COUNT = 100_000
ROUNDS = 7

Contenders = dict[str, Callable[[], object]]


def open_raw(path: Path) -> sqlite3.Connection:
    """Open a file as we do: WAL, every commit to the disk."""
    raw = sqlite3.connect(path, isolation_level=None)
    raw.execute("PRAGMA journal_mode=WAL")
    raw.execute("PRAGMA synchronous=FULL")
    raw.execute("CREATE TABLE people (key TEXT PRIMARY KEY NOT NULL, body TEXT)")
    return raw


def consume(items: Any) -> None:
    """Let each item go again: a streamed scan."""
    for _ in items:
        pass


class Undo(Exception):
    """Ends a transaction that is not to stay."""


class Work:
    """The same records in a raw table and in a storage, and the things to measure."""

    def __init__(self, folder: Path) -> None:
        self.raw = open_raw(folder / "raw.db")
        self.ours = get_storage(f"sqlite:///{folder / 'ours.db'}")
        self.documents = list(documents(COUNT))
        keys = [new_key() for _ in self.documents]
        pairs = [(k, json.dumps(d)) for k, d in zip(keys, self.documents, strict=True)]
        self.raw.execute("BEGIN")
        self.raw.executemany("INSERT INTO people VALUES (?,?)", pairs)
        self.raw.execute("COMMIT")
        with self.ours.transaction():
            for key, document in zip(keys, self.documents, strict=True):
                Person(**document).save(self.ours, key=key)
        self.some = keys[:: COUNT // 5000]
        self.folder, self.files, self.has_index = folder, 0, False
        self.prepare: Callable[[], object] = bool

    def scan(self) -> Contenders:
        """Stream all records."""
        return {
            "raw": lambda: consume(
                json.loads(body)
                for (body,) in self.raw.execute("SELECT body FROM people")
            ),
            "ours": lambda: consume(Person.objects(self.ours)),
        }

    def held(self) -> Contenders:
        """Hold all records in a list."""
        return {
            "raw": lambda: [
                json.loads(body)
                for (body,) in self.raw.execute("SELECT body FROM people")
            ],
            "ours": lambda: list(Person.objects(self.ours)),
        }

    def get(self) -> Contenders:
        """Load 5,000 records by key."""
        sql = "SELECT body FROM people WHERE key=?"
        return {
            "raw": lambda: [
                json.loads(self.raw.execute(sql, (key,)).fetchone()[0])
                for key in self.some
            ],
            "ours": lambda: [self.ours.get(Person, key) for key in self.some],
        }

    def filter(self) -> Contenders:
        """Filter and sort, without an index."""
        sql = (
            "SELECT body FROM people WHERE json_extract(body,'$.age')>=30 AND "
            "json_extract(body,'$.age')<=40 AND json_extract(body,'$.active')=1 "
            "ORDER BY json_extract(body,'$.age') DESC"
        )
        query = Person.objects(self.ours).where(age__between=(30, 40), active=True)
        return {
            "raw": lambda: [json.loads(b) for (b,) in self.raw.execute(sql)],
            "ours": lambda: list(query.order_by("-age")),
        }

    def load(self) -> Contenders:
        """Load 20,000 rows that are there: validation alone, and all of a load."""
        rows = list(self.ours.file.read(self.ours.table.select + " LIMIT 20000"))
        validate = Person.__pydantic_validator__.validate_json
        load = self.ours.loader_of(Person)
        return {
            "raw": lambda: consume(map(validate, [row[1] for row in rows])),
            "ours": lambda: consume(map(load, rows)),
        }

    def count(self) -> Contenders:
        """Count what the filter finds."""
        sql = (
            "SELECT count(*) FROM people WHERE json_extract(body,'$.age')>=30 AND "
            "json_extract(body,'$.age')<=40 AND json_extract(body,'$.active')=1"
        )
        query = Person.objects(self.ours).where(age__between=(30, 40), active=True)
        return {
            "raw": lambda: self.raw.execute(sql).fetchone(),
            "ours": query.count,
        }

    def indexed(self) -> None:
        """Give both an index on age."""
        if self.has_index:
            return
        self.has_index = True
        age = "json_extract(body,'$.age')"
        self.raw.execute(f"CREATE INDEX people_age ON people ({age}, key)")
        self.raw.execute("PRAGMA analysis_limit=400")
        self.raw.execute("ANALYZE")
        self.ours.ensure_indexes(IndexedPerson)

    def filter_indexed(self) -> Contenders:
        """Filter and sort by an indexed field."""
        self.indexed()
        sql = (
            "SELECT body FROM people WHERE json_extract(body,'$.age')>=30 AND "
            "json_extract(body,'$.age')<=40 AND json_extract(body,'$.active')=1 "
            "ORDER BY json_extract(body,'$.age') DESC"
        )
        query = IndexedPerson.objects(self.ours)
        query = query.where(age__between=(30, 40), active=True).order_by("-age")
        return {
            "raw": lambda: [json.loads(b) for (b,) in self.raw.execute(sql)],
            "ours": lambda: list(query),
        }

    def count_indexed(self) -> Contenders:
        """Count a range of an indexed field."""
        self.indexed()
        sql = (
            "SELECT count(*) FROM people WHERE json_extract(body,'$.age')>=30 AND "
            "json_extract(body,'$.age')<=40"
        )
        query = IndexedPerson.objects(self.ours).where(age__between=(30, 40))
        return {"raw": lambda: self.raw.execute(sql).fetchone(), "ours": query.count}

    def delete(self) -> Contenders:
        """Delete by a query without an index, and undo it."""
        sql = (
            "DELETE FROM people WHERE json_extract(body,'$.score')<=10 AND "
            "json_extract(body,'$.active')=1"
        )
        query = Person.objects(self.ours).where(score__lte=10, active=True)

        def raw() -> None:
            self.raw.execute("BEGIN IMMEDIATE")
            self.raw.execute(sql)
            self.raw.execute("ROLLBACK")

        def ours() -> None:
            with suppress(Undo), self.ours.transaction():
                query.delete()
                raise Undo

        return {"raw": raw, "ours": ours}

    def single(self) -> Contenders:
        """Insert 500 records, a commit each."""

        def raw() -> None:
            for document in self.documents[:500]:
                row = (new_key(), json.dumps(document))
                self.fresh.execute("INSERT INTO people VALUES (?,?)", row)

        def ours() -> None:
            for document in self.documents[:500]:
                Person(**document).save(self.empty)

        self.renew()
        return {"raw": raw, "ours": ours}

    def renew(self) -> None:
        """Begin with empty files."""
        self.files += 1
        self.fresh = open_raw(self.folder / f"raw{self.files}.db")
        self.empty = get_storage(f"sqlite:///{self.folder / f'ours{self.files}.db'}")

    def bulk(self) -> Contenders:
        """Insert 20,000 records from dicts in one go."""

        def raw() -> None:
            self.fresh.execute("DELETE FROM people")
            self.fresh.execute("BEGIN")
            self.fresh.executemany(
                "INSERT INTO people VALUES (?,?)",
                ((new_key(), json.dumps(d)) for d in self.documents[:20_000]),
            )
            self.fresh.execute("COMMIT")

        def ours() -> None:
            self.empty.clear()
            with self.empty.transaction():
                self.empty.save_many(Person(**d) for d in self.documents[:20_000])

        self.renew()
        return {"raw": raw, "ours": ours}

    def instances(self) -> Contenders:
        """Insert 20,000 instances that are there already."""
        contenders = self.bulk()

        def ours() -> None:
            self.empty.clear()
            with self.empty.transaction():
                self.empty.save_many(self.people)

        def forget() -> None:
            for person in self.people:
                Person.__pymodels_codec__.set_row(person, None)

        self.prepare = forget
        self.people = [Person(**d) for d in self.documents[:20_000]]
        return {"raw": contenders["raw"], "ours": ours}

    def save(self) -> Contenders:
        """Change one field of 500 loaded records, a commit each."""
        sql = "UPDATE people SET body=json_set(body,'$.age',?) WHERE key=?"
        people = [self.ours.get(Person, key) for key in self.some[:500]]
        values = count(100)

        def raw() -> None:
            # A value that is there already would cost no commit.
            for key in self.some[:500]:
                self.raw.execute(sql, (next(values), key))

        def ours() -> None:
            for person in people:
                person.age += 1
                person.save()

        return {"raw": raw, "ours": ours}


GOALS = {
    "scan": ("full scan as instances, streamed", 1.0),
    "held": ("all into a list", 0.85),
    "get": ("get by key", 1.3),
    "filter": ("filter and sort, no index", 1.05),
    "count": ("count, no index", 1.05),
    "delete": ("delete by query, no index", 1.05),
    "load": ("one load, times validation of the text alone", 1.26),
    "filter_indexed": ("filter and sort, index", 1.1),
    "count_indexed": ("count, index", 1.05),
    "single": ("single insert", 1.3),
    "bulk": ("bulk insert from dicts", 1.1),
    "instances": ("bulk insert of existing instances", 0.85),
    "save": ("save one field", 1.2),
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
