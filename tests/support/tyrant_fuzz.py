"""Random and mutated frames: what a server must survive."""

import random
import struct

from tyrant_transcript import EXCHANGES, requests_in

from pymodels.tokyo.protocol import COMMANDS, MISC, encode_request
from pymodels.tokyo.search import IndexType, Operator

REQUESTS = [
    request
    for exchange in EXCHANGES
    if not exchange.closes
    for request in requests_in(exchange.request)
]
FUNCTIONS = [
    *(b"put", b"putkeep", b"putcat", b"out", b"get", b"putlist", b"outlist"),
    *(b"getlist", b"getpart", b"iterinit", b"iternext", b"sync", b"optimize"),
    *(b"vanish", b"error", b"defrag", b"cacheclear", b"regex", b"setindex"),
    *(b"genuid", b"search", b"metasearch", b"patch", b"putkeeplist", b"nosuch"),
]
WORDS = [
    *(b"", b"a", b"b", b"name", b"age", b"k\0z", b"\xff\xfe", b"0", b"-1", b"1e9"),
    *(b"99999999999999999999", b"-2147483648", b"nan", b"inf", b"get", b"out"),
    *(b"hint", b"count", b"next", b"mstype\x001", b"setlimit\x005\x001", b"is"),
    *(b"setlimit\0-9\0-9", b"setorder\0name\x000", b"setorder\0\0NUMDESC", b"set"),
    *(b"get\0name\0\0age", b"no", b"cut", b"x" * 300, b"name\0\0age\x005", b"(a*)*b"),
    *(b"bnum=10", b"bnum=999999999999#apow=99#fpow=-4#opts=ldbtx", b"*", b"[", b"{9}"),
]
RARE = {b"vanish", b"optimize", b"sync", b"defrag", b"setindex"}
FRAMES_IN_A_ROW = 50


def word(rng: random.Random) -> bytes:
    """Give a string that some function may stumble over."""
    match rng.randrange(6):
        case 0:
            return rng.randbytes(rng.randrange(12))
        case 1:
            operator = rng.choice([*Operator, 99, 7 | 1 << 24, 8 | 1 << 25])
            operand = rng.choice(WORDS).replace(b"\0", b"")
            column = rng.choice([b"name", b"age", b"", b"_num", b"v"])
            return b"\0".join((b"addcond", column, b"%d" % operator, operand))
        case 2:
            return b"%d" % rng.choice([*IndexType, rng.randrange(-(2**40), 2**40)])
        case _:
            return rng.choice(WORDS)


def frame(rng: random.Random) -> bytes:
    """Give one whole request, sensible or not."""
    kind = rng.randrange(10)
    if kind < 4:
        name = rng.choice(FUNCTIONS)
        if name in RARE and rng.random() < 0.9:
            name = b"put"
        strings = [word(rng) for _ in range(rng.randrange(8))]
        return encode_request(MISC, [name, *strings], [rng.randrange(3)])
    if kind < 8:
        command = rng.choice(list(COMMANDS.values()))
        if command.number in range(0x70, 0x79) and rng.random() < 0.9:
            return encode_request(COMMANDS[0x80])
        more = rng.randrange(5) if command.head.endswith("n") else 0
        strings = [word(rng) for _ in range(command.head.count("s") + more)]
        if command is MISC:
            strings[0] = rng.choice(FUNCTIONS[:9])
        numbers = [
            rng.choice([0, 1, -1, 2**31 - 1, -(2**31), rng.randrange(100)])
            for letter in command.head
            if letter in "iq"
        ]
        return encode_request(command, strings, numbers)
    request = rng.choice(REQUESTS)
    strings = [mutated(rng, one) for one in request.strings]
    return encode_request(request.command, strings, request.numbers)


def mutated(rng: random.Random, data: bytes) -> bytes:
    """Give some bytes with a few of them changed, or not."""
    changed = bytearray(data)
    for _ in range(rng.choice([0, 0, 1, 3])):
        at = rng.randrange(len(changed) + 1)
        match rng.randrange(3):
            case 0:
                changed[at : at + 1] = rng.randbytes(1)
            case 1:
                del changed[at : at + 2]
            case 2:
                changed[at:at] = rng.choice(WORDS)
    return bytes(changed)


def stream(rng: random.Random) -> bytes:
    """Give what one connection says: whole frames, then perhaps a broken one."""
    said = b"".join(frame(rng) for _ in range(FRAMES_IN_A_ROW - 1))
    match rng.randrange(4):
        case 0:
            return said + mutated(rng, frame(rng))
        case 1:
            number = rng.choice([*COMMANDS, rng.randrange(256)])
            return said + bytes((0xC8, number)) + rng.randbytes(rng.randrange(40))
        case 2:
            return said + struct.pack(">BBII", 0xC8, 0x10, 2**32 - 1, 5)
    return said + frame(rng)
