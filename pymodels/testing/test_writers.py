"""Several writers of one record: no change of one is lost by another."""

import threading
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from random import Random
from typing import Any

from pymodels.law.canonical import canonical
from pymodels.law.values import same
from pymodels.storage import BaseStorage
from pymodels.testing.each import each
from pymodels.testing.fixtures import NewStorage
from pymodels.testing.models import Anything, Catalogue, Person, Woman, Worker
from pymodels.testing.random.asking import put
from pymodels.testing.random.universe import Declared, Loose, random_records, value_for
from pymodels.testing.test_reference import seeds


def test_two_writers_lose_nothing_of_each_other(people: BaseStorage) -> None:
    one, two = people.get(Person, "ada"), people.get(Woman, "ada")
    one.age, two.born = 1, date(2000, 1, 1)
    one.save()
    two.save()
    one.gender, two.name = "female", "Ada L"
    two.save()
    one.age = 2
    one.save()
    record = people["ada"]
    assert (record["age"], record["born"]) == (2, date(2000, 1, 1))
    assert record["name"] == "Ada L"


def _interleavings(one: int, two: int) -> list[str]:
    """Give every order of the steps of two writers."""
    if not one or not two:
        return ["1" * one + "2" * two]
    return [
        first + rest
        for first, left in (("1", (one - 1, two)), ("2", (one, two - 1)))
        for rest in _interleavings(*left)
    ]


Step = Callable[[BaseStorage], Any]


def _writer(model: Any, changes: list[tuple[str, Any]]) -> list[Step]:
    """Give the steps of a writer: load once, then change and save, again and again."""
    loaded: list[Any] = []
    steps: list[Step] = [lambda storage: loaded.append(storage.get(model, "a"))]
    for path, value in changes:

        def change(storage: BaseStorage, path: str = path, value: Any = value) -> None:
            *above, name = path.split(".")
            target = loaded[0]
            for part in above:
                target = getattr(target, part)
            setattr(target, name, value)
            loaded[0].save()

        steps.append(change)
    return steps


@each("order", _interleavings(4, 3))
def test_no_order_of_loads_and_saves_loses_a_change(
    storage: BaseStorage, order: str
) -> None:
    storage["a"] = {"name": "Ada", "address": {"city": "x", "floor": 1}, "odd": b"x"}
    changes = [("age", 5), ("address.city", "y"), ("tags", ["t"])]
    first = _writer(Person, changes)
    second = _writer(Worker, [("job", "z"), ("wage", Decimal("1.50"))])
    third = _writer(Person, [("address.zip", 7), ("gender", "f")])
    for others in (second, third):
        steps = {"1": iter(first), "2": iter(others)}
        for writer in order:
            next(steps[writer])(storage)
        first = _writer(Person, changes)
    expected = {
        "name": "Ada",
        "address": {"city": "y", "floor": 1, "zip": 7},
        "odd": b"x",
        "age": 5,
        "tags": ["t"],
        "job": "z",
        "wage": Decimal("1.50"),
        "gender": "f",
    }
    assert same(storage["a"], expected)


def test_threads_lose_nothing_of_each_other(storage: BaseStorage) -> None:
    names = ["whole", "text", "real", "words"]
    values: list[list[Any]] = [
        list(range(15)),
        [str(number) for number in range(15)],
        [number + 0.5 for number in range(15)],
        [[str(number)] for number in range(15)],
    ]
    storage["a"] = {"kept": b"x"}
    errors: list[Exception] = []

    def write(name: str, each: list[Any]) -> None:
        try:
            for value in each:
                found = storage.get(Catalogue, "a")
                setattr(found, name, value)
                found.save()
        except Exception as error:
            errors.append(error)

    threads = [
        threading.Thread(target=write, args=pair)
        for pair in zip(names, values, strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    last = dict(zip(names, (each[-1] for each in values), strict=True))
    assert storage["a"] == {"kept": b"x", **last}


def one_round_of_saves(opened: Callable[[], BaseStorage], seed: str) -> None:
    """Let several instances of two models write to few records, in any order."""
    random = Random(seed)
    expected = random_records(random, 6)
    names = [n for n in Declared.model_fields if n not in {"short", "anything", "spot"}]
    with opened() as storage:
        put(storage, expected)
        loaded: list[Any] = []
        for _ in range(40):
            if len(loaded) < 4 or random.random() < 0.3:
                key = random.choice(list(expected))
                loaded.append(storage.get(random.choice((Loose, Anything)), key))
                continue
            instance = random.choice(loaded)
            if isinstance(instance, Anything):
                names_here = ["value", "other"]
            else:
                names_here = random.sample(names, 2)
            for name in names_here:
                value = value_for(name, random)
                known = instance_row(instance).get(name, MISSING)
                if type(known) is type(value) is dict:
                    continue  # maps are patched path by path: another test
                setattr(instance, name, value)
                if not same(known, value):
                    expected[instance.key][name] = canonical(value)
            instance.save()
            found = dict(storage.records())
            for key, record in expected.items():
                assert same(found[key], record), f"seed {seed}, {key!r}"


MISSING = object()


def instance_row(instance: Any) -> dict[str, Any]:
    """Give the record as the instance knows it from its last load or save."""
    storage, row = instance.storage, type(instance).__pymodels_row__.__get__(instance)
    found: dict[str, Any] = storage.decode(row)
    return found


def test_reference_random_saves_lose_nothing(
    new_storage: NewStorage, how_many: int
) -> None:
    for _, seed in zip(range(how_many // 200), seeds(), strict=False):
        one_round_of_saves(new_storage, seed)
