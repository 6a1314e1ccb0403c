"""Random questions of tables that other programs have written to, on Tokyo Cabinet.

The kit asks tables of our own rows. Here some or all rows are foreign: natural
columns without a note of kinds, odd texts, bytes that are no text, and rows of ours
that were changed without their notes. ``PYMODELS_FUZZ=N`` asks N questions of each
kind of table, with new seeds.
"""

import pytest
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
from pymodels.backends.tokyo_cabinet import Storage
from pymodels.testing.random import asking
from pymodels.testing.random.asking import Refused
from pymodels.testing.random.universe import Chance, random_records
from pymodels.tokyo.library import OpenMode, Table
from pymodels.tokyo.packing import unpack

QUESTIONS = questions(100, 200)
A_ROUND = 50
ODD_BYTES = [b"", b"\xff", b"a\0b", b"\xc0\x80", b"\0", b"a\xc0\x80", b"ab\0c", b"7\0"]
ODD_TEXTS = [
    "+5",
    " 7",
    "1e3",
    "007",
    "-0",
    "true",
    "True",
    "[1]",
    '["a"]',
    "{}",
    "[",
    "7",
]
ODD = [*(text_bytes(one) for one in (*FOREIGN_TEXTS, *FOREIGN_NUMBERS, *ODD_TEXTS))]
NAMES = [*Declared.model_fields, "a.b", "extra"]


def foreign_columns(record, random):
    """Spell a record as another program might: no note, and odd values."""
    columns = {}
    for name, value in record.items():
        text = spelled(value)[1]
        if text is not None:
            columns[column_of(name)] = text_bytes(text)
    spoil(columns, random)
    return columns


def spoil(columns, random):
    """Change some columns as another program would, without a look at the note."""
    for _ in range(random.choice((0, 1, 5))):
        column = column_of(random.choice(NAMES))
        if random.random() < 0.2:
            columns.pop(column, None)
        else:
            odd = ODD_BYTES if random.random() < 0.2 else ODD
            columns[column] = random.choice(odd)


def written_over(path, random, part, change):
    """Let another program change a part of the rows, while nobody else has the file."""
    table = Table()
    table.open(path, OpenMode.WRITER)
    try:
        for key in list(unpack(table.packed_keys())):
            if random.random() >= part:
                continue
            table.put(key, change(key.decode(), table.get(key)))
    finally:
        table.close()


def ours(path, records):
    with Storage(path) as storage:
        asking.put(storage, records)


def foreign(path, records, random):
    """Every row is another program's."""
    ours(path, records)
    written_over(path, random, 1, lambda key, _: foreign_columns(records[key], random))
    return Storage(path)


def mixed(path, records, random):
    """Some rows of ours, some foreign."""
    ours(path, records)
    written_over(
        path,
        random,
        random.choice((0.03, 0.3)),
        lambda key, _: foreign_columns(records[key], random),
    )
    return Storage(path)


def stale(path, records, random):
    """Rows of ours that another program has changed, all but the note."""

    def changed(key, columns):
        note = columns.pop(NOTE_COLUMN)
        spoil(columns, random)
        return {**columns, NOTE_COLUMN: note}

    ours(path, records)
    written_over(path, random, random.choice((0.03, 0.5)), changed)
    return Storage(path)


def indexed(path, records, random):
    """Rows of all sorts, with indexes that were made before or after them."""
    models = random.sample(list(MODELS.values()), len(MODELS))
    with Storage(path) as storage:
        if random.random() < 0.5:
            storage.ensure_indexes(*models)
        asking.put(storage, records)
    if random.random() < 0.7:
        # The library would end the process for an empty value in an indexed column.
        written_over(
            path,
            random,
            random.choice((0.1, 1)),
            lambda key, _: {
                name: value or b"x"
                for name, value in foreign_columns(records[key], random).items()
            },
        )
    storage = Storage(path)
    storage.ensure_indexes(*models)
    return storage


def reopened(path, records, random):
    """Rows of ours that have to be read once before their notes are trusted."""
    ours(path, records)
    storage = Storage(path)
    if random.random() < 0.5:
        storage.ensure_indexes(*MODELS.values())
    return storage


TABLES = (foreign, mixed, stale, indexed, reopened)


def one_round(make, path, seed):
    """Ask a round of questions of one table; give how many made sense."""
    random = Chance(seed)
    records = random_records(random, random.choice((3, 30, 30)))
    asked = 0
    with make(path, records, random) as storage:
        random.known = {
            key: {n: v for n, v in one.items() if not isinstance(v, Unreadable)}
            for key, one in seen(storage, Declared).items()
        }
        for _ in range(A_ROUND):
            question = drawn(random)
            try:
                ask(question, storage)
            except Refused:
                continue
            except Exception as error:
                raise AssertionError(told(question, storage, seed, error)) from error
            asked += 1
    return asked


def told(question, storage, seed, error):
    """Tell a failure with the fewest rows that show it."""

    def fails():
        try:
            ask(question, storage)
        except Refused:
            return False
        except Exception:
            return True
        return False

    with storage.handle as handle:
        keys = list(unpack(handle.table.packed_keys()))
        rows = {key: handle.table.get(key) for key in keys}
    for key, columns in rows.items() if fails() else ():
        storage.discard(key.decode())
        if not fails():
            with storage.handle as handle:
                handle.table.put(key, columns)
    with storage.handle as handle:
        left = {
            key: handle.table.get(key) for key in unpack(handle.table.packed_keys())
        }
    return f"seed {seed}: {question}, {question.action}, {question.path}, " + (
        f"{question.value!r}\n{type(error).__name__}: {error}\nrows: {left!r}"
    )


@pytest.mark.parametrize("make", TABLES, ids=[one.__name__ for one in TABLES])
def test_reference_answers_alike_on_every_kind_of_table(make, tmp_path):
    left = QUESTIONS
    for seed in seeds():
        left -= one_round(make, tmp_path / f"{seed}.tct", seed)
        if left <= 0:
            return
