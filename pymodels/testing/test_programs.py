"""Random programs of writes do to a storage what they do to a dict.

Instances of two models load, change, save and delete the same records, alone and in
batches, in transactions that end well or not; queries update and delete; and what is
there is compared with a dict after each step.
"""

import os
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field
from random import Random
from typing import Any

from pymodels.errors import RecordNotFound
from pymodels.law.values import Record
from pymodels.models.model import Model
from pymodels.storage import BaseStorage
from pymodels.testing.fixtures import NewStorage
from pymodels.testing.test_reference import seeds

STEPS, DEEPEST, MOST_INSTANCES = 25, 2, 8
NAMES = "abc"


class Left(Model):
    """One view of the records."""

    name: str
    count: int | None = None
    words: list[str] | None = None


class Right(Model):
    """Another view, which has one field of its own."""

    name: str
    count: int | None = None
    note: str | None = None


MODELS = (Left, Right)
STALE: Record = {}
"""Stands for what an instance knows that was loaded in what was rolled back."""


@dataclass(eq=False)
class Held:
    """An instance, and what it should know: its key, and the record as it was."""

    instance: Any
    key: str | None = None
    known: Record | None = None

    @property
    def values(self) -> Record:
        """What the instance shows."""
        return deepcopy(dict(vars(self.instance)))


def at_least(record: Record, count: int) -> bool:
    """Say whether a record holds such a count."""
    held = record.get("count")
    return held is not None and held >= count


@dataclass
class Notes:
    """What was done to instances in a transaction."""

    written: dict[Held, tuple[str | None, Record | None]] = field(default_factory=dict)
    loaded: set[Held] = field(default_factory=set)


def bare(records: dict[str, Record]) -> dict[str, Record]:
    """Leave out None, which says no more than what is missing."""
    return {
        key: {name: value for name, value in record.items() if value is not None}
        for key, record in records.items()
    }


class OnPurpose(Exception):
    """What ends a transaction."""


class Program:
    """A program as it runs: in a storage, and beside it in a dict."""

    def __init__(self, storage: BaseStorage, seed: str) -> None:
        self.storage, self.random = storage, Random(seed)
        self.records: dict[str, Record] = {}
        self.held: list[Held] = []
        self.told: list[str] = [f"seed {seed}"]
        self.open: list[Notes] = []
        """What was done to instances in each transaction that is open."""
        self.steps: list[Callable[[], None]] = [
            *[self.make, self.load, self.assign, self.assign, self.save, self.save],
            *[self.save_many, self.refresh, self.delete, self.remove, self.put],
            *[self.update, self.update_some, self.delete_some, self.transaction],
        ]

    def run(self, steps: int) -> None:
        """Take some steps, and compare after each."""
        for _ in range(steps):
            self.random.choice(self.steps)()
            found = dict(self.storage.records())
            assert bare(found) == bare(self.records), "\n".join(
                [*self.told, f"found    {found}", f"expected {self.records}"]
            )

    def tell(self, what: str) -> None:
        """Add a line to the program, for people."""
        self.told.append("    " * len(self.open) + what)

    def label(self, held: Held) -> str:
        """Name an instance."""
        return f"{type(held.instance).__name__} {self.held.index(held)}"

    def value(self, name: str) -> Any:
        """Draw a value of a field; never None, which says nothing where one lacks."""
        match name:
            case "count":
                return self.random.randrange(4)
            case "words":
                return self.random.choices(NAMES, k=self.random.randrange(3))
        return self.random.choice(NAMES)

    def drawn(self) -> Held | None:
        """Draw an instance."""
        return self.random.choice(self.held) if self.held else None

    def hold(self, held: Held) -> None:
        """Keep an instance, as long as there are few."""
        self.held.append(held)
        if len(self.held) > MOST_INSTANCES and not self.open:
            del self.held[0]

    def note_write(self, held: Held) -> None:
        """Remember what an instance knew before it was written, for a rollback."""
        if self.open:
            self.open[-1].written.setdefault(held, (held.key, held.known))

    def note_load(self, held: Held) -> None:
        """Remember that an instance was loaded, for a rollback."""
        held.known = held.values
        if self.open:
            self.open[-1].loaded.add(held)

    def expect(self, act: Callable[[], object], is_gone: bool) -> None:
        """Do something that must fail if a record is gone."""
        try:
            act()
        except RecordNotFound:
            assert is_gone, "\n".join(self.told)
        else:
            assert not is_gone, "\n".join([*self.told, "it must not succeed"])

    # Steps.

    def make(self) -> None:
        """Make an instance that is not saved."""
        model = self.random.choice(MODELS)
        names = ["name", *self.random.sample(["count", "note", "words"], 1)]
        given = {n: self.value(n) for n in names if n in model.model_fields}
        self.hold(Held(model(**given)))
        self.tell(f"make {model.__name__} {given}")

    def load(self) -> None:
        """Load an instance."""
        if self.records:
            key = self.random.choice(sorted(self.records))
            model = self.random.choice(MODELS)
            instance = self.storage.get(model, key)
            held = Held(instance, key)
            self.note_load(held)
            self.hold(held)
            self.tell(f"load {model.__name__} {key}: {held.known}")

    def assign(self) -> None:
        """Assign to a field, or change a list in its place."""
        if held := self.drawn():
            name = self.random.choice(list(type(held.instance).model_fields))
            value = self.value(name)
            words = getattr(held.instance, "words", None)
            if name == "words" and words and self.random.random() < 0.5:
                words.append("more")
                value = words
            setattr(held.instance, name, value)
            self.tell(f"{self.label(held)}.{name} = {value!r}")

    def save(self) -> None:
        """Save an instance."""
        if held := self.drawn():
            self.tell(f"save {self.label(held)}, whose key is {held.key}")
            self.expect(lambda: held.instance.save(self.storage), self.is_gone(held))
            self.saved(held)

    def known(self, held: Held) -> Record | None:
        """Give what a save of an instance compares it with."""
        if held.known is not STALE or held.key is None:
            return held.known
        return {name: self.records[held.key].get(name) for name in held.values}

    def is_gone(self, held: Held) -> bool:
        """Say whether the save of an instance must fail."""
        if held.key is None or held.key in self.records:
            return False
        return held.known is STALE or held.values != held.known

    def saved(self, held: Held) -> None:
        """Do to the dict what the save of an instance does."""
        values = held.values
        if not self.is_gone(held):
            self.note_write(held)
        if held.key is None:
            held.key = held.instance.key
            assert held.key not in {None, *self.records}, "\n".join(self.told)
            self.records[str(held.key)] = values
        elif (record := self.records.get(held.key)) is not None:
            known = self.known(held) or {}
            changed = {n: v for n, v in values.items() if v != known[n]}
            self.records[held.key] = {**record, **changed}
        else:
            return
        held.known = deepcopy(values)

    def save_many(self) -> None:
        """Save several instances of which none is gone."""
        able = [held for held in self.held if not self.is_gone(held)]
        batch = self.random.sample(able, min(len(able), 3))
        self.tell(f"save_many {[self.label(held) for held in batch]}")
        self.storage.save_many([held.instance for held in batch])
        for held in batch:
            # All are compared before any is written.
            self.note_write(held)
            held.known = self.known(held)
        for held in batch:
            self.saved(held)

    def refresh(self) -> None:
        """Load an instance again."""
        held = self.drawn()
        if held is not None and held.key is not None:
            self.tell(f"refresh {self.label(held)}")
            self.expect(held.instance.refresh, held.key not in self.records)
            if held.key in self.records:
                self.note_load(held)

    def delete(self) -> None:
        """Delete an instance."""
        held = self.drawn()
        if held is not None and held.key is not None:
            self.tell(f"delete {self.label(held)}")
            self.expect(held.instance.delete, held.key not in self.records)
            if self.records.pop(held.key, None) is not None:
                self.note_write(held)
                held.key = held.known = None

    def remove(self) -> None:
        """Remove a record under its key."""
        if self.records:
            key = self.random.choice(sorted(self.records))
            self.tell(f"del storage[{key!r}]")
            del self.storage[key]
            del self.records[key]

    def put(self) -> None:
        """Put a record under a key."""
        key = self.random.choice("kl")
        record = {"name": self.value("name"), "other": self.random.random()}
        self.tell(f"storage[{key!r}] = {record}")
        self.storage[key] = record
        self.records[key] = record

    def asked(self) -> tuple[Any, list[str]]:
        """Draw a query, and the keys that it must find, in order."""
        model = self.random.choice(MODELS)
        name, count = self.value("name"), self.value("count")
        questions: list[tuple[dict[str, Any], Callable[[Record], bool]]] = [
            ({"name": name}, lambda one: one["name"] == name),
            ({"name__matches": name}, lambda one: name in one["name"]),
            ({"count": count}, lambda one: one.get("count") == count),
            (
                {"count__gte": count, "name__matches": "a|b"},
                lambda one: at_least(one, count) and one["name"] < "c",
            ),
        ]
        lookups, fulfils = self.random.choice(questions)
        self.tell(f"asked {model.__name__} {lookups}")
        query = model.objects(self.storage).where(**lookups)
        return query, sorted(k for k, one in self.records.items() if fulfils(one))

    def update(self) -> None:
        """Update the records of a query."""
        query, keys = self.asked()
        self._update(query, keys)

    def update_some(self) -> None:
        """Update the first records of a query."""
        query, keys = self.asked()
        self._update(query[:2], keys[:2])

    def _update(self, query: Any, keys: list[str]) -> None:
        names = self.random.sample(sorted(query.model.model_fields), 2)
        values = {name: self.value(name) for name in names}
        self.tell(f"update {values}: {keys}")
        assert query.update(**deepcopy(values)) == len(keys), "\n".join(self.told)
        for key in keys:
            self.records[key] = {**self.records[key], **deepcopy(values)}

    def delete_some(self) -> None:
        """Delete the records of a query, or the first of them."""
        query, keys = self.asked()
        if self.random.random() < 0.7:
            query, keys = query[:1], keys[:1]
        self.tell(f"delete: {keys}")
        assert query.delete() == len(keys), "\n".join(self.told)
        for key in keys:
            del self.records[key]

    def transaction(self) -> None:
        """Take some steps in a transaction, which may end badly."""
        if len(self.open) == DEEPEST or not self.storage.has_transactions:
            return
        records, mine = dict(self.records), Notes()
        is_bad = self.random.random() < 0.5
        self.tell("begin")
        self.open.append(mine)
        try:
            with self.storage.transaction():
                self.run(self.random.randrange(8))
                if is_bad:
                    raise OnPurpose
        except OnPurpose:
            self.records = records
            self.undo(mine)
        self.open.pop()
        self.tell("rollback" if is_bad else "commit")
        if self.open and not is_bad:
            outer = self.open[-1]
            outer.written = {**mine.written, **outer.written}
            outer.loaded |= mine.loaded
        for held in self.held:
            assert held.instance.key == held.key, "\n".join(self.told)

    def undo(self, mine: Notes) -> None:
        """Put instances back, as a rollback does."""
        for held, (key, known) in mine.written.items():
            held.key, held.known = key, known
        for held in mine.loaded:
            if held.key is not None:
                held.known = STALE


def test_reference_random_programs_of_writes_do_what_they_do_to_a_dict(
    new_storage: NewStorage, how_many: int
) -> None:
    many = how_many // (5 if os.environ.get("PYMODELS_FUZZ") else 60)
    with new_storage() as storage:
        for _, seed in zip(range(many), seeds(), strict=False):
            storage.clear()
            Program(storage, seed).run(STEPS)
