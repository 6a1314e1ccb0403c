"""Programs that write, acknowledge, and are killed; and what must be there then."""

import random
import time
from itertools import count

from children import forked

from pymodels import Model

BATCH = 20
WRITES = 20
LONGEST = 0.005


class Entry(Model):
    round: int
    kind: str
    number: int
    part: int = 0
    text: str = ""


def write_one(storage, entry):
    storage[f"{entry.round}/one/{entry.number}"] = entry.model_dump()


def write_batch(storage, entry):
    storage.save_many(entry.model_copy(update={"part": part}) for part in range(BATCH))


def write_pair(storage, entry):
    with storage.transaction():
        entry.save(storage, key=f"{entry.round}/left/{entry.number}")
        with storage.transaction():
            other = entry.model_copy(update={"kind": "right"})
            other.save_as(key=f"{entry.round}/right/{entry.number}", storage=storage)
        storage["tally"] = {"pairs": storage["tally"]["pairs"] + 1}


def rewrite(storage, entry):
    """Change a record that is there, by patches; the numbers must stay equal."""
    key = f"{entry.round}/changed"
    if key not in storage:
        Entry(round=entry.round, kind="changed", number=0).save(storage, key=key)
    changed = storage.get(Entry, key)
    changed.number = changed.part = entry.number
    changed.text = "x" * (entry.number % 5000)
    changed.save()


KINDS = {
    "one": write_one,
    "batch": write_batch,
    "pair": write_pair,
    "changed": rewrite,
}


def writer(opened, number):
    """Make the work of a child that writes and acknowledges until it is killed."""

    def work(report):
        rng = random.Random(number)
        with opened() as storage:
            report("ready 0")
            for step in count(1):
                kind = rng.choice(list(KINDS))
                text = "text " * rng.randrange(200)
                entry = Entry(round=number, kind=kind, number=step, text=text)
                KINDS[kind](storage, entry)
                report(f"{kind} {step}")

    return work


def killed(opened, number, rng):
    """Run a writer, kill it somewhere, and give what it acknowledged."""
    with forked(writer(opened, number)) as child:
        assert child.line() == "ready 0"
        # However slow the machine is: so many writes, and a part of the next.
        lines = [child.line() for _ in range(rng.randrange(WRITES))]
        time.sleep(rng.uniform(0, LONGEST))
        child.kill()
        lines += child.reports.read().decode().splitlines()
        assert child.wait() == -9, lines
    found = {kind: [] for kind in KINDS}
    for line in lines:
        kind, step = line.split()
        found[kind].append(int(step))
    return found


def assert_kept(storage, number, acknowledged):
    """Everything acknowledged is there, and nothing is there by half."""
    entries = list(Entry.objects(storage).where(round=number))
    numbers = {kind: [] for kind in ("one", "batch", "pair", "right", "changed")}
    for entry in entries:
        numbers[entry.kind].append(entry.number)
    assert set(acknowledged["one"]) <= set(numbers["one"])
    assert set(acknowledged["pair"]) <= set(numbers["pair"])
    assert sorted(numbers["pair"]) == sorted(numbers["right"])
    assert set(acknowledged["batch"]) <= set(numbers["batch"])
    assert {numbers["batch"].count(step) for step in numbers["batch"]} <= {BATCH}
    if acknowledged["changed"]:
        assert numbers["changed"][0] >= acknowledged["changed"][-1]
    for entry in entries:
        if entry.kind == "changed":
            assert entry.part == entry.number
            assert len(entry.text) == entry.number % 5000
    # What was begun and not acknowledged is at most one write.
    writes = sum(len(set(numbers[kind])) for kind in ("one", "batch", "pair"))
    asked = sum(len(acknowledged[kind]) for kind in ("one", "batch", "pair"))
    assert writes - asked in {0, 1}
    return len(numbers["pair"])
