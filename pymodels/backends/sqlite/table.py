"""The table that records are kept in: ours, or one that another program made."""

import re
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from pymodels.backends._sql.values import Columns
from pymodels.backends.sqlite.file import File
from pymodels.errors import SettingsError, StorageError

FORMAT = 1
"""Of what we keep in a file; a newer one is refused."""

FORMATS = "pymodels_formats"
"""The table that says which tables are ours, and in which format."""


_NUMBER = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?\s*", re.ASCII | re.I)
"""What a column of numbers takes for one."""


def quoted(name: str) -> str:
    """Quote a name for SQL."""
    return '"' + name.replace('"', '""') + '"'


@dataclass(frozen=True)
class Table:
    """One table: what its columns are called, and the statements on them.

    ``has_note`` says that there is a column for the note of kinds, ``is_ours``
    that we made the table. ``key_type`` is what SQLite makes of values in the column
    of the key: "text", "whole" or "real" numbers, any number ("numeric"), or it keeps
    what it is given ("any"). Keys that are no text appear as their texts.
    """

    name: str
    key: str
    body: str
    kinds: str
    has_note: bool = True
    is_ours: bool = True
    key_type: str = "text"

    @property
    def has_text_key(self) -> bool:
        """Whether all keys are texts already."""
        return self.key_type == "text"

    @cached_property
    def source(self) -> str:
        """The quoted name."""
        return quoted(self.name)

    @cached_property
    def columns(self) -> Columns:
        """The columns as SQL sees them."""
        return Columns(
            quoted(self.key)
            if self.has_text_key
            else f"CAST({quoted(self.key)} AS TEXT)",
            quoted(self.body),
            quoted(self.kinds) if self.has_note else "NULL",
        )

    @cached_property
    def select(self) -> str:
        """A SELECT of rows, without a condition."""
        columns = self.columns
        return (
            f"SELECT {columns.key}, {columns.body}, {columns.kinds} FROM {self.source}"
        )

    @cached_property
    def select_one(self) -> str:
        """A SELECT of the row with the one key that is bound."""
        return f"{self.select} WHERE {self.has_key}"

    @cached_property
    def insert(self) -> str:
        """An INSERT of a row."""
        names = [quoted(self.key), quoted(self.body)]
        names += [quoted(self.kinds)] if self.has_note else []
        marks = ",".join("?" * len(names))
        return f"INSERT INTO {self.source} ({','.join(names)}) VALUES ({marks})"

    @cached_property
    def insert_if_new(self) -> str:
        """The same, which leaves a key that is there alone."""
        return f"{self.insert} ON CONFLICT({quoted(self.key)}) DO NOTHING"

    @cached_property
    def upsert(self) -> str:
        """The same, which overwrites; it keeps the columns that are not ours."""
        body, kinds = quoted(self.body), quoted(self.kinds)
        sets = f"{body}=excluded.{body}"
        sets += f",{kinds}=excluded.{kinds}" if self.has_note else ""
        return f"{self.insert} ON CONFLICT({quoted(self.key)}) DO UPDATE SET {sets}"

    @cached_property
    def rewrite(self) -> str:
        """An UPDATE of a whole body, and of the note if there is one."""
        sets = f"{quoted(self.body)}=?"
        sets += f",{quoted(self.kinds)}=?" if self.has_note else ""
        return f"UPDATE {self.source} SET {sets} WHERE {self.has_key}"

    @cached_property
    def has_key(self) -> str:
        """A condition that a row has the one key that is bound.

        An integer column would take "05" for 5, which is another text.
        """
        key = quoted(self.key)
        if self.has_text_key:
            return f"{key}=?"
        if self.key_type == "whole":
            return (
                f"{key} IN (SELECT CAST(text AS INTEGER) FROM (SELECT ? text) "
                "WHERE CAST(CAST(text AS INTEGER) AS TEXT)=text)"
            )
        return (
            f"({key},CAST({key} AS TEXT)) IN (WITH asked(text) AS (SELECT ?) "
            "SELECT text,text FROM asked "
            "UNION ALL SELECT CAST(text AS NUMERIC),text FROM asked)"
        )

    @cached_property
    def find_broken(self) -> str:
        """A SELECT of the key of a row whose body or note is no JSON."""
        columns = self.columns
        broken = [
            f"({column} IS NOT NULL AND NOT json_valid({column}))"
            for column in (columns.body, columns.kinds)
        ]
        where = " OR ".join(broken)
        return f"SELECT {columns.key} FROM {self.source} WHERE {where} LIMIT 1"

    def keeps_key(self, key: str) -> bool:
        """Say whether a new key would read back from its column as it is."""
        if self.key_type in {"text", "any"}:
            return True
        if self.key_type != "whole" and not _NUMBER.fullmatch(key):
            return True
        try:
            return str(float(key) if self.key_type == "real" else int(key)) == key
        except ValueError:
            return False

    def bound(self, row: tuple[Any, ...]) -> tuple[Any, ...]:
        """Give what an INSERT of a row binds."""
        return row if self.has_note else row[:2]


def check_names(table: Table) -> None:
    """Refuse names that SQLite, or we, keep for other things."""
    for setting, name in (
        ("table", table.name),
        ("key_column", table.key),
        ("body_column", table.body),
        ("kinds_column", table.kinds),
    ):
        if not isinstance(name, str) or not name or "\0" in name:
            raise SettingsError(f"{setting} is {name!r}; it takes a name")
    if table.name.startswith("sqlite_") or table.name == FORMATS:
        raise SettingsError(f"table is {table.name!r}, a name kept for other things")
    if len({table.key, table.body, table.kinds}) < 3:
        raise SettingsError("key_column, body_column and kinds_column must differ")


def open_table(file: File, table: Table) -> Table:
    """Find the table or make it; give what is true of it.

    Raises `SettingsError` for columns that are not there, and `StorageError` for
    a newer format.
    """
    found = {row[1]: row for row in file.read(f"PRAGMA table_info({table.source})")}
    if not found:
        return _made(file, table)
    version = _format_of(file, table.name)
    if version is not None and version > FORMAT:
        raise StorageError(
            f"{file.path}: the table {table.name!r} has format {version}, made by a "
            f"newer PyModels; this one knows {FORMAT}"
        )
    for setting, name in (("key_column", table.key), ("body_column", table.body)):
        if name not in found:
            raise SettingsError(
                f"{file.path}: the table {table.name!r} has no column {name!r} for "
                f"the setting {setting}; it has {', '.join(found)}"
            )
    _check_key(file, table, found)
    return Table(
        table.name,
        table.key,
        table.body,
        table.kinds,
        has_note=table.kinds in found,
        is_ours=version is not None,
        key_type=_key_type(str(found[table.key][2]).upper()),
    )


_KEY_TYPES = {
    "INT": "whole",
    "CHAR": "text",
    "CLOB": "text",
    "TEXT": "text",
    "BLOB": "any",
    "REAL": "real",
    "FLOA": "real",
    "DOUB": "real",
}


def _key_type(declared: str) -> str:
    """Tell the column's affinity; see https://www.sqlite.org/datatype3.html."""
    for word, found in _KEY_TYPES.items():
        if word in declared:
            return found
    return "numeric" if declared else "any"


def _format_of(file: File, name: str) -> int | None:
    there = "SELECT 1 FROM sqlite_schema WHERE type='table' AND name=?"
    if file.one(there, (FORMATS,)) is None:
        return None
    row = file.one(f"SELECT format FROM {FORMATS} WHERE name=? COLLATE NOCASE", (name,))
    return None if row is None else int(row[0])


def _check_key(file: File, table: Table, found: dict[str, Any]) -> None:
    """Refuse a column of keys that would not do as one."""
    where = f"{file.path}: the column {table.key!r} of {table.name!r}"
    collations = _collations(file, table)
    if not collations and not _is_primary(table, found):
        if not _is_view(file, table.name):
            raise SettingsError(
                f"{where} is not unique, so it cannot be the key_column; make it a "
                "primary key, or give it a unique index"
            )
        twice = (
            f"SELECT 1 FROM {table.source} GROUP BY CAST({quoted(table.key)} AS TEXT) "
            "HAVING count(*)>1 LIMIT 1"
        )
        if file.one(twice) is not None:
            raise SettingsError(
                f"{where}, a view, is not unique, so it cannot be the key_column"
            )
    if other := collations - {"BINARY"}:
        raise SettingsError(
            f"{where} compares texts by the collation {', '.join(sorted(other))}; the "
            "key_column must tell texts apart that differ: COLLATE BINARY"
        )


def _is_primary(table: Table, found: dict[str, Any]) -> bool:
    return [name for name, row in found.items() if row[5]] == [table.key]


def _is_view(file: File, name: str) -> bool:
    found = "SELECT 1 FROM sqlite_schema WHERE type='view' AND name=? COLLATE NOCASE"
    return file.one(found, (name,)) is not None


def _collations(file: File, table: Table) -> set[str]:
    """Give the collations of the unique indexes on the key alone."""
    found = set()
    for _, name, unique, _, partial in file.read(f"PRAGMA index_list({table.source})"):
        if unique and not partial:
            parts = file.read(f"PRAGMA index_xinfo({quoted(name)})")
            keys = [(row[2], row[4]) for row in parts if row[5]]
            if [column for column, _ in keys] == [table.key]:
                found.add(keys[0][1].upper())
    return found


def foreign_index(name: str) -> str:
    """Name the index of rows without a note: empty, and so asked in no time."""
    return f"{name}__foreign"


def decimal_index(name: str) -> str:
    """Name the index of rows that hold Decimals: mostly empty, like the other."""
    return f"{name}__decimals"


HAS_DECIMAL = "instr({kinds},'decimal')>0"
"""A condition on a note: true of each row with a Decimal in it."""


def _made(file: File, table: Table) -> Table:
    key, kinds = quoted(table.key), quoted(table.kinds)
    with file.writing() as writer:
        writer.execute(
            f"CREATE TABLE IF NOT EXISTS {FORMATS} "
            "(name TEXT PRIMARY KEY NOT NULL, format INTEGER NOT NULL)"
        )
        writer.execute(
            f"CREATE TABLE IF NOT EXISTS {table.source} ({key} TEXT PRIMARY KEY "
            f"NOT NULL, {quoted(table.body)} TEXT NOT NULL, {kinds} TEXT)"
        )
        index = quoted(foreign_index(table.name))
        writer.execute(
            f"CREATE INDEX IF NOT EXISTS {index} ON {table.source} ({key}) "
            f"WHERE {kinds} IS NULL"
        )
        index = quoted(decimal_index(table.name))
        writer.execute(
            f"CREATE INDEX IF NOT EXISTS {index} ON {table.source} ({key}) "
            f"WHERE {HAS_DECIMAL.format(kinds=kinds)}"
        )
        writer.execute(
            f"INSERT OR IGNORE INTO {FORMATS} VALUES (?, ?)", (table.name, FORMAT)
        )
    return table
