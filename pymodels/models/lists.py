"""Changed values beside their stored form: what a save must not take away.

A list is written whole. Those of its elements that were loaded keep their stored form,
fields that the model does not declare included: unchanged ones as they are, changed
ones with their changes in them. While the list in the store is still as it was loaded,
that is what a patch of one element would leave; where it is not, lists are written
whole anyway.
"""

from collections import Counter
from difflib import SequenceMatcher
from typing import Any, TypeVar

from pymodels.law.changes import apply, between
from pymodels.law.values import Path, Record, copied, same
from pymodels.models.kept import Keeper, Kept
from pymodels.querying.protocols import is_model

T = TypeVar("T")
States = tuple[T, T, T]
"""A value as it was loaded, as it is now, and as it is stored."""

MOST_PAIRS = 250_000
"""More pairs of elements than these are not compared in order."""


def drop_absent(
    before: Record,
    after: Record,
    stored: Record,
    values: tuple[Any, Any],
    given: set[str] | None = None,
) -> None:
    """Take out of ``before`` what the store lacks and is to be written, whole.

    That is what was given since it was loaded, or differs from what loading filled in.
    """
    old, new = values
    if given is None:
        given = _given(new) - _given(old)
    old_parts, new_parts = _parts(old), _parts(new)
    for name in list(before):
        was, now = before[name], after.get(name)
        if name not in stored:
            if name in given or not same(was, now):
                del before[name]
        elif type(was) is type(now) is type(stored[name]) is dict:
            inner = (old_parts.get(name), new_parts.get(name))
            drop_absent(was, now, stored[name], inner)


def replaced_in(
    old: dict[str, Any], new: dict[str, Any], names: dict[str, str]
) -> frozenset[Path]:
    """Find the nested values that became another class: these are written whole."""
    found: set[Path] = set()
    for name, value in new.items():
        _find_replaced(old.get(name), value, (names.get(name, name),), found)
    return frozenset(found)


def _find_replaced(old: Any, new: Any, path: Path, found: set[Path]) -> None:
    if type(old) is not type(new):
        found.add(path)
    elif isinstance(new, dict) or hasattr(type(new), "__pydantic_fields__"):
        before = _parts(old)
        for name, value in _parts(new).items():
            if name in before:
                _find_replaced(before[name], value, (*path, str(name)), found)


def _names(value: Any) -> dict[str, str]:
    model = type(value)
    names: dict[str, str] = model.__pymodels_codec__.names if is_model(model) else {}
    return names


def _given(value: Any) -> set[str]:
    """Give the names that were given to a value, as they are stored."""
    if isinstance(value, dict):
        return set(value)
    names = _names(value)
    return {names.get(name, name) for name in getattr(value, "model_fields_set", ())}


def _parts(value: Any) -> dict[str, Any]:
    """Give the parts of a value by the names under which they are stored."""
    if isinstance(value, dict):
        return value
    names = _names(value)
    parts = getattr(value, "__dict__", {})
    return {names.get(name, name): part for name, part in parts.items()}


class Lists:
    """The lists of maps of one instance, as they were loaded."""

    def __init__(self, keeper: Keeper, kept: Kept, old: Any) -> None:
        """Take what the instance kept, and what its row loads as."""
        names = _names(old)
        self.names = {names.get(name, name) for name in keeper.lists}
        self.unsure = {names.get(name, name) for name in keeper.unrepeated}
        self.old = old
        elements = keeper.elements_of(vars(old))
        self.origins: dict[int, Any] = {}
        if len(elements) == len(kept.elements):
            kept_ids = map(id, kept.elements)
            self.origins = dict(zip(kept_ids, elements, strict=True))

    def merge(self, before: Record, after: Record, stored: Record, new: Any) -> None:
        """Let the elements that were loaded keep their stored form in ``after``."""
        for name in self.names & after.keys():
            states = (before, after, stored)
            self._merge(states, (self.old, new), name in self.unsure, {name})

    def _merge(
        self,
        states: States[Record],
        values: tuple[Any, Any],
        is_unsure: bool,
        names: set[str],
    ) -> None:
        before, after, stored = states
        old, new = _parts(values[0]), _parts(values[1])
        for name in names & before.keys() & after.keys() & stored.keys():
            was, now, found = before[name], after[name], stored[name]
            parts = (old.get(name), new.get(name))
            if type(was) is type(now) is type(found) is dict:
                self._merge((was, now, found), parts, is_unsure, set(was))
            elif type(was) is type(now) is type(found) is list and not same(was, now):
                after[name] = self._merged((was, now, found), parts, is_unsure)
                before[name] = found

    def _merged(
        self, states: States[list[Any]], values: tuple[Any, Any], is_unsure: bool
    ) -> list[Any]:
        """Give a list in which the elements that were loaded are as they are stored."""
        was, now, found = states
        old, new = values
        for shown, dumped in ((old, was), (new, now)):
            if not isinstance(shown, list | tuple) or len(shown) != len(dumped):
                return now
        stored_at = _stored_places(was, found, is_unsure)
        merged, pairs = list(now), self._pairs((was, now), values)
        for at, place in pairs.items():
            if (stored := stored_at.get(place)) is not None:
                one = (was[place], now[at], found[stored])
                merged[at] = self._element(one, (old[place], new[at]), is_unsure)
        return merged

    def _element(
        self, states: States[Any], values: tuple[Any, Any], is_unsure: bool
    ) -> Any:
        was, now, found = states
        if type(was) is type(now) is type(found) is list:
            return found if same(was, now) else self._merged(states, values, is_unsure)
        if not type(was) is type(now) is type(found) is dict:
            return now
        if same(was, now):
            return found
        was, now = copied(was), copied(now)
        drop_absent(was, now, found, values)
        self._merge((was, now, found), values, is_unsure, set(was))
        replaced = replaced_in(_parts(values[0]), _parts(values[1]), {})
        return apply(found, between(was, now, whole=replaced))

    def _pairs(
        self, states: tuple[list[Any], list[Any]], values: tuple[Any, Any]
    ) -> dict[int, int]:
        """Find where the elements of a list were when it was loaded.

        The same object is the same element; others are paired if they are equal, in
        order first, as a diff does, then wherever they are.
        """
        places = {id(one): place for place, one in enumerate(values[0])}
        found: dict[int, int] = {}
        for at, one in enumerate(values[1]):
            origin = self.origins.get(id(one))
            place = places.pop(id(origin), None) if origin is not None else None
            if place is not None:
                found[at] = place
        left = [(_form(states[0][place]), place) for place in places.values()]
        new = [at for at in range(len(values[1])) if at not in found]
        waiting = [(_form(states[1][at]), at) for at in new]
        if 0 < len(left) * len(waiting) <= MOST_PAIRS:
            forms = [form for form, _ in left], [form for form, _ in waiting]
            blocks = SequenceMatcher(None, *forms, autojunk=False).get_matching_blocks()
            for one, other, size in blocks:
                for step in range(size):
                    found[waiting[other + step][1]] = left[one + step][1]
        taken = set(found.values())
        places_of: dict[Any, list[int]] = {}
        for form, place in reversed(left):
            if place not in taken:
                places_of.setdefault(form, []).append(place)
        for form, at in waiting:
            if at not in found and places_of.get(form):
                found[at] = places_of[form].pop()
        return found


def _stored_places(was: list[Any], found: list[Any], is_unsure: bool) -> dict[int, int]:
    """Find of which stored element each loaded one was made.

    A validator may have moved them, or left some out: then it is the one that agrees.
    """
    if len(was) == len(found) and (not is_unsure or all(map(_agree, was, found))):
        return {place: place for place in range(len(was))}
    if not is_unsure or len(was) * len(found) > MOST_PAIRS:
        return {}
    agreeing = {
        place: [at for at, stored in enumerate(found) if _is_alike(one, stored)]
        for place, one in enumerate(was)
    }
    times = Counter(at for places in agreeing.values() for at in places)
    return {
        place: places[0]
        for place, places in agreeing.items()
        if len(places) == 1 and times[places[0]] == 1
    }


def _is_alike(was: Any, found: Any) -> bool:
    """Say whether two maps have names in common, and agree in them."""
    if type(was) is type(found) is dict:
        return bool(was.keys() & found.keys()) and _agree(was, found)
    return False


def _agree(was: Any, found: Any) -> bool:
    """Say whether what loading showed does not differ from what the store holds."""
    if type(was) is type(found) is dict:
        return all(_agree(was[name], found[name]) for name in was.keys() & found.keys())
    if type(was) is type(found) is list:
        return len(was) == len(found) and all(map(_agree, was, found))
    return same(was, found)


def _form(value: Any) -> Any:
    """Give what is equal for values that are stored alike, and can be looked up."""
    if type(value) is dict:
        return frozenset((name, _form(part)) for name, part in value.items())
    if type(value) is list:
        return tuple(map(_form, value))
    return (type(value), repr(value))
