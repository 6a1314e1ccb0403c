"""Queries as finds, counts and updates of one collection.

A batch is a moment of the server: what changes while a result is read may be seen
or not, and a document that moves in the index that is followed, twice.
"""

from collections.abc import Callable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any, Self
from weakref import WeakKeyDictionary

from pymodels.backend import M, codec_of
from pymodels.backends.mongodb.documents import KINDS
from pymodels.backends.mongodb.errors import translated
from pymodels.backends.mongodb.explain import shown
from pymodels.backends.mongodb.filters import ALWAYS, Filter, Form, form
from pymodels.backends.mongodb.indexes import BY_CODE_POINT
from pymodels.backends.mongodb.key_terms import ID
from pymodels.backends.mongodb.native import NativeFilter, holds_native
from pymodels.backends.mongodb.order import (
    BEFORE_TEXT,
    Sorting,
    is_before_text,
    pipeline,
    sorting,
)
from pymodels.backends.mongodb.patch import update_for
from pymodels.backends.mongodb.places import place
from pymodels.backends.mongodb.terms import compile_predicate, joined, native
from pymodels.errors import QueryError, StorageError
from pymodels.hooks import IS_THERE
from pymodels.law.changes import Changes
from pymodels.law.predicates import Predicate, terms_of
from pymodels.law.shapes import Member, Shape
from pymodels.law.values import KEY, Path
from pymodels.querying.plan import Native, Order, Pushed, Row, Spec, make_plan
from pymodels.querying.query import BaseQuery

if TYPE_CHECKING:
    from pymodels.backends.mongodb.storage import Storage

FIRST_BATCH = 100
"""Documents of a first batch: whoever wants one only shall not wait for more."""
BATCH = 4_000
SEVERAL_NAMES = 3
"""To sort by, the key included."""
PARALLEL = "parallel arrays"
"""What the server says of a document with lists under two names of an order."""

_members: WeakKeyDictionary[Any, dict[int, Native | None]] = WeakKeyDictionary()
"""The compiled terms of membership, by codec, by identity."""


def members_of(codec: Any) -> dict[int, Native | None]:
    """Give the compiled terms of a model's membership, by identity."""
    known = _members.get(codec)
    if known is None:
        terms = terms_of(codec.membership)
        known = {id(term): native(compile_predicate(term)) for term in terms}
        _members[codec] = known
    return known


class Query(BaseQuery[M]):
    """A find in one collection."""

    storage: "Storage"

    def __init__(self, model: type[M], storage: "Storage") -> None:
        super().__init__(model, storage)
        self._members = members_of(codec_of(model))

    def native(self, written: Form) -> Self:
        """Keep the documents that fulfil a filter of MongoDB's own language too.

        It goes to the server as it is, in stored names, and means what MongoDB
        means by it: a condition on a list asks its elements, a missing field is no
        None. It cannot be joined by "or" with what is looked at in Python.
        """
        if not isinstance(written, dict):
            raise QueryError(f"native() takes a filter, a dict, not {written!r}")
        return self._narrowed(NativeFilter(written))

    def compile(self, predicate: Predicate) -> Native | None:
        """Say a predicate as a filter."""
        if id(predicate) in self._members:
            return self._members[id(predicate)]
        found = native(compile_predicate(predicate))
        if (found is None or not found.exact) and holds_native(predicate):
            raise QueryError(
                f"{predicate} joins a native filter with what the server cannot say, "
                "and so would have to be looked at in Python, which does not know "
                "that filter; ask for both by where(...) instead"
            )
        return found

    def can_sort(self, order: tuple[Order, ...]) -> bool:
        """Sort on the server where it sorts the declared kinds as the law does."""
        return self._sorting(order) is not None

    def _sorting(self, order: tuple[Order, ...]) -> Sorting | None:
        return sorting(order, codec_of(self.model).shape)

    def _filter(self, pushed: Pushed) -> Form:
        terms = terms_of(pushed.predicate)
        compiled: list[Filter] = list(pushed.natives)
        return form(joined(terms, compiled) if compiled else ALWAYS)

    @property
    def _options(self) -> dict[str, Any]:
        return self.storage.by_code_point

    def run(self, pushed: Pushed) -> Iterator[Row]:
        """Yield the rows of a find, or of a pipeline where ranks have to be made."""
        limit = _limit(pushed)
        if limit is not None and limit <= 0:
            return iter(())
        asked = self._filter(pushed)
        found = self._sorting(pushed.order) if pushed.order else None
        if found is None:
            return self._rows_of(self._find(asked, None, pushed))
        stages = pipeline(asked, found, pushed)
        checked = _checked(pushed)
        if self._needs_ranks(asked, found, bool(checked)):
            return self._piped(stages)
        cursor = self._find(asked, found, pushed)
        if checked or len(found.names) >= SEVERAL_NAMES:
            return self._checked_rows(cursor, checked, stages)
        return self._rows_of(cursor)

    def sifted(
        self, asked: Spec, sift: Callable[[Row], M | None]
    ) -> Iterator[M] | None:
        """Leave membership to loading: for the server it is a condition a field."""
        found = super().sifted(asked, sift)
        if found is not None:
            return found
        pushed = self._without_membership(asked)
        return self._told_by_loading(pushed, sift) if pushed else None

    def _without_membership(self, asked: Spec) -> Pushed | None:
        """Give what the server is asked for then; None where that is not all."""
        plan, whole = (
            make_plan(spec, self.compile, self.can_sort) for spec in (asked, self.spec)
        )
        return plan.pushed if plan.is_pushed and whole.is_pushed else None

    def _told_by_loading(
        self, pushed: Pushed, sift: Callable[[Row], M | None]
    ) -> Iterator[M]:
        """Yield members; where most of the first rows are none, ask the server."""
        rows, looked_at = self.run(pushed), 0
        seen: set[str] = set()
        for row in islice(rows, FIRST_BATCH):
            looked_at += 1
            instance = sift(row)
            if instance is not None:
                seen.add(row[0])
                yield instance
        if looked_at == FIRST_BATCH and len(seen) < looked_at / 2:
            rows.close()  # type: ignore[attr-defined]  # a generator
            load = self.storage.mapper(self.model).load
            yield from (load(row) for row in self._rows() if row[0] not in seen)
            return
        yield from filter(IS_THERE, map(sift, rows))

    def _find(self, asked: Form, found: Sorting | None, pushed: Pushed) -> Any:
        limit = _limit(pushed)
        return self.storage.collection.find(
            asked,
            skip=pushed.start,
            limit=limit or 0,
            batch_size=BATCH if found or limit else FIRST_BATCH,
            sort=list(found.names) if found else None,
            **self._options,
        )

    def _rows_of(self, cursor: Any) -> Iterator[Row]:
        rows = self.storage.rows(cursor)
        for row in rows:
            # The driver takes one size for all batches, but looks at each.
            cursor._batch_size = BATCH
            yield row
            break
        yield from rows

    def _piped(self, stages: list[Form]) -> Iterator[Row]:
        """Yield the documents that come out of a pipeline."""
        with translated(self.storage):
            cursor = self.storage.collection.aggregate(
                stages, batchSize=BATCH, **self._options
            )
        return self.storage.rows(cursor)

    def _checked_rows(
        self, cursor: Any, checked: int, stages: list[Form]
    ) -> Iterator[Row]:
        """Read a cursor, or a pipeline where the server sorts otherwise.

        That is where keys come before texts, as the first rows would show, and
        where lists under two names of the order make it fail.
        """
        rows = self._rows_of(cursor)
        try:
            head = list(islice(rows, checked or 1))
        except StorageError as error:
            if PARALLEL not in str(error):
                raise
            yield from self._piped(stages)
            return
        if checked and any(is_before_text(row[1][ID]) for row in head):
            cursor.close()
            yield from self._piped(stages)
            return
        yield from head
        yield from rows

    def _needs_ranks(self, asked: Form, found: Sorting, checked: bool) -> bool:
        """Ask whether the server would sort something otherwise than the law does.

        These are naive datetimes, and keys that it sorts before texts, where the
        rows themselves will not show them.
        """
        if found.ranks and self._is_any({"$and": [asked, found.naive]}):
            return True
        return not checked and self._is_any({ID: {"$type": list(BEFORE_TEXT)}})

    def _is_any(self, asked: Form, skip: int = 0) -> bool:
        with translated(self.storage):
            found = self.storage.collection.find_one(
                asked, {ID: 1}, skip=skip, **self._options
            )
        return found is not None

    def count_pushed(self, pushed: Pushed) -> int:
        """Count on the server."""
        limit = _limit(pushed)
        if limit is not None and limit <= 0:
            return 0
        options = self._options
        if pushed.start:
            options["skip"] = pushed.start
        if limit is not None:
            options["limit"] = limit
        asked = self._filter(pushed)
        with translated(self.storage):
            return self.storage.collection.count_documents(asked, **options)

    def discard_pushed(self, pushed: Pushed) -> int | None:
        """Remove at once, unless there is a slice, or a savepoint to go back to."""
        if _is_sliced(pushed) or self.storage.is_in_savepoint:
            return None
        asked = self._filter(pushed)
        with translated(self.storage, writes=True):
            done = self.storage.collection.delete_many(asked, **self._options)
        return int(done.deleted_count)

    def patch_pushed(self, pushed: Pushed, changes: Changes) -> int | None:
        """Change at once, unless there is a slice, or a savepoint to go back to."""
        if _is_sliced(pushed) or self.storage.is_in_savepoint:
            return None
        asked, update = self._filter(pushed), update_for(changes)
        with translated(self.storage, writes=True):
            done = self.storage.collection.update_many(asked, update, **self._options)
        return int(done.matched_count)

    def distinct_pushed(self, pushed: Pushed, path: Path) -> Iterator[Any] | None:
        """Let the server group equal values, each with its marks."""
        shape = self._shape_at(path)
        at = None if path == KEY else place(path, shape)
        if at is None or _is_sliced(pushed):
            return None
        # Through maps only: of a list the server would give each element's.
        value: Any = at.expression
        for parent in reversed(at.parents):
            is_map = {"$eq": [{"$type": f"${parent}"}, "object"]}
            value = {"$cond": [is_map, value, None]}
        has_marks = {"$in": [{"$type": at.expression}, ["date", "array", "object"]]}
        mark = {"$cond": [has_marks, f"${KINDS}.{at.name}", None]}
        stages = [
            {"$match": self._filter(pushed)},
            {"$group": {ID: {"value": value, "mark": mark}}},
            {
                "$project": {
                    ID: "",
                    "value": f"${ID}.value",
                    KINDS: {"value": f"${ID}.mark"},
                }
            },
        ]
        whole = Shape(members={"value": Member("value", shape or Shape())})
        rows = self._piped(stages)
        return (self.storage.decode(row, whole).get("value") for row in rows)

    def _shape_at(self, path: Path) -> Shape | None:
        shape: Shape | None = codec_of(self.model).shape
        for name in path:
            shape = shape.stored_member(name) if shape else None
        return shape

    def describe(self, pushed: Pushed) -> str:
        """Show the filter, the order, and how the server finds the documents."""
        asked, name = self._filter(pushed), self.storage.collection.name
        found = self._sorting(pushed.order) if pushed.order else None
        checked = bool(pushed.order) and bool(_checked(pushed))
        if found is not None and self._needs_ranks(asked, found, checked):
            stages = pipeline(asked, found, pushed)
            command: Form = {"aggregate": name, "pipeline": stages, "cursor": {}}
        else:
            command = {"find": name, "filter": asked}
            if found is not None:
                command["sort"] = dict(found.names)
            if pushed.start:
                command["skip"] = pushed.start
            if limit := _limit(pushed):
                command["limit"] = limit
        whole = {**command, "collation": BY_CODE_POINT.document}
        try:
            with translated(self.storage):
                told = self.storage.collection.database.command(
                    {"explain": whole, "verbosity": "queryPlanner"},
                    session=self.storage.session,
                )
        except StorageError as error:
            return shown(command, {"stage": str(error)})
        return shown(command, told)


def _checked(pushed: Pushed) -> int:
    """Say how many of the first rows show whether any key comes before texts.

    None of them, where rows are skipped, or where the last keys come first.
    """
    by_key = [one for one in pushed.order if one.path == KEY]
    # Without a name of its own, the key goes as the last name does.
    if pushed.start or [*by_key, pushed.order[-1]][0].descending:
        return 0
    if pushed.order[0].path == KEY:
        return 1
    limit = _limit(pushed) or 0
    return limit if limit <= BATCH else 0


def _limit(pushed: Pushed) -> int | None:
    return None if pushed.stop is None else pushed.stop - pushed.start


def _is_sliced(pushed: Pushed) -> bool:
    return bool(pushed.start) or pushed.stop is not None
