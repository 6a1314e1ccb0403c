"""Tokyo Tyrant against a bare batched protocol: `python -m benchmarks.tokyo_tyrant`.

The bare loop writes and reads frames by our own `pymodels.tokyo.protocol` over one
socket and gives dicts of strings: what anyone would write who needs no models. Where
PYMODELS_TTSERVER names the original server, `pymodels serve` is compared with it, too.
Prints ratios of medians of interleaved rounds, lower is better.
"""

import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from benchmarks.timing import interleaved, report
from benchmarks.tokyo_cabinet import Person, people
from pymodels.backends.tokyo_tyrant import Storage
from pymodels.keys import new_key
from pymodels.tokyo import protocol
from pymodels.tokyo.protocol import MISC, Answer, Command, Incoming, encode_misc

COUNT = int(os.environ.get("PYMODELS_BENCH", "100000"))
SINGLES = 2_000
ROUNDS = 5
BATCH = 1_000
SAMPLE = list(people(COUNT))
CITY = b"addcond\0city\x000\0city 7"

Contenders = dict[str, Callable[[], object]]


class Bare:
    """One socket and the protocol."""

    def __init__(self, path: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)
        self.incoming = Incoming()

    def ask(self, frame: bytes, command: Command = MISC) -> Answer:
        """Send one request and read its answer."""
        self.socket.sendall(frame)
        while (answer := self.incoming.answer(command)) is None:
            self.incoming.feed(self.socket.recv(65536))
        return answer

    def misc(self, name: bytes, *strings: bytes) -> Answer:
        """Call a function."""
        return self.ask(encode_misc(name, strings))

    def put_list(self, records: list[dict[str, str]], prefix: bytes = b"") -> None:
        """Write records in batches."""
        for start in range(0, len(records), BATCH):
            strings: list[bytes] = []
            for at, record in enumerate(records[start : start + BATCH], start):
                joined = "\0".join([part for pair in record.items() for part in pair])
                strings += (prefix + b"%d" % at, joined.encode())
            self.misc(b"putlist", *strings)

    def dicts(self, name: bytes, *strings: bytes) -> Iterator[dict[str, str]]:
        """Read the records of a search with get."""
        for joined in self.misc(name, *strings).strings:
            parts = joined.decode().split("\0")
            yield dict(zip(parts[2::2], parts[3::2], strict=True))


@contextmanager
def served(folder: Path, *, original: bool = False) -> Iterator[str]:
    """Serve a new table; give the socket."""
    name = str(folder / ("original" if original else "ours"))
    file = f"{name}.tct"
    ours = ["-m", "pymodels", "serve", file, "--socket", name, "--bnum", "1000000"]
    command = [sys.executable, *ours]
    if original:
        program = os.environ["PYMODELS_TTSERVER"]
        tuned = f"{file}#bnum=1000000#opts=l"
        command = [program, "-port", "0", "-host", name, "-thnum", "16", "-le", tuned]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        while True:
            try:
                Bare(name).socket.close()
                break
            except OSError:
                time.sleep(0.05)
        yield name
    finally:
        process.terminate()
        process.wait()


class Layer:
    """The models against the bare protocol, through `pymodels serve`."""

    def __init__(self, raw: str, ours: str) -> None:
        self.raw = Bare(raw)
        self.storage = Storage(socket=ours, timeout=60)
        self.raw.put_list(SAMPLE)
        self.keys = self.storage.save_many(Person(**one) for one in SAMPLE)

    def get(self) -> Contenders:
        """Get single records by key."""

        def raw() -> None:
            for at in range(SINGLES):
                parts = self.raw.misc(b"get", b"%d" % at).strings
                texts = [part.decode() for part in parts]
                dict(zip(texts[::2], texts[1::2], strict=True))

        def ours() -> None:
            for key in self.keys[:SINGLES]:
                self.storage.get(Person, key)

        return {"raw": raw, "ours": ours}

    def scan(self) -> Contenders:
        """Read everything."""
        query = Person.objects(self.storage)
        return {
            "raw": lambda: sum(1 for _ in self.raw.dicts(b"search", b"get")),
            "ours": lambda: sum(1 for _ in query),
        }

    def filter(self) -> Contenders:
        """Read a fiftieth."""
        query = Person.objects(self.storage).where(city="city 7")
        return {
            "raw": lambda: sum(1 for _ in self.raw.dicts(b"search", CITY, b"get")),
            "ours": lambda: sum(1 for _ in query),
        }

    def count(self) -> Contenders:
        """Count a fiftieth."""
        query = Person.objects(self.storage).where(city="city 7")
        return {
            "raw": lambda: self.raw.misc(b"search", CITY, b"count"),
            "ours": query.count,
        }

    def single(self) -> Contenders:
        """Insert one after the other."""

        def raw() -> None:
            for one in SAMPLE[:SINGLES]:
                parts = [part.encode() for pair in one.items() for part in pair]
                self.raw.misc(b"putkeep", new_key().encode(), *parts)

        def ours() -> None:
            for one in SAMPLE[:SINGLES]:
                Person(**one).save(self.storage)

        return {"raw": raw, "ours": ours}

    def save(self) -> Contenders:
        """Change one field; twice the round trips of a put are allowed."""
        found = self.storage.get_many(Person, self.keys[:SINGLES])

        def raw() -> None:
            for at in range(SINGLES):
                parts = self.raw.misc(b"get", b"%d" % at).strings
                self.raw.misc(b"put", b"%d" % at, *parts)

        def ours() -> None:
            for number, one in enumerate(found):
                one.job = f"job {time.perf_counter_ns()} {number}"
                one.save()

        return {"raw": raw, "ours": ours}

    def bulk(self) -> Contenders:
        """Insert in batches."""
        some = SAMPLE[:20_000]
        return {
            "raw": lambda: self.raw.put_list(some, new_key().encode()),
            "ours": lambda: self.storage.save_many(Person(**one) for one in some),
        }


GOALS = {
    "get": ("get by key", 1.4),
    "scan": ("full scan as instances, streamed", 1.4),
    "filter": ("filter, exact condition, no index", 1.4),
    "count": ("count, exact condition, no index", 1.05),
    "single": ("single insert", 1.4),
    "save": ("save one field, against a get and a put", 1.4),
    "bulk": ("bulk insert from dicts", 1.4),
}


def each(clients: list[Bare], times: int, ask: Callable[[Bare, int], object]) -> None:
    """Let each client ask in a thread of its own."""

    def work(client: Bare) -> None:
        for number in range(times):
            ask(client, number)

    threads = [threading.Thread(target=work, args=(one,)) for one in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def put_one(client: Bare, number: int) -> None:
    """Write a record that is there already."""
    client.misc(b"put", b"%d" % number, b"name", b"Ann", b"city", b"Oslo")


def put_batch(client: Bare, number: int) -> None:
    """Write a thousand records."""
    client.put_list(SAMPLE[:BATCH])


def search(most: int) -> Callable[[Bare, int], object]:
    """Read so many rows at a time."""
    limit = b"setlimit\x00%d\x000" % most
    return lambda client, number: client.misc(b"search", limit, b"get")


def get_one(client: Bare, number: int) -> None:
    """Read a record."""
    client.ask(protocol.encode_request(protocol.GET, [b"%d" % number]), protocol.GET)


ASKED: dict[str, tuple[int, Callable[[Bare, int], object]]] = {
    "get": (2_000, get_one),
    "put": (2_000, put_one),
    "putlist of 1,000": (8, put_batch),
    "search of 1,000 rows": (16, search(1_000)),
    "search of 100,000 rows": (1, search(100_000)),
}


def compare_servers(ours: str, original: str) -> None:
    """Print the time of `pymodels serve` as a multiple of the original's."""
    print("\n| `pymodels serve` | clients | times the original |\n| --- | --- | --- |")
    for path in (ours, original):
        Bare(path).put_list(SAMPLE)
    for number in (1, 16):
        mine = [Bare(ours) for _ in range(number)]
        theirs = [Bare(original) for _ in range(number)]
        for title, (times, ask) in ASKED.items():
            share = max(times // number, 1)
            found = interleaved(
                {
                    "ours": lambda a=ask, n=share, c=mine: each(c, n, a),
                    "original": lambda a=ask, n=share, c=theirs: each(c, n, a),
                },
                3,
            )
            ratio = found["ours"] / found["original"]
            print(f"| {title} | {number} | {ratio:.2f} |", flush=True)


def main() -> None:
    """Measure what is named, or everything."""
    names = sys.argv[1:] or list(GOALS)
    with ExitStack() as stack:
        folders = [
            Path(stack.enter_context(tempfile.TemporaryDirectory())) for _ in range(2)
        ]
        sockets = [stack.enter_context(served(folder)) for folder in folders]
        layer = Layer(*sockets)
        stack.enter_context(layer.storage)
        print("| operation | times raw | goal | |\n| --- | --- | --- | --- |")
        for name in names:
            title, goal = GOALS[name]
            found = interleaved(getattr(layer, name)(), ROUNDS)
            print(report(title, found["raw"], found["ours"], goal), flush=True)
    if os.environ.get("PYMODELS_TTSERVER") and not sys.argv[1:]:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            with served(folder) as ours, served(folder, original=True) as original:
                compare_servers(ours, original)


if __name__ == "__main__":
    main()
