"""Frames are written and read as a real server and its C client write them."""

import struct
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tyrant_transcript import EXCHANGES, requests_in

from pymodels.testing.each import each
from pymodels.tokyo.protocol import (
    COMMANDS,
    LARGEST_REQUEST,
    MISC,
    PUTNR,
    Answer,
    Answers,
    Command,
    Incoming,
    ProtocolError,
    encode_answer,
    encode_misc,
    encode_request,
)

WHOLE = [one for one in EXCHANGES if not one.half_close and not one.closes]
CUT = [one for one in EXCHANGES if one.half_close]
LOST = [one for one in EXCHANGES if one.closes and not one.half_close]


@each("exchange", WHOLE, ids=str)
def test_requests_are_written_as_they_were_read(exchange):
    found = [
        encode_request(request.command, request.strings, request.numbers)
        for request in requests_in(exchange.request)
    ]
    assert b"".join(found) == exchange.request


@each("exchange", WHOLE, ids=str)
def test_answers_are_written_as_they_were_read(exchange):
    incoming = Incoming()
    incoming.feed(exchange.response)
    written = b""
    for request in requests_in(exchange.request):
        answer = incoming.answer(request.command)
        assert answer is not None
        written += encode_answer(request.command, answer)
    assert incoming.is_empty
    assert written == exchange.response


@pytest.mark.parametrize("exchange", CUT, ids=str)
def test_a_cut_request_is_never_there(exchange):
    assert list(requests_in(exchange.request)) == []


@pytest.mark.parametrize("exchange", LOST, ids=str)
def test_what_the_server_closes_on_is_no_frame(exchange):
    with pytest.raises(ProtocolError):
        list(requests_in(exchange.request))


@each("exchange", WHOLE, ids=str)
def test_frames_may_come_byte_by_byte(exchange):
    whole = list(requests_in(exchange.request))
    incoming, found = Incoming(), []
    for byte in exchange.request:
        incoming.feed(bytes((byte,)))
        while (request := incoming.request()) is not None:
            found.append(request)
    assert found == whole
    incoming, answers = Incoming(), []
    for byte in exchange.response:
        incoming.feed(bytes((byte,)))
        answer = incoming.answer(whole[len(answers)].command)
        answers += [answer] if answer is not None else []
    assert len(answers) == len([one for one in whole if one.command is not PUTNR])


def some_strings(command: Command):
    count = command.head.count("s")
    most = 5 if command.head.endswith("n") else 0
    return st.lists(st.binary(max_size=40), min_size=count, max_size=count + most)


def some_numbers(letters: str):
    largest = {"i": 2**31, "q": 2**63}
    return st.tuples(
        *(
            st.integers(-largest[letter], largest[letter] - 1)
            for letter in letters
            if letter in largest
        )
    )


@st.composite
def requests(draw):
    command = draw(st.sampled_from(sorted(COMMANDS.values(), key=lambda c: c.number)))
    return command, draw(some_strings(command)), draw(some_numbers(command.head))


@given(st.lists(requests(), max_size=5), st.lists(st.integers(1, 30)))
def test_any_requests_in_any_pieces_come_out_as_they_went_in(sent, pieces):
    data = b"".join(encode_request(*request) for request in sent)
    incoming, found = Incoming(), []
    for size in [*pieces, len(data)]:
        incoming.feed(data[:size])
        data = data[size:]
        while (request := incoming.request()) is not None:
            found.append((request.command, [*request.strings], (*request.numbers,)))
    assert found == sent
    assert incoming.is_empty
    assert incoming.held == 0


@given(st.binary(max_size=200), st.sampled_from(sorted(COMMANDS)))
def test_any_bytes_are_a_frame_or_unfinished_or_refused(data, number):
    for start in (b"", bytes((0xC8, number))):
        incoming = Incoming(largest=150)
        incoming.feed(start + data)
        with suppress(ProtocolError):
            while incoming.request() is not None:
                pass
    incoming = Incoming(largest=150)
    incoming.feed(data)
    with suppress(ProtocolError):
        incoming.answer(COMMANDS[number])


@pytest.mark.parametrize("size", [0xFFFFFFFF, 0x80000000, LARGEST_REQUEST])
def test_a_string_beyond_the_bounds_is_refused_before_it_is_there(size):
    incoming = Incoming(largest=LARGEST_REQUEST - 1)
    incoming.feed(b"\xc8\x30" + struct.pack(">I", size))
    with pytest.raises(ProtocolError, match="at most"):
        incoming.request()


def test_the_arguments_of_one_call_are_bounded_in_all():
    incoming = Incoming(largest=100)
    incoming.feed(encode_misc(b"get", [b"x" * 60, b"y" * 60]))
    with pytest.raises(ProtocolError, match="at most"):
        incoming.request()


def test_the_number_of_arguments_is_bounded():
    incoming = Incoming()
    incoming.feed(b"\xc8\x90" + struct.pack(">III", 3, 0, 2**20 + 1) + b"get")
    with pytest.raises(ProtocolError, match="strings"):
        incoming.request()
    with pytest.raises(ProtocolError, match="strings"):
        encode_misc(b"get", [b""] * (2**20 + 1))


def test_a_function_name_is_bounded():
    incoming = Incoming()
    incoming.feed(encode_misc(b"x" * 1024, []))
    with pytest.raises(ProtocolError, match="name"):
        incoming.request()


def test_an_answer_of_more_strings_than_it_has_room_for_is_refused():
    incoming = Incoming(largest=1000)
    incoming.feed(b"\0" + struct.pack(">I", 251))
    with pytest.raises(ProtocolError, match="at most"):
        incoming.answer(MISC)


@pytest.mark.parametrize("answer", [b"\2", b"\xff", b"\1\0\0\0\1\0\0\0\0"])
def test_an_answer_that_no_server_gives_is_refused(answer):
    incoming = Incoming()
    incoming.feed(answer)
    with pytest.raises(ProtocolError):
        incoming.answer(MISC)


def test_every_command_that_fails_says_so_by_its_code():
    for command in COMMANDS.values():
        data = encode_answer(command, Answer(1))
        incoming = Incoming()
        incoming.feed(data)
        expected = Answer() if command.answers is Answers.NONE else Answer(1)
        found = incoming.answer(command)
        assert (found.code, [*found.strings]) == (expected.code, [])
