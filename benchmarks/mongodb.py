"""MongoDB by four contenders: `python -m benchmarks.mongodb [operation ...]`.

Prints ratios of medians of interleaved rounds to the bare driver's, lower is
better; the goals are those of the project's performance page. The server is that of
the tests, or the one that PYMODELS_MONGODB_URL names; every contender waits for the
majority, and on a server that stands alone so for the journal.
"""

import sys
from collections.abc import Callable
from pathlib import Path

from benchmarks.mongodb_contenders import BULK, Contender, Ours, Raw, people
from benchmarks.mongodb_mappers import Beanie, Engine
from benchmarks.timing import interleaved

sys.path.append(str(Path(__file__).parents[1] / "tests"))

import mongod

COUNT = 100_000
ROUNDS = 5
OPERATIONS: dict[str, tuple[str, float]] = {
    "scan": ("full scan as instances, streamed", 0.8),
    "get": ("get by key", 1.12),
    "filter": ("filter and sort, no index", 1.35),
    "count": ("count, no index", 1.05),
    "save": ("save one field", 1.2),
    "filter_indexed": ("filter and sort, index", 1.4),
    "count_indexed": ("count, index", 1.05),
    "delete": ("delete by query", 1.05),
    "single": ("single insert", 1.15),
    "bulk": ("bulk insert from dicts", 1.5),
    "existing": ("bulk insert of existing instances", 1.1),
}
EMPTIED = {"single", "bulk", "existing"}

Runs = dict[str, Callable[[], object]]


def begin(contenders: list[Contender], operation: str) -> Callable[[], object]:
    """Bring the collections into the state that an operation begins with.

    Gives what has to be done before each run.
    """
    for contender in contenders:
        contender.collection.drop_indexes()
        if operation.endswith("_indexed"):
            contender.index()
    if operation == "save":
        for contender in contenders:
            contender.prepare_save()
    if operation == "delete":
        return lambda: [refill(one) for one in contenders]
    if operation in EMPTIED:
        return lambda: [renew(one, operation) for one in contenders]
    return bool


def refill(contender: Contender) -> None:
    """Bring back what was deleted."""
    if contender.collection.estimated_document_count() != BULK:
        contender.fill(BULK)


def renew(contender: Contender, operation: str) -> None:
    """Empty a collection, and make what will be inserted."""
    contender.collection.delete_many({})
    if operation == "existing":
        contender.prepare_instances()


def report(operation: str, found: dict[str, float]) -> str:
    """Give one line of the table."""
    title, goal = OPERATIONS[operation]
    ratios = {name: taken / found["raw"] for name, taken in found.items()}
    verdict = "reached" if ratios["ours"] <= goal else "missed"
    numbers = (ratios["ours"], goal)
    peers = (ratios["engine"], ratios["beanie"])
    cells = [title, *map("{:.2f}".format, numbers), verdict]
    cells += map("{:.1f}".format, peers)
    return "| " + " | ".join(cells) + " |"


def main() -> None:
    """Measure what is named, or everything."""
    names = sys.argv[1:] or list(OPERATIONS)
    given = list(people(COUNT))
    url = mongod.standalone_url()
    contenders = [kind(url, given) for kind in (Raw, Ours, Engine, Beanie)]
    print("| operation | times raw | goal | | MongoEngine | Beanie |")
    print("| --- | --- | --- | --- | --- | --- |")
    try:
        for operation in names:
            prepare = begin(contenders, operation)
            method = operation.removesuffix("_indexed")
            runs: Runs = {one.name: getattr(one, method) for one in contenders}
            found = interleaved(runs, ROUNDS, prepare)
            print(report(operation, found), flush=True)
    finally:
        for contender in contenders:
            contender.close()


if __name__ == "__main__":
    main()
