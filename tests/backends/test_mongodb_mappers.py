"""Collections that MongoEngine and Beanie really wrote, seen through models."""

import asyncio
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

import beanie
import mongod
import mongoengine
import pytest
from bson import DBRef, ObjectId
from mongo_places import places_on
from pydantic import BaseModel
from pymongo import AsyncMongoClient

import pymodels
from pymodels import F, Index, InvalidRecord, Model, Reference

pytestmark = pytest.mark.server

BORN = date(1815, 12, 10)
SEEN = datetime(2020, 1, 2, 3, 4, 5, 678_000, tzinfo=UTC)


# What the other programs declare.


class EngineAddress(mongoengine.EmbeddedDocument):
    city = mongoengine.StringField()
    zip = mongoengine.IntField()


class EngineCountry(mongoengine.Document):
    name = mongoengine.StringField()
    meta = {"collection": "engine_countries"}


class EnginePerson(mongoengine.Document):
    name = mongoengine.StringField()
    born = mongoengine.DateField()
    seen = mongoengine.DateTimeField()
    wage = mongoengine.Decimal128Field(precision=2)
    score = mongoengine.FloatField()
    amount = mongoengine.IntField()
    active = mongoengine.BooleanField()
    raw = mongoengine.BinaryField()
    tags = mongoengine.ListField(mongoengine.StringField())
    days = mongoengine.ListField(mongoengine.DateField())
    address = mongoengine.EmbeddedDocumentField(EngineAddress)
    more = mongoengine.DictField()
    uuid = mongoengine.UUIDField()
    home = mongoengine.ReferenceField(EngineCountry)
    birthplace = mongoengine.ReferenceField(EngineCountry, dbref=True)
    meta = {
        "collection": "engine_people",
        "allow_inheritance": True,
        "strict": False,
    }


class EngineWorker(EnginePerson):
    job = mongoengine.StringField()


class Colour(Enum):
    RED = "red"


class BeanieAddress(BaseModel):
    city: str
    zip: int


class BeanieCountry(beanie.Document):
    name: str

    class Settings:
        name = "beanie_countries"


class BeaniePerson(beanie.Document):
    name: str
    born: date
    seen: datetime
    wage: beanie.DecimalAnnotation
    score: float
    amount: int
    active: bool
    raw: bytes
    tags: list[str]
    days: list[date]
    address: BeanieAddress
    more: dict[str, Any]
    uuid: UUID
    colour: Colour = Colour.RED
    nothing: int | None = None
    numbers: set[int] = {1}
    pause: timedelta = timedelta(seconds=1)
    home: beanie.Link[BeanieCountry]

    class Settings:
        name = "beanie_people"


# What we declare.


class Address(Model):
    city: str
    zip: int | None = None


class Country(Model):
    name: str


class Person(Model):
    name: str
    born: date | None = None
    seen: datetime | None = None
    wage: Decimal | None = None
    score: float | None = None
    amount: int | None = None
    active: bool | None = None
    raw: bytes | None = None
    tags: list[str] = []
    days: list[date] = []
    address: Address | None = None
    more: dict[str, Any] = {}
    nationality: Reference[Country] | None = None

    class Meta:
        indexes = ["born", Index("name", unique=True)]

    def __str__(self):
        return self.name


class Worker(Person):
    """MongoEngine says in `_cls` of which class a document is."""

    job: str

    class Meta:
        must_have = {"_cls": "EnginePerson.EngineWorker"}


def common(name, born):
    return {
        "name": name,
        "born": born,
        "seen": SEEN,
        "wage": Decimal("1.10"),
        "score": 0.5,
        "amount": 2**40,
        "active": True,
        "raw": b"abc",
        "tags": ["a", "b"],
        "days": [born, date(2020, 2, 29)],
        "more": {"a": {"b": [1, None]}},
        "uuid": UUID(int=5),
    }


@pytest.fixture(scope="module")
def places():
    with places_on(mongod.standalone_url()) as places:
        yield places


@pytest.fixture
def engine(places):
    """Let MongoEngine write two people; give their collection's name."""
    options = {"uuidRepresentation": "standard", "tz_aware": True}
    mongoengine.connect(places.name, host=mongod.standalone_url(), **options)
    country = EngineCountry(name="England").save()
    address = EngineAddress(city="London", zip=10)
    links = {"address": address, "home": country, "birthplace": country}
    EnginePerson(**common("Ada", BORN), **links).save()
    EngineWorker(**common("Guido", date(1956, 1, 31)), job="python", **links).save()
    yield "engine_people"
    EnginePerson.drop_collection()
    EngineCountry.drop_collection()
    mongoengine.disconnect()


async def with_beanie(database, work):
    """Run something with Beanie on a client that is closed afterwards."""
    url = mongod.standalone_url()
    async with AsyncMongoClient(url, uuidRepresentation="standard") as client:
        models = [BeanieCountry, BeaniePerson]
        await beanie.init_beanie(database=client[database], document_models=models)
        return await work()


async def write_by_beanie():
    country = BeanieCountry(name="England")
    await country.insert()
    address = BeanieAddress(city="London", zip=10)
    for name, born in (("Ada", BORN), ("Guido", date(1956, 1, 31))):
        person = BeaniePerson(**common(name, born), address=address, home=country)
        await person.insert()


@pytest.fixture
def bean(places):
    """Let Beanie write two people; give their collection's name."""
    asyncio.run(with_beanie(places.name, write_by_beanie))
    yield "beanie_people"
    places.database["beanie_people"].drop()
    places.database["beanie_countries"].drop()


@pytest.fixture(params=["engine", "bean"])
def written(request):
    """Give the name of a collection that one of the two has written."""
    return request.getfixturevalue(request.param)


@pytest.fixture
def people(places, written):
    with places.storage(collection=written) as opened:
        yield opened


@pytest.fixture
def documents(places, written):
    return places.database[written]


def names(query):
    return [str(person) for person in query]


# Both.


def test_each_field_reads_as_it_was_written(people):
    ada = Person.objects(people).get(name="Ada")
    expected = common("Ada", BORN)
    del expected["uuid"]
    assert {name: getattr(ada, name) for name in expected} == expected
    assert (ada.address.city, ada.address.zip) == ("London", 10)


def test_keys_are_the_texts_of_object_ids(people, documents):
    expected = sorted(str(document["_id"]) for document in documents.find())
    assert sorted(people) == expected
    assert [people.get(Person, key).key for key in expected] == expected
    assert Person.objects(people).where(key=expected[0]).count() == 1


@pytest.mark.parametrize(
    ("lookups", "expected"),
    [
        ({"born": BORN}, ["Ada"]),
        ({"born__lt": date(1900, 1, 1)}, ["Ada"]),
        ({"born__gte": date(1900, 1, 1)}, ["Guido"]),
        ({"born__year": 1956}, ["Guido"]),
        ({"days__contains": date(2020, 2, 29)}, ["Ada", "Guido"]),
        ({"days": [BORN, date(2020, 2, 29)]}, ["Ada"]),
        ({"seen": SEEN}, ["Ada", "Guido"]),
        ({"seen__gt": SEEN}, []),
        ({"wage": Decimal("1.1")}, ["Ada", "Guido"]),
        ({"amount__gt": 2**32, "active": True}, ["Ada", "Guido"]),
        ({"raw": b"abc"}, ["Ada", "Guido"]),
        ({"tags__contains": "a"}, ["Ada", "Guido"]),
        ({"address__city": "London"}, ["Ada", "Guido"]),
        ({"address__city__startswith": "P"}, []),
        ({"more": {"a": {"b": [1, None]}}}, ["Ada", "Guido"]),
    ],
    ids=repr,
)
@pytest.mark.parametrize("has_indexes", [False, True])
def test_questions_are_answered(people, lookups, expected, has_indexes):
    if has_indexes:
        people.ensure_indexes(Person)
    asked = Person.objects(people).where(**lookups)
    assert names(asked.order_by("born")) == expected
    assert names(asked.order_by("-born")) == expected[::-1]
    assert asked.count() == len(expected)


def test_a_save_changes_one_field_alone(people, documents):
    before = documents.find_one({"name": "Ada"})
    ada = Person.objects(people).get(name="Ada")
    ada.amount = 7
    ada.save()
    assert documents.find_one({"name": "Ada"}) == {**before, "amount": 7}


def test_a_nested_field_is_changed_alone(people, documents):
    before = documents.find_one({"name": "Ada"})
    ada = Person.objects(people).get(name="Ada")
    ada.address.city = "Ockham"
    ada.save()
    address = {**before["address"], "city": "Ockham"}
    assert documents.find_one({"name": "Ada"}) == {**before, "address": address}


def test_updates_and_deletes_by_a_query(people, documents):
    before_1900 = Person.objects(people).where(born__lt=date(1900, 1, 1))
    assert before_1900.update(active=False) == 1
    assert documents.find_one({"active": False})["name"] == "Ada"
    assert before_1900.delete() == 1
    assert [document["name"] for document in documents.find()] == ["Guido"]


def test_what_has_no_kind_is_there_and_of_no_kind(people):
    uuid_there = Person.objects(people).where(F.uuid.exists())
    assert uuid_there.count() == 2
    assert Person.objects(people).where(F.uuid == str(UUID(int=5))).count() == 0


def test_values_come_in_order(people):
    assert Person.objects(people).values("born") == [BORN, date(1956, 1, 31)]


def test_a_reference_of_ours_to_a_record_of_theirs(places, people, written):
    countries = "engine_countries" if written == "engine_people" else "beanie_countries"
    with places.storage(collection=countries) as storage:
        england = Country.objects(storage).one()
    ada = Person.objects(people).get(name="Ada")
    ada.nationality = england
    ada.save()
    assert people[ada.key]["nationality"] == england.key
    assert names(Person.objects(people).where(nationality=england)) == ["Ada"]


# MongoEngine.


def test_the_class_of_mongoengine_is_a_condition(places, engine):
    with places.storage(collection=engine) as storage:
        assert names(Worker.objects(storage)) == ["Guido"]
        worker = Worker(name="Ada L.", job="poetry")
        key = worker.save(storage)
        assert storage[key]["_cls"] == "EnginePerson.EngineWorker"
        assert names(Worker.objects(storage).order_by("name")) == ["Ada L.", "Guido"]


def test_the_class_of_mongoengine_survives_a_save(places, engine):
    with places.storage(collection=engine) as storage:
        guido = Person.objects(storage).get(name="Guido")
        guido.name = "G."
        guido.save()
        assert storage[guido.key]["_cls"] == "EnginePerson.EngineWorker"


def test_mongoengine_reads_what_we_have_changed(places, engine):
    with places.storage(collection=engine) as storage:
        ada = Person.objects(storage).get(name="Ada")
        ada.born, ada.wage, ada.tags = date(1815, 12, 11), Decimal("2.20"), ["c"]
        ada.address.zip = 11
        ada.save()
    found = EnginePerson.objects.get(name="Ada")
    assert (found.born, found.tags, found.address.zip) == (
        date(1815, 12, 11),
        ["c"],
        11,
    )
    assert (found.wage, found.seen) == (Decimal("2.20"), SEEN)
    assert found.home.name == found.birthplace.name == "England"


def test_we_read_what_mongoengine_changed_in_our_record(places, engine):
    with places.storage(collection=engine) as storage:
        key = Person(name="Larry", born=date(1954, 9, 27)).save(storage, key="0" * 24)
        changed = places.database[engine].update_one(
            {"_id": key},
            {"$set": {"born": datetime(1954, 9, 28), "_cls": "EnginePerson"}},
        )
        assert changed.matched_count == 1
        assert storage.get(Person, key).born == date(1954, 9, 28)


@pytest.mark.parametrize("name", ["home", "birthplace"])
def test_references_of_mongoengine_are_untouched(places, engine, name):
    documents = places.database[engine]
    before = documents.find_one({"name": "Ada"})[name]
    assert isinstance(before, DBRef if name == "birthplace" else ObjectId)
    with places.storage(collection=engine) as storage:
        ada = Person.objects(storage).get(name="Ada")
        ada.name = "Augusta"
        ada.save()
        there = Person.objects(storage).where(getattr(F, name).exists())
        assert there.count() == 2
    assert documents.find_one({"name": "Augusta"})[name] == before


def test_a_reference_that_is_no_key_is_an_invalid_record(places, engine):
    class Resident(Model):
        name: str
        home: Reference[Country] | None = None

    with places.storage(collection=engine) as storage:
        with pytest.raises(InvalidRecord):
            list(Resident.objects(storage))
        assert Resident.objects(storage).skip_invalid().count() == 0


# Beanie.


def test_beanie_reads_what_we_have_changed(places, bean):
    with places.storage(collection=bean) as storage:
        ada = Person.objects(storage).get(name="Ada")
        ada.born, ada.wage, ada.tags = date(1815, 12, 11), Decimal("2.20"), ["c"]
        ada.address.zip = 11
        ada.save()

    async def ask():
        return await BeaniePerson.find_one(BeaniePerson.name == "Ada")

    found = asyncio.run(with_beanie(places.name, ask))
    assert (found.born, found.wage, found.tags) == (
        date(1815, 12, 11),
        Decimal("2.20"),
        ["c"],
    )
    assert (found.address.zip, found.uuid, found.pause) == (
        11,
        UUID(int=5),
        timedelta(seconds=1),
    )


def test_beanie_finds_our_dates(places, bean):
    with places.storage(collection=bean) as storage:
        ada = Person.objects(storage).get(name="Ada")
        ada.born = date(1900, 1, 1)
        ada.save()

    async def ask():
        return await BeaniePerson.find(BeaniePerson.born == date(1900, 1, 1)).count()

    assert asyncio.run(with_beanie(places.name, ask)) == 1


def test_everything_of_beanie_is_in_the_record(places, bean):
    with places.storage(collection=bean) as storage:
        (record,) = (r for _, r in storage.records() if r["name"] == "Ada")
    assert record["colour"] == "red"
    assert record["nothing"] is None
    assert record["numbers"] == [1]
    assert record["pause"] == 1.0
    assert record["wage"] == Decimal("1.10")


def test_a_model_of_memory_answers_the_same(places, bean):
    with (
        places.storage(collection=bean) as storage,
        pymodels.get_storage("memory://") as memory,
    ):
        for person in Person.objects(storage):
            Person(**person.model_dump()).save(memory, key=person.key)
        for asked in ({"born__year": 1956}, {"tags__contains": "b"}, {"score": 0.5}):
            found, expected = (
                sorted(Person.objects(one).where(**asked).keys())
                for one in (storage, memory)
            )
            assert found == expected
