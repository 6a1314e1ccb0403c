"""`pymodels serve` answers what the original answers, and survives its clients."""

import os
import signal
import socket
import struct
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import tyrant
from required import check_installed
from tyrant_transcript import EXCHANGES, agree, answer_in, requests_in

from pymodels.errors import SettingsError, StorageError
from pymodels.testing.each import each
from pymodels.tokyo.packing import pack_map
from pymodels.tokyo.protocol import (
    ADDINT,
    GET,
    LARGEST_REQUEST,
    PUT,
    RNUM,
    Answer,
    Incoming,
    encode_misc,
    encode_request,
)
from pymodels.tokyo.search import IndexType, Search

pytestmark = pytest.mark.server


@pytest.fixture(scope="module")
def server():
    with tyrant.Server() as started:
        yield started


@pytest.fixture
def client(server):
    client = server.client(timeout=20)
    client.vanish()
    yield client
    client.close()


@pytest.fixture
def wire(server, client):
    """A bare connection."""
    with connected(server) as opened:
        yield opened


def connected(server):
    if server.port is not None:
        opened = socket.create_connection(("127.0.0.1", server.port))
    else:
        opened = socket.socket(socket.AF_UNIX)
        opened.connect(server.socket)
    opened.settimeout(20)
    return opened


def everything(wire):
    """Read until the server closes."""
    found = b""
    while data := wire.recv(65536):
        found += data
    return found


def answers_to(wire, requests):
    """Read one answer for each request; give the bytes."""
    incoming, found = Incoming(), b""
    for request in requests:
        while incoming.answer(request.command) is None:
            data = wire.recv(65536)
            assert data, "the server closed"
            found += data
            incoming.feed(data)
    assert incoming.is_empty
    return found


@pytest.fixture(scope="module", params=["pymodels serve", "ttserver"])
def fresh(request):
    is_original = request.param == "ttserver"
    with tyrant.Server(is_original=is_original) as started, connected(started) as wire:
        yield started, wire


@each("exchange", EXCHANGES, ids=str)
def test_the_transcript_is_answered_byte_for_byte(fresh, exchange):
    server, main = fresh
    wire = connected(server) if exchange.new_connection else main
    try:
        wire.sendall(exchange.request)
        if exchange.half_close:
            wire.shutdown(socket.SHUT_WR)
        if exchange.closes:
            assert everything(wire) == exchange.response
            return
        requests = list(requests_in(exchange.request))
        answered = answers_to(wire, requests)
        assert agree(exchange, requests[0].command, answered), answered
    finally:
        if wire is not main:
            wire.close()


def test_many_requests_at_once_are_answered_in_order(client, wire):
    client.put_list((b"%d" % i, b"n\0%d" % i) for i in range(500))
    search = encode_misc(b"search", [b"addcond\0n\0NUMGE\x00250", b"count"])
    asked, expected = b"", b""
    for i in range(500):
        value = b"n\0%d" % i
        asked += encode_request(GET, [b"%d" % i])
        expected += b"\0" + struct.pack(">I", len(value)) + value
        if i % 50 == 0:
            asked += search
            expected += b"\0" + struct.pack(">II", 1, 3) + b"250"
    wire.sendall(asked)
    found = b""
    while len(found) < len(expected):
        found += wire.recv(65536)
    assert found == expected


def test_half_a_frame_holds_nobody_up(server, client, wire):
    client.put(b"k", {b"v": b"1"})
    others = [connected(server) for _ in range(50)]
    try:
        for other in others:
            other.sendall(encode_misc(b"search", [b"get"])[:-2])
        assert client.get(b"k") == {b"v": b"1"}
    finally:
        for other in others:
            other.close()


def test_a_client_that_never_reads_holds_nobody_up(server, client, wire):
    client.put_list((b"%d" % i, b"v\0" + b"x" * 10_000) for i in range(200))
    wire.settimeout(0.2)
    asked = encode_misc(b"search", [b"get"])
    with pytest.raises(TimeoutError):
        wire.sendall(asked * 2_000_000)
    assert client.count() == 200


def test_a_long_search_holds_no_reader_up(server, client):
    client.put_list((b"%d" % i, b"v\0" + b"ab" * 200) for i in range(3000))
    pattern = b"(a*b*)*c$"
    search = encode_misc(b"search", [b"addcond\0v\0STRRX\0" + pattern, b"count"])
    with connected(server) as slow:
        slow.sendall(search)
        for _ in range(200):
            assert client.read(GET, [b"7"]).is_good
        assert answer_in(answers_to(slow, requests_in(search))).strings == [b"0"]


def test_a_client_that_goes_away_takes_nothing_along(server, client):
    for _ in range(20):
        with connected(server) as gone:
            gone.sendall(encode_misc(b"put", [b"k", b"v", b"1"]) * 3 + b"\xc8\x90\0")
            gone.setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
            )
    assert client.get(b"nobody") is None


def test_a_request_beyond_the_bounds_ends_its_connection_only(client, wire):
    wire.sendall(
        encode_request(RNUM) + b"\xc8\x30" + struct.pack(">I", LARGEST_REQUEST + 1)
    )
    assert everything(wire) == b"\0" + bytes(8)
    assert client.count() == 0


def test_requests_before_a_broken_one_are_answered(client, wire):
    wire.sendall(encode_misc(b"put", [b"k", b"v", b"1"]) + b"\xc8\xff")
    assert everything(wire) == b"\0" + bytes(4)
    assert client.get(b"k") == {b"v": b"1"}


def test_large_records_pass(client):
    large = b"x" * (20 * 2**20)
    client.put(b"large", {b"v": large})
    assert client.get(b"large") == {b"v": large}
    client.out(b"large")


def test_long_results_pass(client):
    client.put_list((b"%07d" % i, b"n\0%d" % i) for i in range(50_000))
    assert client.count() == 50_000
    assert len(client.search(Search(), b"get")) == 50_000
    assert client.search_out(Search()) == 50_000


# What would abort the process.


@pytest.mark.parametrize("name", [b"put", b"putkeep", b"putcat", b"patch"])
def test_an_empty_key_is_refused(client, name):
    assert client.write_misc(name, [b"", b"v", b"1"]) == Answer(1, [])
    assert client.count() == 0


def test_an_empty_key_is_refused_in_a_list(client):
    assert not client.write_misc(b"putlist", [b"a", b"v\x001", b"", b"v\x001"]).is_good
    assert client.count() == 0


@pytest.mark.parametrize("code", [0x10, 0x11, 0x12])
def test_an_empty_key_is_refused_by_the_core_commands(client, wire, code):
    wire.sendall(b"\xc8" + bytes((code,)) + struct.pack(">II", 0, 3) + b"v\x001")
    assert wire.recv(10) == b"\1"
    assert client.count() == 0


@pytest.fixture(params=[IndexType.LEXICAL, IndexType.DECIMAL], ids=str)
def indexed(client, request):
    client.set_index(b"v", request.param)
    client.set_index(b"odd name/%\n", request.param)
    yield client
    client.set_index(b"v", IndexType.VOID)
    client.set_index(b"odd name/%\n", IndexType.VOID)


@pytest.mark.parametrize("column", [b"v", b"odd name/%\n"])
def test_an_empty_value_in_an_indexed_column_is_refused(indexed, column):
    put = [b"k", b"w", b"", column, b""]
    joined = [b"k", b"w\0\0" + column + b"\0"]
    for name in (b"put", b"putkeep", b"putcat"):
        assert not indexed.write_misc(name, put).is_good
    for name in (b"putlist", b"putkeeplist"):
        assert not indexed.write_misc(name, joined).is_good
    indexed.put(b"k", {b"w": b"1"})
    assert not indexed.write_misc(b"patch", [b"k", b"set", column, b""]).is_good
    assert indexed.patch(b"k", [(b"set", b"w", b"")]) == b"done"
    assert indexed.get(b"k") == {b"w": b""}


def test_an_empty_value_under_a_name_with_a_nul_is_refused(client):
    put = [b"k", b"v\0x", b""]
    for name in (b"put", b"putkeep", b"putcat"):
        assert not client.write_misc(name, put).is_good
    assert client.count() == 0


def test_an_iteration_from_the_empty_key_is_refused(client):
    assert not client.read_misc(b"iterinit", [b""]).is_good
    assert client.count() == 0


@pytest.mark.parametrize("kind", [b"0", b"1", b"lexical", b"DEC", b" 1", b"16777216"])
def test_no_index_is_made_over_an_empty_value(client, kind):
    client.put(b"k", {b"v": b""})
    assert not client.write_misc(b"setindex", [b"v", kind]).is_good
    assert client.write_misc(b"setindex", [b"v", b"TOKEN"]).is_good
    client.set_index(b"v", IndexType.VOID)


@pytest.mark.parametrize("first", [[b"w", b"1"], [b"w", b"*"], [b"v", b"9999"]])
def test_no_index_of_several_is_made_over_an_empty_value(client, first):
    client.put(b"k", {b"v": b"", b"w": b"1"})
    asked = [*first, b"v\0more", b"0", b"left over"]
    assert not client.write_misc(b"setindex", asked).is_good
    assert client.count() == 1
    assert client.write_misc(b"setindex", [b"w", b"1", b"w", b"9999"]).is_good


@pytest.mark.parametrize("name", [b"x" * 300, b"\xff" * 90, b"x" * 10_000])
def test_an_index_whose_file_can_have_no_name_is_refused(client, name):
    assert not client.write_misc(b"setindex", [name, b"0"]).is_good
    client.put(b"k", {name: b"", b"v": b"1"})
    client.put(b"k", {name: b"1"})
    assert client.get(b"k") == {name: b"1"}


def test_an_index_whose_file_cannot_be_made_ends_nothing():
    with tyrant.Server() as server:
        client = server.client()
        # A folder stands in its way, even for root.
        folder = server.path.with_name(f"{server.path.name}.idx.blocked.lex")
        folder.mkdir()
        assert not client.write_misc(b"setindex", [b"blocked", b"0"]).is_good
        folder.rmdir()
        assert not client.write_misc(b"put", [b"k", b"blocked", b""]).is_good
        assert client.count() == 0
        client.close()


@pytest.mark.parametrize(
    "pattern", [b"(((a{1,255}){1,255}){1,255}){1,255}", b"a" * 10_000]
)
def test_a_pattern_that_asks_for_too_much_memory_is_refused(client, pattern):
    client.put(b"k", {b"v": b"a"})
    for operator in (b"STRRX", b"7", b"~rx", b"+7"):
        argument = b"\0".join((b"addcond", b"v", operator, pattern))
        assert not client.read_misc(b"search", [argument]).is_good
    assert not client.read_misc(b"regex", [pattern]).is_good


@pytest.mark.parametrize(
    "name", [b"tranbegin", b"trancommit", b"copy", b"restore", b"ext", b"nosuch", b""]
)
def test_other_functions_are_not_known(client, name):
    assert not client.write_misc(name, [b"x"]).is_good


# Numbers that the library cannot add up.


@pytest.mark.parametrize("command", [b"setlimit", b"limit", b"setmax", b"max"])
@pytest.mark.parametrize(
    ("numbers", "expected"),
    [
        (b"1000\x002147482748", 0),
        (b"7\x002147483640", 0),
        (b"-1\x002147483648", 0),
        (b"-1\x004294967296", 0),
        (b"-1\x0099999999999999999999999999", 0),
        (b"4294967296", 3),
        (b"4294967296\x001", 2),
        (b"99999999999999999999999999\x00 +0000000000000000001", 2),
        (b"-4294967295\x00-4294967295", 3),
        (b"2x\x00y", 2),
    ],
)
def test_limits_are_what_they_say_however_large(client, command, numbers, expected):
    client.put_list((b"%d" % i, b"n\0%d" % i) for i in range(3))
    limit = command + b"\0" + numbers
    assert len(client.read_misc(b"search", [limit]).strings) == expected
    joined = [limit, b"next", limit, b"mstype\x000"]
    assert len(client.read_misc(b"metasearch", joined).strings) <= 3
    removed = client.write_misc(b"search", [limit, b"out", b"count"])
    assert (removed.strings, client.count()) == ([b"%d" % expected], 3 - expected)


def test_the_numbers_of_other_functions_are_what_they_say(client):
    client.put_list((b"%d" % i, b"n\0%d" % i) for i in range(3))
    some = client.read_misc(b"regex", [b".", b"4294967297"]).strings
    assert len(some) == 6
    part = client.read_misc(b"getpart", [b"1", b"4294967296", b"1"])
    assert not part.is_good
    assert client.write_misc(b"defrag", [b"9223372036854775808"]).is_good


# The patch, and the list that keeps.


def test_a_patch_sets_and_removes_columns(client):
    client.put(b"k", {b"a": b"1", b"b": b"2", b"c": b"3"})
    steps = [(b"is", b"a", b"1"), (b"no", b"z", b""), (b"set", b"a", b"9")]
    steps += [(b"cut", b"b", b""), (b"set", b"d", b"4")]
    assert client.patch(b"k", steps) == b"done"
    assert client.get(b"k") == {b"a": b"9", b"c": b"3", b"d": b"4"}


@pytest.mark.parametrize(
    "step", [(b"is", b"a", b"2"), (b"no", b"a", b""), (b"is", b"z", b"")]
)
def test_a_patch_changes_nothing_if_something_else_did(client, step):
    client.put(b"k", {b"a": b"1"})
    assert client.patch(b"k", [(b"set", b"a", b"9"), step]) == b"changed"
    assert client.get(b"k") == {b"a": b"1"}


def test_a_patch_of_no_record_says_so(client):
    assert client.patch(b"k", [(b"set", b"a", b"1")]) == b"missing"
    assert client.count() == 0


@pytest.mark.parametrize("arguments", [[], [b"k", b"set"], [b"k", b"let", b"a", b"1"]])
def test_a_patch_that_makes_no_sense_is_refused(client, arguments):
    client.put(b"k", {b"a": b"1"})
    assert not client.write_misc(b"patch", arguments).is_good
    assert client.get(b"k") == {b"a": b"1"}


def test_a_swap_writes_what_is_still_as_it_was(client):
    client.put(b"a", {b"v": b"1"})
    client.put(b"b", {b"v": b"2"})
    was, new = pack_map({b"v": b"1"}), pack_map({b"w": b"9"})
    asked = [(b"a", was, new), (b"b", was, new), (b"none", was, new), (b"a", new, None)]
    assert client.swap(asked) == [b"done", b"changed", b"missing", b"done"]
    assert client.get(b"a") is None
    assert client.get(b"b") == {b"v": b"2"}


def test_a_swap_compares_all_columns(client):
    client.put(b"a", {b"v": b"1", b"more": b"1"})
    assert client.swap([(b"a", pack_map({b"v": b"1"}), None)]) == [b"changed"]


def test_a_swap_stops_at_what_cannot_be_written(client):
    client.put(b"a", {b"v": b"1"})
    was = pack_map({b"v": b"1"})
    asked = [(b"a", was, pack_map({b"v\0x": b""})), (b"a", was, None)]
    assert client.swap(asked) == [b"refused"]
    assert client.get(b"a") == {b"v": b"1"}


@pytest.mark.parametrize(
    "strings",
    [
        [b"a"],
        [b"", b"", b"put", b""],
        [b"a", b"\xff", b"out", b""],
        [b"a", b"\x05abc", b"put", b""],
        [b"a", b"", b"let", b""],
    ],
)
def test_a_swap_that_makes_no_sense_is_refused(client, strings):
    client.put(b"a", {b"v": b"1"})
    assert not client.write_misc(b"swap", strings).is_good
    assert client.get(b"a") == {b"v": b"1"}


def test_a_list_that_keeps_is_written_whole_or_not_at_all(client):
    assert client.put_keep_list([(b"a", b"v\x001"), (b"b", b"v\x002")]) == []
    assert client.put_keep_list([(b"c", b"v\x003"), (b"b", b"v\x009")]) == [b"b"]
    assert client.put_keep_list([(b"d", b"v\x003"), (b"d", b"v\x009")]) == [b"d"]
    assert client.count() == 2
    assert client.get(b"b") == {b"v": b"2"}


def test_patches_of_many_clients_are_each_one_step(server, client):
    client.put(b"k", {b"n": b"0"})

    def count_up():
        with_own = server.client(timeout=20)
        for _ in range(100):
            outcome = b"changed"
            while outcome != b"done":
                now = with_own.get(b"k")[b"n"]
                steps = [(b"is", b"n", now), (b"set", b"n", b"%d" % (int(now) + 1))]
                outcome = with_own.patch(b"k", steps)
        with_own.close()

    threads = [threading.Thread(target=count_up) for _ in range(4)]
    for thread in threads:
        thread.start()
    # Long requests beside them: some patches run in the writer's thread.
    while any(thread.is_alive() for thread in threads):
        client.put_list((b"x%d" % i, b"v\x001") for i in range(1000))
        assert client.read_misc(
            b"search", [b"addcond\0v\0STRRX\0(a*)*b", b"count"]
        ).is_good
    for thread in threads:
        thread.join()
    assert client.get(b"k") == {b"n": b"400"}


NOTED = {b"n": b"1", b"_kinds": b";n=int;"}


def test_the_notes_are_kept_up_with_every_write(client):
    client.put_list([(b"a", b"n\x001\0_kinds\0;n=int;")])
    assert client.notes() == [b";n=int;"]
    client.put(b"b", {b"s": b"x", b"_kinds": b";s=str;"})
    client.put_keep_list([(b"c", b"n\x001.5\0_kinds\0;n=float;")])
    client.patch(b"a", [(b"set", b"_kinds", b";n=int;z=none;")])
    client.write(PUT, [b"d", b"n\x002\0_kinds\0;m=none;n=int;"])
    client.out(b"b")
    expected = [
        b";m=none;n=int;",
        b";n=float;",
        b";n=int;",
        b";n=int;z=none;",
        b";s=str;",
    ]
    assert client.notes() == expected
    client.vanish()
    assert client.notes() == []


@pytest.mark.parametrize(
    ("name", "strings"),
    [
        (b"put", [b"k", b"n", b"1"]),
        (b"put", [b"k", b"n", b"x", b"_kinds", b";n=int;"]),
        (b"put", [b"k", b"n", b"1", b"m", b"1", b"_kinds", b";n=int;"]),
        (b"putlist", [b"k", b"n\x001"]),
        (b"putcat", [b"a", b"n", b"2"]),
        (b"patch", [b"a", b"set", b"n", b"x"]),
        (b"putkeeplist", [b"k", b"n\x001"]),
    ],
)
def test_a_row_that_is_not_as_noted_is_told_of(client, name, strings):
    client.put(b"a", NOTED)
    assert client.notes() == [b";n=int;"]
    assert client.write_misc(name, strings).is_good
    assert client.notes() == [b"\0"]


def test_other_programs_rows_are_told_of_at_once(client):
    client.write(ADDINT, [b"n"], 1)
    assert client.notes() == [b"\0"]


def test_values_with_a_nul_are_told_of(client):
    client.put(b"a", NOTED)
    assert client.notes() == [b";n=int;"]
    client.put(b"b", {b"n": b"1\x002"})
    assert client.notes() == [b"\0", b"\0\0"]


def test_many_rows_are_looked_at_by_and_by(client):
    value = b"n\x001\0_kinds\0;n=int;"
    client.put_list((b"%d" % i, value) for i in range(12_000))
    assert client.notes() == [b"\0", b"\0\0"]
    assert client.notes() == [b"\0", b"\0\0"]
    assert client.notes() == [b";n=int;"]


# Hash files.


def test_a_hash_file_is_served():
    with tyrant.Server(kind="HASH") as server:
        client = server.client(kind="HASH")
        client.put_list([(b"a", b"1\x002"), (b"b", b"")])
        assert dict(client.get_list([b"a", b"b", b"c"])) == {b"a": b"1\x002", b"b": b""}
        assert sorted(client.keys_with(b"")) == [b"a", b"b"]
        assert (
            client.patch(b"a", [(b"is", b"", b"1\x002"), (b"set", b"", b"3")])
            == b"done"
        )
        assert (
            client.patch(b"a", [(b"is", b"", b"1"), (b"set", b"", b"4")]) == b"changed"
        )
        assert client.patch(b"z", [(b"set", b"", b"4")]) == b"missing"
        assert not client.write_misc(b"patch", [b"a", b"cut", b"", b""]).is_good
        assert not client.write_misc(b"patch", [b"a", b"set", b"x", b""]).is_good
        assert not client.read_misc(b"search", [b"get"]).is_good
        assert not client.write_misc(b"setindex", [b"a", b"0"]).is_good
        assert client.read(GET, [b"a"]).strings == (b"3",)
        client.close()
        with pytest.raises(SettingsError, match="hash"):
            server.client(kind="TABLE")


# Starting and stopping.


def test_it_says_when_it_is_ready():
    with tyrant.Server(tcp=True) as server:
        assert server.line.startswith(f"ready: tokyo-tyrant://127.0.0.1:{server.port} ")
        assert server.stop() == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_cleanly_with_all_data_on_disk(number):
    with tyrant.Server() as server:
        client = server.client()
        client.set_index(b"v", IndexType.LEXICAL)
        client.put_list((b"%d" % i, b"v\0%d" % i) for i in range(1000))
        assert server._end(number) == 0
        client.close()
        assert not Path(server.socket).exists()
        assert server.said() == ""
        server.start()
        client = server.client()
        assert client.count() == 1000
        client.close()


def test_a_killed_server_starts_again_with_its_records_and_indexes():
    with tyrant.Server() as server:
        client = server.client()
        client.set_index(b"v", IndexType.LEXICAL)
        client.put_list((b"%d" % i, b"v\0%d" % i) for i in range(1000))
        server.kill()
        client.close()
        server.start()
        assert "made anew" in server.said()
        client = server.client()
        argument = b"addcond\0v\0STREQ\x00777"
        assert client.read_misc(b"search", [argument]).strings == [b"777"]
        client.close()


def run(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "pymodels", "serve", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_port_in_use_is_a_clear_error(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = run(tmp_path / "x.tct", "--port", port)
    assert ended.returncode == 1
    assert f"cannot listen on 127.0.0.1:{port}" in ended.stderr
    assert not (tmp_path / "x.tct").exists()


def test_a_locked_file_is_a_clear_error(server):
    ended = run(server.path, "--port", 0)
    assert ended.returncode == 1
    assert "is locked" in ended.stderr


def test_a_socket_in_use_is_a_clear_error(server, tmp_path):
    ended = run(tmp_path / "x.tct", "--socket", server.socket)
    assert ended.returncode == 1
    assert "cannot listen" in ended.stderr
    assert Path(server.socket).exists()


@pytest.mark.parametrize(
    ("option", "value"),
    [("--bnum", 2**28 + 1), ("--socket", ""), ("--host", "my..host")],
)
def test_an_option_that_makes_no_sense_makes_no_file(tmp_path, option, value):
    ended = run(tmp_path / "x.tct", "--port", 0, option, value)
    assert ended.returncode in {1, 2}
    assert option in ended.stderr
    assert not (tmp_path / "x.tct").exists()


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("x.txt", "only files called"),
        ("nosuch/x.tct", "there is no folder"),
        ("a#b.tct", "option of its own"),
        ("folder.tct", "is not a file"),
        ("junk.tct", "is not a Tokyo Cabinet table file"),
    ],
)
def test_a_file_that_cannot_be_served_is_a_clear_error(tmp_path, name, said):
    check_installed("tokyo_tyrant")
    (tmp_path / "folder.tct").mkdir()
    (tmp_path / "junk.tct").write_bytes(b"junk" * 1000)
    ended = run(tmp_path / name, "--port", 0)
    assert ended.returncode == 1
    assert said in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_missing_library_is_a_clear_error(tmp_path, monkeypatch):
    monkeypatch.setenv("PYMODELS_TOKYOCABINET", "/nosuch.so")
    ended = run(tmp_path / "x.tct", "--port", 0)
    assert ended.returncode == 1
    assert "the Tokyo Cabinet library is not installed" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_readonly_refuses_every_write_and_makes_no_file(tmp_path):
    ended = run(tmp_path / "x.tct", "--readonly")
    assert ended.returncode == 1
    assert "--readonly makes none" in ended.stderr
    with tyrant.Server(tmp_path / "x.tct") as server:
        client = server.client()
        client.put(b"k", {b"v": b"1"})
        client.close()
        server.stop()
    with tyrant.Server(tmp_path / "x.tct", "--readonly") as server:
        client = server.client()
        assert client.get(b"k") == {b"v": b"1"}
        for name, arguments in [
            (b"put", [b"k", b"v", b"2"]),
            (b"patch", [b"k", b"set", b"v", b"2"]),
            (b"search", [b"get", b"out"]),
            (b"vanish", []),
            (b"setindex", [b"v", b"0"]),
        ]:
            assert not client.write_misc(name, arguments).is_good
        with pytest.raises(StorageError, match="is read-only and refused vanish"):
            client.vanish()
        assert client.get(b"k") == {b"v": b"1"}
        client.close()


def test_no_more_connections_than_it_was_told():
    with tyrant.Server(None, "--max-connections", "2") as server:
        first, second = server.client(), server.client()
        with pytest.raises(StorageError, match="as many clients as it takes"):
            server.client()
        first.close()
        second.close()


def test_another_address_than_the_loopback_is_warned_of(tmp_path):
    # This address belongs to nobody: it cannot listen there, but warns before.
    ended = run(tmp_path / "x.tct", "--host", "192.0.2.1", "--port", 0)
    assert "no authentication" in ended.stderr
    assert ended.returncode == 1


def test_it_logs_where_it_is_told(tmp_path):
    log = tmp_path / "log"
    with tyrant.Server(None, "--log", str(log)) as server:
        with connected(server) as wire:
            wire.sendall(b"GET / HTTP/1.0\n\n")
            assert everything(wire) == b""
        server.stop()
    assert "no protocol" in log.read_text()


@pytest.mark.parametrize(
    ("name", "said"),
    [("nosuch/log", "No such file or directory"), ("folder", "Is a directory")],
)
def test_a_log_that_cannot_be_written_is_a_clear_error(tmp_path, name, said):
    (tmp_path / "folder").mkdir()
    log = tmp_path / name
    ended = run(tmp_path / "x.tct", "--port", 0, "--log", log)
    assert ended.returncode == 1
    assert ended.stderr == f"pymodels serve: cannot log to {log}: {said}\n"
    assert not (tmp_path / "x.tct").exists()


def test_a_missing_typer_is_named(tmp_path):
    (tmp_path / "typer.py").write_text("raise ModuleNotFoundError('typer')")
    ended = subprocess.run(
        [sys.executable, "-m", "pymodels", "serve", "x.tct"],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 1
    assert "pip install typer" in ended.stderr


def test_a_dead_server_s_socket_is_taken_over():
    with tyrant.Server() as server:
        server.kill()
        assert Path(server.socket).exists()
        again = subprocess.Popen(
            server._command(),
            stdout=subprocess.PIPE,
            text=True,
        )
        with again:
            assert again.stdout.readline().startswith("ready:")
            again.terminate()
        assert again.returncode == 0
