"""What both queries of Tokyo files share: how they are compiled and looked at.

A search of a table comes in two forms. The *lean* one is exact, where each row is
known to be what its note of kinds says. The *safe* one finds at least the wanted rows
of any table; they are looked at again, here, before they are shown.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import islice
from typing import Any

from pymodels.backend import (
    KEY,
    BaseQuery,
    M,
    Native,
    Order,
    Pushed,
    Row,
    errors,
    is_key,
    matcher,
    terms_of,
)
from pymodels.backend import predicates as p
from pymodels.backends._tokyo.columns import NOTE_COLUMN, kinds_of
from pymodels.backends._tokyo.conditions import NEVER, Wanted, compile_term
from pymodels.backends._tokyo.facts import TableFacts
from pymodels.backends._tokyo.storage import FileStorage
from pymodels.backends._tokyo.verdicts import Verdict
from pymodels.tokyo.search import (
    KEY_COLUMN,
    Condition,
    Direction,
    Operator,
    Ordering,
    Search,
)


class SearchQuery(BaseQuery[M]):
    """A search of a table; of other kinds of file, the records of some keys."""

    storage: FileStorage

    def compile(self, predicate: p.Predicate) -> Native | None:
        """Say a predicate in conditions."""
        if not self.storage.is_table:
            keys = keys_in(predicate)
            return None if keys is None else Native(keys)
        found = compile_term(predicate)
        return None if found is None else Native(found, found.exact)

    def can_sort(self, order: tuple[Order, ...]) -> bool:
        """Sort by the key alone: rows without a column would come at the wrong end."""
        return self.storage.sorts_keys and all(one.path == KEY for one in order)

    def run(self, pushed: Pushed) -> Iterator[Row]:
        """Yield the rows of a search."""
        wanted = keys_asked(pushed)
        if wanted is not None:
            rows = self.storage.fetch(wanted)
            return self.looked_at(pushed, sorted_by_key(rows, pushed.order))
        if not self.storage.is_table:
            return self.looked_at(pushed, self.storage.scan_in(direction_of(pushed)))
        return self.found(pushed)

    def found(self, pushed: Pushed) -> Iterator[Row]:
        """Yield the rows of a search of a table."""
        raise errors.Unsupported(f"{type(self).__name__}.found is not written")

    def looked_at(self, pushed: Pushed, rows: Iterable[Row]) -> Iterator[Row]:
        """Keep what is wanted indeed, and take the slice."""
        kept = iter(rows)
        if not isinstance(pushed.predicate, p.Everything):
            wanted = matcher(pushed.predicate)
            kept = (row for row in rows if wanted(row[0], self._decode(row)))
        return islice(kept, pushed.start, pushed.stop)

    # Searches.

    def lean(self, pushed: Pushed, facts: TableFacts) -> Search | None:
        """Give the search that is exact while these facts hold, if there is one."""
        if not facts.is_sound:
            return None
        conditions = lean_conditions(pushed.natives, sorted(facts.notes))
        if conditions is None:
            return None
        search = self._search(pushed, conditions, facts)
        if pushed.stop is None and not pushed.start:
            return search
        most = -1 if pushed.stop is None else max(pushed.stop - pushed.start, 0)
        return replace(search, max=most, skip=pushed.start)

    def safe(self, pushed: Pushed, facts: TableFacts) -> Search:
        """Give the search that finds at least what is wanted, in any table."""
        return self._search(pushed, safe_conditions(pushed.natives), facts)

    def _search(
        self, pushed: Pushed, conditions: Iterable[Condition], facts: TableFacts
    ) -> Search:
        """Let conditions use an index only if that is known to be in order."""
        trusts = self.storage.trusts
        looked = (replace(one, no_index=not trusts(one, facts)) for one in conditions)
        order = None
        if pushed.order:
            is_descending = pushed.order[0].descending
            direction = Direction.STRDESC if is_descending else Direction.STRASC
            order = Ordering(KEY_COLUMN, direction)
        return Search(tuple(looked), order)


# Conditions of whole questions.


def lean_conditions(
    terms: Iterable[Wanted], notes: Iterable[str]
) -> tuple[Condition, ...] | None:
    """Join lean conditions for a table with just these notes; None if unsure."""
    wanted = tuple(terms)
    kept: list[str] = []
    dropped: list[str] = []
    for note in notes:
        kinds = kinds_of(note)
        verdicts = {term.judge(kinds) for term in wanted}
        if Verdict.NEVER in verdicts:
            dropped.append(note)
        elif Verdict.UNSURE in verdicts:
            return None
        else:
            kept.append(note)
    found = joined(condition for term in wanted for condition in term.lean)
    if not kept:
        return (NEVER,)
    if not dropped:
        return found
    if len(dropped) < len(kept):
        return (*found, replace(having_note(dropped), negated=True))
    return (*found, having_note(kept))


def having_note(notes: Iterable[str]) -> Condition:
    """Give the condition that a row has one of some notes."""
    texts = [note.encode() for note in notes]
    operator = Operator.STREQ if len(texts) == 1 else Operator.STROREQ
    return Condition(NOTE_COLUMN, operator, b" ".join(texts))


def safe_conditions(terms: Iterable[Wanted]) -> tuple[Condition, ...]:
    """Join safe conditions, which use no index that may be out of order."""
    found = joined(condition for term in terms for condition in term.safe)
    return tuple(replace(condition, no_index=True) for condition in found)


def joined(conditions: Iterable[Condition]) -> tuple[Condition, ...]:
    """Join conditions, each once; a column that is looked into is there."""
    found = tuple(dict.fromkeys(conditions))
    looked = {one.column for one in found if one.operand and not one.negated}
    return tuple(
        one
        for one in found
        if one.operand or one.negated or one == NEVER or one.column not in looked
    )


def described(search: Search, hint: str, *, is_lean: bool) -> str:
    """Show a search, and how the library does it."""
    told = "exact by the notes of kinds" if is_lean else "looked at again"
    return "\n".join([f"{search} ({told})", *hint.strip().splitlines()])


def direction_of(pushed: Pushed) -> bool | None:
    """Say whether keys are wanted in descending order; None for no order."""
    return pushed.order[0].descending if pushed.order else None


def sorted_by_key(rows: Iterator[Row], order: tuple[Order, ...]) -> Iterator[Row]:
    """Give some rows in the order of their keys, if one is asked for."""
    if not order:
        return rows
    found = sorted(rows, key=lambda row: row[0], reverse=order[0].descending)
    return iter(found)


def keys_in(predicate: p.Predicate) -> tuple[Any, ...] | None:
    """Give the keys that a predicate asks for by name; None if it does not."""
    match predicate:
        case p.Equal((), str(key), caseless=False):
            return (key,)
        case p.In((), keys) if all(type(key) is str for key in keys):
            return tuple(dict.fromkeys(keys))
    return None


def keys_asked(pushed: Pushed) -> tuple[Any, ...] | None:
    """Give the keys of which one of the terms wants the records."""
    for term in terms_of(pushed.predicate):
        keys = keys_in(term)
        if keys is not None:
            return tuple(filter(is_key, keys))
    return None
