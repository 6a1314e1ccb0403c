"""A program that is killed in mid-write loses nothing that it acknowledged."""

import random
import threading
import warnings

import pytest
from children import forked
from killing import Entry, assert_kept, killed
from lengths import length

from pymodels import Model
from pymodels.backends._tokyo.columns import column_of
from pymodels.backends.tokyo_cabinet import Storage
from pymodels.tokyo.search import Condition, Operator, Search

ROUNDS = length(10, 200)
SEED = 7


class Indexed(Entry):
    class Meta:
        indexes = ["kind", "round", "number", "text"]


FILES = {
    "indexed": {"path": "entries.tct"},
    "plain": {"path": "entries.tct"},
    "synced": {"path": "entries.tct", "sync": True},
    "hash": {"path": "entries.tch", "kind": "HASH"},
    "tree": {"path": "entries.tcb", "kind": "BTREE"},
}


def assert_indexed(storage):
    """Each index holds just the rows that a scan finds."""
    table = storage.handle.table
    for column in table.indexes:
        for entry in list(Entry.objects(storage))[:50]:
            value = str(getattr(entry, column.decode())).encode()
            if not value:
                continue
            is_text = column in {column_of("kind"), column_of("text")}
            operator = Operator.STREQ if is_text else Operator.NUMEQ
            found, scanned = (
                sorted(table.search(Search((condition,))))
                for condition in (
                    Condition(column, operator, value),
                    Condition(column, operator, value, no_index=True),
                )
            )
            assert found == scanned != []


@pytest.mark.parametrize("name", FILES)
def test_a_killed_writer_loses_nothing_acknowledged(tmp_path, name):
    settings = {**FILES[name], "path": tmp_path / FILES[name]["path"]}
    rng = random.Random(SEED)
    pairs = acknowledged_writes = 0
    with Storage(**settings) as storage:
        storage["tally"] = {"pairs": 0}
        if name == "indexed":
            storage.ensure_indexes(Indexed)
    for number in range(ROUNDS):
        acknowledged = killed(lambda: Storage(**settings), number, rng)
        acknowledged_writes += sum(map(len, acknowledged.values()))
        with warnings.catch_warnings():
            # A writer that was killed before it wrote has left nothing to tell.
            warnings.simplefilter("ignore", RuntimeWarning)
            storage = Storage(**settings)
        with storage:
            pairs += assert_kept(storage, number, acknowledged)
            assert storage["tally"]["pairs"] == pairs
            if name == "indexed":
                assert_indexed(storage)
            Entry.objects(storage).delete()
            assert len(storage) == 1
    assert acknowledged_writes


class Tall(Model):
    name: str
    height: int

    class Meta:
        indexes = ["name", "height"]


def killed_while_open(path):
    """Leave a table behind whose writer was killed, its indexes in memory."""

    def work(report):
        with Storage(path) as storage:
            storage.ensure_indexes(Tall)
            # Past the storage: without a transaction an index is not written.
            table = storage.connection
            for number in range(300):
                table.put(b"%d" % number, {b"name": b"Ann", b"height": b"%d" % number})
            report("written")
            threading.Event().wait()

    with forked(work) as child:
        assert child.line() == "written"
        child.kill()
        assert child.wait() == -9


def test_indexes_of_a_killed_writer_are_made_anew_with_a_warning(tmp_path):
    path = tmp_path / "talls.tct"
    killed_while_open(path)
    with pytest.warns(RuntimeWarning, match="'height', 'name'.* were made anew"):
        storage = Storage(path)
    with storage:
        condition = Condition(b"name", Operator.STREQ, b"Ann")
        assert storage.handle.table.search_count(Search((condition,))) == 300
        assert Tall.objects(storage).where(name="Ann", height__lt=100).count() == 100


def test_a_reader_never_answers_from_indexes_of_a_killed_writer(tmp_path):
    path = tmp_path / "talls.tct"
    killed_while_open(path)
    with pytest.warns(RuntimeWarning, match="are not used until it is opened"):
        storage = Storage(path, mode="read")
    with storage:
        for _ in range(3):
            assert Tall.objects(storage).where(name="Ann").count() == 300
            assert len(list(Tall.objects(storage).where(height__gte=290))) == 10


def test_a_file_that_was_closed_is_opened_without_a_warning(tmp_path):
    for _ in range(2):
        with Storage(tmp_path / "talls.tct") as storage:
            storage.ensure_indexes(Tall)
            Tall(name="Ann", height=1).save(storage)
