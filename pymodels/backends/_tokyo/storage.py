"""What both storages of Tokyo files share: forms of records, indexes, settings."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from pymodels.backend import (
    BaseStorage,
    BoundIndex,
    Changes,
    Instance,
    Kind,
    M,
    Order,
    Record,
    Row,
    Shape,
    errors,
)
from pymodels.backends._tokyo.columns import NOTE, column_of, name_of
from pymodels.backends._tokyo.facts import TableFacts
from pymodels.backends._tokyo.forms import ColumnForm, Form, JsonForm
from pymodels.backends._tokyo.texts import is_whole
from pymodels.tokyo.guards import is_too_long
from pymodels.tokyo.search import Condition, IndexType, Operator

NUMERIC = {Operator.NUMEQ, Operator.NUMGT, Operator.NUMGE, Operator.NUMLT}
NUMERIC |= {Operator.NUMLE, Operator.NUMBT, Operator.NUMOREQ}
_TEXTUAL = {Kind.STRING, Kind.BOOL, Kind.BYTES, Kind.DATE, Kind.DATETIME, Kind.NONE}


class FileStorage(BaseStorage):
    """Records in a table, or in another kind of file."""

    def __init__(self, kind: str, residual: Any) -> None:
        super().__init__(residual=residual)
        self.kind = kind
        self.is_table = kind == "TABLE"
        """Whether the file can be searched."""
        self.form: Form = ColumnForm() if self.is_table else JsonForm()
        self._served_by_none: set[str] = set()

    @property
    def sorts_keys(self) -> bool:
        """Whether the file gives its keys in order."""
        return self.is_table

    def scan_in(self, descending: bool | None) -> Iterator[Row]:
        """Yield all rows of a file that cannot be searched, in the order of keys."""
        raise errors.Unsupported(f"{type(self).__name__}.scan_in is not written")

    def trusts(self, condition: Condition, facts: TableFacts) -> bool:
        """Say whether an index on the column, if there is one, is in order."""
        raise errors.Unsupported(f"{type(self).__name__}.trusts is not written")

    # The form of records.

    def encode(self, key: str, record: Record) -> Row:
        """Turn a canonical record into a row."""
        return self.form.encode(key, record)

    def decode(self, row: Row, shape: Shape | None = None) -> Record:
        """Turn a row into its record."""
        return self.form.decode(row, shape)

    def loader(self, model: type[M]) -> Callable[[Row], M]:
        """Take the short way to instances, where there is one."""
        return self.form.loader(self, model) or super().loader(model)

    def sifter(self, model: type[M]) -> Callable[[Row], M | None] | None:
        """Let loading show membership, where it does."""
        return self.form.sifter(self, model)

    def dumper(self, model: type[Instance]) -> Callable[[str, Instance], Row]:
        """Take the short way from instances."""
        return self.form.dumper(self, model)

    def patched(self, row: Row, changes: Changes) -> Row:
        """Give a row with changes in it."""
        return self.form.patched(row, changes)

    def stored_after(self, key: bytes, stored: bytes, changes: Changes) -> bytes:
        """Give what a file is to hold after a change to what it holds."""
        return self.form.stored(self.form.patched(self.form.row(key, stored), changes))

    # Indexes.

    def file_path(self) -> str:
        """Give the path of the file, beside which those of indexes lie."""
        raise errors.Unsupported(f"{type(self).__name__}.file_path is not written")

    def index_types(self) -> dict[bytes, IndexType]:
        """Give the columns that have an index, as far as that is known."""
        raise errors.Unsupported(f"{type(self).__name__}.index_types is not written")

    def make_index(self, column: bytes, kind: IndexType) -> None:
        """Index a column."""
        raise errors.Unsupported(f"{type(self).__name__}.make_index is not written")

    def create_index(self, index: BoundIndex) -> str:
        """Index each column that can be; one that has an index keeps it.

        Nested values, lists, floats and Decimals are left out: the library has no
        index that would serve them; so is everything in a hash or a tree. Gives the
        name of the first one. Raises `Unsupported` for a unique index, and for a
        name that is too long for the file of an index.
        """
        if index.unique:
            raise errors.Unsupported(f"{index}: Tokyo files have no unique indexes")
        typed = [(order, type_of(order)) for order in index.orders if self.is_table]
        wanted = {
            column_of(order.path[0]): kind for order, kind in typed if kind is not None
        }
        for column in wanted:
            if is_too_long(self.file_path(), column):
                raise errors.Unsupported(
                    f"{index}: no file can have the name of an index on "
                    f"{name_of(column)[:40]!r}, it would be longer than 255 bytes"
                )
        known = self.index_types()
        for column, kind in wanted.items():
            if column not in known:
                self.make_index(column, kind)
        made = [index_name(one, known.get(one, kind)) for one, kind in wanted.items()]
        if not made:
            # The same answers without one; the same names when asked again.
            made.append(f"{index}:none")
            self._served_by_none.add(made[0])
        return made[0]

    def list_indexes(self) -> list[str]:
        """Give the names of the indexes, and of those that serve nobody."""
        self.check_open()
        made = [index_name(*one) for one in self.index_types().items()]
        return [*made, *sorted(self._served_by_none)]


def type_of(order: Order) -> IndexType | None:
    """Give the type of index that serves a field; None if none does."""
    declared = order.declared
    if declared is None or len(order.path) != 1 or order.path == (NOTE,):
        return None
    if declared.kinds <= _TEXTUAL:
        return IndexType.LEXICAL
    if declared.kinds <= {Kind.NUMBER, Kind.NONE} and is_whole(declared):
        return IndexType.DECIMAL
    return None


def index_name(column: bytes, kind: IndexType) -> str:
    """Name an index for people."""
    return f"{name_of(column)}:{kind.name.lower()}"


# Settings.


def check_choice(name: str, value: object, choices: Iterable[str]) -> None:
    """Refuse a setting that is not one of some words."""
    if value not in list(choices):
        raise errors.SettingsError(
            f"{name} is {value!r}; it can be {', '.join(choices)}"
        )


def check_number(
    name: str, value: object, least: float, most: float | None = None, kind: type = int
) -> None:
    """Refuse a setting that is not a number within bounds."""
    is_number = isinstance(value, int | kind) and not isinstance(value, bool)
    if not is_number or not least <= value <= (most or value):  # type: ignore[operator]  # a number, or NaN
        end = " up" if most is None else f" to {most}"
        raise errors.SettingsError(
            f"{name} is {value!r}; it takes a number from {least}{end}"
        )
