"""Questions of tables in which rows of ours and of other programs stand side by side.

The evaluator looks at each record as the model reads it; a backend's own test makes
the tables. Whatever is written is undone.
"""

from dataclasses import replace
from datetime import date
from decimal import Decimal
from math import inf

from pydantic import ValidationError

from pymodels import EncodeError, F, InvalidRecord, Model, NotInModel, QueryError
from pymodels.law.canonical import canonical
from pymodels.law.changes import Changes, apply
from pymodels.law.values import Kind, kind_of, read, same, sort_key
from pymodels.testing.random import asking, universe
from pymodels.testing.random.asking import Answer, Refused
from pymodels.testing.random.drawing import random_change, random_question

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
