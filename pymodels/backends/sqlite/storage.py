"""Records in one table of an SQLite file: key, JSON body, note of kinds."""

from collections.abc import Callable, Iterable, Iterator
from os import PathLike, fspath
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import unquote, urlsplit

from pymodels import json_body
from pymodels.backends._sql import compile_predicate
from pymodels.backends._sql_patch import Patch, can_patch, reads_back
from pymodels.backends._sql_terms import Columns, Sql, joined
from pymodels.backends.sqlite.file import SYNCHRONOUS, File
from pymodels.backends.sqlite.indexes import create_index, index_names
from pymodels.backends.sqlite.known import Known
from pymodels.backends.sqlite.query import Query
from pymodels.changes import Changes, apply
from pymodels.errors import DuplicateKey, SettingsError, StorageError
from pymodels.indexes import BoundIndex
from pymodels.plan import Row
from pymodels.predicates import terms_of
from pymodels.query import M
from pymodels.shapes import Shape
from pymodels.storage import BaseStorage
from pymodels.values import Record

if TYPE_CHECKING:
    from pymodels.model import Model

FORMAT = 1
"""Of what we keep in a file; a newer one is refused."""

_FORMATS = "pymodels_formats"


class Storage(BaseStorage):
    """Records in one table of an SQLite file."""

    query_class = Query

    def __init__(
        self,
        path: str | PathLike[str],
        *,
        table: str = "records",
        timeout: float = 5.0,
        synchronous: Literal["off", "normal", "full", "extra"] = "full",
        residual: Literal["allow", "warn", "forbid"] = "allow",
    ) -> None:
        """Open a file, made if it is absent; its folder must be there.

        ``path``: the file, or ":memory:". ``table``: its table. ``timeout``:
        seconds to wait for another writer. ``synchronous``: SQLite's pragma;
        "full" loses no acknowledged write when the power fails, "normal" may lose
        the last ones. ``residual``: see `BaseStorage`. Raises `StorageError` if
        the file cannot be opened or was written by a newer version.
        """
        super().__init__(residual=residual)
        if synchronous not in SYNCHRONOUS:
            raise SettingsError(
                f"synchronous is {synchronous!r}; it can be {', '.join(SYNCHRONOUS)}"
            )
        if not isinstance(path, str | PathLike) or not fspath(path):
            raise SettingsError(f"path is {path!r}; it takes the name of a file")
        if not isinstance(table, str) or not table or "\0" in table:
            raise SettingsError(f"table is {table!r}; it takes a name")
        if table.startswith("sqlite_") or table == _FORMATS:
            raise SettingsError(f"table is {table!r}, a name that is kept for others")
        self.path = fspath(path)
        self.table = table
        self.name = '"' + table.replace('"', '""') + '"'
        self.file = File(self.path, float(timeout), synchronous)
        self.foreign_index = f"{table}__foreign"
        self.known = Known(table, self.name, Columns())
        self._memberships: dict[object, Sql | None] = {}
        self.select = f'SELECT "key", "body", "kinds" FROM {self.name}'
        try:
            self._prepare()
            self.known.set_indexes(index_names(self.file, table))
        except BaseException:
            self.file.close()
            raise

    def _prepare(self) -> None:
        """Make the table if it is not there, and look at its format."""
        try:
            found = self.file.one(
                f"SELECT format FROM {_FORMATS} WHERE name=?", (self.table,)
            )
        except StorageError as error:
            if "no such table" not in str(error):
                raise
            found = None
        if found is None:
            with self.file.writing() as writer:
                writer.execute(
                    f"CREATE TABLE IF NOT EXISTS {_FORMATS} "
                    "(name TEXT PRIMARY KEY NOT NULL, format INTEGER NOT NULL)"
                )
                writer.execute(
                    f"CREATE TABLE IF NOT EXISTS {self.name} "
                    "(key TEXT PRIMARY KEY NOT NULL, body TEXT NOT NULL, kinds TEXT)"
                )
                # Empty as long as nobody else writes here, and so asked in no time.
                quoted = self.foreign_index.replace('"', '""')
                writer.execute(
                    f'CREATE INDEX IF NOT EXISTS "{quoted}" ON {self.name} (key) '
                    "WHERE kinds IS NULL"
                )
                writer.execute(
                    f"INSERT OR IGNORE INTO {_FORMATS} VALUES (?, ?)",
                    (self.table, FORMAT),
                )
        elif found[0] > FORMAT:
            raise StorageError(
                f"{self.path}: the table {self.table!r} has format {found[0]}, made by "
                f"a newer PyModels; this one knows {FORMAT}"
            )

    @classmethod
    def url_settings(cls, url: str) -> dict[str, Any]:
        """``sqlite:///relative.db``, ``sqlite:////absolute.db``."""
        parts = urlsplit(url)
        if parts.netloc or len(parts.path) < 2:
            raise SettingsError(
                f"{url}: an SQLite URL is sqlite:///relative.db, "
                "sqlite:////absolute.db or sqlite:///:memory:"
            )
        return {"path": unquote(parts.path[1:])}

    def __str__(self) -> str:
        return f"sqlite:///{self.path}?table={self.table}"

    @property
    def connection(self) -> Any:
        """The `sqlite3.Connection` that writes."""
        self.check_open()
        return self.file.writer

    # Rows and records.

    def encode(self, key: str, record: Record) -> Row:
        """Write a record as JSON text and its note of kinds."""
        return (key, *json_body.encode(record))

    def decode(self, row: Row, shape: Shape | None = None) -> Record:
        """Read a record back."""
        return json_body.decode(row[0], row[1], row[2], shape)

    def loader(self, model: type[M]) -> Callable[[Row], M]:
        """Validate JSON text directly, where that is the same."""
        return model.__pymodels_codec__.json.loader(self)  # type: ignore[return-value]  # of this model

    def sifter(self, model: type[M]) -> Callable[[Row], M | None] | None:
        """Let strict validation tell membership in a whole scan."""
        return model.__pymodels_codec__.json.sifter(self)  # type: ignore[return-value]  # of this model

    def dumper(self, model: type["Model"]) -> Callable[[str, "Model"], Row]:
        """Let pydantic write the JSON, where that is the same."""
        return model.__pymodels_codec__.writing.dumper(self)

    def patched(self, row: Row, changes: Changes) -> Row:
        """Keep a foreign row foreign, as `patch` does."""
        if row[2] is not None or not reads_back(changes):
            shape = changes.shape if row[2] is None else None
            return self.encode(row[0], apply(self.decode(row, shape), changes))
        record = apply(self.decode(row), changes)
        return (row[0], json_body.encode(record)[0], None)

    # Reading.

    def read(self, sql: str, parameters: tuple[Any, ...] = ()) -> Iterator[Row]:
        """Iterate over the rows of a SELECT."""
        return self.file.read(sql, parameters)

    def fetch(self, keys: Iterable[str]) -> Iterator[Row]:
        """Yield the rows of those keys that are there."""
        return self._fetch(keys, Sql(""))

    def _fetch(self, keys: Iterable[str], condition: Sql) -> Iterator[Row]:
        wanted = list(keys)
        if len(wanted) == 1:
            sql = f'{self.select} WHERE "key"=?{condition.text}'
            row = self.file.one(sql, (wanted[0], *condition.parameters))
            return iter(() if row is None else (row,))
        sql = (
            f'{self.select} WHERE "key" IN (SELECT value FROM json_each(?))'
            f"{condition.text}"
        )
        return self.read(sql, (json_body.to_json(wanted), *condition.parameters))

    def fetch_members(self, model: type["Model"], keys: Iterable[str]) -> Iterator[Row]:
        """Let the database ask for membership."""
        codec = model.__pymodels_codec__
        if codec not in self._memberships:
            self._memberships[codec] = self._membership(model)
        condition = self._memberships[codec]
        if condition is None:
            return super().fetch_members(model, keys)
        return self._fetch(keys, condition)

    def _membership(self, model: type["Model"]) -> Sql | None:
        columns = self.known.full(model)
        terms = terms_of(model.__pymodels_codec__.membership)
        found = joined(" AND ", [compile_predicate(t, columns) for t in terms])
        if found is None or not found.exact:
            return None
        return Sql(f" AND {found.text}", found.parameters)

    def scan(self) -> Iterator[Row]:
        """Yield all rows."""
        return self.read(self.select)

    def __len__(self) -> int:
        self.check_open()
        return int(self.file.one(f"SELECT count(*) FROM {self.name}")[0])

    def __iter__(self) -> Iterator[str]:
        self.check_open()
        found = self.read(f'SELECT "key" FROM {self.name}')
        return (row[0] for row in found)

    # Writing.

    def insert(self, row: Row) -> bool:
        """Create, unless the key is taken."""
        sql = f"INSERT INTO {self.name} VALUES (?,?,?) ON CONFLICT(key) DO NOTHING"
        return self.file.write(sql, row) == 1

    def insert_many(self, rows: Iterable[Row]) -> Iterable[bool]:
        """Create all in one transaction, or none."""
        new = list(rows)
        sql = f"INSERT INTO {self.name} VALUES (?,?,?)"
        with self.file.writing() as writer:
            try:
                writer.executemany(sql, new)
            except Exception as error:
                if "UNIQUE" not in str(error):
                    raise
                raise DuplicateKey(
                    f"{self.path}: a key, or a value that must be unique, is taken: "
                    f"{error}"
                ) from error
        return [True] * len(new)

    def replace(self, row: Row) -> None:
        """Create or overwrite."""
        self.file.write(
            f"INSERT INTO {self.name} VALUES (?,?,?) ON CONFLICT(key) "
            "DO UPDATE SET body=excluded.body, kinds=excluded.kinds",
            row,
        )

    def patch(self, key: str, changes: Changes) -> bool:
        """Change in one statement; where SQL cannot say it, in one transaction."""
        keeps_note = reads_back(changes)
        if can_patch(changes):
            patch = Patch(changes, Columns())
            sql = f'UPDATE {self.name} SET {patch.assignments} WHERE "key"=?'
            # A foreign row that would need a note is rewritten with one below.
            sql += "" if keeps_note else " AND kinds IS NOT NULL"
            if self.file.write(sql, (*patch.parameters, key)):
                return True
            if keeps_note:
                return False
        with self.file.writing() as writer:
            row = writer.execute(f'{self.select} WHERE "key"=?', (key,)).fetchone()
            if row is None:
                return False
            changed = self.patched(row, changes)
            writer.execute(
                f"UPDATE {self.name} SET body=?, kinds=? WHERE key=?",
                (changed[1], changed[2], key),
            )
            return True

    def discard(self, key: str) -> bool:
        """Remove."""
        return self.file.write(f'DELETE FROM {self.name} WHERE "key"=?', (key,)) == 1

    def clear(self) -> None:
        """Remove all records."""
        self.check_open()
        self.file.write(f"DELETE FROM {self.name}")

    def sync(self) -> None:
        """Write the log into the file itself, as far as readers allow."""
        self.check_open()
        if not self.file.is_memory and not self.file.in_transaction:
            self.file.write("PRAGMA wal_checkpoint(FULL)")

    def close(self) -> None:
        """Close all connections."""
        if not self.is_closed:
            super().close()
            self.file.close()

    # Indexes.

    def create_index(self, index: BoundIndex) -> str:
        """Make an expression index over the model's own records."""
        name = create_index(self.file, self.table, index, Columns())
        self.known.set_indexes(index_names(self.file, self.table))
        return name

    def list_indexes(self) -> list[str]:
        """Give the names of the indexes that models asked for."""
        self.check_open()
        names = index_names(self.file, self.table)
        return [name for name in names if name != self.foreign_index]

    # Transactions.

    def begin(self, depth: int) -> None:
        """Begin; other threads and programs can read, and wait to write."""
        self.file.lock.acquire()
        try:
            self.file.begin(depth, f"level{depth}")
        except BaseException:
            self.file.lock.release()
            raise
        self.file.own()

    def commit(self, depth: int) -> None:
        """Make it final."""
        try:
            self.file.commit(depth, f"level{depth}")
        finally:
            self._leave(depth)

    def rollback(self, depth: int) -> None:
        """Undo it."""
        try:
            self.file.rollback(depth, f"level{depth}")
        finally:
            self._leave(depth)

    def _leave(self, depth: int) -> None:
        if depth == 0:
            self.file.disown()
        self.file.lock.release()
