"""What is known of a table: its indexes, its members' SQL, whether rows are foreign."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import product

from pymodels.backend import Instance, codec_of, is_model
from pymodels.backends._sql.predicates import compile_predicate, native
from pymodels.backends._sql.terms import DECIMAL_RANK, Columns, Sql, inlined, rank_of
from pymodels.backends._sql.terms import place as place_of
from pymodels.backends.sqlite.file import Probe
from pymodels.backends.sqlite.indexes import index_name, members_sql
from pymodels.backends.sqlite.table import HAS_DECIMAL, decimal_index
from pymodels.indexes import BoundIndex
from pymodels.law import json_body
from pymodels.law.predicates import terms_of
from pymodels.law.shapes import Shape
from pymodels.law.values import Kind, Path
from pymodels.querying.plan import Native


class Known:
    """Remembers SQL for each model; asks about foreign rows and Decimals anew."""

    def __init__(self, table: str, columns: Columns) -> None:
        self.table = table
        self.name = '"' + table.replace('"', '""') + '"'
        self.plain = columns
        self.indexes: frozenset[str] = frozenset()
        self._full: dict[object, Columns] = {}
        self._usable: dict[object, tuple[BoundIndex, ...]] = {}
        self._members: dict[object, dict[int, Sql]] = {}
        self._natives: dict[object, dict[int, Native | None]] = {}
        self._decimals: dict[object, dict[Path, str]] = {}

    def set_indexes(self, names: Iterable[str]) -> None:
        """Note which indexes the table has."""
        self.indexes = frozenset(names)
        self._usable.clear()
        self._members.clear()
        self._decimals.clear()

    def full(self, model: type[Instance]) -> Columns:
        """Give the columns of which nothing is assumed."""
        codec = codec_of(model)
        found = self._full.get(codec)
        if found is None:
            usual = tuple(usual_notes(codec.shape))
            found = self._full[codec] = self._with(usual=usual)
        return found

    def _with(self, usual: tuple[str, ...] = (), foreign: bool = True) -> Columns:
        plain = self.plain
        return Columns(plain.key, plain.body, plain.kinds, usual, foreign)

    def usable(self, model: type[Instance]) -> tuple[BoundIndex, ...]:
        """Give the indexes of a model and its parents that the table has."""
        codec = codec_of(model)
        found = self._usable.get(codec)
        if found is None:
            candidates = [
                index
                for cls in model.__mro__
                if is_model(cls)
                for index in _indexes_of(cls)
            ]
            found = self._usable[codec] = tuple(
                index
                for index in candidates
                if index_name(self.table, index, self.plain) in self.indexes
            )
        return found

    def columns(self, model: type[Instance], used: set[Path], probe: Probe) -> Columns:
        """Find out, as of this moment, which form of a statement is exact."""
        full = self.full(model)
        if probe(f"SELECT 1 FROM {self.name} WHERE {full.kinds} IS NULL LIMIT 1"):
            return full
        decimals = self._may_hold_decimals(probe)
        indexes = self.usable(model)
        if not indexes:
            lean = self._with(full.usual, foreign=False)
            return replace(lean, decimals=decimals)
        ranked = frozenset(order.path for index in indexes for order in index.orders)
        without = frozenset(
            path
            for path, text in self._probes(model).items()
            if decimals and path in used and not probe(text)
        )
        return replace(
            self._with(foreign=False),
            ranked=ranked,
            without_decimals=without,
            decimals=decimals,
        )

    def _may_hold_decimals(self, probe: Probe) -> bool:
        """Say whether some row holds a Decimal, if an index tells."""
        if decimal_index(self.table) not in self.indexes:
            return True
        condition = HAS_DECIMAL.format(kinds=self.plain.kinds)
        return probe(f"SELECT 1 FROM {self.name} WHERE {condition} LIMIT 1")

    def _probes(self, model: type[Instance]) -> dict[Path, str]:
        """Give the SELECT that finds a Decimal, for each path an index leads with."""
        codec = codec_of(model)
        found = self._decimals.get(codec)
        if found is None:
            found = self._decimals[codec] = {}
            plain = self._with(foreign=False)
            for index in self.usable(model):
                order = index.orders[0]
                if not order.declared or Kind.NUMBER not in order.declared.kinds:
                    continue
                at = place_of(plain, order.path, order.declared)
                members = members_sql(index.membership, plain)
                where = f"{rank_of(at.type, at.mark)}={DECIMAL_RANK}"
                where += f" AND {members}" if members else ""
                sql = f"SELECT 1 FROM {self.name} WHERE {where} LIMIT 1"
                found[order.path] = sql
        return found

    def full_members(self, model: type[Instance]) -> dict[int, Native | None]:
        """Give the membership terms of a model in their full form, by identity."""
        codec = codec_of(model)
        found = self._natives.get(codec)
        if found is None:
            full = self.full(model)
            found = self._natives[codec] = {
                id(term): native(compile_predicate(term, full))
                for term in terms_of(codec.membership)
            }
        return found

    def lean_members(self, model: type[Instance], columns: Columns) -> dict[int, Sql]:
        """Give the membership terms as SQL for lean statements, by identity.

        With an index they are spelled as it has them, so that it is used.
        """
        codec = codec_of(model)
        marker = (codec, bool(columns.ranked), columns.decimals)
        found = self._members.get(marker)
        if found is None:
            plain = columns if not columns.ranked else self._with(foreign=False)
            found = self._members[marker] = {}
            for term in terms_of(codec.membership):
                sql = compile_predicate(term, plain)
                if sql is not None and sql.exact:
                    found[id(term)] = Sql(inlined(sql)) if columns.ranked else sql
        return found

    def index_hint(self, model: type[Instance], columns: Columns) -> str:
        """Give a term that is always true and leads to an index of the members."""
        if not columns.ranked:
            return ""
        order = self.usable(model)[0].orders[0]
        at = place_of(self._with(foreign=False), order.path, order.declared)
        return f"{rank_of(at.type, at.mark)}>=0"


def _indexes_of(cls: type) -> tuple[BoundIndex, ...]:
    if cls.__module__ == "pymodels.models.model":
        return ()
    found: tuple[BoundIndex, ...] = codec_of(cls).indexes
    return found


MOST_USUAL = 4


def usual_notes(shape: Shape) -> Iterator[str]:
    """Give the notes of a model's own records: marked fields there or not."""
    marked: list[tuple[str, str, bool]] = []
    for member in shape.members.values():
        if len(member.shape.reads_text) == 1:
            optional = not member.required or len(member.shape.kinds) > 1
            marked.append((member.stored, member.shape.reads_text[0], optional))
    choices = [(True, False) if optional else (True,) for _, _, optional in marked]
    for count, chosen in enumerate(product(*choices)):
        if count == MOST_USUAL:
            return
        pairs = zip(marked, chosen, strict=True)
        note = {name: mark for (name, mark, _), there in pairs if there}
        yield json_body.to_json(note)
