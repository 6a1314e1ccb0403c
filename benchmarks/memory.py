"""Memory and start-up, in processes of their own: `python -m benchmarks.memory`.

Prints the growth of a streamed scan, of SQLite and MongoDB, the bytes of a held
instance next to those of a dict, and the time to import next to pydantic with one
model.
"""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.people import Person, documents
from pymodels import get_storage
from pymodels.storage import BaseStorage

sys.path.append(str(Path(__file__).parents[1] / "tests"))

import mongod

COUNT = 100_000

SETUP = """
import gc, json, sys
from benchmarks.people import Person
from pymodels import get_storage
def resident():
    with open("/proc/self/status") as status:
        return next(int(l.split()[1]) for l in status if l.startswith("VmRSS")) * 1024
storage = get_storage(sys.argv[1])
Person.objects(storage).first()
"""
SCAN = """
before = most = resident()
for number, person in enumerate(Person.objects(storage)):
    if number % 1000 == 0:
        most = max(most, resident())
print(most - before)
"""
HELD = """
gc.disable()
before = resident()
held = list(Person.objects(storage))
print((resident() - before) / len(held))
"""
DICTS = """
import sqlite3
raw = sqlite3.connect(sys.argv[1].removeprefix("sqlite:///"))
gc.disable()
before = resident()
held = [json.loads(body) for (body,) in raw.execute("SELECT body FROM records")]
print((resident() - before) / len(held))
"""
FOUND = """
before = most = resident()
for number, document in enumerate(storage.connection.find()):
    if number % 1000 == 0:
        most = max(most, resident())
print(most - before)
"""
IMPORTS = {
    "pydantic": "import pydantic\nclass One(pydantic.BaseModel):\n    name: str",
    "pymodels": "import pymodels\nclass One(pymodels.Model):\n    name: str",
}


def measured(program: str, url: str) -> float:
    """Run a program in a new process and give the number that it prints."""
    command = [sys.executable, "-c", SETUP + program, url]
    found = subprocess.run(command, capture_output=True, check=True, text=True)
    return float(json.loads(found.stdout))


def seconds(program: str) -> float:
    """Give the time that a new process takes for a program."""
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", program], check=True)
    return time.perf_counter() - start


def filled(url: str) -> BaseStorage:
    """Open a storage and put everybody into it."""
    storage = get_storage(url)
    storage.clear()
    storage.save_many(Person(**document) for document in documents(COUNT))
    return storage


def main() -> None:
    """Measure everything."""
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/people.db"
        filled(url).close()
        growth = measured(SCAN, url) / 2**20
        print(f"growth of a streamed scan, SQLite: {growth:.1f} MiB (goal 6)")
        ours, dicts = measured(HELD, url), measured(DICTS, url)
        print(f"a held instance: {ours:.0f} bytes (goal 1,100); a dict: {dicts:.0f}")
    url = mongod.with_path(mongod.standalone_url(), "benchmark")
    with filled(url) as storage:
        growth, raw = measured(SCAN, url) / 2**20, measured(FOUND, url) / 2**20
        print(f"growth of a streamed scan, MongoDB: {growth:.1f} MiB (goal 10)")
        print(f"growth of the driver's find() by its defaults: {raw:.1f} MiB")
        storage.clear()
    nothing = statistics.median(seconds("pass") for _ in range(9))
    rounds = [{name: seconds(text) for name, text in IMPORTS.items()} for _ in range(9)]
    medians = {name: statistics.median(r[name] for r in rounds) for name in IMPORTS}
    ratio = (medians["pymodels"] - nothing) / (medians["pydantic"] - nothing)
    print(f"import and one model: {ratio:.2f} times pydantic's (goal 1.3)")


if __name__ == "__main__":
    main()
