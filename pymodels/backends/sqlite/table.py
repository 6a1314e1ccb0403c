"""The table that records are kept in: ours, or one that another program made."""

import re

from pymodels.backend import Row, errors
from pymodels.backends._sql.values import Columns
from pymodels.backends.sqlite.file import File

FORMAT = 1
"""Of what we keep in a file; a newer one is refused."""

FORMATS = "pymodels_formats"
"""The table that says which tables are ours, and in which format."""

HAS_FOREIGN = "({kinds} IS NULL OR instr({kinds},'\"foreign\"')>0)"
"""A condition on a note: true of each row in which something may be foreign."""

HAS_DECIMAL = "instr({kinds},'decimal')>0"
"""A condition on a note: true of each row with a Decimal in it."""

_NUMBER = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?\s*", re.ASCII | re.I)
"""What a column of numbers takes for one."""


def quoted(name: str) -> str:
    """Quote a name for SQL."""
    return '"' + name.replace('"', '""') + '"'


class Table:
    """One table: what its columns are called, and the statements on them."""

    def __init__(
        self,
        name: str,
        key: str,
        body: str,
        kinds: str,
        *,
        has_note: bool = True,
        is_ours: bool = True,
        key_type: str = "text",
    ) -> None:
        """Spell the statements.

        ``has_note`` says that there is a column for the note of kinds, ``is_ours``
        that we made the table. ``key_type`` is what SQLite makes of values in the
        column of the key: "text", "whole" or "real" numbers, any number
        ("numeric"), or it keeps what it is given ("any"). Keys that are not text
        appear as their texts.
        """
        self.name, self.key, self.body, self.kinds = name, key, body, kinds
        self.has_note, self.is_ours, self.key_type = has_note, is_ours, key_type
        self.source = quoted(name)
        names = [quoted(key), quoted(body), *([quoted(kinds)] if has_note else [])]
        self.columns = Columns(
            names[0] if key_type == "text" else f"CAST({names[0]} AS TEXT)",
            names[1],
            names[2] if has_note else "NULL",
        )
        columns = [self.columns.key, self.columns.body, self.columns.kinds]
        # One key is bound.
        has_key = _has_key(names[0], key_type)
        self.select = f"SELECT {', '.join(columns)} FROM {self.source}"
        self.select_one = f"{self.select} WHERE {has_key}"
        self.delete_one = f"DELETE FROM {self.source} WHERE {has_key}"
        self.has_key = has_key
        # A row is bound, as `bound` gives it.
        marks = ",".join("?" * len(names))
        self.insert = f"INSERT INTO {self.source} ({','.join(names)}) VALUES ({marks})"
        on_conflict = f"{self.insert} ON CONFLICT({names[0]}) DO"
        self.insert_if_new = f"{on_conflict} NOTHING"
        # Columns that are not ours are kept.
        sets = ",".join(f"{column}=excluded.{column}" for column in names[1:])
        self.upsert = f"{on_conflict} UPDATE SET {sets}"
        sets = ",".join(f"{column}=?" for column in names[1:])
        self.rewrite = f"UPDATE {self.source} SET {sets} WHERE {has_key}"

    @property
    def find_broken(self) -> str:
        """A SELECT of the key of a row whose body or note is not JSON."""
        where = " OR ".join(
            f"({column} IS NOT NULL AND NOT json_valid({column}))"
            for column in (self.columns.body, self.columns.kinds)
        )
        return f"SELECT {self.columns.key} FROM {self.source} WHERE {where} LIMIT 1"

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

    def bound(self, row: Row) -> Row:
        """Give what an INSERT of a row binds."""
        return row if self.has_note else row[:2]


def _has_key(key: str, key_type: str) -> str:
    """Give the condition that a row has the one key that is bound.

    An integer column would take "05" for 5, which is another text.
    """
    if key_type == "text":
        return f"{key}=?"
    if key_type == "whole":
        return (
            f"{key} IN (SELECT CAST(text AS INTEGER) FROM (SELECT ? text) "
            "WHERE CAST(CAST(text AS INTEGER) AS TEXT)=text)"
        )
    return (
        f"({key},CAST({key} AS TEXT)) IN (WITH asked(text) AS (SELECT ?) "
        "SELECT text,text FROM asked "
        "UNION ALL SELECT CAST(text AS NUMERIC),text FROM asked)"
    )


def check_names(**names: str) -> None:
    """Refuse names, by setting, that SQLite or we keep for other things."""
    for setting, name in names.items():
        if not isinstance(name, str) or not name or "\0" in name:
            raise errors.SettingsError(f"{setting} is {name!r}; it takes a name")
    table, *columns = names.values()
    if table.startswith("sqlite_") or table == FORMATS:
        raise errors.SettingsError(f"table is {table!r}, a name kept for other things")
    if len(set(columns)) < len(columns):
        raise errors.SettingsError(
            "key_column, body_column and kinds_column must differ"
        )


def open_table(file: File, name: str, key: str, body: str, kinds: str) -> Table:
    """Find the table or make it; give what is true of it.

    Raises `SettingsError` for columns that are not there, and `StorageError` for
    a newer format.
    """
    listed = file.read(f"PRAGMA table_info({quoted(name)})")
    columns: dict[str, tuple[str, bool]] = {row[1]: (row[2], row[5]) for row in listed}
    if not columns:
        return _made(file, Table(name, key, body, kinds))
    version = _format_of(file, name)
    if version is not None and version > FORMAT:
        raise errors.StorageError(
            f"{file.path}: the table {name!r} has format {version}, made by a "
            f"newer PyModels; this one knows {FORMAT}"
        )
    for setting, column in (("key_column", key), ("body_column", body)):
        if column not in columns:
            raise errors.SettingsError(
                f"{file.path}: the table {name!r} has no column {column!r} for "
                f"the setting {setting}; it has {', '.join(columns)}"
            )
    primary = [column for column, (_, is_primary) in columns.items() if is_primary]
    _check_key(file, name, key, is_primary=primary == [key])
    return Table(
        name,
        key,
        body,
        kinds,
        has_note=kinds in columns,
        is_ours=version is not None,
        key_type=_key_type(columns[key][0].upper()),
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


def _check_key(file: File, name: str, key: str, *, is_primary: bool) -> None:
    """Refuse a column of keys that would not do as one."""
    where = f"{file.path}: the column {key!r} of {name!r}"
    collations = _collations(file, name, key)
    if not collations and not is_primary:
        is_view = (
            "SELECT 1 FROM sqlite_schema WHERE type='view' AND name=? COLLATE NOCASE"
        )
        if file.one(is_view, (name,)) is None:
            raise errors.SettingsError(
                f"{where} is not unique, so it cannot be the key_column; make it a "
                "primary key, or give it a unique index"
            )
        twice = (
            f"SELECT 1 FROM {quoted(name)} GROUP BY CAST({quoted(key)} AS TEXT) "
            "HAVING count(*)>1 LIMIT 1"
        )
        if file.one(twice) is not None:
            raise errors.SettingsError(
                f"{where}, a view, is not unique, so it cannot be the key_column"
            )
    if other := collations - {"BINARY"}:
        raise errors.SettingsError(
            f"{where} compares texts by the collation {', '.join(sorted(other))}; the "
            "key_column must tell texts apart that differ: COLLATE BINARY"
        )


def _collations(file: File, name: str, key: str) -> set[str]:
    """Give the collations of the unique indexes on the key alone."""
    found = set()
    for _, index, unique, _, partial in file.read(f"PRAGMA index_list({quoted(name)})"):
        if unique and not partial:
            parts = file.read(f"PRAGMA index_xinfo({quoted(index)})")
            keys = [(row[2], row[4]) for row in parts if row[5]]
            if [column for column, _ in keys] == [key]:
                found.add(keys[0][1].upper())
    return found


def foreign_index(name: str) -> str:
    """Name the index of rows of others: mostly empty, and so asked in no time."""
    return f"{name}__foreign"


def decimal_index(name: str) -> str:
    """Name the index of rows that hold Decimals: mostly empty, like the other."""
    return f"{name}__decimals"


def _made(file: File, table: Table) -> Table:
    key, body, kinds = table.columns.key, table.columns.body, table.columns.kinds
    partial = {
        foreign_index(table.name): HAS_FOREIGN.format(kinds=kinds),
        decimal_index(table.name): HAS_DECIMAL.format(kinds=kinds),
    }
    with file.writing() as writer:
        writer.execute(
            f"CREATE TABLE IF NOT EXISTS {FORMATS} "
            "(name TEXT PRIMARY KEY NOT NULL, format INTEGER NOT NULL)"
        )
        writer.execute(
            f"CREATE TABLE IF NOT EXISTS {table.source} "
            f"({key} TEXT PRIMARY KEY NOT NULL, {body} TEXT NOT NULL, {kinds} TEXT)"
        )
        for index, where in partial.items():
            writer.execute(
                f"CREATE INDEX IF NOT EXISTS {quoted(index)} ON {table.source} ({key}) "
                f"WHERE {where}"
            )
        writer.execute(
            f"INSERT OR IGNORE INTO {FORMATS} VALUES (?, ?)", (table.name, FORMAT)
        )
    return table
