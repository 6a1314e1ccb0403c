"""Queries as finds, counts and updates of one collection.

A batch is a moment of the server: what changes while a result is read may be seen
or not, and a document that moves in the index that is followed, twice.
"""

from collections.abc import Iterator
from itertools import islice
from typing import Any, Self
from weakref import WeakKeyDictionary

from pymongo.errors import WriteError

from pymodels.backend import (
    KEY,
    BaseQuery,
    Changes,
    Codec,
    M,
    Member,
    Native,
    Order,
    Path,
    Predicate,
    Pushed,
    Row,
    Shape,
    codec_of,
    errors,
    terms_of,
)
from pymodels.backend import predicates as p
from pymodels.backends.mongodb.documents import KINDS
from pymodels.backends.mongodb.errors import translated
from pymodels.backends.mongodb.explain import explained
from pymodels.backends.mongodb.filters import Form, field_path, form
from pymodels.backends.mongodb.indexes import BY_CODE_POINT
from pymodels.backends.mongodb.keys import ID, by_key
from pymodels.backends.mongodb.order import (
    BEFORE_TEXT,
    Sorting,
    is_before_text,
    pipeline,
    sorting,
)
from pymodels.backends.mongodb.patch import update_for
from pymodels.backends.mongodb.storage import Storage
from pymodels.backends.mongodb.terms import (
    NativeFilter,
    compiled,
    holds_native,
    joined,
    size_of,
)
from pymodels.backends.mongodb.writing import update_all

FIRST_BATCH = 100
"""Documents of a first batch: few, so that the first one comes soon."""
BATCH = 4_000
SEVERAL_NAMES = 3
"""To sort by, the key included."""
PARALLEL = "parallel arrays"
"""What the server says of a document with lists under two names of an order."""
EACH = 500
LARGE = 2**16
"""Bytes of an update that may make a document too large."""

_members: WeakKeyDictionary[Codec, dict[int, Native | None]] = WeakKeyDictionary()
"""The compiled terms of membership, by codec, by identity."""


def members_of(codec: Codec) -> dict[int, Native | None]:
    """Give the compiled terms of a model's membership, by identity."""
    members = _members.get(codec)
    if members is None:
        members = {id(term): compiled(term) for term in terms_of(codec.membership)}
        _members[codec] = members
    return members


class Query(BaseQuery[M]):
    """A find in one collection."""

    storage: Storage

    def __init__(self, model: type[M], storage: Storage) -> None:
        super().__init__(model, storage)
        self._members = members_of(codec_of(model))

    def native(self, written: Form) -> Self:
        """Keep the documents that fulfil a filter of MongoDB's own language too.

        It goes to the server as it is, in stored names, and means what MongoDB
        means by it: a condition on a list asks its elements, a missing field is no
        None. It cannot be joined by "or" with what is looked at in Python.
        """
        if not isinstance(written, dict):
            raise errors.QueryError(f"native() takes a filter, a dict, not {written!r}")
        return self._narrowed(NativeFilter(written))

    def compile(self, predicate: Predicate) -> Native | None:
        """Say a predicate as a filter."""
        if id(predicate) in self._members:
            return self._members[id(predicate)]
        native = compiled(predicate)
        if (native is None or not native.exact) and holds_native(predicate):
            raise errors.QueryError(
                f"{predicate} joins a native filter with what the server cannot say, "
                "and so would have to be looked at in Python, which does not know "
                "that filter; ask for both by where(...) instead"
            )
        return native

    def can_sort(self, order: tuple[Order, ...]) -> bool:
        """Sort on the server where it sorts the declared kinds as the law does."""
        return not order or self._sorting(order) is not None

    def _sorting(self, order: tuple[Order, ...]) -> Sorting | None:
        return sorting(order, codec_of(self.model).shape) if order else None

    def _filter(self, pushed: Pushed) -> Form:
        if not pushed.natives:
            return {}
        return form(joined(terms_of(pushed.predicate), pushed.natives))

    def run(self, pushed: Pushed) -> Iterator[Row]:
        """Yield the rows of a find, or of a pipeline where ranks have to be made."""
        if _limit(pushed) == 0:
            return iter(())
        command = self._command(pushed)
        if "pipeline" in command:
            return self._piped(command["pipeline"])
        sort, limit = command.get("sort", {}), command.get("limit", 0)
        cursor = self.storage.call(
            self.storage.collection.find,
            command["filter"],
            skip=pushed.start,
            limit=limit,
            batch_size=BATCH if sort or limit else FIRST_BATCH,
            sort=list(sort.items()),
        )
        if len(sort) >= SEVERAL_NAMES or (sort and _checked(pushed)):
            return self._checked_rows(cursor, pushed)
        return self._rows_of(cursor)

    def _command(self, pushed: Pushed) -> Form:
        """Give the server's command that finds the documents, in their order."""
        filter, name = self._filter(pushed), self.storage.collection.name
        sort = self._sorting(pushed.order)
        if sort is not None and self._needs_ranks(filter, sort, pushed):
            stages = pipeline(filter, sort, pushed)
            return {"aggregate": name, "pipeline": stages, "cursor": {}}
        command: Form = {"find": name, "filter": filter}
        if sort is not None:
            command["sort"] = dict(sort.names)
        if pushed.start:
            command["skip"] = pushed.start
        if limit := _limit(pushed):
            command["limit"] = limit
        return command

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
        aggregate = self.storage.collection.aggregate
        cursor = self.storage.call(aggregate, stages, batchSize=BATCH)
        return self.storage.rows(cursor)

    def _checked_rows(self, cursor: Any, pushed: Pushed) -> Iterator[Row]:
        """Read a cursor, or a pipeline where the server sorts otherwise.

        That is where keys come before texts, as the first rows would show, and
        where lists under two names of the order make it fail.
        """
        checked = _checked(pushed)
        rows = self._rows_of(cursor)
        try:
            head = list(islice(rows, checked or 1))
            is_sorted = not any(is_before_text(row[1][ID]) for row in head[:checked])
        except errors.StorageError as error:
            if PARALLEL not in str(error):
                raise
            is_sorted = False
        if is_sorted:
            yield from head
            yield from rows
            return
        cursor.close()
        sort = self._sorting(pushed.order) or Sorting(())
        yield from self._piped(pipeline(self._filter(pushed), sort, pushed))

    def _needs_ranks(self, filter: Form, sort: Sorting, pushed: Pushed) -> bool:
        """Ask whether the server would sort something otherwise than the law does.

        These are naive datetimes, and keys that it sorts before texts, where the
        rows themselves will not show them.
        """
        if sort.ranks and self._is_any({"$and": [filter, sort.naive]}):
            return True
        return not _checked(pushed) and self._is_any({ID: {"$type": [*BEFORE_TEXT]}})

    def _is_any(self, filter: Form, skip: int = 0) -> bool:
        find_one = self.storage.collection.find_one
        return self.storage.call(find_one, filter, {ID: 1}, skip=skip) is not None

    def count_pushed(self, pushed: Pushed) -> int:
        """Count on the server."""
        limit = _limit(pushed)
        if limit == 0:
            return 0
        part: Form = {"skip": pushed.start} if pushed.start else {}
        if limit is not None:
            part["limit"] = limit
        count = self.storage.collection.count_documents
        return self.storage.call(count, self._filter(pushed), **part)

    def discard_pushed(self, pushed: Pushed) -> int | None:
        """Remove at once, unless there is a slice, or a savepoint to go back to."""
        if _is_sliced(pushed) or self.storage.is_in_savepoint:
            return None
        delete = self.storage.collection.delete_many
        filter = self._filter(pushed)
        return self.storage.call(delete, filter, writes=True).deleted_count

    def patch_pushed(self, pushed: Pushed, changes: Changes) -> int | None:
        """Change at once, unless there is a slice, or a savepoint to go back to.

        Where there is a risk that the server refuses one of the records after it has
        changed others, each is an update of its own: else it does not say how many.
        """
        if _is_sliced(pushed) or self.storage.is_in_savepoint:
            return None
        filter, update = self._filter(pushed), update_for(changes)
        is_whole = self.storage.session is not None or _is_of_one_key(pushed)
        if not is_whole and self._is_risky(changes, update):
            return self._patch_each(filter, update)
        update_many = self.storage.collection.update_many
        try:
            result = self.storage.call(update_many, filter, update, writes=True)
        except errors.PyModelsError as error:
            if not is_whole and isinstance(error.__cause__, WriteError):
                raise errors.WriteUncertain(
                    f"{error}; the server does not say how many records it had "
                    "updated before"
                ) from error
            raise
        return result.matched_count

    def _patch_each(self, filter: Form, update: Any) -> int:
        """Change one document after the other, if it still fulfils the filter."""
        collection, done = self.storage.collection, 0
        documents = self.storage.call(collection.find, filter, {"_id": 1})
        keys = (document["_id"] for _, document in self.storage.rows(documents))
        while batch := list(islice(keys, EACH)):
            updates = [({"$and": [by_key(key), filter]}, update) for key in batch]
            try:
                done += update_all(collection, updates, self.storage)
            except errors.WriteUncertain:
                raise
            except errors.PyModelsError as error:
                cause: BaseException = error
                if isinstance(error, errors.WriteInterrupted):
                    done, cause = done + error.done, error.__cause__ or error
                if not done:
                    raise
                text = f"{done} records were written, then: {cause}"
                raise errors.WriteInterrupted(text, done) from cause
        return done

    def _is_risky(self, changes: Changes, update: Any) -> bool:
        """Say whether a value must be unique, or may make a document too large."""
        names = {path[0] for path in changes.sets}
        indexes = codec_of(self.model).indexes
        orders = (order for index in indexes if index.unique for order in index.orders)
        if any(order.path[:1] and order.path[0] in names for order in orders):
            return True
        return size_of({"update": update}) > LARGE

    def distinct_pushed(self, pushed: Pushed, path: Path) -> Iterator[Any] | None:
        """Let the server group equal values, each with its marks."""
        shape: Shape | None = codec_of(self.model).shape
        for name in path:
            shape = shape.stored_member(name) if shape else None
        at = None if path == KEY else field_path(path, shape)
        if at is None or _is_sliced(pushed):
            return None
        # Through maps only: of a list the server would give each element's.
        value: Any = at.expression
        for parent in reversed(at.parents):
            is_map = {"$eq": [{"$type": f"${parent}"}, "object"]}
            value = {"$cond": [is_map, value, None]}
        has_marks = {"$in": [{"$type": at.expression}, ["date", "array", "object"]]}
        mark = {"$cond": [has_marks, f"${KINDS}.{at.name}", None]}
        document = {ID: "", "value": f"${ID}.value", KINDS: {"value": f"${ID}.mark"}}
        rows = self._piped(
            [
                {"$match": self._filter(pushed)},
                {"$group": {ID: {"value": value, "mark": mark}}},
                {"$project": document},
            ]
        )
        whole = Shape(members={"value": Member("value", shape or Shape())})
        return (self.storage.decode(row, whole).get("value") for row in rows)

    def describe(self, pushed: Pushed) -> str:
        """Show the filter, the order, and how the server finds the documents."""
        command = self._command(pushed)
        whole = {**command, "collation": BY_CODE_POINT.document}
        explain = {"explain": whole, "verbosity": "queryPlanner"}
        database, session = self.storage.collection.database, self.storage.session
        try:
            with translated(self.storage):
                answer = database.command(explain, session=session)
        except errors.StorageError as error:
            answer = {"stage": str(error)}
        return explained(command, answer)


def _is_of_one_key(pushed: Pushed) -> bool:
    terms = terms_of(pushed.predicate)
    return any(isinstance(one, p.Equal) and one.path == KEY for one in terms)


def _checked(pushed: Pushed) -> int:
    """Say how many of the first rows show whether any key comes before texts.

    None of them, where rows are skipped, or where the last keys come first.
    """
    of_key = [one for one in pushed.order if one.path == KEY]
    # Without a name of its own, the key goes as the last name does.
    if pushed.start or [*of_key, pushed.order[-1]][0].descending:
        return 0
    if pushed.order[0].path == KEY:
        return 1
    limit = _limit(pushed) or 0
    return limit if limit <= BATCH else 0


def _limit(pushed: Pushed) -> int | None:
    return None if pushed.stop is None else max(0, pushed.stop - pushed.start)


def _is_sliced(pushed: Pushed) -> bool:
    return bool(pushed.start) or pushed.stop is not None
