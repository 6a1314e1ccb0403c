"""Run the contenders turn about, each in a process of its own, and collect times."""

import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any

from benchmarks import instructions, servers
from benchmarks.databases import OURS, Database
from benchmarks.work import OPERATIONS, Sizes

ROOT = Path(__file__).parents[1]
OTHER_TREE = "other"
"""The name of the contender that is PyModels of another tree."""
NOTHING, PYDANTIC = "nothing", "pydantic"
PROGRAMS = {
    NOTHING: "pass",
    PYDANTIC: "import pydantic\nclass One(pydantic.BaseModel):\n    name: str",
}
"""What the time of every import is compared with."""


class Failed(Exception):
    """A contender could not do something; the message says why."""


class Process:
    """A worker: one contender in a process of its own."""

    def __init__(self, settings: dict[str, Any]) -> None:
        command = [sys.executable, "-m", "benchmarks.worker"]
        environment = dict(os.environ)
        if settings["marks"]:
            folder = Path(settings["place"]["folder"])
            command = instructions.under_valgrind(command, folder)
            environment["PYTHONHASHSEED"] = "0"
        self.process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            self.about = self.ask("open", **settings)
        except Failed:
            self.end()
            raise

    def ask(self, command: str, **arguments: Any) -> Any:
        """Have the worker do something and return what it gives."""
        assert self.process.stdin
        assert self.process.stdout
        try:
            self.process.stdin.write(json.dumps([command, arguments]) + "\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            raise Failed(f"the process ended with {self.process.wait()}")
        answer = json.loads(line)
        if "error" in answer:
            raise Failed(answer["error"])
        return answer["given"]

    def end(self) -> None:
        """End the process."""
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


@dataclass
class Found:
    """What came out of one database: samples by operation, then by contender."""

    title: str
    durability: str
    goals: dict[str, float]
    sizes: dict[str, int]
    contenders: dict[str, Any] = field(default_factory=dict)
    samples: dict[str, dict[str, list[dict[str, float]]]] = field(default_factory=dict)
    memory: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    checksums: dict[str, dict[str, str]] = field(default_factory=dict)
    missing: dict[str, dict[str, str]] = field(default_factory=dict)
    """Contender, operation ("all" for every one), and the reason."""


class Run:
    """The measuring of one database."""

    def __init__(
        self,
        database: Database,
        sizes: Sizes,
        trees: dict[str, Path],
        operations: list[str],
        only: list[str],
        folder: Path | None,
        counts: bool = False,
    ) -> None:
        self.database, self.sizes, self.trees = database, sizes, trees
        self.folder, self.counts = folder, counts
        self.operations = [
            one for one in OPERATIONS if not operations or one.name in operations
        ]
        self.asked = operations
        self.contenders = dict(database.contenders)
        if OTHER_TREE in trees:
            self.contenders[OTHER_TREE] = database.contenders[OURS]
        if only:
            self.contenders = {n: c for n, c in self.contenders.items() if n in only}
        self.found = Found(
            database.title, database.durability, database.goals, asdict(sizes)
        )

    def miss(self, name: str, operation: str, reason: object) -> None:
        """Note that a contender does not do an operation, and why."""
        self.found.missing.setdefault(name, {})[operation] = str(reason)
        print(f"  {name} without {operation}: {reason}", file=sys.stderr)

    def measure(self) -> Found:
        """Measure everything."""
        for _ in range(self.sizes.launches):
            self.launch()
        if not (self.asked or self.counts):
            self.imports()
        return self.found

    @contextmanager
    def places(self, folder: Path) -> Iterator[dict[str, dict[str, Any]]]:
        """Start the servers; give the settings of each contender's worker."""
        with ExitStack() as stack:
            url, shared = "", []
            marks = str(instructions.build(folder)) if self.counts else ""
            if self.database.server == "mongod":
                (folder / "server").mkdir()
                url, process = stack.enter_context(servers.mongod(folder / "server"))
                shared = [process]
            settings = {}
            for name, contender in self.contenders.items():
                own = folder / name
                own.mkdir()
                tree = self.trees.get(name, ROOT)
                sockets, pids = [], list(shared)
                for part in ("main", "spare") * (self.database.server == "tyrant"):
                    (own / part).mkdir()
                    path, process = stack.enter_context(
                        servers.tyrant(own / part, tree)
                    )
                    sockets.append(path)
                    pids.append(process)
                place = {"folder": str(own), "url": url, "sockets": sockets}
                settings[name] = {
                    "contender": contender,
                    "tree": str(tree) if name in self.trees else "",
                    "place": {"name": name.replace("-", "_"), **place},
                    "sizes": asdict(self.sizes),
                    "servers": pids,
                    "marks": marks,
                }
            yield settings

    def launch(self) -> None:
        """Start all contenders anew and measure each operation some times."""
        with (
            tempfile.TemporaryDirectory(dir=self.folder) as folder,
            self.places(Path(folder)) as settings,
        ):
            processes = self.started(settings)
            try:
                self.rounds(processes)
            finally:
                for process in processes.values():
                    process.end()
            if self.asked or self.counts or self.database.title == "Memory":
                return
            for what in ("growth", "held"):
                self.measure_memory(settings, what)

    def started(self, settings: dict[str, dict[str, Any]]) -> dict[str, Process]:
        """Start the contenders that can be started, filled."""
        processes = {}
        for name, setting in settings.items():
            if "all" in self.found.missing.get(name, {}):
                continue
            try:
                process = Process(setting)
                self.found.contenders[name] = process.about
                for operation, reason in process.about["missing"].items():
                    self.found.missing.setdefault(name, {})[operation] = reason
                process.ask("fill")
                processes[name] = process
            except Failed as failure:
                self.miss(name, "all", failure)
        return processes

    def rounds(self, processes: dict[str, Process]) -> None:
        """Measure what needs no index, then the rest."""
        for has_index in (False, True):
            operations = [one for one in self.operations if one.has_index == has_index]
            if has_index and operations:
                for name in list(processes):
                    try:
                        processes[name].ask("index")
                    except Failed as failure:
                        for operation in operations:
                            self.miss(name, operation.name, failure)
            for operation in operations:
                began = perf_counter()
                self.turn_about(operation.name, processes)
                print(
                    f"  {self.database.title}: {operation.title},"
                    f" {perf_counter() - began:.1f} s",
                    file=sys.stderr,
                    flush=True,
                )

    def turn_about(self, operation: str, processes: dict[str, Process]) -> None:
        """Let each contender warm up and be checked, then measure some rounds."""
        missing = self.found.missing
        names = [n for n in processes if operation not in missing.get(n, {})]
        samples = self.found.samples.setdefault(operation, {})
        for number in range(-1, self.sizes.rounds):
            # Nobody always comes after the same neighbour.
            first = number % len(names) if names else 0
            for name in names[first:] + names[:first]:
                check = number < 0
                try:
                    taken = processes[name].ask("run", name=operation, check=check)
                except Failed as failure:
                    self.miss(name, operation, failure)
                    samples.pop(name, None)
                    names = [one for one in names if one != name]
                    continue
                if check:
                    answers = self.found.checksums.setdefault(operation, {})
                    answers[name] = taken.pop("checksum")
                else:
                    samples.setdefault(name, []).append(taken)

    def measure_memory(self, settings: dict[str, dict[str, Any]], what: str) -> None:
        """Open each contender's filled place in a new process and see it grow."""
        for name, setting in settings.items():
            if {"all", "scan", "list"} & set(self.found.missing.get(name, {})):
                continue
            process = None
            try:
                process = Process(setting)
                grown = self.found.memory.setdefault(what, {}).setdefault(name, [])
                grown.append(process.ask(what))
            except Failed as failure:
                self.miss(name, what, failure)
            finally:
                if process:
                    process.end()

    def imports(self) -> None:
        """Measure how long a new process takes to import each and define a model."""
        programs = dict(PROGRAMS)
        for name, about in self.found.contenders.items():
            programs[name] = about["program"]
        samples: dict[str, list[dict[str, float]]] = {name: [] for name in programs}
        for number in range(self.sizes.imports + 1):
            for name, program in list(programs.items()):
                try:
                    taken = of_child(program, self.trees.get(name, ROOT))
                except Failed as failure:
                    self.miss(name, "import", failure)
                    del programs[name], samples[name]
                    continue
                # The first writes and reads what is cached.
                if number:
                    samples[name].append(taken)
        self.found.samples["import"] = samples


def of_child(program: str, tree: Path) -> dict[str, float]:
    """Run a program in a new process; return the time that it took."""
    environment = {**os.environ, "PYTHONPATH": str(tree)}
    began = perf_counter()
    process = os.posix_spawn(
        sys.executable, [sys.executable, "-c", program], environment
    )
    _, status, usage = os.wait4(process, 0)
    if status:
        raise Failed(f"its import ended with {status}")
    return {
        "wall": perf_counter() - began,
        "processor": usage.ru_utime + usage.ru_stime,
        "server": 0.0,
    }


def median(samples: list[dict[str, float]], what: str = "processor") -> float:
    """Return the median of one kind of time."""
    return statistics.median(sample[what] for sample in samples)


def environment() -> dict[str, Any]:
    """Return what the figures depend on besides the code."""
    from importlib.metadata import distributions

    wanted = {
        *("beanie", "django", "mongoengine", "odmantic", "peewee", "pony", "pydantic"),
        *("pydantic_core", "pymongo", "sqlalchemy", "sqlite-utils"),
    }
    import sqlite3

    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "processors": os.cpu_count(),
        "load": os.getloadavg()[0],
        "sqlite": sqlite3.sqlite_version,
        "packages": {
            one.metadata["Name"]: one.version
            for one in distributions()
            if one.metadata["Name"].lower() in wanted
        },
    }
