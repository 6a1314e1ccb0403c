"""Tokyo Tyrant: a bare client of the protocol, and PyModels; both over sockets."""

import socket
import struct
from typing import Any

from uuid_utils.compat import uuid7

from benchmarks.contender import Contender, Place
from benchmarks.contenders import ours
from benchmarks.contenders.tokyo_cabinet import (
    ACTIVE,
    AGES,
    BETWEEN,
    BIGGEST_FIRST,
    DECIMAL_INDEX,
    LOW,
    Condition,
)
from benchmarks.contenders.tokyo_texts import from_texts, to_texts
from benchmarks.work import PAGE, Document

MISC, NUMBER_OF_RECORDS = b"\xc8\x90", b"\xc8\x80"
BATCH = 1_000
LENGTH = struct.Struct(">I")


class Client:
    """One socket, and no more of the protocol than the work needs."""

    def __init__(self, path: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)
        self.file = self.socket.makefile("rb", 2**16)

    def ask(self, name: bytes, *strings: bytes) -> list[bytes]:
        """Call a function of the server's and return the strings that it gives."""
        frame = [MISC, struct.pack(">III", len(name), 0, len(strings)), name]
        for text in strings:
            frame += (LENGTH.pack(len(text)), text)
        self.socket.sendall(b"".join(frame))
        read = self.file.read
        code, number = struct.unpack(">BI", read(5))
        given = [read(LENGTH.unpack(read(4))[0]) for _ in range(number)]
        assert code == 0, (name, code)
        return given

    def number_of_records(self) -> int:
        """Return how many records there are."""
        self.socket.sendall(NUMBER_OF_RECORDS)
        return int(struct.unpack(">BQ", self.file.read(9))[1])

    def search(self, conditions: list[Condition], *more: bytes) -> list[bytes]:
        """Search."""
        asked = [b"addcond\0%b\0%d\0%b" % one for one in conditions]
        return self.ask(b"search", *asked, *more)

    def close(self) -> None:
        """Hang up."""
        self.file.close()
        self.socket.close()


def joined(document: Document) -> bytes:
    """Join the columns of a record as a batch takes them."""
    texts = to_texts(document)
    return "\0".join([part for pair in texts.items() for part in pair]).encode()


def loaded(found: list[bytes]) -> list[Document]:
    """Load what a search gives: the key, then the columns, of each record."""
    documents = []
    for one in found:
        parts = one.decode().split("\0")
        documents.append(from_texts(dict(zip(parts[2::2], parts[3::2], strict=True))))
    return documents


class Raw(Contender):
    """The bare protocol over one socket, to `pymodels serve`."""

    title = "bare client"
    layout = "a table: a column of text for each field; a text key (UUID 7)"
    program = "import socket, struct"
    takes_text_dates = True

    def __init__(self, place: Place) -> None:
        self.main, self.spare = map(Client, place.sockets)

    def write(self, client: Client, documents: list[Document]) -> list[str]:
        """Insert in batches."""
        keys = [str(uuid7()) for _ in documents]
        for start in range(0, len(documents), BATCH):
            strings: list[bytes] = []
            for at in range(start, min(start + BATCH, len(documents))):
                strings += (keys[at].encode(), joined(documents[at]))
            client.ask(b"putlist", *strings)
        return keys

    def fill(self, documents: list[Document]) -> list[Any]:
        self.main.ask(b"vanish")
        return self.write(self.main, documents)

    def index(self) -> None:
        for name in (b"age", b"score"):
            self.main.ask(b"setindex", name, b"%d" % DECIMAL_INDEX)

    def empty(self) -> None:
        self.spare.ask(b"vanish")

    def stored(self) -> Any:
        return loaded(self.spare.search([], b"get"))

    def make(self, documents: list[Document]) -> list[Any]:
        return documents

    def single(self, document: Document) -> None:
        texts = to_texts(document)
        parts = [part.encode() for pair in texts.items() for part in pair]
        self.spare.ask(b"putkeep", str(uuid7()).encode(), *parts)

    def bulk(self, documents: list[Document]) -> None:
        self.write(self.spare, documents)

    def instances(self, made: list[Any]) -> None:
        self.write(self.spare, made)

    def texts(self, key: str) -> dict[str, str]:
        """Read one record."""
        parts = [part.decode() for part in self.main.ask(b"get", key.encode())]
        return dict(zip(parts[::2], parts[1::2], strict=True))

    def get(self, key: Any) -> Any:
        return from_texts(self.texts(key))

    def load(self, keys: list[Any]) -> list[Any]:
        return [(key, self.get(key)["age"]) for key in keys]

    def save(self, loaded: Any) -> None:
        key, age = loaded
        texts = self.texts(key)
        texts["age"] = str(age + 1)
        parts = [part.encode() for pair in texts.items() for part in pair]
        self.main.ask(b"put", key.encode(), *parts)

    def scan(self) -> int:
        return len(self.held())

    def held(self) -> list[Any]:
        return loaded(self.main.search([], b"get"))

    def filter(self) -> list[Any]:
        order = b"setorder\0age\0%d" % BIGGEST_FIRST
        return loaded(self.main.search([AGES, ACTIVE], order, b"get"))

    def count(self) -> int:
        return int(self.main.search([AGES, ACTIVE], b"count")[0])

    def narrow(self, low: float, high: float) -> int:
        condition = (b"score", BETWEEN, b"%a %a" % (low, high))
        return int(self.main.search([condition], b"count")[0])

    def page(self) -> list[Any]:
        order = b"setorder\0age\0%d" % BIGGEST_FIRST
        limit = b"setlimit\0%d\0%d" % (PAGE.stop - PAGE.start, PAGE.start)
        return loaded(self.main.search([], order, limit, b"get"))

    def delete(self) -> int:
        before = self.spare.number_of_records()
        self.spare.search([LOW, ACTIVE], b"out")
        return before - self.spare.number_of_records()

    def close(self) -> None:
        self.main.close()
        self.spare.close()


class Ours(ours.Ours):
    """PyModels through `pymodels serve`."""

    layout = "a table: a column for each field and a note of kinds"
    takes_text_dates = True

    def settings(self, place: Place, name: str) -> dict[str, Any]:
        main, spare = place.sockets
        return {
            "backend": "pymodels.backends.tokyo_tyrant",
            "socket": main if name == "main" else spare,
            "timeout": 60,
        }
