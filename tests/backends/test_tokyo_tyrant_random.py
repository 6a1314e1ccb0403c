"""Random questions of tables that other programs have written to, through servers.

The kit asks tables of our own rows. Here some or all rows are foreign: natural
columns without a note of kinds, odd texts, bytes that are no text, and rows of ours
that were changed without their notes. ``PYMODELS_FUZZ=N`` asks N questions of each
kind of table, with new seeds.
"""

from contextlib import suppress

import pytest
import tyrant
from lengths import questions, seeds
from random_tables import (
    FOREIGN_NUMBERS,
    FOREIGN_TEXTS,
    MODELS,
    Declared,
    ask,
    drawn,
    seen,
)

from pymodels.backends._tokyo.columns import NOTE_COLUMN, column_of
from pymodels.backends._tokyo.texts import Unreadable, spelled, text_bytes
from pymodels.backends.tokyo_tyrant import Storage
from pymodels.testing.random import asking
from pymodels.testing.random.universe import Chance, random_records
from pymodels.tokyo.client import Refused
from pymodels.tokyo.search import IndexType

pytestmark = pytest.mark.server

QUESTIONS = questions(100, 150)
A_ROUND = 50
ODD_BYTES = [b"", b"\xff", b"a\0b", b"\xc0\x80", b"\0", b"ab\0c", b"7\0", b"a\0b\0c"]
ODD_TEXTS = ["+5", " 7", "1e3", "007", "-0", "true", "True", "[1]", "{}", "[", "7"]
ODD = [text_bytes(one) for one in (*FOREIGN_TEXTS, *FOREIGN_NUMBERS, *ODD_TEXTS)]
NAMES = [*Declared.model_fields, "a.b", "extra"]


class Undoing(Storage):
    """A storage whose transactions put everything back that was there before."""

    def begin(self, depth):
        keys = self.file.keys()
        self._before = {key: self.client.get(key) for key in keys}

    def rollback(self, depth):
        self.client.vanish()
        for key, columns in self._before.items():
            self.client.put(key, columns)


@pytest.fixture(scope="module", params=["pymodels serve", "ttserver"])
def server(request):
    if request.param == "ttserver":
        with tyrant.Server(is_original=True) as started:
            yield started
    else:
        with tyrant.Server(None, "--bnum", "1000") as started:
            yield started


@pytest.fixture
def storage(server):
    with Undoing(**server.settings, lost_updates="allow", timeout=30) as opened:
        yield opened
        void(opened)


def void(storage):
    # The original cannot say which of those that were made are still there.
    for column in storage.indexes.all():
        with suppress(Refused):
            storage.client.set_index(column, IndexType.VOID)


def as_theirs(record, random):
    """Spell a record as another program might: no note, and odd values."""
    columns = {}
    for name, value in record.items():
        text = spelled(value)[1]
        if text is not None:
            columns[column_of(name)] = text_bytes(text)
    return spoiled(columns, random)


def spoiled(columns, random):
    """Change some columns as another program would, but never the note."""
    found = dict(columns)
    for _ in range(random.choice((0, 1, 5))):
        column = column_of(random.choice(NAMES))
        if random.random() < 0.2:
            found.pop(column, None)
        else:
            found[column] = random.choice(ODD_BYTES if random.random() < 0.2 else ODD)
    return found


def write_over(storage, records, random, part, change):
    for key, record in records.items():
        if random.random() < part:
            change(storage.client, key.encode(), record)


def foreign(storage, records, random):
    """Some rows of ours, some or all of other programs."""

    def change(client, key, record):
        client.put(key, as_theirs(record, random))

    write_over(storage, records, random, random.choice((0.03, 0.3, 1)), change)


def stale(storage, records, random):
    """Rows of ours that another program has changed, all but the note."""

    def change(client, key, record):
        columns = client.get(key)
        note = columns.pop(NOTE_COLUMN)
        client.put(key, {**spoiled(columns, random), NOTE_COLUMN: note})

    write_over(storage, records, random, random.choice((0.03, 0.5)), change)


def indexed(storage, records, random):
    """Rows of all sorts, with indexes on them."""

    def change(client, key, record):
        columns = as_theirs(record, random)
        client.put(key, {name: value or b"x" for name, value in columns.items()})

    models = random.sample(list(MODELS.values()), len(MODELS))
    if random.random() < 0.5:
        storage.ensure_indexes(*models)
    if random.random() < 0.7:
        write_over(storage, records, random, random.choice((0.1, 1)), change)
    storage.ensure_indexes(*models)
    if random.random() < 0.5:
        storage.reindex(*models)


TABLES = (foreign, stale, indexed)


def one_round(storage, make, seed):
    """Ask a round of questions of one table; give how many made sense."""
    random = Chance(seed)
    records = random_records(random, random.choice((3, 30, 30)))
    void(storage)
    storage.clear()
    for key, record in records.items():
        storage[key] = record
    make(storage, records, random)
    random.known = {
        key: {n: v for n, v in one.items() if not isinstance(v, Unreadable)}
        for key, one in seen(storage, Declared).items()
    }
    asked = 0
    for _ in range(A_ROUND):
        question = drawn(random)
        try:
            ask(question, storage)
        except asking.Refused:
            continue
        except Exception as error:
            rows = "\n".join(f"{key!r}: {row}" for key, row in storage.records())
            raise AssertionError(f"{seed}: {question}\n{rows}") from error
        asked += 1
    return asked


@pytest.mark.parametrize("make", TABLES, ids=lambda make: make.__name__)
def test_reference_answers_questions_of_others_tables(storage, make):
    asked = 0
    for seed in seeds():
        asked += one_round(storage, make, seed)
        if asked >= QUESTIONS:
            return
