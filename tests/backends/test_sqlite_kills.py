"""A program that is killed in mid-write loses nothing that it acknowledged."""

import random

import pytest
from killing import Entry, assert_kept, killed
from lengths import length

from pymodels.backends.sqlite import Storage

ROUNDS = length(40, 200)
SEED = 7


@pytest.mark.parametrize("is_alone", [True, False], ids=["alone", "beside a reader"])
def test_a_killed_writer_loses_nothing_acknowledged(tmp_path, is_alone):
    """Reopening recovers the log; beside a reader there is nothing to recover."""
    path = tmp_path / "entries.db"
    rng = random.Random(SEED)
    pairs = acknowledged_writes = 0
    keeper = Storage(path)
    keeper["tally"] = {"pairs": 0}
    if is_alone:
        keeper.close()
    for number in range(ROUNDS // 2):
        acknowledged = killed(lambda: Storage(path), number, rng)
        acknowledged_writes += sum(map(len, acknowledged.values()))
        with Storage(path) as storage:
            check = storage.connection.execute("PRAGMA integrity_check").fetchone()
            assert check == ("ok",)
            pairs += assert_kept(storage, number, acknowledged)
            assert storage["tally"]["pairs"] == pairs
            Entry.objects(storage).delete()
    keeper.close()
    assert acknowledged_writes
