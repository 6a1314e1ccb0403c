"""A Tokyo Cabinet file that a server has open: found, made, repaired, closed."""

from collections.abc import Iterator
from pathlib import Path

from pymodels.errors import StorageBusy, StorageError
from pymodels.tokyo.errors import HEAD, LOCKED, META, LibraryMissing, TokyoError
from pymodels.tokyo.guards import SORTED, index_file, indexes_of, is_too_long
from pymodels.tokyo.library import Hash, OpenMode, Table
from pymodels.tokyo.library.abstract import AbstractDatabase
from pymodels.tokyo.search import IndexType

TYPES = {".tct": "table", ".tch": "hash"}
FLAGS_AT = 33
IS_OPEN = 1


class ServedFile:
    """One open file and what is known of it."""

    def __init__(self, path: Path, *, readonly: bool = False, bnum: int = 0) -> None:
        """Open a file, made if it is absent; repair the indexes of a broken one.

        ``bnum``: how many buckets a new file gets; 0 is the library's default.

        Raises `StorageError` with a reason for people.
        """
        self.path, self.readonly = path, readonly
        self.type = TYPES.get(path.suffix, "")
        self.repaired: list[bytes] = []
        self._half_made: set[bytes] = set()
        self._check_path()
        was_left_open = self._was_left_open()
        self.database = self._opened(bnum)
        try:
            self.look_for_indexes()
            if was_left_open and self.indexes:
                self._repair()
        except BaseException:
            self.database.close()
            raise

    @property
    def is_table(self) -> bool:
        """Whether records have columns."""
        return self.type == "table"

    @property
    def index_names(self) -> list[str]:
        """What the index files are called after the file's name, sorted."""
        return sorted(index_file(*one) for one in self.indexes.items())

    def _check_path(self) -> None:
        path = self.path
        if not self.type:
            raise StorageError(
                f"{path}: only files called *.tct (tables) and *.tch (hashes) can be "
                "served"
            )
        if "#" in str(path):
            raise StorageError(
                f"{path}: the library takes '#' for an option of its own"
            )
        if not path.parent.is_dir():
            raise StorageError(f"{path}: there is no folder {path.parent}")
        if path.exists() and not path.is_file():
            raise StorageError(f"{path} is not a file")
        if self.readonly and not path.exists():
            raise StorageError(f"{path} is not there, and --readonly makes none")

    def _was_left_open(self) -> bool:
        """Say whether its last writer ended without closing it."""
        if not self.path.exists():
            return False
        try:
            with self.path.open("rb") as file:
                file.seek(FLAGS_AT)
                flags = file.read(1)
        except OSError as error:
            raise StorageError(f"{self.path} cannot be read: {error}") from error
        return bool(flags) and bool(flags[0] & IS_OPEN)

    def _opened(self, bnum: int) -> AbstractDatabase:
        is_new = not self.path.exists() or not self.path.stat().st_size
        mode = "rf" if self.readonly else "wcf"
        tuning = "#opts=l" + (f"#bnum={bnum}" if bnum else "") if is_new else ""
        # An absolute path: the library takes some names for its own.
        name = f"{self.path.resolve()}#mode={mode}{tuning}"
        try:
            return AbstractDatabase(name.encode("utf-8", "surrogateescape"))
        except LibraryMissing as error:
            raise StorageError(f"{self.path}: {error}") from error
        except OSError as error:
            raise self._reason() from error

    def _reason(self) -> StorageError:
        """Find out what the abstract database does not say."""
        database = Table() if self.is_table else Hash()
        mode = OpenMode.READER if self.readonly else OpenMode.WRITER
        try:
            database.open(self.path, mode | OpenMode.NO_WAIT)
            database.close()
        except TokyoError as error:
            if error.code == LOCKED:
                return StorageBusy(
                    f"{self.path} is locked: another program has it open; a Tokyo "
                    "Cabinet file has one writer, or readers only"
                )
            if error.code in {META, HEAD}:
                return StorageError(
                    f"{self.path} is not a Tokyo Cabinet {self.type} file"
                )
            return StorageError(f"{self.path} cannot be opened: {error}")
        return StorageBusy(f"{self.path} was locked a moment ago; try again")

    def look_for_indexes(self) -> None:
        """See which columns have an index."""
        self.indexes = indexes_of(self.path) if self.is_table else {}
        found = {name for name, kind in self.indexes.items() if kind in SORTED}
        self.ordered = frozenset(found | self._half_made)

    def suspect(self, column: bytes) -> None:
        """Take a column for ordered whose index could not be made.

        Where the file of an index cannot be made, as for too long a name, the library
        keeps the index in mind all the same.
        """
        self._half_made.add(column)
        self.look_for_indexes()

    def can_index(self, column: bytes, kind: int) -> bool:
        """Say whether an index does no harm: it has a file, and no value is empty."""
        if is_too_long(self.path, column):
            return False
        return kind not in SORTED or not column or not self.has_empty_values(column)

    def columns(self, key: bytes) -> dict[bytes, bytes] | None:
        """Give the columns of a record; of a hash, the value under the empty name."""
        if not self.is_table:
            value = self.database.get(key)
            return None if value is None else {b"": value}
        found = self.database.misc(b"get", [key])
        if found is None:
            return None
        return dict(zip(found[::2], found[1::2], strict=True))

    def rows(self) -> Iterator[list[bytes]]:
        """Yield the rows of a table that are there now: keys, then names and values."""
        keys = self.database.misc(b"search", []) or ()
        found = ((key, self.database.misc(b"get", [key])) for key in keys)
        return ([key, *row] for key, row in found if row is not None)

    def has_empty_values(self, column: bytes) -> bool:
        """Say whether a record has an empty value in a column."""
        condition = b"\0".join((b"addcond", column, b"+STREQ", b""))
        found = self.database.misc(b"search", [condition, b"count"])
        return found is None or found[:1] != [b"0"]

    def _repair(self) -> None:
        """Make the indexes anew: those of a process that died lack what it wrote."""
        if self.readonly:
            raise StorageError(
                f"{self.path} was not closed well, so that its indexes may lack "
                "records; start once without --readonly to make them anew"
            )
        for column, kind in self.indexes.items():
            if column in self.ordered and column and self.has_empty_values(column):
                kind = IndexType.VOID
            made = self.database.misc(b"setindex", [column, b"%d" % kind])
            if made is None:
                raise StorageError(f"{self.path}: the index on {column!r} is broken")
            self.repaired.append(column)
        self.look_for_indexes()

    def rebuild(self, kind: IndexType) -> None:
        """Make the indexes of one type anew."""
        for column, found in self.indexes.items():
            if found is kind:
                self.database.misc(b"setindex", [column, b"%d" % kind])

    def close(self) -> None:
        """Bring everything to the disk and let go."""
        if not self.database.close():
            raise StorageError(f"{self.path} was not closed well")
