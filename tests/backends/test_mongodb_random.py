"""Random questions of collections that other programs write too, on MongoDB.

The kit asks records of our own. Here documents are written with the bare driver:
every type of BSON in any field, lists everywhere, and dates with marks that are
right, wrong, outlived or missing. The evaluator looks at each record as the model
reads it. ``PYMODELS_FUZZ=N`` asks N questions of each kind of collection, with new
seeds.
"""

from copy import deepcopy
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from math import inf, nan
from uuid import UUID

import bson
import mongod
import pytest
from bson.binary import Binary
from bson.code import Code
from bson.codec_options import DatetimeConversion
from bson.datetime_ms import DatetimeMS
from bson.dbref import DBRef
from bson.decimal128 import Decimal128
from bson.int64 import Int64
from bson.max_key import MaxKey
from bson.min_key import MinKey
from bson.objectid import ObjectId
from bson.raw_bson import RawBSONDocument
from bson.regex import Regex
from bson.timestamp import Timestamp
from lengths import questions, seeds
from mongo_places import places_on
from pydantic import AwareDatetime, NaiveDatetime, ValidationError
from random_tables import alike, judge_instances, judge_values

from pymodels import EncodeError, Model, NotInModel, QueryError
from pymodels.backends.mongodb.documents import encode
from pymodels.law.canonical import canonical
from pymodels.law.changes import Changes, apply
from pymodels.testing.random import asking, universe
from pymodels.testing.random.asking import Answer, Refused
from pymodels.testing.random.drawing import random_change, random_question
from pymodels.testing.random.universe import Chance, random_records

pytestmark = pytest.mark.server

QUESTIONS = questions(300, 700)
"""Questions of each kind of collection."""
A_ROUND = 60
CHANGES = 0.12


class Declared(universe.Declared):
    """All kinds of fields."""

    days: list[date] | None = None
    until: date | str | None = None
    prices: list[Decimal] | None = None
    local: NaiveDatetime | None = None
    zoned: AwareDatetime | None = None
    sometime: date | datetime | None = None


class Loose(universe.Loose):
    """Fields of any kind."""


class Needing(universe.Needing):
    """Conditions of membership."""


class Demanding(Needing):
    """A subclass: asks more."""

    class Meta:
        must_have = {"flag": True}


class Dated(universe.Dated):
    """Conditions on another field than what is indexed."""


class Daily(Model):
    """What dates and numbers are asked for."""

    day: date
    whole: int = 1
    real: float | None


class Various(Model):
    """Fields that must be there, of several kinds."""

    either: int | str
    words: list[str]
    counts: dict[str, int]
    moment: datetime | None


class Bare(universe.Bare):
    """Nothing declared."""


MODELS = {
    one.__name__: one
    for one in (Declared, Loose, Needing, Demanding, Dated, Daily, Various, Bare)
}
NAMES = asking.NAMES | MODELS | {"inf": inf, "nan": nan, "bson": bson}
NAMES |= {"Binary": Binary, "UUID": UUID}

RAW = bson.CodecOptions(
    document_class=RawBSONDocument,
    datetime_conversion=DatetimeConversion.DATETIME_AUTO,
)

OUTSIDE = [
    *(ObjectId("5f0000000000000000000001"), Regex("^a"), Code("a"), Code("a", {})),
    *(Timestamp(1, 1), MinKey(), MaxKey(), Binary(b"a", 4 + 1), Binary(b"", 128)),
    *(nan, inf, -inf, Decimal128("NaN"), Decimal128("Infinity"), Decimal128("-NaN")),
    *(DatetimeMS(-(2**55)), DatetimeMS(2**55), DatetimeMS(253402300800000)),
    *(DatetimeMS(-62135596800001), Binary(b"a" * 16, 4), Decimal128("-Infinity")),
]
"""Values of none of our kinds."""
FOREIGN = [
    *(Int64(1), Int64(7), Decimal128("1E+6144"), Decimal128("-0"), Decimal128("7.00")),
    *(5e-324, 1.7e308, DBRef("a", ObjectId("5f0000000000000000000001")), DBRef("b", 1)),
    *([], [[]], [None], [1, 2], [nan], ["a", None], [["a"]], [{}], {}, [[1, 2]]),
    *([{"city": "a", "zip": 1}], [{"city": "b"}, {"zip": 2, "city": ["a"]}], [inf, 1]),
    *([datetime(2020, 2, 29), "a"], [datetime(2020, 2, 29)], [DatetimeMS(2**55)]),
    *({"0": {"zip": 1}}, {"city": {"$gt": ""}}, {"a": 1, "b": 2}, {"b": 2, "a": 1}),
    *({"city": nan}, {"zip": [1, 2]}, {"zip": [[1]]}, {"since": datetime(2020, 3, 1)}),
    *({"since": [datetime(2020, 3, 1)]}, {"city": ObjectId("5f" + "0" * 22)}),
    *([{"a.b": 1}], {"deep": [{"city": "a"}]}, {"deep": {"city": [{"city": "a"}]}}),
    *(
        [Regex("^a")],
        [ObjectId("5f0000000000000000000001"), "a"],
        [b"a", Binary(b"a", 5)],
    ),
]
MOMENTS = [
    *(datetime(2020, 2, 29), datetime(2020, 2, 29, 12, 30), datetime(2020, 3, 1)),
    *(datetime(1, 1, 1), datetime(9999, 12, 31), datetime(1969, 12, 31, 23, 59, 59)),
    datetime(9999, 12, 31, 23, 59, 59, 999_000),
]
MARKS = ["date", "naive", "datetime", "day", "", 1, None, ["naive"], [], {"a": "date"}]
DATED = ["day", "moment", "until", "local", "zoned", "sometime", "days", "anything"]


def foreign_value(random):
    chance = random.random()
    if chance < 0.4:
        return random.choice(OUTSIDE)
    return deepcopy(random.choice(MOMENTS if chance < 0.6 else FOREIGN))


def made_foreign(document, random):
    """Change a document as other programs might, and what is noted of it."""
    for name in random.sample(DATED, random.choice((1, 2, 4))):
        document[name] = random.choice(MOMENTS)
        if name == "days" and random.random() < 0.8:
            document[name] = random.choices(MOMENTS, k=random.randint(0, 2))
    names = [*Declared.model_fields, "a.b", "$set", "extra"]
    for name in random.sample(names, random.choice((0, 1, 3, 6))):
        document[name] = foreign_value(random)
    if type(document.get("spot")) is dict and random.random() < 0.5:
        name = random.choice(("city", "zip", "since", "deep"))
        document["spot"][name] = foreign_value(random)
    falsify(document, random)


def falsify(document, random):
    """Leave the note of kinds out, or make it say what is not so."""
    chance = random.random()
    if chance < 0.3:
        document.pop("_kinds", None)
    elif chance < 0.4:
        document["_kinds"] = random.choice(
            ([{"day": "naive", "moment": "naive"}], "date", [], {}, ["date"])
        )
    elif chance < 0.9:
        kinds = document.setdefault("_kinds", {})
        for name in random.sample(DATED, random.choice((1, 3, len(DATED)))):
            kinds[name] = random.choice(MARKS)
            if type(document.get(name)) is list and random.random() < 0.6:
                size = len(document[name])
                kinds[name] = random.choices(MARKS[:4], k=size + (size == 1))
        if random.random() < 0.4:
            inside = {"since": random.choice(MARKS), "city": random.choice(MARKS)}
            kinds["spot"] = random.choice((inside, inside, [inside], "date"))


def raw(document, random):
    """Write a document with types that the driver reads and never writes."""
    body = b""
    for name, value in document.items():
        element = bson.encode({name: value})[4:-1]
        chance = random.random()
        if value is None and chance < 0.3:
            element = b"\x06" + element[1:]  # undefined
        if type(value) is str and name not in {"_id", "_kinds"} and chance < 0.05:
            element = b"\x0e" + element[1:]  # symbol
        body += element
    whole = (len(body) + 5).to_bytes(4, "little") + body + b"\0"
    return RawBSONDocument(whole, RAW)


def foreign_keys(documents, random):
    """Give some documents keys of other types."""
    for at, document in enumerate(documents):
        chance = random.random()
        if chance < 0.3:
            document["_id"] = ObjectId(f"{at % 3:x}a" + f"{at:022x}")
        elif chance < 0.4:
            document["_id"] = UUID(int=at << 100 | at).bytes
            document["_id"] = Binary(document["_id"], 4)
        elif chance < 0.55:
            document["_id"] = random.choice((1, -1)) * (
                at + random.choice((2000, 10**12))
            )


def ours(storage, records, random):
    """Documents of ours, without indexes."""
    return [encode(key, record) for key, record in records.items()]


def indexed(storage, records, random):
    """Documents of ours, with indexes."""
    ensure_indexes(storage, random)
    return ours(storage, records, random)


def foreign(storage, records, random):
    """Documents of other programs, without indexes."""
    documents = ours(storage, records, random)
    for document in documents:
        made_foreign(document, random)
    return [raw(document, random) for document in documents]


def mixed(storage, records, random):
    """Some documents of ours, some of other programs, with indexes."""
    ensure_indexes(storage, random)
    documents = ours(storage, records, random)
    part = random.choice((0.1, 0.5, 1))
    for document in documents:
        if random.random() < part:
            made_foreign(document, random)
    return [raw(document, random) for document in documents]


def keyed(storage, records, random):
    """Documents under keys of other types."""
    documents = ours(storage, records, random)
    foreign_keys(documents, random)
    return documents


COLLECTIONS = (ours, indexed, foreign, mixed, keyed)


def ensure_indexes(storage, random):
    """Make most indexes; not those that two lists in one document would break."""
    collection = storage.collection
    names = [*DATED[:6], "flag", "whole", "real", "money", "text", "raw", "words"]
    names += ["spot.zip", "spot.city", "spot.since", "either", "anything", "spot"]
    for name in random.sample(names, random.randint(3, len(names))):
        collection.create_index([(name, random.choice((1, -1))), ("_id", 1)])


class Ordered(Answer):
    """The law's answer, with keys of other types after texts."""

    def __init__(self, question, query, records, natives):
        self.natives = natives
        super().__init__(question, query, records)

    def _sorted(self, keys):
        names = self.question.order
        last = bool(names) and names[-1].is_descending
        keys.sort(key=self._key_place, reverse=last)
        for name in reversed(names):
            keys.sort(
                key=lambda key, path=name.path: self._place(key, path),
                reverse=name.is_descending,
            )
        return keys

    def _place(self, key, path):
        return super()._place(key, path) if path else self._key_place(key)

    def _key_place(self, key):
        native = self.natives[key]
        types = (str, int, Binary, ObjectId)
        rank = next(at for at, one in enumerate(types) if isinstance(native, one))
        return rank, native

    def _has_place(self, key):
        record = self.records[key]
        for name in self.question.order:
            stored, _ = self.model.__pymodels_codec__.shape.resolve(name.path)
            if stored and stored[0] in self.undefined.get(key, ()):
                return False
        return super()._has_place(key) and record is not None

    undefined: dict = {}


def ask(question, storage, undefined):
    """Ask and compare; what is written is undone."""
    try:
        query = eval(str(question), NAMES | {"storage": storage})
    except (QueryError, NameError, SyntaxError) as error:
        # Also where a foreign value that was seen cannot be spelled.
        raise Refused(str(error)) from error
    rows = list(storage.scan())
    records = seen(rows, storage, question.model)
    natives = {row[0]: row[1]["_id"] for row in rows}
    Ordered.undefined = undefined
    answer = Ordered(question, query, records, natives)
    is_mixed = {type(native) for native in natives.values()} != {str}
    if is_mixed and not query.plan().is_pushed:
        answer.is_defined = False
    if question.action in {"delete", "update"}:
        change(question, query, answer, storage)
        return
    answer.judge_keys(list(query.keys()))
    assert query.count() == len(answer.keys), "count"
    assert query.exists() == bool(answer.keys), "exists"
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
            assert alike(record, records[key]), f"{key!r}: {record!r}"


def seen(rows, storage, model):
    """Give each record as a model reads it."""
    shape = model.__pymodels_codec__.shape
    return {row[0]: storage.decode(row, shape) for row in rows}


def change(question, query, answer, storage):
    if answer.is_ordered and not answer.is_defined:
        raise Refused("no defined order, so no defined outcome")
    expected = dict(answer.records)
    collection = storage.collection
    before = list(collection.with_options(RAW).find())
    try:
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
        found = seen(list(storage.scan()), storage, question.model)
        assert found.keys() == expected.keys()
        for key, record in found.items():
            assert alike(record, expected[key]), (
                f"{key!r} is {record!r}, expected {expected[key]!r}"
            )
        assert done == len(answer.keys)
    except (ValidationError, NotInModel, QueryError, EncodeError) as error:
        raise Refused(str(error)) from error
    finally:
        collection.delete_many({})
        collection.insert_many(before)


def drawn(random):
    draw = random_change if random.random() < CHANGES else random_question
    question = draw(random)
    model = MODELS[question.model.__name__]
    if model is Needing and random.random() < 0.4:
        model = Demanding
    if model is Declared and random.random() < 0.3:
        model = random.choice((Daily, Various))
    return replace(question, model=model)


def one_round(make, storage, seed):
    """Ask a round of questions of one collection; give how many made sense."""
    random = Chance(seed)
    records = random_records(random, random.choice((3, 30, 30)))
    for record in records.values():
        for name in random.sample(DATED[2:7], random.randint(0, 3)):
            moment = random.choice(MOMENTS) + timedelta(0)
            dated = [moment.date(), moment, moment.replace(tzinfo=asking.datetime.UTC)]
            record[name] = random.choice(dated)
    documents = make(storage, records, random)
    storage.collection.insert_many(documents)
    undefined = {}
    for document in documents:
        if isinstance(document, RawBSONDocument):
            undefined[document["_id"]] = undefined_names(document.raw)
    random.known = seen(list(storage.scan()), storage, Declared)
    asked = 0
    for _ in range(A_ROUND):
        question = drawn(random)
        try:
            ask(question, storage, undefined)
        except Refused:
            continue
        except Exception as error:
            raise AssertionError(told(question, storage, seed, error)) from error
        asked += 1
    return asked


def undefined_names(body):
    """Find the names whose value is `undefined`: it has no place in an order."""
    decoded = RawBSONDocument(body, RAW)
    return {
        name
        for name, value in decoded.items()
        if value is None and b"\x06" + name.encode() + b"\0" in body
    }


def told(question, storage, seed, error):
    """Tell a failure with the fewest documents that show it."""
    collection = storage.collection
    documents = list(collection.with_options(RAW).find())
    undefined = {one["_id"]: undefined_names(one.raw) for one in documents}

    def fails():
        try:
            ask(question, storage, undefined)
        except Refused:
            return False
        except Exception:
            return True
        return False

    for document in documents if fails() else ():
        collection.delete_one({"_id": {"$eq": document["_id"]}})
        if not fails():
            collection.insert_one(document)
    left = list(collection.find())
    return f"seed {seed}: {question}, {question.action}, {question.path}, " + (
        f"{question.value!r}\n{type(error).__name__}: {error}\ndocuments: {left!r}"
    )


@pytest.fixture(scope="module")
def places():
    with places_on(mongod.standalone_url()) as found:
        yield found


@pytest.mark.parametrize("make", COLLECTIONS, ids=[one.__name__ for one in COLLECTIONS])
def test_reference_answers_alike_on_every_kind_of_collection(make, places):
    left = QUESTIONS
    for seed in seeds():
        with places.storage() as storage:
            left -= one_round(make, storage, seed)
        if left <= 0:
            return
