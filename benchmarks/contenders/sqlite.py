"""SQLite: the bare driver with JSON, and PyModels."""

import json
import sqlite3
from pathlib import Path
from typing import Any

from uuid_utils.compat import uuid7

from benchmarks.contender import SPARE, Contender, Place
from benchmarks.contenders import ours
from benchmarks.work import LOW_SCORE, OLDEST, PAGE, YOUNGEST, Document

AGE, SCORE, ACTIVE = (f"json_extract(body,'$.{n}')" for n in ("age", "score", "active"))
WANTED = f"{AGE} BETWEEN {YOUNGEST} AND {OLDEST} AND {ACTIVE}=1"


def file_of(place: Place, name: str) -> str:
    """Return the path of a file."""
    return str(Path(place.folder) / f"{name}.db")


class Raw(Contender):
    """The driver with one column of JSON text, `json.loads` and `json.dumps`."""

    title = "sqlite3 + json"
    layout = "a text key (UUID 7) and one column of JSON text"
    program = "import sqlite3, json"
    takes_text_dates = True

    def __init__(self, place: Place) -> None:
        self.main = self.open(file_of(place, "main"))
        self.spare = self.open(file_of(place, SPARE))

    def open(self, path: str) -> sqlite3.Connection:
        """Open a file."""
        opened = sqlite3.connect(path, isolation_level=None)
        opened.execute("PRAGMA journal_mode=WAL")
        opened.execute("PRAGMA synchronous=FULL")
        opened.execute(
            "CREATE TABLE IF NOT EXISTS people (key TEXT PRIMARY KEY, body TEXT)"
        )
        return opened

    def write(self, to: sqlite3.Connection, rows: Any) -> None:
        """Insert rows in one transaction."""
        to.execute("BEGIN")
        to.executemany("INSERT INTO people VALUES (?,?)", rows)
        to.execute("COMMIT")

    def fill(self, documents: list[Document]) -> list[Any]:
        keys = [str(uuid7()) for _ in documents]
        self.main.execute("DELETE FROM people")
        self.write(self.main, zip(keys, map(json.dumps, documents), strict=True))
        return keys

    def index(self) -> None:
        self.main.execute(f"CREATE INDEX by_age ON people ({AGE}, key)")
        self.main.execute(f"CREATE INDEX by_score ON people ({SCORE}, key)")
        self.main.execute("PRAGMA analysis_limit=400")
        self.main.execute("ANALYZE")

    def empty(self) -> None:
        self.spare.execute("DELETE FROM people")

    def loaded(self, rows: Any) -> list[Any]:
        """Load the texts of rows."""
        return [json.loads(body) for (body,) in rows]

    def stored(self) -> Any:
        return self.loaded(self.spare.execute("SELECT body FROM people"))

    def make(self, documents: list[Document]) -> list[Any]:
        return documents

    def single(self, document: Document) -> None:
        row = (str(uuid7()), json.dumps(document))
        self.spare.execute("INSERT INTO people VALUES (?,?)", row)

    def bulk(self, documents: list[Document]) -> None:
        self.write(self.spare, ((str(uuid7()), json.dumps(d)) for d in documents))

    def instances(self, made: list[Any]) -> None:
        self.bulk(made)

    def get(self, key: Any) -> Any:
        sql = "SELECT body FROM people WHERE key=?"
        return json.loads(self.main.execute(sql, (key,)).fetchone()[0])

    def load(self, keys: list[Any]) -> list[Any]:
        return [(key, self.get(key)["age"]) for key in keys]

    def save(self, loaded: Any) -> None:
        key, age = loaded
        sql = "UPDATE people SET body=json_set(body,'$.age',?) WHERE key=?"
        self.main.execute(sql, (age + 1, key))

    def scan(self) -> int:
        number = 0
        for (body,) in self.main.execute("SELECT body FROM people"):
            json.loads(body)
            number += 1
        return number

    def held(self) -> list[Any]:
        return self.loaded(self.main.execute("SELECT body FROM people"))

    def filter(self) -> list[Any]:
        sql = f"SELECT body FROM people WHERE {WANTED} ORDER BY {AGE} DESC"
        return self.loaded(self.main.execute(sql))

    def count(self) -> int:
        sql = f"SELECT count(*) FROM people WHERE {WANTED}"
        return int(self.main.execute(sql).fetchone()[0])

    def narrow(self, low: float, high: float) -> int:
        sql = f"SELECT count(*) FROM people WHERE {SCORE} BETWEEN ? AND ?"
        return int(self.main.execute(sql, (low, high)).fetchone()[0])

    def page(self) -> list[Any]:
        sql = f"SELECT body FROM people ORDER BY {AGE} DESC, key DESC LIMIT ? OFFSET ?"
        limits = (PAGE.stop - PAGE.start, PAGE.start)
        return self.loaded(self.main.execute(sql, limits))

    def delete(self) -> int:
        sql = f"DELETE FROM people WHERE {SCORE}<=? AND {ACTIVE}=1"
        return self.spare.execute(sql, (LOW_SCORE,)).rowcount

    def close(self) -> None:
        self.main.close()
        self.spare.close()


class Ours(ours.Ours):
    """PyModels on SQLite."""

    layout = "JSON text with a key in order of time, indexes on expressions"
    takes_text_dates = True

    def settings(self, place: Place, name: str) -> dict[str, Any]:
        return {
            "backend": "pymodels.backends.sqlite",
            "path": file_of(place, name),
        }
