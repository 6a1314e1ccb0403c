"""The C library through ctypes: bytes in and out, and nothing ends the process."""

import threading

import pytest
import required
from children import outcome

from pymodels.tokyo.library import (
    BTree,
    Hash,
    OpenMode,
    Table,
    TokyoError,
    Tuning,
    functions,
)
from pymodels.tokyo.packing import (
    joined_by_nul,
    length,
    pack,
    pack_map,
    read_length,
    unpack,
    unpack_map,
)
from pymodels.tokyo.search import (
    Condition,
    Direction,
    IndexType,
    Operator,
    Ordering,
    Search,
)

CREATING = OpenMode.WRITER | OpenMode.CREATE


@pytest.fixture(scope="module", autouse=True)
def library():
    required.check_installed("tokyo_cabinet")


@pytest.fixture
def table(tmp_path):
    opened = Table()
    opened.open(tmp_path / "a.tct", CREATING, Tuning())
    yield opened
    opened.close()


@pytest.mark.parametrize(
    ("size", "written"),
    [
        (1, "01"),
        (127, "7f"),
        (128, "ff01"),
        (300, "d302"),
        (20_000, "dfe301"),
        (0, "00"),
    ],
)
def test_lengths_are_written_as_the_library_does(size, written):
    assert length(size).hex() == written
    assert read_length(bytes.fromhex(written), 0) == (size, len(written) // 2)


def test_what_is_packed_is_unpacked():
    columns = {b"a": b"", b"b" * 200: b"\0" * 70_000, b"": b"key"}
    assert unpack_map(pack_map(columns)) == columns


@pytest.mark.parametrize("size", [1, 2, 31, 127])
def test_short_parts_are_joined_by_nul_as_they_are(size):
    parts = [b"n" * size, b"\xff", b"v", b"x" * size]
    assert joined_by_nul(pack(parts)) == b"\0".join(parts)


@pytest.mark.parametrize("part", [b"", b"a\0b", b"x" * 128, b"x" * 300])
def test_parts_that_are_empty_long_or_hold_nul_are_not_joined_quickly(part):
    assert joined_by_nul(pack([b"name", part])) is None
    assert joined_by_nul(b"") is None


def test_columns_come_back_in_their_order_with_any_bytes(table):
    columns = {b"b": b"x\0y", b"a": b"\xff", b"empty": b"", b"long": b"z" * 100_000}
    table.put(b"\0key", columns)
    assert list(table.get(b"\0key").items()) == list(columns.items())
    table.put(b"bare", {})
    assert table.get(b"bare") == {}
    assert table.get(b"nobody") is None
    assert table.count == 2


def test_only_what_is_new_is_kept(table):
    assert table.put_keep(b"a", {b"x": b"1"})
    assert not table.put_keep(b"a", {b"x": b"2"})
    assert table.get(b"a") == {b"x": b"1"}
    assert (table.out(b"a"), table.out(b"a")) == (True, False)


def test_a_search_finds_orders_and_cuts(table):
    for number in range(10):
        table.put(b"k%d" % number, {b"n": b"%d" % number})
    from_five = Condition(b"n", Operator.NUMGE, b"5")
    order = Ordering(b"n", Direction.NUMDESC)
    assert table.search(Search((from_five,), order, 2, 1)) == [b"k8", b"k7"]
    assert table.search_count(Search((from_five,))) == 5
    keys, hint = table.search_with_hint(Search((from_five,)))
    assert len(keys) == 5
    assert "scanning" in hint
    assert table.search_out(Search((from_five,))) == 5
    assert sorted(unpack(table.packed_keys())) == [
        b"k%d" % number for number in range(5)
    ]


@pytest.mark.parametrize(
    ("most", "skip", "expected"),
    [
        (7, 2**31 - 8, 0),
        (2**31, 2**31, 0),
        (-1, 2**32, 0),
        (2**32, 1, 2),
        (2**64, 0, 3),
        (1000, 2**31 - 900, 0),
    ],
)
def test_limits_are_what_they_say_however_large(table, most, skip, expected):
    for number in range(3):
        table.put(b"k%d" % number, {})
    search = Search(max=most, skip=skip)
    assert len(table.search(search)) == expected
    assert table.search_count(search) == expected
    assert table.search_out(search) == expected


@pytest.mark.parametrize("name", [b"x" * 300, b"\xff" * 90])
def test_an_index_whose_file_can_have_no_name_is_refused(table, name):
    with pytest.raises(TokyoError, match="too long"):
        table.set_index(name, IndexType.LEXICAL)
    table.put(b"k", {name: b"1"})
    assert table.get(b"k") == {name: b"1"}


def test_a_file_of_too_many_buckets_is_not_made(tmp_path):
    table = Table()
    with pytest.raises(TokyoError, match="too many"):
        table.open(tmp_path / "a.tct", CREATING, Tuning(buckets=2**40))
    assert not list(tmp_path.iterdir())


def test_a_nul_ends_no_condition_unseen(table):
    for search in (
        Search((Condition(b"a\0b", Operator.STREQ, b"x"),)),
        Search((Condition(b"a", Operator.STREQ, b"x\0y"),)),
        Search((), Ordering(b"a\0", Direction.STRASC)),
    ):
        with pytest.raises(TokyoError, match="NUL"):
            table.search(search)
    with pytest.raises(TokyoError, match="NUL"):
        table.set_index(b"a\0", IndexType.LEXICAL)


def test_indexes_are_found_when_the_file_is_opened(table, tmp_path):
    odd = "größe/1 %".encode()
    table.put(b"a", {odd: b"7", b"name": b"Ann"})
    assert table.set_index(odd, IndexType.DECIMAL)
    assert table.set_index(b"name", IndexType.LEXICAL)
    table.close()
    again = Table()
    again.open(tmp_path / "a.tct", OpenMode.WRITER)
    assert again.indexes == {odd: IndexType.DECIMAL, b"name": IndexType.LEXICAL}
    assert again.set_index(odd, IndexType.VOID)
    assert not again.set_index(odd, IndexType.VOID)
    assert list(again.indexes) == [b"name"]
    again.close()


KILLERS = {
    "put": lambda table: table.put(b"", {b"a": b"1"}),
    "put_keep": lambda table: table.put_keep(b"", {}),
    "empty value": lambda table: table.put(b"k", {b"lex": b""}),
    "empty among NULs": lambda table: table.put(b"k", {b"a": b"\0", b"dec": b""}),
    "empty kept": lambda table: table.put_keep(b"new", {b"lex": b""}),
    "index": lambda table: table.set_index(b"odd", IndexType.LEXICAL),
    "number index": lambda table: table.set_index(b"odd", IndexType.DECIMAL),
    "in a transaction": lambda table: (table.begin(), table.put(b"", {})),
    "iterator": lambda table: table.iter_from(b""),
    # To an index a column's name ends at its first NUL.
    "empty behind a NUL": lambda table: table.put(b"k", {b"lex\0x": b""}),
    "empty kept behind a NUL": lambda table: table.put_keep(b"new", {b"lex\0": b""}),
    "index over a NUL": lambda table: table.set_index(b"nul", IndexType.LEXICAL),
    "number index over a NUL": lambda table: table.set_index(b"nul", IndexType.DECIMAL),
    "index of keys over a NUL": lambda table: table.set_index(b"", IndexType.LEXICAL),
}


@pytest.mark.parametrize("name", KILLERS)
def test_nothing_ends_the_process(tmp_path, name):
    def work(report):
        table = Table()
        table.open(tmp_path / "a.tct", CREATING)
        table.put(b"old", {b"x": b"1"})
        table.put(b"odd", {b"odd": b"", b"nul\0x": b"", b"\0x": b""})
        table.set_index(b"lex", IndexType.LEXICAL)
        table.set_index(b"dec", IndexType.DECIMAL)
        try:
            KILLERS[name](table)
        except TokyoError as error:
            report("empty" in error.message)
        table.close()

    assert outcome(work) == ["True"]


def test_after_close_and_in_a_child_every_call_is_refused(tmp_path):
    table = Table()
    table.open(tmp_path / "a.tct", CREATING)
    table.put(b"a", {})

    def child(report):
        for use in (lambda: table.get(b"a"), table.sync):
            try:
                use()
            except TokyoError as error:
                report("parent" in error.message)
        table.close()

    assert outcome(child) == ["True", "True"]
    assert table.get(b"a") == {}
    table.close()
    table.close()
    for use in (lambda: table.get(b"a"), table.begin, lambda: table.search(Search())):
        with pytest.raises(TokyoError, match="closed"):
            use()


def test_threads_write_one_table_without_breaking_it(table):
    def write(name):
        for number in range(2000):
            table.put(b"%d/%d" % (name, number), {b"n": b"%d" % number})

    threads = [threading.Thread(target=write, args=(name,)) for name in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert table.count == len(set(unpack(table.packed_keys()))) == 8000


def test_an_aborted_transaction_leaves_rows_and_index_as_they_were(table):
    table.set_index(b"name", IndexType.LEXICAL)
    table.put(b"a", {b"name": b"Ann"})
    table.begin()
    table.put(b"a", {b"name": b"Bob"})
    table.put(b"b", {b"name": b"Bob"})
    table.abort()
    assert table.get(b"a") == {b"name": b"Ann"}
    assert table.search(Search((Condition(b"name", Operator.STREQ, b"Bob"),))) == []
    table.begin()
    table.out(b"a")
    table.commit()
    assert table.count == 0
    with pytest.raises(TokyoError):
        table.commit()


@pytest.mark.parametrize("family", [Hash, BTree])
def test_hashes_and_trees_keep_values(tmp_path, family):
    values = family()
    values.open(tmp_path / "a.values", CREATING, Tuning())
    for key in (b"b", b"a", b"\0", b"c"):
        values.put(key, key + b"\0value")
    assert values.put_keep(b"d", b"")
    assert not values.put_keep(b"d", b"other")
    assert (values.get(b"\0"), values.get(b"d")) == (b"\0\0value", b"")
    assert values.get(b"nobody") is None
    keys = list(unpack(values.packed_keys()))
    assert sorted(keys) == [b"\0", b"a", b"b", b"c", b"d"]
    if family is BTree:
        assert keys == sorted(keys)
    assert (values.out(b"d"), values.out(b"d")) == (True, False)
    values.vanish()
    assert values.count == 0
    values.close()


def test_a_missing_library_is_told_with_its_packages(monkeypatch):
    monkeypatch.setenv(functions.CHOSEN, "/nowhere/libtokyocabinet.so")
    functions.load.cache_clear()
    try:
        with pytest.raises(functions.LibraryMissing) as told:
            functions.load()
    finally:
        functions.load.cache_clear()
    for system in ("Debian", "Fedora", "Arch", "Homebrew", functions.CHOSEN):
        assert system in str(told.value)
