"""sqlite-utils: tables of dicts on SQLite, no models."""

import json
import sqlite3
from typing import Any, ClassVar

from sqlite_utils import Database

from benchmarks.contender import Contender, Place
from benchmarks.contenders.sqlite import file_of
from benchmarks.work import LOW_SCORE, OLDEST, PAGE, YOUNGEST, Document, fields_of

COLUMNS = {
    "id": int,
    "first_name": str,
    "last_name": str,
    "age": int,
    "email": str,
    "score": float,
    "active": int,
    "birth_date": str,
    "tags": str,
}
WANTED = ("age between ? and ? and active = 1", [YOUNGEST, OLDEST])


class SqliteUtils(Contender):
    """sqlite-utils; its rows are dicts of the columns' own values."""

    title = "sqlite-utils"
    layout = "a column for each field, tags as JSON text; an integer key"
    program = "import sqlite_utils"
    missing: ClassVar[dict[str, str]] = {
        "instances": "it has no instances, only dicts",
    }

    def __init__(self, place: Place) -> None:
        self.connection = sqlite3.connect(file_of(place, "main"))
        self.connection.execute("PRAGMA journal_mode=WAL")
        self.connection.execute("PRAGMA synchronous=FULL")
        self.database = Database(self.connection)
        for name in ("people", "spare"):
            self.database[name].create(COLUMNS, pk="id", if_not_exists=True)
        self.main = self.database["people"]
        self.spare = self.database["spare"]

    def fill(self, documents: list[Document]) -> list[Any]:
        self.main.delete_where()
        self.main.insert_all(documents)
        return [row["id"] for row in self.main.rows_where(order_by="id")]

    def index(self) -> None:
        self.main.create_index(["age"])
        self.main.create_index(["score"])

    def empty(self) -> None:
        self.spare.delete_where()

    def stored(self) -> Any:
        return self.spare.rows

    def single(self, document: Document) -> None:
        self.spare.insert(document)

    def bulk(self, documents: list[Document]) -> None:
        self.spare.insert_all(documents)

    def get(self, key: Any) -> Any:
        return self.main.get(key)

    def save(self, loaded: Any) -> None:
        self.main.update(loaded["id"], {"age": loaded["age"] + 1})

    def scan(self) -> int:
        number = 0
        for _ in self.main.rows:
            number += 1
        return number

    def held(self) -> list[Any]:
        return list(self.main.rows)

    def filter(self) -> list[Any]:
        return list(self.main.rows_where(*WANTED, order_by="age desc"))

    def count(self) -> int:
        return int(self.main.count_where(*WANTED))

    def narrow(self, low: float, high: float) -> int:
        return int(self.main.count_where("score between ? and ?", [low, high]))

    def page(self) -> list[Any]:
        limit = PAGE.stop - PAGE.start
        order = "age desc, id desc"
        found = self.main.rows_where(order_by=order, limit=limit, offset=PAGE.start)
        return list(found)

    def delete(self) -> int:
        before = self.connection.total_changes
        self.spare.delete_where("score <= ? and active = 1", [LOW_SCORE])
        return self.connection.total_changes - before

    def plain(self, loaded: Any) -> tuple[Any, ...]:
        return fields_of({**loaded, "tags": json.loads(loaded["tags"])})

    def close(self) -> None:
        self.connection.close()
