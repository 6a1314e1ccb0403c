"""Whatever hook fails, before or after it has acted, what is promised holds (law 16).

A story of writes is told again and again: each time another hook of the storage fails.
Then records, instances and the error are compared; the step is taken once more, and
the story goes on to its end, which is always the same.
"""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from pymodels.errors import PyModelsError, WriteInterrupted, WriteUncertain
from pymodels.law.values import Record
from pymodels.models.references import Reference
from pymodels.storage import BaseStorage
from pymodels.testing.faults import Fault, faulty
from pymodels.testing.models import City, Job, Person

MOST_HOOKS = 200

Records = dict[str, Record]


@dataclass
class Step:
    """One thing that a user does; it may be done again if it fails."""

    act: Callable[[], object]
    instances: list[Any]
    """Those that it saves."""
    deletes: bool = False
    is_transaction: bool = False


def story(storage: BaseStorage) -> Iterator[Step]:
    """Yield what is done, one after the other."""
    people, jobs = Person.objects(storage), Job.objects(storage)

    def put() -> None:
        storage["raw"] = {"name": "raw"}

    yield Step(put, [])

    names = ("London", "Paris", "Rome", "Oslo")
    london, paris, rome, oslo = [City(name=name) for name in names]
    ada = Person(name="Ada", home=Reference(london))
    yield Step(lambda: ada.save(storage), [ada, london])
    ada.age = 36
    yield Step(ada.save, [ada])
    yield Step(lambda: ada.save_as("copy", storage), [])
    job = Job(state="fixed")
    yield Step(lambda: job.save(storage, key="fixed", replace=True), [job])
    ada.home = paris
    yield Step(ada.save, [ada, paris])

    three = [Job(state="new", owner=str(number)) for number in range(3)]
    yield Step(lambda: storage.save_many(three), list(three))
    three[0].state = three[1].state = "old"
    both = [*three, Job(state="new", owner="3")]
    yield Step(lambda: storage.save_many(both), both)
    bob, eve = (Person(name=name, home=Reference(rome)) for name in ("Bob", "Eve"))
    yield Step(lambda: storage.save_many([bob, eve]), [bob, eve, rome])

    matching = jobs.where(owner__matches=".")
    yield Step(lambda: matching.update(state="taken"), [])
    first = jobs.where(key=three[0].key, state__matches="^taken$")
    yield Step(lambda: first.update(owner="me"), [])
    yield Step(lambda: people.where(name="Eve").update(age=7), [])
    lima = City(name="Lima")
    yield Step(lambda: people.where(name="Bob").update(home=lima), [lima])

    if storage.has_transactions:
        ann, zoe = Person(name="Ann"), Person(name="Zoe", home=Reference(oslo))

        def whole() -> None:
            with storage.transaction():
                ann.save(storage)
                with storage.transaction():
                    zoe.save(storage)
                    bob.age = 3
                    bob.save()
                with suppress(KeyError), storage.transaction():
                    people.where(name="Ada").update(age=99)
                    raise KeyError("an inner part is undone")
                jobs.where(owner="3").delete()

        yield Step(whole, [ann, zoe, bob, oslo], deletes=True, is_transaction=True)

    yield Step(jobs.where(owner="1")[:1].delete, [], deletes=True)
    yield Step(jobs.where(state__matches="taken").delete, [], deletes=True)

    def remove() -> None:
        if "raw" in storage:
            del storage["raw"]

    yield Step(remove, [], deletes=True)
    yield Step(lambda: people.where(name="Eve").one().delete(), [], deletes=True)


def content(storage: BaseStorage) -> list[str]:
    """Give what is there, with names in the place of keys."""
    records = dict(storage.records())
    for record in records.values():
        if (home := record.get("home")) is not None:
            record["home"] = records[home]["name"]
    return sorted(str(sorted(record.items())) for record in records.values())


def check(
    step: Step, fault: Fault, error: Exception, old: Records, new: Records
) -> None:
    """Compare what an error says with what is there."""
    assert isinstance(error, PyModelsError), "the error is one of ours"
    is_uncertain = isinstance(error, WriteUncertain)
    changed = {key for key in old.keys() | new.keys() if old.get(key) != new.get(key)}
    if isinstance(error, WriteInterrupted):
        told = [key for key in changed if new.get(key, {}).get("type") != "city"]
        assert error.done == len(told) > 0, "done is what is there"
        assert not step.is_transaction
    elif not is_uncertain:
        assert not changed, "nothing was written"
    if step.is_transaction and not (is_uncertain and fault.hook == "commit"):
        assert not changed, "a transaction is undone whole"
    if not step.deletes:
        assert old.keys() <= new.keys(), "nothing is removed"
    for record in new.values():
        home = record.get("home")
        assert home is None or home in new, "no reference without its target"
    keys = {instance.key for instance in step.instances} - {None}
    assert keys <= new.keys(), "what was not written has no key"
    if not is_uncertain:
        assert new.keys() - old.keys() <= keys | {"raw", "copy"}, (
            "what was written has its key"
        )


def tell(storage: BaseStorage, at: int, after: bool) -> Fault:
    """Tell the story with one fault, and check what it leaves."""
    storage.clear()
    with faulty(storage, at, after) as fault:
        for step in story(storage):
            old = dict(storage.records())
            try:
                step.act()
            except Exception as error:
                new = dict(storage.records())
                place = f"{fault.hook}, number {at}, after={after}: {error!r}"
                try:
                    check(step, fault, error, old, new)
                    assert storage.transaction_depth == 0
                    if isinstance(error, WriteUncertain):
                        return fault
                    step.act()
                except AssertionError as failure:
                    failure.add_note(place)
                    raise
    return fault


def tell_all(storage: BaseStorage, after: bool, stride: int) -> None:
    """Tell the story with a fault in each hook, or in every third."""
    tell(storage, 0, after)
    expected = content(storage)
    failures = []
    for at in range(1, MOST_HOOKS, stride):
        try:
            fault = tell(storage, at, after)
            if fault.hook is None:
                break
            assert after or content(storage) == expected, "it ends otherwise"
        except Exception as failure:
            notes = getattr(failure, "__notes__", ())
            failures.append("\n".join([f"{at}: {failure!r}", *notes]))
    assert failures == [], "\n\n".join(failures)
    assert content(storage) == expected


def test_16_a_write_that_fails_says_what_is_there(
    storage: BaseStorage, is_thorough: bool
) -> None:
    tell_all(storage, after=False, stride=1 if is_thorough else 3)


def test_16_a_write_whose_answer_is_lost_removes_nothing(
    storage: BaseStorage, is_thorough: bool
) -> None:
    tell_all(storage, after=True, stride=1 if is_thorough else 3)
