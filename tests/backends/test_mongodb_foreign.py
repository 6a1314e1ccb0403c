"""Documents that the bare driver wrote: read naturally, changed carefully."""

import re
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import mongod
import pytest
from bson import Decimal128, Int64, ObjectId
from mongo_places import places_on

import pymodels
from pymodels import (
    DuplicateKey,
    F,
    InvalidRecord,
    Model,
    PyModelsError,
    RecordNotFound,
    Reference,
)
from pymodels.law.changes import Changes

pytestmark = pytest.mark.server

TEXT = "5f0f0f0f0f0f0f0f0f0f0f0f"


class Inner(Model):
    name: str | None = None


class Film(Model):
    title: str
    released: date | None = None
    shown: datetime | None = None
    price: Decimal | None = None
    poster: bytes | None = None
    premieres: list[date] = []
    inner: Inner | None = None
    follows: Reference["Film"] | None = None

    def __str__(self):
        return self.title


class Open(Model):
    """Nothing but the title is declared."""

    title: str
    value: Any = None


@pytest.fixture(scope="module")
def places():
    with places_on(mongod.standalone_url()) as places:
        yield places


@pytest.fixture
def storage(places):
    with places.storage() as opened:
        yield opened


@pytest.fixture
def films(places, storage):
    """The storage's collection, as another program sees it."""
    return places.collection(storage)


def titles(query):
    return [film.title for film in query]


# What the driver wrote is read as what it is.


def test_plain_values_read_as_they_are(storage, films):
    films.insert_one(
        {
            "_id": "m",
            "title": "Metropolis",
            "price": Decimal128("19.90"),
            "poster": b"abc",
            "inner": {"name": "x", "more": [1, 2.5, Int64(3), None, True]},
        }
    )
    film = storage.get(Film, "m")
    assert (film.title, film.price, film.poster) == (
        "Metropolis",
        Decimal("19.90"),
        b"abc",
    )
    record = storage["m"]
    assert record["inner"] == {"name": "x", "more": [1, 2.5, 3, None, True]}
    assert list(map(type, record["inner"]["more"][:3])) == [int, float, int]
    assert type(record["poster"]) is bytes


def test_an_unmarked_date_reads_as_declared(storage, films):
    midnight, evening = datetime(1927, 1, 10), datetime(1927, 1, 10, 20, 30)
    films.insert_one(
        {
            "_id": "m",
            "title": "Metropolis",
            "released": midnight,
            "shown": evening,
            "premieres": [midnight],
        }
    )
    film = storage.get(Film, "m")
    assert film.released == date(1927, 1, 10)
    assert film.shown == datetime(1927, 1, 10, 20, 30, tzinfo=UTC)
    assert film.premieres == [date(1927, 1, 10)]


def test_an_undeclared_date_reads_as_an_aware_datetime(storage, films):
    films.insert_one({"_id": "m", "title": "Metropolis", "seen": datetime(2020, 1, 1)})
    assert storage["m"]["seen"] == datetime(2020, 1, 1, tzinfo=UTC)
    seen = F.seen == datetime(2020, 1, 1, tzinfo=UTC)
    assert Film.objects(storage).where(seen).count() == 1
    assert Film.objects(storage).where(F.seen == date(2020, 1, 1)).count() == 0


@pytest.mark.parametrize(
    ("lookups", "expected"),
    [
        ({"released": date(1927, 1, 10)}, ["early"]),
        ({"released__gt": date(1927, 1, 10)}, ["late"]),
        ({"released__gte": date(1927, 1, 10)}, ["early", "late"]),
        ({"released__lt": date(1931, 5, 11)}, ["early"]),
        ({"released__between": (date(1900, 1, 1), date(1930, 1, 1))}, ["early"]),
        ({"released__in": [date(1931, 5, 11)]}, ["late"]),
        ({"released__year": 1931}, ["late"]),
        ({"released__month": 5}, ["late"]),
        ({"released__day": 10}, ["early"]),
        ({"released__ne": date(1927, 1, 10)}, ["late", "none"]),
        ({"released": None}, ["none"]),
        ({"premieres__contains": date(1927, 1, 10)}, ["early"]),
        ({"premieres": [date(1931, 5, 11)]}, ["late"]),
    ],
)
def test_foreign_dates_are_found_by_dates(storage, films, lookups, expected):
    early, late = datetime(1927, 1, 10), datetime(1931, 5, 11)
    films.insert_many(
        [
            {"_id": "e", "title": "early", "released": early, "premieres": [early]},
            {"_id": "l", "title": "late", "released": late, "premieres": [late]},
            {"_id": "n", "title": "none", "premieres": []},
        ]
    )
    asked = Film.objects(storage).where(**lookups)
    assert titles(asked.order_by("released")) == sorted(
        expected, key=["none", "early", "late"].index
    )
    assert asked.count() == len(expected)


def test_foreign_and_own_dates_are_ordered_together(storage, films):
    Film(title="ours", released=date(1929, 1, 1)).save(storage, key="o")
    films.insert_one({"_id": "e", "title": "early", "released": datetime(1927, 1, 10)})
    films.insert_one({"_id": "l", "title": "late", "released": datetime(1931, 5, 11)})
    ordered = Film.objects(storage).order_by("-released")
    assert titles(ordered) == ["late", "ours", "early"]
    before = Film.objects(storage).where(released__lt=date(1930, 1, 1))
    assert sorted(titles(before)) == ["early", "ours"]


def test_a_time_of_day_in_a_date_field_is_a_datetime(storage, films):
    films.insert_one({"_id": "m", "title": "M", "released": datetime(1931, 5, 11, 20)})
    asked = Film.objects(storage)
    assert asked.where(released=date(1931, 5, 11)).count() == 0
    assert asked.where(released__exists=True).count() == 1
    with pytest.raises(InvalidRecord) as caught:
        storage.get(Film, "m")
    assert caught.value.key == "m"


def test_a_note_of_kinds_that_is_not_ours_is_no_note(storage, films):
    day = datetime(1931, 5, 11)
    for number, kinds in enumerate(
        ["x", 7, None, [], ["date"], {"released": "day"}, {"released": {"a": "date"}}]
    ):
        document = {"_id": f"{number}", "title": "M", "released": day, "_kinds": kinds}
        films.insert_one(document)
        assert storage.get(Film, f"{number}").released == date(1931, 5, 11)
        assert "_kinds" not in storage[f"{number}"]
    found = Film.objects(storage).where(released=date(1931, 5, 11))
    assert found.count() == films.count_documents({})


def test_a_note_that_was_outlived_is_no_note(storage, films):
    Film(title="M", premieres=[date(1931, 5, 11)]).save(storage, key="m")
    films.update_one({"_id": "m"}, {"$push": {"premieres": datetime(1931, 8, 31)}})
    expected = [date(1931, 5, 11), date(1931, 8, 31)]
    assert storage.get(Film, "m").premieres == expected
    assert Film.objects(storage).where(premieres=expected).count() == 1
    films.update_one({"_id": "m"}, {"$set": {"premieres": "none"}})
    assert storage["m"]["premieres"] == "none"


def test_names_that_are_ours_are_kept_apart(storage, films):
    storage["m"] = {"title": "M", "_id": 1, "_kinds": {"a": "date"}, "__id": 2}
    document = films.find_one({"_id": "m"})
    assert document == {
        "_id": "m",
        "title": "M",
        "__id": 1,
        "__kinds": {"a": "date"},
        "___id": 2,
    }
    found = Open.objects(storage)
    assert found.where(F["_id"] == 1).count() == 1
    assert found.where(F["_kinds"]["a"] == "date").count() == 1
    assert found.where(F["__id"] == 2).count() == 1


# Keys.


@pytest.fixture
def foreign(films):
    """Give the key of a document whose _id is an ObjectId."""
    films.insert_one({"_id": ObjectId(TEXT), "title": "foreign"})
    return TEXT


def test_an_object_id_is_found_by_its_text(storage, foreign):
    film = storage.get(Film, foreign)
    assert (film.title, film.key) == ("foreign", foreign)
    assert storage[foreign] == {"title": "foreign"}
    assert foreign in storage
    assert list(storage) == [foreign]
    assert list(storage.records()) == [(foreign, {"title": "foreign"})]
    assert [f.key for f in storage.get_many(Film, [foreign, "no"])] == [foreign]
    assert list(Film.objects(storage).keys()) == [foreign]


@pytest.mark.parametrize(
    "lookups",
    [
        {"key": TEXT},
        {"pk": TEXT},
        {"key__in": [TEXT, "x"]},
        {"key__startswith": "5f0f"},
        {"key__gt": "5f"},
        {"key__between": ("5", "6")},
        {"key__ne": "x"},
        {"key__endswith": "0f"},
        {"key__icontains": "5F0F"},
        {"key__matches": "^[0-9a-f]{24}$"},
    ],
)
def test_an_object_id_is_asked_for_by_its_text(storage, foreign, lookups):
    assert Film.objects(storage).where(**lookups).count() == 1
    assert titles(Film.objects(storage).where(**lookups)) == ["foreign"]
    assert Film.objects(storage).where_not(**lookups).count() == 0


def test_an_object_id_has_one_text(storage, foreign):
    assert foreign.upper() not in storage
    assert Film.objects(storage).where(key=foreign.upper()).count() == 0


def test_an_object_id_survives_a_save(storage, films, foreign):
    film = storage.get(Film, foreign)
    film.title = "changed"
    assert film.save() == foreign
    assert films.find_one() == {"_id": ObjectId(TEXT), "title": "changed"}
    storage[foreign] = {"title": "replaced"}
    assert films.find_one() == {"_id": ObjectId(TEXT), "title": "replaced"}
    with pytest.raises(DuplicateKey):
        Film(title="x").save(storage, key=foreign)
    Film(title="y").save(storage, key=foreign, replace=True)
    assert [d["_id"] for d in films.find()] == [ObjectId(TEXT)]


def test_an_object_id_is_deleted_by_its_text(storage, films, foreign):
    storage.get(Film, foreign).delete()
    assert films.count_documents({}) == 0
    with pytest.raises(RecordNotFound):
        storage.delete(foreign)
    films.insert_one({"_id": ObjectId(TEXT), "title": "foreign"})
    del storage[foreign]
    assert films.count_documents({}) == 0


def test_object_ids_are_changed_and_deleted_by_queries(storage, films, foreign):
    storage["text"] = {"title": "text"}
    assert Film.objects(storage).where(key=foreign).update(title="new") == 1
    assert films.find_one({"_id": ObjectId(TEXT)})["title"] == "new"
    assert Film.objects(storage).update(title="all") == 2
    assert Film.objects(storage).where(key=foreign).delete() == 1
    assert list(storage) == ["text"]


def test_a_text_key_comes_before_an_object_id_of_the_same_text(storage, films, foreign):
    films.insert_one({"_id": TEXT, "title": "text"})
    assert storage[foreign] == {"title": "text"}
    assert storage.get(Film, foreign).title == "text"
    storage.delete(foreign)
    assert storage[foreign] == {"title": "foreign"}


def test_object_ids_sort_after_all_text_keys(storage, films):
    films.insert_many(
        [
            {"_id": ObjectId("0" * 24), "title": "first id"},
            {"_id": "zzz", "title": "last text"},
            {"_id": "a", "title": "a"},
            {"_id": ObjectId("f" * 24), "title": "last id"},
        ]
    )
    expected = ["a", "last text", "first id", "last id"]
    films_of = Film.objects(storage)
    assert titles(films_of.order_by("key")) == expected
    assert titles(films_of.order_by("-key")) == expected[::-1]
    assert titles(films_of[1:3]) == expected[1:3]
    assert titles(films_of.order_by("released")) == expected
    assert titles(films_of.order_by("-released")[:2]) == expected[::-1][:2]


def test_generated_keys_stay_text_beside_object_ids(storage, films, foreign):
    key = Film(title="ours").save(storage)
    assert films.find_one({"title": "ours"})["_id"] == key


def test_a_reference_to_an_object_id_holds_its_text(storage, films, foreign):
    Film(title="two", follows=storage.get(Film, foreign)).save(storage, key="two")
    assert films.find_one({"_id": "two"})["follows"] == TEXT
    assert storage.get(Film, "two").follows.load().title == "foreign"
    asked = Film.objects(storage).where(follows=storage.get(Film, foreign))
    assert titles(asked) == ["two"]
    (two,) = Film.objects(storage).where(key="two").prefetch("follows")
    assert two.follows.load().title == "foreign"


@pytest.mark.parametrize(
    "key",
    [7, 7.5, Int64(2**40), True, None, {"a": 1}, b"abc", datetime(2020, 1, 1)],
    ids=repr,
)
def test_documents_under_other_keys_do_no_harm(storage, films, key):
    """They are invisible, or appear under some text, the same to everyone."""
    storage["ours"] = {"title": "ours"}
    films.insert_one({"_id": key, "title": "odd"})
    seen = sorted(storage)
    assert "ours" in seen
    assert len(storage) == len(seen) == Film.objects(storage).count()
    assert sorted(titles(Film.objects(storage))) in (["ours"], ["odd", "ours"])
    assert len(titles(Film.objects(storage).order_by("title"))) == len(seen)
    assert len(list(storage.records())) == len(seen)
    assert Film.objects(storage).update(title="new") == len(seen)
    assert Film.objects(storage).delete() == len(seen)
    assert films.count_documents({}) == 2 - len(seen)


# Foreign records, changed.


def test_a_date_written_into_a_foreign_record_is_marked(storage, films):
    films.insert_one(
        {"_id": "m", "title": "M", "released": datetime(1931, 5, 10), "seen": [1]}
    )
    film = storage.get(Film, "m")
    film.released = date(1931, 5, 11)
    film.save()
    document = films.find_one({"_id": "m"})
    assert document["released"] == datetime(1931, 5, 11)
    assert document["_kinds"] == {"released": "date"}
    assert storage["m"]["released"] == date(1931, 5, 11)


def test_a_save_leaves_the_meaning_of_foreign_dates(storage, films):
    moment = datetime(2020, 1, 1)
    films.insert_one(
        {"_id": "m", "title": "M", "released": moment, "other": moment, "shown": moment}
    )
    film = storage.get(Film, "m")
    film.title = "N"
    film.save()
    film = storage.get(Film, "m")
    assert film.released == date(2020, 1, 1)
    assert film.shown == datetime(2020, 1, 1, tzinfo=UTC)
    assert storage["m"]["other"] == datetime(2020, 1, 1, tzinfo=UTC)


def test_a_foreign_list_is_replaced_whole(storage, films):
    films.insert_one({"_id": "m", "title": "M", "premieres": [datetime(2020, 1, 1)]})
    film = storage.get(Film, "m")
    film.premieres.append(date(2020, 1, 2))
    film.save()
    assert storage["m"]["premieres"] == [date(2020, 1, 1), date(2020, 1, 2)]


def test_a_map_that_became_something_else_is_written_whole(storage, films):
    films.insert_one({"_id": "m", "title": "M", "inner": {"name": "x", "more": 1}})
    for usurper in (None, 7, "text", [{"name": "x"}], datetime(2020, 1, 1)):
        films.update_one({"_id": "m"}, {"$set": {"inner": {"name": "x", "more": 1}}})
        film = storage.get(Film, "m")
        films.update_one({"_id": "m"}, {"$set": {"inner": usurper}})
        film.inner.name = "y"
        film.save()
        assert films.find_one({"_id": "m"})["inner"] == {"name": "y"}


def test_a_map_that_is_gone_is_made_again(storage, films):
    films.insert_one({"_id": "m", "title": "M", "inner": {"name": "x"}})
    film = storage.get(Film, "m")
    films.update_one({"_id": "m"}, {"$unset": {"inner": 1}})
    film.inner.name = "y"
    film.save()
    assert films.find_one({"_id": "m"})["inner"] == {"name": "y"}


def test_another_program_sees_what_we_wrote(storage, films):
    Film(
        title="M",
        released=date(1931, 5, 11),
        shown=datetime(1931, 5, 11, 20, tzinfo=UTC),
        price=Decimal("1.10"),
        poster=b"abc",
        inner=Inner(name="x"),
    ).save(storage, key="m")
    assert films.find_one() == {
        "_id": "m",
        "title": "M",
        "released": datetime(1931, 5, 11),
        "shown": datetime(1931, 5, 11, 20),
        "price": Decimal128("1.10"),
        "poster": b"abc",
        "premieres": [],
        "inner": {"name": "x"},
        "follows": None,
        "_kinds": {"released": "date", "shown": "datetime"},
    }
    assert films.count_documents({"released": {"$lt": datetime(1932, 1, 1)}}) == 1


# Views and other places.


def test_a_view_is_read(places, storage):
    storage["a"] = {"title": "seen", "value": 1}
    storage["b"] = {"title": "hidden", "value": 2}
    source = places.collection(storage).name
    places.database.command(
        "create", "odd_view", viewOn=source, pipeline=[{"$match": {"value": 1}}]
    )
    with places.storage(collection="odd_view") as view:
        assert list(view) == ["a"]
        assert titles(Open.objects(view).order_by("title")) == ["seen"]
        assert Open.objects(view).where(value=1).count() == 1
        with pytest.raises(pymodels.StorageError, match="odd_view"):
            view["c"] = {"title": "c"}
    places.database["odd_view"].drop()


def test_an_invalid_record_names_its_key(storage, films):
    films.insert_one({"_id": ObjectId(TEXT), "title": "M", "price": Decimal128("1.5")})
    films.update_one({}, {"$set": {"poster": 5}})
    with pytest.raises(InvalidRecord) as caught:
        storage.get(Film, TEXT)
    assert caught.value.key == TEXT
    assert Film.objects(storage).skip_invalid().count() == 0


def test_a_pattern_of_python_is_no_value(storage):
    with pytest.raises((PyModelsError, TypeError)):
        storage["m"] = {"title": "M", "value": re.compile("x")}


def test_a_collection_that_folds_case_tells_keys_apart_all_the_same(places):
    collation = {"locale": "en", "strength": 2}
    places.database.create_collection("folded", collation=collation)
    with places.storage(collection="folded") as storage:
        storage["a"] = {"title": "small"}
        assert "A" not in storage
        assert storage.get_many(Film, ["A", "B"]) == []
        with pytest.raises(RecordNotFound):
            storage.delete("A")
        assert not storage.patch("A", Changes({("title",): "x"}))
        assert storage["a"] == {"title": "small"}
