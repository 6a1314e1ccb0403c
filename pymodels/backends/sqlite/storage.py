"""Records in one table of an SQLite file: key, JSON body, note of kinds."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from os import PathLike, fspath
from typing import Any, Literal
from urllib.parse import unquote, urlsplit

from pymodels.backend import (
    BaseStorage,
    BoundIndex,
    Changes,
    Instance,
    M,
    Record,
    Row,
    Shape,
    codec_of,
    errors,
    from_query,
    json_body,
    json_dumper,
    json_loader,
    json_sifter,
    same,
)
from pymodels.backends._sql.patch import assignments, can_patch
from pymodels.backends.sqlite.facts import TableFacts
from pymodels.backends.sqlite.file import SYNCHRONOUS, File
from pymodels.backends.sqlite.indexes import create_index, index_names
from pymodels.backends.sqlite.table import (
    check_names,
    decimal_index,
    foreign_index,
    open_table,
)


class Storage(BaseStorage):
    """Records in one table of an SQLite file."""

    def __init__(
        self,
        path: str | PathLike[str],
        *,
        table: str = "records",
        key_column: str = "key",
        body_column: str = "body",
        kinds_column: str = "kinds",
        timeout: float = 5.0,
        synchronous: Literal["off", "normal", "full", "extra"] = "full",
        residual: Literal["allow", "warn", "forbid"] = "allow",
    ) -> None:
        """Open a file, made if it is absent; its folder must be there.

        ``path``: the file, or ":memory:". ``table``: its table, made if it is
        absent. ``key_column``, ``body_column``, ``kinds_column``: what the columns
        of the key, the JSON and the note of kinds are called; a table that another
        program made need not have the last. ``timeout``: seconds to wait for
        another writer. ``synchronous``: SQLite's pragma; "full" loses no
        acknowledged write when the power fails, "normal" may lose the last ones.
        ``residual``: see `BaseStorage`. Raises `StorageError` if the file cannot be
        opened or was written by a newer version.
        """
        super().__init__(residual=residual)
        if synchronous not in SYNCHRONOUS:
            raise errors.SettingsError(
                f"synchronous is {synchronous!r}; it can be {', '.join(SYNCHRONOUS)}"
            )
        if not isinstance(path, str | PathLike) or not fspath(path):
            raise errors.SettingsError(f"path is {path!r}; it takes the name of a file")
        if isinstance(timeout, bool) or not isinstance(timeout, int | float):
            raise errors.SettingsError(f"timeout is {timeout!r}; it takes seconds")
        check_names(
            table=table,
            key_column=key_column,
            body_column=body_column,
            kinds_column=kinds_column,
        )
        self.path = fspath(path)
        self.file = File(self.path, float(timeout), synchronous)
        try:
            self.table = open_table(
                self.file, table, key_column, body_column, kinds_column
            )
            self.file.find_broken = self.table.find_broken
            self.facts = TableFacts(self.table, index_names(self.file, self.table))
        except BaseException:
            self.file.close()
            raise

    @classmethod
    def url_settings(cls, url: str) -> dict[str, Any]:
        """``sqlite:///relative.db``, ``sqlite:////absolute.db``."""
        parts = urlsplit(url)
        if parts.netloc or len(parts.path) < 2:
            raise errors.SettingsError(
                f"{url}: an SQLite URL is sqlite:///relative.db, "
                "sqlite:////absolute.db or sqlite:///:memory:"
            )
        return {"path": unquote(parts.path[1:]), **from_query(url, cls)}

    def __str__(self) -> str:
        return f"sqlite:///{self.path}?table={self.table.name}"

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
        return json_loader(self, model)

    def sifter(self, model: type[M]) -> Callable[[Row], M | None] | None:
        """Let strict validation tell membership in a whole scan."""
        return json_sifter(self, model)

    def dumper(self, model: type[Instance]) -> Callable[[str, Instance], Row]:
        """Let pydantic write the JSON, where that is the same."""
        codec = codec_of(model)
        dump = json_dumper(self, model)
        if self.table.has_note:
            return dump

        def dump_natural(key: str, instance: Instance) -> Row:
            row = dump(key, instance)
            natural = (row[0], row[1], None)
            read_back = self.decode(natural, codec.shape)
            return natural if same(read_back, self.decode(row)) else row

        return dump_natural

    def patched(self, row: Row, changes: Changes) -> Row:
        """Keep a foreign row foreign, as `patch` does."""
        key, body, kinds = row
        return (key, *json_body.patched(key, body, kinds, changes))

    # Reading.

    def fetch(self, keys: Iterable[str]) -> Iterator[Row]:
        """Yield the rows of those keys that are there."""
        wanted = tuple(keys)
        if len(wanted) == 1:
            row = self.file.one(self.table.select_one, wanted)
            return iter(() if row is None else (row,))
        listed = "SELECT value FROM json_each(?)"
        sql = f"{self.table.select} WHERE {self.table.columns.key} IN ({listed})"
        return self.file.read(sql, (json_body.to_json(wanted),))

    def scan(self) -> Iterator[Row]:
        """Yield all rows."""
        return self.file.read(self.table.select)

    def count_all(self) -> int:
        """Count the rows."""
        return int(self.file.one(f"SELECT count(*) FROM {self.table.source}")[0])

    def scan_keys(self) -> Iterator[str]:
        """Read the column of the keys alone."""
        sql = f"SELECT {self.table.columns.key} FROM {self.table.source}"
        return (row[0] for row in self.file.read(sql))

    # Writing.

    def _bound(self, row: Row) -> Row:
        """Give what is bound for a row, refusing what the columns cannot hold."""
        if not self.table.keeps_key(row[0]):
            raise errors.EncodeError(
                f"{self}: the keys in {self.table.key!r} are whole numbers, which "
                f"{row[0]!r} is not; choose one by save(key='42')"
                if self.table.key_type == "whole"
                else f"{self}: the column {self.table.key!r} would spell the key "
                f"{row[0]!r} otherwise; choose another by save(key=...)"
            )
        if not self.table.has_note and row[2] not in {None, json_body.NOTHING_MARKED}:
            raise errors.EncodeError(
                f"{self}: the table has no column {self.table.kinds!r} to note the "
                f"kinds {row[2]}; only values that their declared types tell can be "
                f"written. ALTER TABLE ... ADD COLUMN {self.table.kinds} TEXT makes one"
            )
        return self.table.bound(row)

    def insert(self, row: Row) -> bool:
        """Create, unless the key is taken."""
        return self.file.write(self.table.insert_if_new, self._bound(row)) == 1

    def insert_many(self, rows: Iterable[Row]) -> Iterable[bool]:
        """Create all in one transaction, or none."""
        new = [self._bound(row) for row in rows]
        with self.file.writing() as writer:
            writer.executemany(self.table.insert, new)
        return [True] * len(new)

    def replace(self, row: Row) -> None:
        """Create or overwrite."""
        self.file.write(self.table.upsert, self._bound(row))

    def patch(
        self, key: str, changes: Changes, known: tuple[Row, Row] | None = None
    ) -> bool:
        """Change in one statement; where SQL cannot say it, in one transaction."""
        table, keeps_note = self.table, json_body.reads_back(changes)
        if can_patch(changes) and (keeps_note or table.has_note):
            patch = assignments(changes, table.columns, known[0][1] if known else "")
            # A foreign row that would need a note is rewritten with one below.
            noted = "" if keeps_note else f" AND {table.columns.kinds} IS NOT NULL"
            sql = f"UPDATE {table.source} SET {patch.text} WHERE "
            sql += f"{table.has_key}{noted}"
            if self.file.write(sql, (*patch.parameters, key)):
                return True
            if keeps_note:
                return False
        with self.file.writing() as writer:
            row = writer.execute(table.select_one, (key,)).fetchone()
            if row is None:
                return False
            changed = self._bound(self.patched(row, changes))
            writer.execute(table.rewrite, (*changed[1:], key))
            return True

    def discard(self, key: str) -> bool:
        """Remove."""
        return self.file.write(self.table.delete_one, (key,)) == 1

    def swap(self, swaps: list[tuple[Row, Row | None]]) -> list[bool]:
        """Write each record in a statement that finds its row as it was read."""
        table = self.table
        is_same = f" AND {table.columns.body} IS ? AND {table.columns.kinds} IS ?"
        outcomes = []
        with self.file.writing() as writer:
            for before, after in swaps:
                sql, bound = table.delete_one + is_same, before
                if after is not None:
                    sql = table.rewrite + is_same
                    bound = (*self._bound(after)[1:], *before)
                outcomes.append(writer.execute(sql, bound).rowcount == 1)
        return outcomes

    def clear(self) -> None:
        """Remove all records."""
        self.check_open()
        self.file.write(f"DELETE FROM {self.table.source}")

    def sync(self) -> None:
        """Bring the log to the disk, and into the file as far as readers allow."""
        self.check_open()
        if self.file.is_memory or self.file.in_transaction:
            return
        # Not FULL: it would wait for a reader that this very thread may have.
        self.file.write("PRAGMA wal_checkpoint(PASSIVE)")
        self.file.sync_log()

    def close(self) -> None:
        """Close all connections."""
        if not self.is_closed:
            super().close()
            self.file.close()

    # Indexes.

    def create_index(self, index: BoundIndex) -> str:
        """Make an expression index over the model's own records."""
        table = self.table
        name = create_index(self.file, index, table)
        self.facts.set_indexes(index_names(self.file, table))
        return name

    def list_indexes(self) -> list[str]:
        """Give the names of the indexes that models asked for."""
        self.check_open()
        name = self.table.name
        found = index_names(self.file, self.table)
        ours = [one for one in found if one.startswith(f"{name}__")]
        of_ours = {foreign_index(name), decimal_index(name)}
        return [one for one in ours if one not in of_ours]

    # Transactions.

    def exclusive(self) -> AbstractContextManager[None]:
        """Keep other threads' writes out; they can read."""
        return self.file.exclusive()

    def begin(self, depth: int) -> None:
        """Begin; other programs can read, and wait to write."""
        self.file.begin(_savepoint(depth))

    def commit(self, depth: int) -> None:
        """Make it final."""
        self.file.commit(_savepoint(depth))

    def rollback(self, depth: int) -> None:
        """Undo it."""
        self.file.rollback(_savepoint(depth))


def _savepoint(depth: int) -> str:
    """Name the savepoint of a transaction inside others; "" for the outermost."""
    return f"level{depth}" if depth else ""
