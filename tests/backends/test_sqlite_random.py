"""Random questions of indexed tables and of other programs' rows, on SQLite.

The kit asks a plain table. Here the same questions are asked where indexes serve
them, where some or all rows are foreign, and where there is no note of kinds at
all; the evaluator looks at each record as the model reads it. ``PYMODELS_FUZZ=N``
asks N questions of each table, with new seeds.
"""

import json
import re
from decimal import Decimal

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

from pymodels.backends.sqlite import Storage
from pymodels.law.json_body import encode
from pymodels.testing.random import asking, universe
from pymodels.testing.random.asking import Refused
from pymodels.testing.random.universe import Chance, random_records

QUESTIONS = questions(350, 700)
"""Questions of each kind of table."""
A_ROUND = 50


def foreign_body(record, random):
    """Spell a record as another program might: pretty, escaped, with odd values."""
    plain = json.loads(encode(record)[0])
    for _ in range(random.choice((0, 2, 5))):
        name = random.choice([*Declared.model_fields, "a.b"])
        plain[name] = foreign_value(name, random)
    text = json.dumps(
        plain,
        ensure_ascii=random.random() < 0.7,
        indent=random.choice((None, 2)),
    )
    return re.sub('"@@([^"]*)"', r"\1", text)


def foreign_value(name, random):
    def one():
        if random.random() < 0.35:
            return "@@" + random.choice(FOREIGN_NUMBERS)
        return random.choice(FOREIGN_TEXTS)

    if name == "spot":
        return {"city": one(), "zip": one(), "since": one()}
    if name in {"days", "prices", "words", "numbers"} and random.random() < 0.9:
        return [one() for _ in range(random.randint(0, 3))]
    if name == "counts":
        return {"a": one()}
    if name == "straße":
        return {"ä": one(), "zip": one()}
    if name == "größe" and random.random() < 0.5:
        return random.randint(-1, 7)
    return one()


def make_foreign(storage, records, random, part):
    table = storage.table
    with storage.transaction():
        for key, record in records.items():
            if random.random() < part:
                storage.connection.execute(
                    f'UPDATE records SET "{table.body}"=?, "{table.kinds}"=NULL '
                    f'WHERE "{table.key}"=?',
                    (foreign_body(record, random), key),
                )


def indexed(path, records, random):
    """Rows of ours, indexes made before or after them."""
    storage = Storage(path)
    models = random.sample(list(MODELS.values()), len(MODELS))
    if random.random() < 0.5:
        storage.ensure_indexes(*models)
    asking.put(storage, records)
    storage.ensure_indexes(*models)
    return storage


def foreign(path, records, random):
    """Every row of another program's, in a table of ours without indexes."""
    storage = Storage(path)
    asking.put(storage, records)
    make_foreign(storage, records, random, 1)
    return storage


def mixed(path, records, random):
    """Some rows of ours, some foreign, and indexes."""
    storage = indexed(path, records, random)
    make_foreign(storage, records, random, random.choice((0.03, 0.3, 1)))
    return storage


def without_note(path, records, random):
    """A table of another program's that has no column for the note of kinds."""
    with Storage(path, table="ours") as made:
        made.connection.execute(
            "CREATE TABLE records (id TEXT PRIMARY KEY, data TEXT, other NOT NULL)"
        )
        for key, record in records.items():
            made.connection.execute(
                "INSERT INTO records VALUES (?, ?, 1)",
                (key, foreign_body(record, random)),
            )
    storage = Storage(path, key_column="id", body_column="data")
    if random.random() < 0.5:
        storage.ensure_indexes(*MODELS.values())
    return storage


def without_decimals(path, records, random):
    """Rows of ours without a Decimal, where shorter statements are exact."""
    plain = {key: undecimal(record) for key, record in records.items()}
    if random.random() < 0.5:
        return indexed(path, plain, random)
    storage = Storage(path)
    asking.put(storage, plain)
    return storage


def undecimal(value):
    match value:
        case dict():
            return {name: undecimal(part) for name, part in value.items()}
        case list():
            return [undecimal(part) for part in value]
        case Decimal():
            return float(value)
    return value


TABLES = (indexed, foreign, mixed, without_note, without_decimals)


def one_round(make, path, seed):
    """Ask a round of questions of one table; give how many made sense."""
    random = Chance(seed)
    records = random_records(random, random.choice((3, 30, 30)))
    for record in records.values():
        if random.random() < 0.5:
            record["größe"] = random.randint(-1, 7)
            record["straße"] = {"ä": random.choice(universe.TEXTS), "zip": 1}
    asked = 0
    with make(path, records, random) as storage:
        random.known = seen(storage, Declared)
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
    select = f"SELECT * FROM {storage.table.source}"
    rows = storage.connection.execute(select).fetchall()

    def fails():
        try:
            ask(question, storage)
        except Refused:
            return False
        except Exception:
            return True
        return False

    for row in rows if fails() else ():
        storage.discard(row[0])
        if not fails():
            marks = ",".join("?" * len(row))
            storage.connection.execute(
                f"INSERT INTO {storage.table.source} VALUES ({marks})", row
            )
    left = storage.connection.execute(select).fetchall()
    return f"seed {seed}: {question}, {question.action}, {question.path}, " + (
        f"{question.value!r}\n{type(error).__name__}: {error}\nrows: {left!r}"
    )


@pytest.mark.parametrize("make", TABLES, ids=[one.__name__ for one in TABLES])
def test_reference_answers_alike_on_every_kind_of_table(make, tmp_path):
    left = QUESTIONS
    for seed in seeds():
        path = tmp_path / f"{seed}.db"
        left -= one_round(make, path, seed)
        path.unlink()
        if left <= 0:
            return
