"""One contender in a process of its own, told line by line what to do.

The harness starts it with its settings as JSON, writes a command to its standard
input and reads the answer, both one line of JSON.
"""

import gc
import importlib
import json
import os
import sys
import time
import traceback
from typing import Any

from benchmarks.contender import Contender, Place
from benchmarks.instructions import Marks
from benchmarks.work import (
    OPERATIONS,
    Operation,
    Sizes,
    checksum,
    documents,
    narrow_ranges,
    with_text_date,
)

BY_NAME = {operation.name: operation for operation in OPERATIONS}


def processor_time(process: int) -> float:
    """Return the processor time of a process, of all its threads."""
    # The clock of another process has no name in Python, but a number in Linux.
    return time.clock_gettime((~process << 3) | 2)


def resident(what: str = "VmRSS") -> int:
    """Return how much memory this process has, or had at most."""
    with open("/proc/self/status") as status:
        line = next(line for line in status if line.startswith(what))
    return int(line.split()[1]) * 1024


class Worker:
    """A contender and what it works with."""

    def __init__(self, settings: dict[str, Any]) -> None:
        if settings["tree"]:
            sys.path.insert(0, settings["tree"])
        module, name = settings["contender"].split(":")
        kind = getattr(importlib.import_module(f"benchmarks.{module}"), name)
        self.contender: Contender = kind(Place(**settings["place"]))
        self.sizes = Sizes(**settings["sizes"])
        self.servers: list[int] = settings["servers"]
        marks, folder = settings["marks"], settings["place"]["folder"]
        self.marks = Marks(marks, folder) if marks else None

    def about(self) -> dict[str, Any]:
        """Tell what the report says about the contender."""
        pymodels = sys.modules.get("pymodels")
        return {
            "title": self.contender.title,
            "layout": self.contender.layout,
            "program": self.contender.program,
            "missing": self.contender.missing,
            "file": pymodels and pymodels.__file__,
        }

    def fill(self) -> int:
        """Fill the main place."""
        self.documents = list(documents(self.sizes.records))
        if self.contender.takes_text_dates:
            self.documents = [with_text_date(one) for one in self.documents]
        self.keys = self.contender.fill(self.documents)
        return len(self.keys)

    def index(self) -> None:
        """Make the indexes."""
        self.contender.index()

    def every(self, number: int) -> list[Any]:
        """Return so many keys, from all over the main place."""
        return self.keys[:: len(self.keys) // number][:number]

    def begin(self, operation: Operation) -> list[tuple[Any, ...]]:
        """Bring about what an operation begins with; return its calls."""
        some = self.documents[: self.sizes.bulk]
        match operation.begin:
            case "empty":
                self.contender.empty()
                if operation.name == "single":
                    return [(one,) for one in self.documents[: self.sizes.singles]]
                return [(some,)]
            case "instances":
                self.contender.empty()
                return [(self.contender.make(some),)]
            case "filled":
                self.contender.empty()
                self.contender.each(self.contender.bulk, [(some,)])
            case "keys":
                return [(key,) for key in self.every(self.sizes.gets)]
            case "loaded":
                loaded = self.contender.load(self.every(self.sizes.singles))
                return [(one,) for one in loaded]
            case "ranges":
                return narrow_ranges(self.sizes.narrow)
            case "counts":
                return [()] * self.sizes.counts
            case "pages":
                return [()] * self.sizes.pages
        return [()]

    def run(self, name: str, check: bool = False) -> dict[str, Any]:
        """Run an operation; return what it took and, if asked, its checksum."""
        operation = BY_NAME[name]
        method = getattr(self.contender, operation.method)
        calls = self.begin(operation)
        gc.collect()
        before = [processor_time(server) for server in self.servers]
        if self.marks:
            self.marks.begin()
        started, began = time.process_time(), time.perf_counter()
        given = self.contender.each(method, calls)
        wall, processor = time.perf_counter() - began, time.process_time() - started
        instructions = self.marks.end() if self.marks else 0
        after = [processor_time(server) for server in self.servers]
        times = {
            "wall": wall,
            "processor": processor,
            "server": sum(after) - sum(before),
        }
        if self.marks:
            times["instructions"] = instructions
        taken: dict[str, Any] = {
            what: float(f"{time / len(calls):.4g}") for what, time in times.items()
        }
        if check:
            taken["checksum"] = self.checksum(operation, given)
        return taken

    def checksum(self, operation: Operation, given: list[Any]) -> str:
        """Return what all contenders must agree about."""
        plain = self.contender.plain
        match operation.answer:
            case "number":
                return str(given)
            case "stored":
                return checksum(map(plain, self.contender.stored()))
            case "deleted":
                left = checksum(map(plain, self.contender.stored()))
                return f"{given} {left}"
            case "saved":
                keys = [(key,) for key in self.every(self.sizes.singles)]
                return checksum(
                    map(plain, self.contender.each(self.contender.get, keys))
                )
            case "ages":
                return str([plain(one)[2] for page in given for one in page])
        records = given if operation.begin == "keys" else given[0]
        found = [plain(one) for one in records]
        if operation.answer == "ordered":
            assert [one[2] for one in found] == sorted([r[2] for r in found])[::-1]
        return checksum(found)

    def growth(self) -> float:
        """Return by how many MiB a scan makes a new process grow."""
        each = self.contender.each
        each(self.contender.count, [()])
        with open("/proc/self/clear_refs", "w") as peak:
            peak.write("5")
        before = resident()
        each(self.contender.scan, [()])
        return (resident("VmHWM") - before) / 2**20

    def held(self) -> float:
        """Return how many bytes a record takes in a list of all."""
        each = self.contender.each
        each(self.contender.count, [()])
        gc.disable()
        before = resident()
        records = each(self.contender.held, [()])[0]
        return (resident() - before) / len(records)

    def close(self) -> None:
        """Close the contender."""
        self.contender.close()


def main() -> None:
    """Do what the harness says until it hangs up."""
    # What a library prints is not taken for an answer.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    worker: Worker | None = None
    for line in sys.stdin:
        command, arguments = json.loads(line)
        try:
            if command == "open":
                worker = Worker(arguments)
                given: Any = worker.about()
            else:
                given = getattr(worker, command)(**arguments)
            answer = {"given": given}
        except Exception as error:
            traceback.print_exc()
            answer = {"error": f"{type(error).__name__}: {error}"[:300]}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
