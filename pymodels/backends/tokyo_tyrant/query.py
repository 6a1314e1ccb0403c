"""Queries as one search on the server, in pieces where the answer is long.

`pymodels serve` tells the notes of kinds with each answer, so that a search is known
to have been exact when it ran. Where notes do not tell all, or the server knows
nothing of them, the safe search is run and its rows are looked at here.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from pymodels.backend import M
from pymodels.backends._tokyo.columns import kinds_of, name_of
from pymodels.backends._tokyo.conditions import (
    Wanted,
    having_note,
    lean_conditions,
    safe_conditions,
)
from pymodels.backends._tokyo.query import (
    NUMERIC,
    SearchQuery,
    keys_asked,
    search_of,
    sliced,
)
from pymodels.querying.plan import Pushed, Row
from pymodels.tokyo.search import Condition, Search

if TYPE_CHECKING:
    from pymodels.backends.tokyo_tyrant.storage import Storage

T = TypeVar("T")

TRIES = 5
"""How often notes may change in the middle before each row is looked at."""


class Query(SearchQuery[M]):
    """A search of a table on a server."""

    storage: "Storage"

    def describe(self, pushed: Pushed) -> str:
        """Show the search, and how the server does it."""
        if not self.storage.is_table:
            return self.storage.kind.lower() + ": records by key"
        lean = self._lean(pushed, self.storage.knowledge.now())
        told = "looked at again" if lean is None else "exact by the notes of kinds"
        search = self._safe(pushed) if lean is None else lean
        hint = self.storage.client.search_hint(search)
        return "\n".join([f"{search} ({told})", *hint.strip().splitlines()])

    def found(self, pushed: Pushed) -> Iterator[Row]:
        """Yield the rows of a search."""
        pieces = self._exactly(pushed, self.storage.searching.rows)
        if pieces is not None:
            yield from pieces
            return
        yield from self.looked_at(pushed, self._found_safely(pushed))

    def _found_safely(self, pushed: Pushed) -> Iterator[Row]:
        """Search what is to be looked at; again if an index was lost meanwhile."""
        search, rows = self._safe(pushed), None
        while rows is None:
            found, _ = self.storage.searching.rows(search)
            again = self._safe(pushed)
            rows, search = (found if again == search else None), again
        return rows

    def count_pushed(self, pushed: Pushed) -> int:
        """Count on the server where its conditions are exact."""
        if self.storage.is_table and keys_asked(pushed) is None:
            unordered = replace(pushed, order=())
            number = self._exactly(unordered, self.storage.searching.count)
            if number is not None:
                return number
        return sum(1 for _ in self.run(pushed))

    def discard_pushed(self, pushed: Pushed) -> int | None:
        """Remove on the server, of the rows whose notes are known."""
        if not self.storage.is_table or pushed.start or pushed.stop is not None:
            return None
        if keys_asked(pushed) is not None:
            return None
        notes, done = self.storage.knowledge.now(), 0
        while notes:
            search = self._lean(pushed, notes)
            if search is None:
                break
            known = (*search.conditions, having_note(sorted(notes)))
            done += self.storage.client.search_out(replace(search, conditions=known))
            before, notes = notes, self.storage.knowledge.now()
            if notes == before:
                return done
        if not done:
            return None
        # What is left are rows of others, and what came in the meantime.
        rows = list(self.found(pushed))
        return done + sum(self.storage.discard(row[0]) for row in rows)

    def _exactly(
        self,
        pushed: Pushed,
        ask: Callable[[Search], tuple[T, frozenset[str] | None]],
    ) -> T | None:
        """Ask an exact search; None if no search is known to be exact."""
        assumed = self.storage.knowledge.known()
        for _ in range(TRIES):
            search = self._lean(pushed, assumed)
            if search is None:
                return None
            answer, notes = ask(search)
            if notes == assumed:
                return answer
            assumed = notes
        return None

    def _lean(self, pushed: Pushed, notes: frozenset[str] | None) -> Search | None:
        """Give the search that is exact for rows with just these notes."""
        if notes is None:
            return None
        terms: tuple[Wanted, ...] = pushed.natives
        conditions = lean_conditions(terms, sorted(notes))
        if conditions is None:
            return None
        trusted = tuple(
            replace(one, no_index=not _is_in_order(one, notes)) for one in conditions
        )
        return sliced(search_of(pushed, trusted), pushed)

    def _safe(self, pushed: Pushed) -> Search:
        """Give the search that finds at least what is wanted, in any table."""
        conditions = tuple(
            replace(one, no_index=not self.storage.trusts(one))
            for one in safe_conditions(pushed.natives)
        )
        return search_of(pushed, conditions)


def _is_in_order(condition: Condition, notes: frozenset[str]) -> bool:
    """Say whether an index on the column, if there is one, is good.

    The server makes decimal indexes anew before it tells the notes; a number that is
    no int would have left one out of order.
    """
    if condition.operator not in NUMERIC:
        return True
    words = {kinds_of(note).get(name_of(condition.column)) for note in notes}
    return words <= {None, "none", "int"}
