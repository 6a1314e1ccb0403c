"""What a real server was asked and answered, exchange by exchange."""

import json
from dataclasses import dataclass
from pathlib import Path

from pymodels.tokyo.protocol import MISC, Command, Incoming

HINT = b"\0\0[[HINT]]\n"
PATH = Path(__file__).with_name("tyrant-transcript.jsonl")


@dataclass(frozen=True)
class Exchange:
    """One line; the first line of the file says what the rules are."""

    name: str
    request: bytes
    response: bytes
    compare: str
    source: str
    closes: bool
    half_close: bool
    new_connection: bool

    def __str__(self) -> str:
        return self.name


def _exchange(line: str) -> Exchange:
    found = json.loads(line)
    parts = {name: found[name] for name in Exchange.__annotations__ if name in found}
    parts["request"] = bytes.fromhex(found["request_hex"])
    parts["response"] = bytes.fromhex(found["response_hex"])
    return Exchange(**parts)


EXCHANGES = [
    _exchange(line) for line in PATH.read_text("utf-8").splitlines()[1:] if line
]


def agree(exchange: Exchange, command: Command, answered: bytes) -> bool:
    """Say whether an answer is as good as the one that was recorded."""
    if exchange.compare == "exact":
        return answered == exchange.response
    expected, found = (
        answer_in(exchange.response, command),
        answer_in(answered, command),
    )
    if expected.code != found.code:
        return False
    match exchange.compare:
        case "volatile":
            return len(expected.strings) == len(found.strings)
        case "count":
            return len(expected.strings) == len(found.strings)
        case "hint":
            return without_hint(expected.strings) == without_hint(found.strings)
        case "unordered":
            one, two = without_hint(expected.strings), without_hint(found.strings)
            return sorted(one) == sorted(two)
    raise AssertionError(exchange.compare)


def without_hint(strings: list[bytes]) -> list[bytes]:
    if strings and strings[-1].startswith(HINT):
        return [*strings[:-1], HINT]
    return strings


def answer_in(data: bytes, command: Command = MISC):
    incoming = Incoming()
    incoming.feed(data)
    answer = incoming.answer(command)
    assert answer is not None
    assert incoming.is_empty
    return answer


def requests_in(data: bytes):
    incoming = Incoming()
    incoming.feed(data)
    while (request := incoming.request()) is not None:
        yield request
