"""Random questions of indexed tables and of other programs' rows, on SQLite.

The kit asks a plain table. Here the same questions are asked where indexes serve
them, where some or all rows are foreign, and where there is no note of kinds at
all; the evaluator looks at each record as the model reads it. ``PYMODELS_FUZZ=N``
asks N questions of each table, with new seeds.
"""

import json
import os
import re
from dataclasses import replace
from datetime import date
from decimal import Decimal
from itertools import count
from math import inf
from random import SystemRandom

import pytest
from pydantic import ValidationError

from pymodels import EncodeError, F, InvalidRecord, Model, NotInModel, QueryError
from pymodels.backends.sqlite import Storage
from pymodels.canonical import canonical
from pymodels.changes import Changes, apply
from pymodels.json_body import encode
from pymodels.testing import asking, universe
from pymodels.testing.asking import Answer, Refused
from pymodels.testing.drawing import random_change, random_question
from pymodels.testing.universe import Chance, random_records
from pymodels.values import Kind, kind_of, read, same, sort_key

QUESTIONS = 700
"""Questions of each kind of table."""
A_ROUND = 50
CHANGES = 0.15


class Spot(Model):
    """A map under a name that other programs escape, with such a name in it."""

    ä: str | None = None
    zip: int | None = None


class Declared(universe.Declared):
    """All kinds of fields, most of them indexed."""

    days: list[date] | None = None
    until: date | str | None = None
    prices: list[Decimal] | None = None
    größe: int | None = None
    straße: Spot | None = None

    class Meta:
        indexes = ["flag", "whole", "-real", "money", "text", "raw", "day", "moment"]
        indexes += [("-day", "text"), ("whole", "-text", "moment"), "spot__zip"]
        indexes += [("spot__city", "-spot__since"), "short", "either", "anything"]
        indexes += ["größe", "straße__ä", "until", "-key", ("text", "-key")]


class Loose(universe.Loose):
    """Fields of any kind, indexed."""

    class Meta:
        indexes = ["whole", "text", ("-anything", "day"), "dollar", "spot"]


class Needing(universe.Needing):
    """Conditions of membership, and so partial indexes."""

    class Meta:
        indexes = ["whole", ("text", "-whole"), "-whole", "spot__zip"]


class Demanding(Needing):
    """A subclass: asks more, and uses its parent's indexes."""

    class Meta:
        must_have = {"flag": True}


class Dated(universe.Dated):
    """Conditions on another field than what is indexed."""

    class Meta:
        indexes = ["moment", "-day", ("whole", "-moment"), "text"]


class Bare(universe.Bare):
    """Nothing declared."""

    class Meta:
        indexes = ["whole", "text"]


MODELS = {one.__name__: one for one in (Declared, Loose, Needing, Demanding, Dated)}
MODELS["Bare"] = Bare
NAMES = asking.NAMES | MODELS | {"inf": inf}

# What other programs write: nearly dates, nearly decimals, nearly base64.
FOREIGN_TEXTS = [
    *("2020-02-29", "2020-02-30", "2020-2-9", "0000-01-01", "20200229", "2020-02-29 "),
    *("2020-02-29T00:00:00+00:00", "2020-02-29T12:30:00", "2020-02-29T00:00:00Z"),
    *("2020-02-29T12:30:00+01:00", "2020-02-29 12:30:00", "2020-02-29T12:30:00.5"),
    *("1969-12-31T23:59:59.999000+00:00", "2020-02-29T12:30:00.000000", "2020-W01-1"),
    *("1", "1.00", "+1", "1E+3", "1e3", "00.5", "-0", "NaN", "Infinity", "0.1", " 1"),
    *("9007199254740993", "1_000", "YQ==", "YQ", "AA==", "/w==", "_w==", "YWI=", ""),
]
# Numbers, spelled as we never spell them or larger than we write them.
FOREIGN_NUMBERS = [
    *("1.50", "1E0", "-0", "0.1e1", "1e999", "-1e999", "9223372036854775808", "2.0E0"),
    *("-9223372036854775809", "123456789012345678901234567890", "1e-400", "7.000"),
    *("9007199254740993.0", "9223372036854775807.0", "0.30000000000000004", "1e300"),
]


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


class UndoneError(Exception):
    """Leaves a transaction that must leave nothing."""


def ask(question, storage):
    """Ask and compare; what is written is undone."""
    try:
        query = eval(str(question), NAMES | {"storage": storage})
    except QueryError as error:
        raise Refused(str(error)) from error
    records = seen(storage, question.model)
    answer = Answer(question, query, records)
    if question.action == "save":
        save(question, answer, storage)
        return
    if question.action in {"delete", "update"}:
        change(question, query, answer, storage)
        return
    answer.judge_keys(list(query.keys()))
    assert query.count() == len(answer.keys)
    assert query.exists() == bool(answer.keys)
    if question.action == "values":
        judge_values(query, answer)
    elif question.action == "plan":
        assert str(query.plan())
    elif question.action == "load":
        judge_instances(query, answer)
    elif question.action == "in" and (answer.is_defined or not answer.is_ordered):
        for key in [*list(records)[:3], *answer.keys[:3], "nowhere"]:
            assert (key in query) == (key in answer.keys)
    elif question.action == "records":
        for key, record in query.records():
            assert same(record, records[key]), f"{key!r}: {record!r}"


def seen(storage, model):
    """Give each record as a model reads it."""
    shape = model.__pymodels_codec__.shape
    return {row[0]: storage.decode(row, shape) for row in storage.scan()}


def judge_instances(query, answer):
    """Loading is validation of the record as it was read (law 14)."""
    validate = answer.model.__pymodels_codec__.validator.validate_python
    expected = {}
    for key in answer.matching:
        try:
            expected[key] = validate(answer.records[key])
        except ValidationError:
            continue
    if expected.keys() == answer.matching:
        found = list(query)
        answer.judge_keys([one.key for one in found])
    else:
        found = list(query.skip_invalid())
        if not query.spec.is_sliced:
            assert {one.key for one in found} == expected.keys()
        assert query.skip_invalid().count() == len(found)
    for one in found:
        wanted = expected[one.key]
        assert alike(vars(one), vars(wanted)), f"{one.key!r}: {one!r}, not {wanted!r}"
        assert one.model_fields_set == wanted.model_fields_set
        assert alike(one.model_extra, wanted.model_extra)


def judge_values(query, answer):
    if answer.is_ordered and not answer.is_defined:
        return
    expression = F
    for name in answer.question.path:
        expression = expression[name]
    stored, _ = answer.model.__pymodels_codec__.shape.resolve(answer.question.path)
    there = [read(answer.records[key], stored) for key in answer.keys]
    places = {
        sort_key(one) for one in there if kind_of(one) not in {Kind.NONE, Kind.OTHER}
    }
    assert list(map(sort_key, query.values(expression))) == sorted(places)


def change(question, query, answer, storage):
    if answer.is_ordered and not answer.is_defined:
        raise Refused("no defined order, so no defined outcome")
    expected = dict(answer.records)
    try:
        with storage.transaction():
            if question.action == "delete":
                done = query.delete()
                for key in answer.keys:
                    del expected[key]
            else:
                done = query.update(**{"__".join(question.path): question.value})
                path, _ = answer.model.__pymodels_codec__.shape.resolve(question.path)
                changes = Changes({path: canonical(question.value)})
                for key in answer.keys:
                    expected[key] = apply(expected[key], changes)
            found = seen(storage, question.model)
            assert found.keys() == expected.keys()
            for key, record in found.items():
                assert alike(record, expected[key]), (
                    f"{key!r} is {record!r}, expected {expected[key]!r}"
                )
            assert done == len(answer.keys)
            raise UndoneError
    except UndoneError:
        return
    except (ValidationError, NotInModel, QueryError, EncodeError) as error:
        raise Refused(str(error)) from error


def save(question, answer, storage):
    """Set one field of one instance, and save it."""
    if len(question.path) != 1 or not answer.matching:
        raise Refused("nothing to save")
    (name,), key = question.path, min(answer.matching)
    stored, _ = answer.model.__pymodels_codec__.shape.resolve(question.path)
    expected = dict(answer.records)
    try:
        instance = storage.get(answer.model, key)
        before = getattr(instance, name)
        setattr(instance, name, question.value)
        after = canonical(getattr(instance, name))
        if not alike(canonical(before), after) or stored[0] not in expected[key]:
            expected[key] = apply(expected[key], Changes({stored: after}))
        with storage.transaction():
            instance.save()
            found = seen(storage, answer.model)
            assert found.keys() == expected.keys()
            for one, record in found.items():
                assert alike(record, expected[one]), (
                    f"{one!r} is {record!r}, expected {expected[one]!r}"
                )
            raise UndoneError
    except UndoneError:
        return
    except (ValidationError, InvalidRecord, NotInModel, EncodeError) as error:
        raise Refused(str(error)) from error


def alike(one, other):
    """As `same`, where what is no number is the same as itself."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(
            alike(value, other[name]) for name, value in one.items()
        )
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(alike, one, other))
    return same(one, other)


def drawn(random):
    draw = random_change if random.random() < CHANGES else random_question
    question = draw(random)
    if question.action == "update" and random.random() < 0.3:
        question = replace(question, action="save", order=(), start=0, stop=None)
    model = MODELS[question.model.__name__]
    if model is Needing and random.random() < 0.4:
        model = Demanding
    return replace(question, model=model)


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
    wanted = os.environ.get("PYMODELS_FUZZ")
    left = int(wanted or QUESTIONS)
    for number in count():
        seed = f"{SystemRandom().getrandbits(48):x}" if wanted else str(number)
        path = tmp_path / f"{number}.db"
        left -= one_round(make, path, seed)
        path.unlink()
        if left <= 0:
            return
