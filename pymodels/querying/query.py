"""BaseQuery: an immutable question about one model's records in one storage.

Building a query touches no database; asking does. What users meet is written
once, here; a backend's `Query` adds the hooks that let its database do the work.
"""

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from copy import copy
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Any, NoReturn, Self, overload

from pymodels.errors import (
    InvalidRecord,
    MultipleFound,
    QueryError,
    RecordNotFound,
    WriteInterrupted,
    WriteUncertain,
    cause_of,
)
from pymodels.hooks import IS_THERE, QueryHooks, refuse_overrides
from pymodels.keys import is_key
from pymodels.law import predicates as p
from pymodels.law.changes import Changes
from pymodels.law.evaluate import matcher
from pymodels.law.values import KEY, Kind, Path, Record, copied, kind_of, read, sort_key
from pymodels.querying.binding import bind, parse_lookups, parse_order, parse_path
from pymodels.querying.expressions import Descending, Expression
from pymodels.querying.plan import (
    Order,
    Plan,
    Row,
    Spec,
    finish,
    make_plan,
    object_to_residual,
)
from pymodels.querying.protocols import Codec, M
from pymodels.querying.rounding import asked_in_milliseconds
from pymodels.querying.slices import sliced
from pymodels.querying.writing import write_each

if TYPE_CHECKING:
    from pymodels.mapper import Mapper
    from pymodels.storage import BaseStorage

SHOWN = 20
PREFETCHED = 500


class BaseQuery(QueryHooks[M]):
    """Records of a model, narrowed, ordered and sliced; nothing runs until asked."""

    storage: "BaseStorage"

    def __init_subclass__(cls) -> None:
        """Refuse a backend that overrides what is written once, here."""
        super().__init_subclass__()
        refuse_overrides(cls, BaseQuery, ())

    def __init__(self, model: type[M], storage: "BaseStorage") -> None:
        self.model = model
        self.codec: Codec = model.__pymodels_codec__
        self.storage = storage
        self._asked: p.Predicate = p.EVERYTHING
        self._order: tuple[Order, ...] = ()
        self._start = 0
        self._stop: int | None = None
        self._skips_invalid = False
        self._prefetched: tuple[str, ...] = ()

    # Building.

    def where(self, *conditions: p.Predicate, **lookups: Any) -> Self:
        """Keep the records that fulfil all conditions and lookups.

        Raises a `QueryError` for an unknown field or lookup, and for a value that
        the field can never hold.
        """
        return self._narrowed(self._condition(conditions, lookups))

    def where_not(self, *conditions: p.Predicate, **lookups: Any) -> Self:
        """Keep the records that do not fulfil all of these: the exact complement."""
        return self._narrowed(p.negation(self._condition(conditions, lookups)))

    def _condition(
        self, conditions: tuple[p.Predicate, ...], lookups: dict[str, Any]
    ) -> p.Predicate:
        for condition in conditions:
            if not isinstance(condition, p.Predicate):
                raise TypeError(
                    f"{condition!r} is not a condition; write where(F.age > 18) or "
                    "where(age__gt=18)"
                )
        shape = self.codec.shape
        asked = parse_lookups(shape, lookups)
        if conditions:
            asked = p.every(*(bind(one, shape) for one in conditions), asked)
        return self._as_kept(asked)

    def _as_kept(self, predicate: p.Predicate) -> p.Predicate:
        if not self.storage.keeps_milliseconds:
            return predicate
        return asked_in_milliseconds(predicate)

    def _narrowed(self, condition: p.Predicate) -> Self:
        self._refuse_slice("a condition")
        is_first = self._asked is p.EVERYTHING
        return self._with(
            _asked=condition if is_first else p.every(self._asked, condition)
        )

    @property
    def _is_sliced(self) -> bool:
        return self._start > 0 or self._stop is not None

    def _refuse_slice(self, what: str) -> None:
        if self._is_sliced:
            raise QueryError(
                f"{what} cannot follow a slice: it would ask about the records "
                "before they were cut; put the slice last"
            )

    def _with(self, **parts: Any) -> Self:
        other = copy(self)
        vars(other).update(parts)
        return other

    def order_by(self, *names: str | Expression | Descending) -> Self:
        """Order by names, each ascending or with a leading "-"; replaces an order.

        No names at all: no order. The key always comes last, in the direction of
        the last name.
        """
        self._refuse_slice("an order")
        shape = self.codec.shape
        order = tuple(parse_order(shape, name) for name in names)
        if len({one.path for one in order}) < len(order):
            raise QueryError(f"order_by{names!r} names a field twice")
        return self._with(_order=order)

    def skip_invalid(self) -> Self:
        """Leave out the records that belong to the model but do not validate.

        Each record is loaded to find out, for counting and deleting too.
        """
        return self._with(_skips_invalid=True)

    def prefetch(self, *names: str) -> Self:
        """Load what these references refer to in batches, with the records."""
        for name in names:
            self.codec.check_reference(name)
        return self._with(_prefetched=(*self._prefetched, *names))

    @overload
    def __getitem__(self, at: int) -> M: ...
    @overload
    def __getitem__(self, at: slice) -> Self: ...
    def __getitem__(self, at: int | slice) -> M | Self:
        start, stop = sliced(self._start, self._stop, at)
        part = self._with(_start=start, _stop=stop)
        if isinstance(at, slice):
            return part
        for instance in part:
            return instance
        raise IndexError(f"the query has no record {at}")

    def __or__(self, other: Self) -> Self:
        return self._joined(other, p.any_of)

    def __and__(self, other: Self) -> Self:
        return self._joined(other, p.every)

    def __sub__(self, other: Self) -> Self:
        return self._joined(other, lambda one, two: p.every(one, p.negation(two)))

    def _joined(self, other: object, join: Callable[..., p.Predicate]) -> Self:
        if not isinstance(other, BaseQuery):
            raise TypeError(f"a query joins with a query, not with {other!r}")
        if other.model is not self.model or other.storage is not self.storage:
            raise QueryError(
                "queries join when they are of one model and one storage, not "
                f"{self.model.__name__} in {self.storage} with "
                f"{other.model.__name__} in {other.storage}"
            )
        self._refuse_slice("another query")
        other._refuse_slice("another query")
        return self._with(_asked=join(self._asked, other._asked))

    # Asking.

    @property
    def spec(self) -> Spec:
        """All that the query asks, membership included."""
        membership = self._as_kept(self.codec.membership)
        predicate = p.every(self._asked, membership)
        return Spec(predicate, self._order, self._start, self._stop)

    def plan(self) -> Plan:
        """Show what the database does and what is done here; print it."""
        plan = make_plan(self.spec, self.compile, self.can_sort)
        notes = []
        if self._skips_invalid:
            notes.append("each record is loaded, invalid ones are skipped")
        if self.codec.validates_as_whole:
            notes.append("an update validates each record as a whole, here")
        native = self.describe(plan.pushed)
        return replace(plan, native=native, note="\n".join(notes))

    def _planned(self, spec: Spec | None = None) -> Plan:
        self.storage.check_open()
        plan = make_plan(spec or self.spec, self.compile, self.can_sort)
        if self.storage.residual != "allow" and not plan.is_pushed:
            what = f"{self.model.__name__} in {self.storage}"
            object_to_residual(plan, what, forbid=self.storage.residual == "forbid")
        return plan

    def _decode(self, row: Row) -> Record:
        return self.storage.decode(row, self.codec.shape)

    def _rows(self) -> Iterator[Row]:
        return self._valid_rows() if self._skips_invalid else self._run(self._planned())

    def _run(self, plan: Plan) -> Iterator[Row]:
        rows = self.run(plan.pushed)
        return rows if plan.is_pushed else self._finished(plan.residual, rows)

    def _finished(self, residual: Spec, rows: Iterator[Row]) -> Iterator[Row]:
        return finish(residual, rows, self._decode, self.storage.key_place)

    def _valid_rows(self) -> Iterator[Row]:
        """Slice after the invalid ones are gone, in the order a slice has."""
        spec = self.spec
        whole = Spec(spec.predicate, spec.complete_order())
        load = self.storage.mapper(self.model).load
        rows = self._run(self._planned(whole))
        valid = (row for row in rows if _is_valid(row, load))
        return islice(valid, spec.start, spec.stop)

    def __iter__(self) -> Iterator[M]:
        mapper = self.storage.mapper(self.model)
        asks_all = self._asked is p.EVERYTHING and not self._order
        if asks_all and not self._skips_invalid and not self._is_sliced:
            found = self._all_members(mapper)
        else:
            found = map(mapper.load, self._rows())
        return self._with_references(found) if self._prefetched else found

    def _all_members(self, mapper: "Mapper[M]") -> Iterator[M]:
        """Give all, without asking for membership where loading a record shows it."""
        if not mapper.shows_membership:
            return map(mapper.load, self._rows())
        return filter(IS_THERE, map(mapper.sift, self.storage.scan()))

    def _with_references(self, instances: Iterator[M]) -> Iterator[M]:
        while batch := list(islice(instances, PREFETCHED)):
            for name in self._prefetched:
                self.codec.prefetch(batch, name, self.storage)
            yield from batch

    def count(self) -> int:
        """Count the records, in the database where it can."""
        if self._skips_invalid:
            return sum(1 for _ in self._valid_rows())
        # An order changes no number, and might have to be made here.
        spec = self.spec
        plan = self._planned(Spec(spec.predicate, (), spec.start, spec.stop))
        if plan.is_pushed:
            return self.count_pushed(plan.pushed)
        whole = Spec(plan.residual.predicate)
        rows = self._finished(whole, self.run(plan.pushed))
        return sum(1 for _ in islice(rows, spec.start, spec.stop))

    def exists(self) -> bool:
        """Say whether there is any such record."""
        if self._skips_invalid:
            return any(True for _ in self._valid_rows())
        plan = self._in_any_order()._planned()
        if plan.is_pushed and plan.pushed.stop is None:
            # One row tells.
            pushed = replace(plan.pushed, stop=plan.pushed.start + 1)
            return any(True for _ in self.run(pushed))
        return any(True for _ in self._run(plan))

    def _in_any_order(self) -> Self:
        """Give the query without its order, where that changes no answer."""
        return self if self._is_sliced else self._with(_order=())

    def first(self) -> M | None:
        """Give the first instance in the query's order, else the key's; or None."""
        return next(iter(self[:1]), None)

    def one(self) -> M:
        """Give the only instance; raises `RecordNotFound` or `MultipleFound`."""
        found = list(islice(self._in_any_order(), 2))
        if len(found) == 1:
            return found[0]
        if not found:
            raise RecordNotFound(f"no record: {self._question}")
        raise MultipleFound(
            f"one {self.model.__name__} was asked for; more in {self._question}"
        )

    def get(self, *conditions: p.Predicate, **lookups: Any) -> M:
        """Give the only instance that fulfils all of these, as `one` does."""
        return self.where(*conditions, **lookups).one()

    def keys(self) -> Iterator[str]:
        """Iterate over the keys."""
        return (row[0] for row in self._rows())

    def records(self) -> Iterator[tuple[str, Record]]:
        """Iterate over pairs of key and plain record."""
        return ((row[0], copied(self._decode(row))) for row in self._rows())

    def values(self, name: str | Expression) -> list[Any]:
        """Give the distinct values of a field, None left out, in the law's order."""
        _, path, _ = parse_path(self.codec.shape, name)
        found = {
            sort_key(value): value
            for value in self._values_at(path)
            if kind_of(value) not in {Kind.NONE, Kind.OTHER}
        }
        # Copies: a store may have shown its own lists and maps.
        return [copied(found[place]) for place in sorted(found)]

    def _values_at(self, path: Path) -> Iterator[Any]:
        if not self._skips_invalid:
            plan = self._in_any_order()._planned()
            pushed = self.distinct_pushed(plan.pushed, path) if plan.is_pushed else None
            if pushed is not None:
                return pushed
        rows = self._in_any_order()._rows()
        return (
            row[0] if path == KEY else read(self._decode(row), path) for row in rows
        )

    def __contains__(self, candidate: object) -> bool:
        key = candidate if isinstance(candidate, str) else None
        if isinstance(candidate, self.model) and candidate.storage is self.storage:
            key = candidate.key
        if not is_key(key):
            return False
        if self._is_sliced or self._skips_invalid:
            return key in set(self.keys())
        return self._narrowed(p.Equal(KEY, key)).exists()

    # Writing.

    def delete(self) -> int:
        """Remove the records; say how many.

        A record is removed only if it fulfils the query when it is removed (law 15).
        """
        if not self._skips_invalid:
            plan = self._in_any_order()._planned()
            done = self.discard_pushed(plan.pushed) if plan.is_pushed else None
            if done is not None:
                return done
        return self._write_each("deleted", lambda row: None)

    def update(self, **values: Any) -> int:
        """Set fields, or nested paths, of all the records; say how many.

        Each value is validated as its field's; where the model validates as a whole,
        so is each record with the change. A record is changed only if it fulfils the
        query when it is changed (law 15). Raises pydantic's `ValidationError`,
        `UnknownField`, and `NotInModel` if the new values by themselves would break
        membership; nothing is written then. Raises `InvalidRecord` for a record that,
        as a whole, would not load.
        """
        with self.codec.whole_change(values, self.storage) as change:
            if change is not None:
                return self._write_each("updated", change)
        with self.codec.changes_to(values, self.storage) as changes:
            return self._changed(changes)

    def _changed(self, changes: Changes) -> int:
        """Make changes in all the records; say how many."""
        if not changes:
            return self.count()
        if not self._skips_invalid:
            plan = self._in_any_order()._planned()
            done = self.patch_pushed(plan.pushed, changes) if plan.is_pushed else None
            if done is not None:
                return done
        return self._write_each(
            "updated", lambda row: self.storage.patched(row, changes)
        )

    def _write_each(
        self, what: str, change: Callable[[Row], Row | None], done: int = 0
    ) -> int:
        """Write one record after the other; all or none where that can be undone.

        ``done`` are those that a backend has written before.
        """
        storage = self.storage
        is_whole = storage.has_transactions and storage.locks_writers
        # Where nobody else can write meanwhile, what was found is still so.
        fulfils = None if is_whole else self._fulfils()
        try:
            with storage.transaction() if is_whole else nullcontext():
                # All keys first: what is written must not change what is found.
                keys = list(self._in_any_order().keys())
                return write_each(
                    storage, keys, fulfils, change, storage.patience, done
                )
        except WriteInterrupted as error:
            if not is_whole:
                raise
            cause = cause_of(error)
            cause.add_note(f"nothing was {what}")
            raise cause from cause.__cause__
        except WriteUncertain:
            raise
        except Exception as error:
            error.add_note(f"nothing was {what}")
            raise

    def _fulfils(self) -> Callable[[Row], bool]:
        """Give the function that says whether a row fulfils all but the slice."""
        asks, load = matcher(self.spec.predicate), self.storage.mapper(self.model).load

        def fulfils(row: Row) -> bool:
            if not asks(row[0], self._decode(row)):
                return False
            return not self._skips_invalid or _is_valid(row, load)

        return fulfils

    # Showing.

    def __len__(self) -> NoReturn:
        raise TypeError("a query has no len(): use count(), which asks the database")

    def __bool__(self) -> NoReturn:
        raise TypeError("a query has no truth: use exists(), which asks the database")

    @property
    def _question(self) -> str:
        """What is asked, in words, for messages."""
        spec = Spec(self._asked, self._order, self._start, self._stop)
        return f"{self.model.__name__} in {self.storage} where {spec}"

    def __repr__(self) -> str:
        """Show at most 20 instances; an error is shown, never raised."""
        try:
            found = [repr(instance) for instance in self[: SHOWN + 1]]
        except Exception as error:
            return f"<query of {self._question}: {type(error).__name__}: {error}>"
        if len(found) > SHOWN:
            found[SHOWN] = "..."
        return "[" + ", ".join(found) + "]"


def _is_valid(row: Row, load: Callable[[Row], Any]) -> bool:
    try:
        load(row)
    except InvalidRecord:
        return False
    return True
