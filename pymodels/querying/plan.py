"""A query as data, and how it is divided between the database and us.

`make_plan` asks the backend for each part of the predicate; `finish` does what
is left over. Nothing is cut before it is filtered: order, slice and count are
pushed only when no residual is left (`docs/architecture.md`).
"""

import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

from pymodels.errors import ResidualForbidden, ResidualWarning
from pymodels.law.evaluate import matcher
from pymodels.law.predicates import EVERYTHING, Everything, Predicate, every, terms_of
from pymodels.law.predicates import spelled as spelled_path
from pymodels.law.shapes import Shape
from pymodels.law.values import KEY, Path, Record, read, sort_key

Row = tuple[Any, ...]
"""What a driver hands over for one record: its key, then the stored form."""


@dataclass(frozen=True, slots=True)
class Order:
    """One name to order by; the path is of stored names."""

    path: Path
    descending: bool = False
    declared: Shape | None = field(default=None, compare=False, repr=False)

    def __str__(self) -> str:
        return ("-" if self.descending else "") + spelled_path(self.path)


@dataclass(frozen=True, slots=True)
class Spec:
    """All that a query asks: which records, in which order, which of these."""

    predicate: Predicate = EVERYTHING
    order: tuple[Order, ...] = ()
    start: int = 0
    stop: int | None = None

    def __str__(self) -> str:
        order = ", ".join(map(str, self.order))
        text = f"{self.predicate}" + (f", ordered by {order}" if order else "")
        if not self.is_sliced:
            return text
        stop = "the end" if self.stop is None else self.stop
        return f"{text}, records {self.start} to {stop}"

    @property
    def is_sliced(self) -> bool:
        """Whether a slice was taken."""
        return self.start > 0 or self.stop is not None

    def complete_order(self) -> tuple[Order, ...]:
        """Give the order with the key at its end, as the law wants it.

        No order at all stays none, unless a slice needs one.
        """
        if not self.order and not self.is_sliced:
            return ()
        if any(order.path == KEY for order in self.order):
            return self.order
        last = bool(self.order) and self.order[-1].descending
        return (*self.order, Order(KEY, last))


@dataclass(frozen=True, slots=True)
class Native:
    """A predicate in the database's own language.

    ``exact`` says that it is true of just the records that the law says; else it
    is true of these and perhaps of more.
    """

    form: Any
    exact: bool = True


@dataclass(frozen=True, slots=True)
class Pushed:
    """The half that the database does: native terms that must all hold.

    ``predicate`` says the same in our words; ``order`` is complete, the key
    included.
    """

    predicate: Predicate = EVERYTHING
    natives: tuple[Any, ...] = ()
    order: tuple[Order, ...] = ()
    start: int = 0
    stop: int | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """A query in two halves; `str` shows both.

    ``pushed`` runs in the database, ``residual`` here, afterwards. ``native`` is
    the database's own text, for people.
    """

    pushed: Pushed
    residual: Spec
    native: str = ""
    note: str = ""

    @property
    def is_pushed(self) -> bool:
        """Whether the database does all of it."""
        return self.residual == Spec()

    def __str__(self) -> str:
        pushed = self.pushed
        spec = Spec(pushed.predicate, pushed.order, pushed.start, pushed.stop)
        nothing_pushed = spec == Spec() and not self.is_pushed
        asked = "all records are read" if nothing_pushed else str(spec)
        left = "nothing" if self.is_pushed else self.residual
        lines = [f"in the database: {asked}"]
        lines += [f"    {line}" for line in self.native.splitlines()]
        lines.append(f"afterwards, here: {left}")
        if self.note:
            lines.append(self.note)
        return "\n".join(lines)


def make_plan(
    spec: Spec,
    compile: Callable[[Predicate], Native | None],
    can_sort: Callable[[tuple[Order, ...]], bool],
) -> Plan:
    """Divide a query: what the backend compiles is pushed, the rest is residual."""
    taken: list[Predicate] = []
    natives: list[Any] = []
    left: list[Predicate] = []
    for term in terms_of(spec.predicate):
        native = compile(term)
        if native is not None:
            taken.append(term)
            natives.append(native.form)
        if native is None or not native.exact:
            left.append(term)
    order = spec.complete_order()
    pushed = Pushed(every(*taken), tuple(natives))
    if left or (order and not can_sort(order)):
        return Plan(pushed, replace(spec, predicate=every(*left), order=order))
    return Plan(replace(pushed, order=order, start=spec.start, stop=spec.stop), Spec())


def object_to_residual(plan: Plan, what: str, *, forbid: bool) -> None:
    """Warn that a query runs here in part, or refuse it, as the storage is set."""
    message = f"part of the query of {what} runs in Python:\n{plan}"
    if forbid:
        raise ResidualForbidden(message)
    warnings.warn(message, ResidualWarning, stacklevel=5)


def finish(
    residual: Spec,
    rows: Iterable[Row],
    decode: Callable[[Row], Record],
    key_place: Callable[[Row], Any],
) -> Iterator[Row]:
    """Do what the database did not: look again, sort, slice."""
    kept = rows
    if not isinstance(residual.predicate, Everything):
        wanted = matcher(residual.predicate)
        kept = (row for row in rows if wanted(row[0], decode(row)))
    if residual.order:
        kept = _ordered(residual.order, kept, decode, key_place)
    if residual.is_sliced:
        return islice(kept, residual.start, residual.stop)
    return iter(kept)


def _ordered(
    orders: tuple[Order, ...],
    rows: Iterable[Row],
    decode: Callable[[Row], Record],
    key_place: Callable[[Row], Any],
) -> Iterator[Row]:
    """Sort rows as the law says; nothing is read before the first is asked for."""
    if all(order.path == KEY for order in orders):
        yield from sorted(rows, key=key_place, reverse=orders[0].descending)
        return
    keyed = []
    for row in rows:
        record = decode(row)
        places = [
            key_place(row) if order.path == KEY else sort_key(read(record, order.path))
            for order in orders
        ]
        keyed.append((places, row))
    # Sorting is stable: by the last name first, by the first name last.
    for index in reversed(range(len(orders))):
        keyed.sort(
            key=lambda pair, at=index: pair[0][at],  # type: ignore[misc]  # at is bound now, on purpose
            reverse=orders[index].descending,
        )
    yield from (row for _, row in keyed)
