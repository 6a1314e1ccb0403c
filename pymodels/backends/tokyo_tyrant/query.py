"""Queries as one search on the server, in pieces where the answer is long.

`pymodels serve` tells the notes of kinds with each answer, so that a search is known
to have been exact when it ran. Where notes do not tell all, or the server knows
nothing of them, the safe search is run and its rows are looked at here.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TypeVar

from pymodels.backend import M, Pushed, Row
from pymodels.backends._tokyo.facts import TableFacts
from pymodels.backends._tokyo.query import (
    SearchQuery,
    described,
    having_note,
    keys_asked,
)
from pymodels.backends.tokyo_tyrant.storage import Storage
from pymodels.tokyo.search import Search

T = TypeVar("T")

TRIES = 5
"""How often facts may change in the middle before each row is looked at."""


class Query(SearchQuery[M]):
    """A search of a table on a server."""

    storage: Storage

    def describe(self, pushed: Pushed) -> str:
        """Show the search, and how the server does it."""
        if not self.storage.is_table:
            return self.storage.kind.lower() + ": records by key"
        facts = self.storage.table.asked_facts()
        lean = self.lean(pushed, facts)
        search = self.safe(pushed, facts) if lean is None else lean
        hint = self.storage.client.search_hint(search)
        return described(search, hint, is_lean=lean is not None)

    def found(self, pushed: Pushed) -> Iterator[Row]:
        """Yield the rows of a search."""
        pairs = self._exactly(pushed, self.storage.table.search)
        if pairs is not None:
            yield from self.storage.rows(pairs)
            return
        yield from self.looked_at(pushed, self._found_safely(pushed))

    def _found_safely(self, pushed: Pushed) -> Iterator[Row]:
        """Search what is to be looked at; again if an index was lost meanwhile."""
        table = self.storage.table
        search = self.safe(pushed, table.facts)
        while True:
            pairs, facts = table.search(search)
            again = self.safe(pushed, facts)
            if again == search:
                return self.storage.rows(pairs)
            search = again

    def count_pushed(self, pushed: Pushed) -> int:
        """Count on the server where its conditions are exact."""
        if self.storage.is_table and keys_asked(pushed) is None:
            unordered = replace(pushed, order=())
            number = self._exactly(unordered, self.storage.table.count)
            if number is not None:
                return number
        return sum(1 for _ in self.run(pushed))

    def discard_pushed(self, pushed: Pushed) -> int | None:
        """Remove on the server, of the rows whose notes are known."""
        if not self.storage.is_table or pushed.start or pushed.stop is not None:
            return None
        if keys_asked(pushed) is not None:
            return None
        table, done = self.storage.table, 0
        facts = table.asked_facts()
        while facts.notes and (search := self.lean(pushed, facts)) is not None:
            known = (*search.conditions, having_note(sorted(facts.notes)))
            done += self.storage.client.search_out(replace(search, conditions=known))
            before, facts = facts, table.asked_facts()
            if _is_same(before, facts):
                return done
        if not done:
            return None
        # What is left are rows of others, and what came in the meantime.
        return self._write_each("deleted", lambda row: None, done)

    def _exactly(
        self, pushed: Pushed, ask: Callable[[Search], tuple[T, TableFacts]]
    ) -> T | None:
        """Ask an exact search; None if no search is known to be exact."""
        assumed = self.storage.table.known_facts()
        for _ in range(TRIES):
            search = self.lean(pushed, assumed)
            if search is None:
                return None
            answer, facts = ask(search)
            if _is_same(facts, assumed):
                return answer
            assumed = facts
        return None


def _is_same(facts: TableFacts, others: TableFacts) -> bool:
    """Say whether all rows are known still, and no note is new."""
    return facts.is_sound and others.is_sound and facts.notes == others.notes
