"""What is known of a table: its indexes, its members' SQL, whether rows are foreign."""

from collections.abc import Iterable, Iterator
from itertools import product
from typing import TYPE_CHECKING

from pymodels import json_body
from pymodels.backends._sql import compile_predicate
from pymodels.backends._sql_terms import Columns, Sql, inlined, rank_of
from pymodels.backends._sql_terms import place as place_of
from pymodels.backends.sqlite.file import Probe
from pymodels.backends.sqlite.indexes import index_name, members_sql
from pymodels.indexes import BoundIndex
from pymodels.predicates import terms_of
from pymodels.shapes import Shape
from pymodels.values import Kind, Path

if TYPE_CHECKING:
    from pymodels.model import Model


class Known:
    """Remembers SQL for each model; asks about foreign rows and Decimals anew."""

    def __init__(self, table: str, name: str, columns: Columns) -> None:
        self.table = table
        self.name = name
        self.plain = columns
        self.indexes: frozenset[str] = frozenset()
        self._full: dict[object, Columns] = {}
        self._usable: dict[object, tuple[BoundIndex, ...]] = {}
        self._members: dict[object, dict[int, Sql]] = {}

    def set_indexes(self, names: Iterable[str]) -> None:
        """Note which indexes the table has."""
        self.indexes = frozenset(names)
        self._usable.clear()
        self._members.clear()

    def full(self, model: type["Model"]) -> Columns:
        """Give the columns of which nothing is assumed."""
        codec = model.__pymodels_codec__
        found = self._full.get(codec)
        if found is None:
            usual = tuple(usual_notes(codec.shape))
            found = self._full[codec] = self._with(usual=usual)
        return found

    def _with(self, usual: tuple[str, ...] = (), foreign: bool = True) -> Columns:
        plain = self.plain
        return Columns(plain.key, plain.body, plain.kinds, usual, foreign)

    def usable(self, model: type["Model"]) -> tuple[BoundIndex, ...]:
        """Give the indexes of a model and its parents that the table has."""
        codec = model.__pymodels_codec__
        found = self._usable.get(codec)
        if found is None:
            candidates = [
                index
                for cls in model.__mro__
                if hasattr(type(cls), "__pymodels_codec__")
                for index in _indexes_of(cls)
            ]
            found = self._usable[codec] = tuple(
                index
                for index in candidates
                if index_name(self.table, index, self.plain) in self.indexes
            )
        return found

    def columns(self, model: type["Model"], used: set[Path], probe: Probe) -> Columns:
        """Find out, as of this moment, which form of a statement is exact."""
        kinds = self.plain.kinds
        if probe(f"SELECT 1 FROM {self.name} WHERE {kinds} IS NULL LIMIT 1"):
            return self.full(model)
        indexes = self.usable(model)
        if not indexes:
            return self._with(self.full(model).usual, foreign=False)
        plain = self._with(foreign=False)
        ranked = frozenset(order.path for index in indexes for order in index.orders)
        without = set()
        for index in indexes:
            first = index.orders[0]
            declared = first.declared
            if first.path not in used or first.path in without:
                continue
            if declared and Kind.NUMBER in declared.kinds:
                at = place_of(plain, first.path, declared)
                rank = rank_of(at.type, at.mark)
                members = members_sql(index.membership, plain)
                where = f"{rank}=2" + (f" AND {members}" if members else "")
                if not probe(f"SELECT 1 FROM {self.name} WHERE {where} LIMIT 1"):
                    without.add(first.path)
        return Columns(
            plain.key,
            plain.body,
            plain.kinds,
            foreign=False,
            ranked=ranked,
            without_decimals=frozenset(without),
        )

    def lean_members(self, model: type["Model"], columns: Columns) -> dict[int, Sql]:
        """Give the membership terms of a model as an index has them, by identity."""
        if not columns.ranked:
            return {}
        codec = model.__pymodels_codec__
        found = self._members.get(codec)
        if found is None:
            plain = self._with(foreign=False)
            found = self._members[codec] = {}
            for term in terms_of(codec.membership):
                sql = compile_predicate(term, plain)
                if sql is not None and sql.exact:
                    found[id(term)] = Sql(inlined(sql))
        return found


def _indexes_of(cls: type) -> tuple[BoundIndex, ...]:
    if cls.__module__ == "pymodels.model":
        return ()
    found: tuple[BoundIndex, ...] = cls.__pymodels_codec__.indexes  # type: ignore[attr-defined]  # a Model
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
