"""The frames of the Tokyo Tyrant protocol, both directions, without input or output.

A request is a magic byte, the number of the command, a head of sizes and numbers,
then the strings that the sizes tell of. An answer begins with a code, 0 for good.
`COMMANDS` says the rest; client and server read and write by the same table.
"""

import struct
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

MAGIC = 0xC8
VERSION = "1.1.41"
"""Of the original whose protocol this is."""
GOOD, FAILED = 0, 1
NO_UPDATE_LOG = 1
LARGEST_FRAME = 256 * 2**20
LARGEST_REQUEST = 64 * 2**20
LARGEST_ANSWER = 80 * 2**20
"""Of `pymodels serve`; it holds the largest record."""
MOST_STRINGS = 2**20
LONGEST_NAME = 1023

# What `patch` is made of, a function of `misc` that `pymodels serve` has more.
IS, NO, SET, CUT = b"is", b"no", b"set", b"cut"
DONE, CHANGED, MISSING = b"done", b"changed", b"missing"

# What `swap` is made of, another one.
WITH, WITHOUT, REFUSED = b"put", b"out", b"refused"

_SIZE = struct.Struct(">I")
_pack, _unpack = _SIZE.pack, _SIZE.unpack_from


class ProtocolError(ValueError):
    """Bytes that are no frame, or a frame beyond the bounds; the stream is lost."""


class Answers(Enum):
    """What an answer holds after its code."""

    NONE = "no answer at all"
    CODE = "nothing"
    STRING = "one string, if good"
    NUMBERS = "numbers, if good"
    STRINGS = "a number of strings, always"
    PAIRS = "a number of pairs of strings, always"


@dataclass(frozen=True, slots=True)
class Command:
    """How one command looks on the wire.

    ``head`` has a letter for each number after the command: ``s`` is the size of a
    string that follows, ``n`` how many sized strings come last, and what else there
    is are numbers in the letters of `struct`. ``given`` are the numbers of a good
    answer.
    """

    name: str
    number: int
    head: str = ""
    answers: Answers = Answers.CODE
    given: str = ""

    @property
    def layout(self) -> struct.Struct:
        """The head as it lies on the wire."""
        return _struct(self.head)


def _struct(letters: str) -> struct.Struct:
    return struct.Struct(">" + letters.replace("s", "I").replace("n", "I"))


PUT = Command("put", 0x10, "ss")
PUTKEEP = Command("putkeep", 0x11, "ss")
PUTCAT = Command("putcat", 0x12, "ss")
PUTSHL = Command("putshl", 0x13, "ssi")
PUTNR = Command("putnr", 0x18, "ss", Answers.NONE)
OUT = Command("out", 0x20, "s")
GET = Command("get", 0x30, "s", Answers.STRING)
MGET = Command("mget", 0x31, "n", Answers.PAIRS)
VSIZ = Command("vsiz", 0x38, "s", Answers.NUMBERS, "I")
ITERINIT = Command("iterinit", 0x50)
ITERNEXT = Command("iternext", 0x51, "", Answers.STRING)
FWMKEYS = Command("fwmkeys", 0x58, "si", Answers.STRINGS)
ADDINT = Command("addint", 0x60, "si", Answers.NUMBERS, "i")
ADDDOUBLE = Command("adddouble", 0x61, "sqq", Answers.NUMBERS, "qq")
EXT = Command("ext", 0x68, "siss", Answers.STRING)
SYNC = Command("sync", 0x70)
OPTIMIZE = Command("optimize", 0x71, "s")
VANISH = Command("vanish", 0x72)
COPY = Command("copy", 0x73, "s")
RESTORE = Command("restore", 0x74, "sqi")
SETMST = Command("setmst", 0x78, "siqi")
RNUM = Command("rnum", 0x80, "", Answers.NUMBERS, "Q")
SIZE = Command("size", 0x81, "", Answers.NUMBERS, "Q")
STAT = Command("stat", 0x88, "", Answers.STRING)
MISC = Command("misc", 0x90, "sin", Answers.STRINGS)

COMMANDS = {
    command.number: command
    for command in list(globals().values())
    if isinstance(command, Command)
}
_LAYOUTS = {command: command.layout for command in COMMANDS.values()}
_GIVEN = {command: _struct(command.given) for command in COMMANDS.values()}


class Request(NamedTuple):
    """One request: for ``misc`` the first string is the function's name."""

    command: Command
    strings: Sequence[bytes] = ()
    numbers: Sequence[int] = ()


class Answer(NamedTuple):
    """One answer; the pairs of ``mget`` are keys and values by turns."""

    code: int = GOOD
    strings: Sequence[bytes] = ()
    numbers: Sequence[int] = ()

    @property
    def is_good(self) -> bool:
        """Whether the server did what was asked."""
        return self.code == GOOD


FAILURE = Answer(FAILED)


def encode_request(
    command: Command, strings: Sequence[bytes] = (), numbers: Sequence[int] = ()
) -> bytes:
    """Write a request; raise `ProtocolError` if it is beyond the bounds."""
    head: list[int] = []
    plain, sized = iter(numbers), iter(strings)
    parts = [bytes((MAGIC, command.number)), b""]
    for letter in command.head:
        if letter == "s":
            parts.append(next(sized))
            head.append(len(parts[-1]))
        elif letter == "n":
            rest = list(sized)
            head.append(len(rest))
            for string in rest:
                parts += (_pack(len(string)), string)
        else:
            head.append(next(plain))
    _check_strings(len(strings))
    try:
        parts[1] = _LAYOUTS[command].pack(*head)
    except struct.error as error:
        raise ProtocolError(f"{command.name}: {head} does not fit: {error}") from error
    frame = b"".join(parts)
    _check_size(len(frame), LARGEST_REQUEST)
    return frame


def encode_misc(name: bytes, arguments: Iterable[bytes], options: int = 0) -> bytes:
    """Write a call of a function by ``misc``."""
    return encode_request(MISC, (name, *arguments), (options,))


def encode_answer(command: Command, answer: Answer) -> bytes:
    """Write an answer to a command."""
    match command.answers:
        case Answers.NONE:
            return b""
        case Answers.STRINGS:
            parts = [bytes((answer.code,)), _pack(len(answer.strings))]
            for string in answer.strings:
                parts += (_pack(len(string)), string)
            return b"".join(parts)
        case Answers.PAIRS:
            return _encode_pairs(answer)
        case Answers.STRING if answer.is_good:
            (string,) = answer.strings
            return b"\0" + _pack(len(string)) + string
        case Answers.NUMBERS if answer.is_good:
            return b"\0" + _GIVEN[command].pack(*answer.numbers)
    return bytes((answer.code,))


def _encode_pairs(answer: Answer) -> bytes:
    keys, values = answer.strings[::2], answer.strings[1::2]
    parts = [bytes((answer.code,)), _pack(len(keys))]
    for key, value in zip(keys, values, strict=True):
        parts += (_pack(len(key)), _pack(len(value)), key, value)
    return b"".join(parts)


def _check_strings(number: int) -> None:
    if number > MOST_STRINGS:
        raise ProtocolError(f"{number} strings; {MOST_STRINGS} at most in one frame")


def _check_size(size: int, most: int) -> None:
    if size > most:
        raise ProtocolError(f"{size} bytes; {most} at most in one frame")


class Incoming:
    """Bytes as they come in, cut into requests or answers.

    Nothing is read twice: a frame that is there in part is gone on with where it
    stopped when more has come.
    """

    def __init__(self, largest: int = LARGEST_FRAME) -> None:
        """Bound the size of a frame; what is larger is a `ProtocolError`."""
        self._largest = largest
        self._buffer, self._at = b"", 0
        self._chunks: list[bytes] = []
        self._arrived = self._missing = self._held = 0
        self._reading: Generator[None, None, Request | Answer] | None = None

    def feed(self, data: bytes) -> None:
        """Take what came in."""
        if not data:
            return
        self._chunks.append(data)
        self._arrived += len(data)
        self._held += len(data)

    @property
    def is_empty(self) -> bool:
        """Whether nothing is left over, not even a part of a frame."""
        rest = self._chunks or self._at < len(self._buffer)
        return not rest and self._reading is None

    @property
    def held(self) -> int:
        """How many bytes came in and are in no finished frame."""
        return self._held

    def request(self) -> Request | None:
        """Give the next request, or None if it is not there as a whole."""
        found = self._next(self._read_request)
        return found if isinstance(found, Request) else None

    def answer(self, command: Command) -> Answer | None:
        """Give the answer to a command, or None if it is not there as a whole."""
        if command.answers is Answers.NONE:
            return Answer()
        found = self._next(lambda: self._read_answer(command))
        return found if isinstance(found, Answer) else None

    def _next(
        self, read: Callable[[], Generator[None, None, Request | Answer]]
    ) -> Request | Answer | None:
        if self._reading is None:
            if self.is_empty:
                return None
            self._reading = read()
        if self._arrived < self._missing:
            return None
        try:
            next(self._reading)
        except StopIteration as done:
            self._reading = None
            self._held = self._arrived + len(self._buffer) - self._at
            found: Request | Answer = done.value
            return found
        return None

    def _need(self, size: int) -> Generator[None, None, None]:
        """Wait until so many bytes lie together from the place reached."""
        while len(self._buffer) - self._at < size:
            self._missing = size - (len(self._buffer) - self._at)
            while self._arrived < self._missing:
                yield
            self._buffer = b"".join((self._buffer[self._at :], *self._chunks))
            self._chunks.clear()
            self._at = self._arrived = self._missing = 0

    def _take(self, size: int) -> Generator[None, None, bytes]:
        yield from self._need(size)
        at = self._at
        self._at = at + size
        return self._buffer[at : at + size]

    def _numbers(self, layout: struct.Struct) -> Generator[None, None, tuple[int, ...]]:
        yield from self._need(layout.size)
        found = layout.unpack_from(self._buffer, self._at)
        self._at += layout.size
        return found

    def _strings(self, count: int, before: int) -> Generator[None, None, list[bytes]]:
        """Read sized strings, with what the frame has come to before in mind."""
        found: list[bytes] = []
        room = self._largest - before
        buffer, at = self._buffer, self._at
        for _ in range(count):
            if len(buffer) - at < 4:
                self._at = at
                yield from self._need(4)
                buffer, at = self._buffer, self._at
            end = at + 4 + _unpack(buffer, at)[0]
            if end > len(buffer):
                _check_size(end - at, room)
                self._at = at
                yield from self._need(end - at)
                buffer, end, at = self._buffer, end - at + self._at, self._at
            found.append(buffer[at + 4 : end])
            room -= end - at
            at = end
        self._at = at
        _check_size(self._largest - room, self._largest)
        return found

    def _read_request(self) -> Generator[None, None, Request]:
        yield from self._need(1)
        if self._buffer[self._at] != MAGIC:
            raise ProtocolError(f"a frame begins with {MAGIC:#x}, not with this")
        _, number = yield from self._take(2)
        command = COMMANDS.get(number)
        if command is None:
            raise ProtocolError(f"there is no command {number:#x}")
        head = yield from self._numbers(_LAYOUTS[command])
        sizes = [size for size, s in zip(head, command.head, strict=True) if s == "s"]
        _check_size(sum(sizes), self._largest)
        if command is MISC and sizes[0] > LONGEST_NAME:
            raise ProtocolError(f"a function's name of {sizes[0]} bytes")
        strings: list[bytes] = []
        for size in sizes:
            strings.append((yield from self._take(size)))
        if command.head.endswith("n"):
            _check_strings(head[-1])
            strings += yield from self._strings(head[-1], sum(sizes))
        pairs = zip(head, command.head, strict=True)
        return Request(command, strings, [one for one, s in pairs if s not in "sn"])

    def _read_answer(self, command: Command) -> Generator[None, None, Answer]:
        (code,) = yield from self._take(1)
        if code not in {GOOD, FAILED}:
            raise ProtocolError(f"{command.name} was answered with the code {code}")
        if command.answers in {Answers.STRINGS, Answers.PAIRS}:
            (count,) = yield from self._numbers(_SIZE)
            if code == FAILED and count:
                raise ProtocolError(f"a failed {command.name} with {count} strings")
            self._check_count(count)
            if command.answers is Answers.STRINGS:
                return Answer(code, (yield from self._strings(count, 0)))
            return Answer(code, (yield from self._pairs(count)))
        if code == FAILED or command.answers is Answers.CODE:
            return Answer(code)
        if command.answers is Answers.NUMBERS:
            return Answer(code, (), (yield from self._numbers(_GIVEN[command])))
        (size,) = yield from self._numbers(_SIZE)
        _check_size(size, self._largest)
        return Answer(code, ((yield from self._take(size)),))

    def _check_count(self, count: int) -> None:
        """Refuse more strings than a frame has room for, before any is read."""
        _check_size(4 * count, self._largest)

    def _pairs(self, count: int) -> Generator[None, None, list[bytes]]:
        found: list[bytes] = []
        room = self._largest
        for _ in range(count):
            key_size, value_size = yield from self._numbers(_PAIR)
            room -= key_size + value_size
            _check_size(key_size + value_size, room + key_size + value_size)
            found.append((yield from self._take(key_size)))
            found.append((yield from self._take(value_size)))
        return found


_PAIR = struct.Struct(">II")
