"""Tables of other programs: read naturally, changed carefully, otherwise left alone."""

import json
import sqlite3
from contextlib import closing
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from pymodels import (
    DuplicateKey,
    EncodeError,
    F,
    Index,
    InvalidRecord,
    Model,
    RecordNotFound,
    SettingsError,
    StorageError,
)
from pymodels.backends.sqlite import Storage
from pymodels.testing.each import each


class Film(Model):
    title: str
    released: date | None = None
    price: Decimal | None = None
    poster: bytes | None = None
    shown: datetime | None = None
    premieres: list[date] = []
    cast: dict[str, str] = {}

    def __str__(self):
        return self.title


class Titled(Model):
    """Nothing but the title is declared."""

    title: str
    anything: Any = None


class Körper(Model):
    größe: int
    straße: str | None = None


BODY = {
    "title": "Metropolis",
    "released": "1927-01-10",
    "price": "19.90",
    "poster": "YWJj",
    "shown": "1927-01-10T20:00:00+00:00",
    "premieres": ["1927-01-10", "1927-02-01"],
    "cast": {"Maria": "Helm", "Freder": "Fröhlich"},
    "rating": 8.50,
    "seen": "2020-01-01",
}

TABLES = {
    "plain": "CREATE TABLE films (id TEXT PRIMARY KEY, data TEXT)",
    "more columns": "CREATE TABLE films (year INTEGER NOT NULL DEFAULT 1900, id TEXT "
    "PRIMARY KEY, data TEXT NOT NULL, watched TEXT)",
    "whole keys": "CREATE TABLE films (id INTEGER PRIMARY KEY, data TEXT)",
    "without rowid": "CREATE TABLE films (id TEXT PRIMARY KEY, data JSON) "
    "WITHOUT ROWID",
    "another unique column": "CREATE TABLE films (number INTEGER PRIMARY KEY, "
    "id TEXT NOT NULL UNIQUE, data TEXT)",
    "a unique index": "CREATE TABLE films (id VARCHAR(20), data TEXT); "
    "CREATE UNIQUE INDEX one_id ON films (id)",
    "a note of kinds": "CREATE TABLE films (id TEXT PRIMARY KEY, data TEXT, "
    "kinds TEXT)",
    "a generated column": "CREATE TABLE films (id TEXT PRIMARY KEY, data TEXT, "
    "title TEXT GENERATED ALWAYS AS (json_extract(data,'$.title')))",
}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "films.db"


def run(path, script, *parameters):
    """Do something as another program."""
    with closing(sqlite3.connect(path)) as connection, connection:
        if not parameters:
            connection.executescript(script)
            return []
        return connection.execute(script, parameters).fetchall()


def rows(path, sql):
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(sql).fetchall()


def film(path, key="7", body=BODY, **how):
    text = body if isinstance(body, str) else json.dumps(body, **how)
    run(path, "INSERT INTO films (id, data) VALUES (?, ?)", key, text)


def opened(path, **settings):
    columns = {"table": "films", "key_column": "id", "body_column": "data"}
    return Storage(path, **columns | settings)


@pytest.fixture(params=TABLES)
def films(request, path):
    """A table of each kind, with one film in it."""
    run(path, TABLES[request.param])
    film(path)
    with opened(path) as storage:
        yield storage


@pytest.fixture
def plain(path):
    run(path, TABLES["plain"])
    film(path)
    with opened(path) as storage:
        yield storage


# Reading.


def test_a_record_reads_as_it_is_declared(films):
    (found,) = Film.objects(films)
    assert (found.key, found.title) == ("7", "Metropolis")
    assert found.released == date(1927, 1, 10)
    assert str(found.price) == "19.90"
    assert found.poster == b"abc"
    assert found.shown == datetime(1927, 1, 10, 20, tzinfo=UTC)
    assert found.cast == {"Maria": "Helm", "Freder": "Fröhlich"}
    assert films.get(Film, "7").title == "Metropolis"
    assert films["7"] == BODY
    assert list(films) == ["7"]
    assert len(films) == 1
    assert "7" in films
    assert "8" not in films


@each(
    "condition",
    [
        F.released == date(1927, 1, 10),
        F.released.year(1927),
        F.released < date(1930, 1, 1),
        F.price == Decimal("19.9"),
        F.price.between(19, 20),
        F.poster == b"abc",
        F.shown >= datetime(1927, 1, 10, tzinfo=UTC),
        F.premieres.contains(date(1927, 1, 10)),
        F.cast.Freder.startswith("Fröh"),
        F.rating == Decimal("8.5"),
        F.seen == "2020-01-01",  # not declared: a string
        ~(F.title > "N"),
        F.key == "7",
    ],
    ids=str,
)
def test_questions_meet_what_is_declared(films, condition):
    query = Film.objects(films).where(condition)
    assert query.count() == 1
    assert [one.key for one in query.order_by("released", "-price")] == ["7"]
    assert Film.objects(films).where(~condition).count() == 0


def test_what_is_not_canonical_is_a_string(plain, path):
    spellings = ["1927-1-10", "10.1.1927", "1927-02-30", "1927-01-10T00:00:00", ""]
    for number, text in enumerate(spellings):
        film(path, f"text {number}", {"title": "x", "released": text})
    found = Film.objects(plain).where(F.released.in_(spellings))
    assert found.count() == len(spellings)
    assert Film.objects(plain).where(released__exists=True).count() == 6
    assert Film.objects(plain).where(released__year=1927).count() == 1


def test_another_offset_is_no_canonical_datetime(plain, path):
    film(path, "8", {"title": "M", "shown": "1931-05-11T21:00:00+01:00"})
    queries = Film.objects(plain)
    assert queries.where(F.shown == "1931-05-11T21:00:00+01:00").count() == 1
    moment = datetime(1931, 5, 11, 20, tzinfo=UTC)
    assert queries.where(shown=moment).count() == 0
    assert queries.where_not(shown=moment).count() == 2


@pytest.mark.parametrize("indent", [None, 2], ids=["compact", "pretty"])
def test_escaped_names_and_texts_are_read_and_asked(plain, path, indent):
    plain.clear()
    film(path, "a", {"größe": 5, "straße": "Ölweg"}, ensure_ascii=True, indent=indent)
    film(path, "b", {"größe": 7, "straße": "Weg"}, ensure_ascii=False, indent=indent)
    queries = Körper.objects(plain)
    assert queries.count() == 2
    assert list(queries.where(größe=5).keys()) == ["a"]
    assert list(queries.where(straße__startswith="Ö").keys()) == ["a"]
    assert list(queries.order_by("-größe").keys()) == ["b", "a"]
    assert queries.values("straße") == ["Weg", "Ölweg"]


def test_changes_meet_escaped_names_where_they_stand(plain, path):
    plain.clear()
    film(path, "a", {"größe": 5, "straße": "Ölweg"}, ensure_ascii=True)
    one = plain.get(Körper, "a")
    one.größe = 6
    one.save()
    assert Körper.objects(plain).update(straße="Neu") == 1
    ((text,),) = rows(path, "SELECT data FROM films")
    assert json.loads(text, object_pairs_hook=list) == [
        ["größe", 6],
        ["straße", "Neu"],
    ] or json.loads(text, object_pairs_hook=list) == [("größe", 6), ("straße", "Neu")]
    assert plain["a"] == {"größe": 6, "straße": "Neu"}


# Saving changes.


def others(path):
    """Give all that is not ours: names of tables and indexes."""
    return rows(path, "SELECT type, name, sql FROM sqlite_schema ORDER BY name")


def test_a_change_is_saved_and_the_rest_stays(films, path):
    before = others(path)
    found = films.get(Film, "7")
    found.released = date(1927, 1, 11)
    found.price = Decimal("20.00")
    found.save()
    expected = BODY | {"released": "1927-01-11", "price": "20.00"}
    assert films["7"] == expected
    assert films.get(Film, "7").price == Decimal("20.00")
    assert found.released == date(1927, 1, 11)
    found.title = "M"
    found.save()
    assert films["7"] == expected | {"title": "M"}
    assert others(path) == before


def test_columns_of_the_other_program_stay(path):
    run(path, TABLES["more columns"])
    sql = "INSERT INTO films VALUES (?, ?, ?, ?)"
    run(path, sql, 1927, "7", json.dumps(BODY), "yes")
    with opened(path) as storage:
        found = storage.get(Film, "7")
        found.title = "M"
        found.save()
        Film(title="N").save(storage, key="7", replace=True)
        assert Film.objects(storage).update(title="O") == 1
    (row,) = rows(path, "SELECT year, id, watched FROM films")
    assert row == (1927, "7", "yes")


def test_a_number_that_is_not_touched_stays_as_it_was_spelled(plain, path):
    film(path, "8", '{"title": "M", "a": 1.50, "b": 1E3, "c": 123456789012345678901}')
    found = plain.get(Film, "8")
    found.title = "N"
    found.save()
    ((text,),) = rows(path, "SELECT data FROM films WHERE id='8'")
    assert text == '{"title":"N","a":1.50,"b":1E3,"c":123456789012345678901}'


def test_updates_and_deletes_by_query_work(films, path):
    queries = Film.objects(films)
    assert queries.where(released__year=1927).update(released=date(1928, 1, 1)) == 1
    assert films["7"] == BODY | {"released": "1928-01-01"}
    assert queries.where(released__year=1928).update(cast__Maria="Brigitte") == 1
    assert films["7"]["cast"]["Maria"] == "Brigitte"
    assert queries.where(released__year=1927).delete() == 0
    assert queries.where(released__year=1928)[:1].delete() == 1
    assert rows(path, "SELECT count(*) FROM films") == [(0,)]


def test_a_record_is_deleted_by_its_key(films):
    films.delete("7")
    with pytest.raises(RecordNotFound):
        films.delete("7")
    assert len(films) == 0


def test_a_record_that_is_gone_is_told(films, path):
    found = films.get(Film, "7")
    run(path, "DELETE FROM films")
    found.title = "M"
    with pytest.raises(RecordNotFound):
        found.save()


# New records.


def test_new_records_are_written_naturally(films):
    new = Film(title="M", released=date(1931, 5, 11), price=Decimal("1.50"))
    new.save(films, key="8")
    if films.table.has_note:
        assert films["8"]["released"] == date(1931, 5, 11)
    else:
        assert films["8"]["released"] == "1931-05-11"
    assert [one.key for one in Film.objects(films).where(released__year=1931)] == ["8"]
    assert films.get(Film, "8") == new
    with pytest.raises(DuplicateKey):
        Film(title="N").save(films, key="8")


def test_a_column_without_a_default_makes_new_records_impossible(path):
    run(path, "CREATE TABLE films (id TEXT PRIMARY KEY, data TEXT, year INT NOT NULL)")
    run(path, "INSERT INTO films VALUES (?, ?, ?)", "7", json.dumps(BODY), 1927)
    with opened(path) as storage:
        with pytest.raises(StorageError, match=r"films\.year"):
            Film(title="M").save(storage, key="8")
        with pytest.raises(StorageError, match=r"films\.year"):
            storage.save_many([Film(title="M"), Film(title="N")])
        found = storage.get(Film, "7")
        found.title = "M"
        found.save()
        assert len(storage) == 1
        found.delete()
    assert rows(path, "SELECT * FROM films") == []


# Whole numbers as keys.


@pytest.fixture
def numbered(path):
    run(path, TABLES["whole keys"])
    for number in (5, 7, 10, -3):
        film(path, number, BODY | {"title": f"film {number}"})
    with opened(path) as storage:
        yield storage


def test_whole_keys_are_their_texts(numbered):
    assert set(numbered) == {"5", "7", "10", "-3"}
    assert [one.key for one in Film.objects(numbered).order_by("key")] == [
        *("-3", "10", "5", "7")
    ]
    assert [one.key for one in Film.objects(numbered)[1:3]] == ["10", "5"]
    assert numbered.get_many(Film, ["10", "05", "5"])[1].key == "5"
    assert Film.objects(numbered).where(key__startswith="1").count() == 1
    assert Film.objects(numbered).where(key="5").one().title == "film 5"
    assert "10" in Film.objects(numbered)


@pytest.mark.parametrize("key", ["05", "5.0", "+5", " 5", "5 ", "5e0", "0x5", "x", "٥"])
def test_another_spelling_is_another_key(numbered, key):
    assert key not in numbered
    assert key not in Film.objects(numbered)
    assert Film.objects(numbered).where(key=key).count() == 0
    assert Film.objects(numbered).where(key__in=[key]).count() == 0
    assert numbered.get_many(Film, [key, "5"])[0].key == "5"
    with pytest.raises(RecordNotFound):
        numbered.get(Film, key)
    with pytest.raises(RecordNotFound):
        numbered.delete(key)
    with pytest.raises(EncodeError, match="whole numbers"):
        Film(title="M").save(numbered, key=key)
    with pytest.raises(EncodeError, match="whole numbers"):
        numbered[key] = {"title": "M"}
    assert len(numbered) == 4


def test_new_records_need_a_whole_key(numbered):
    with pytest.raises(EncodeError, match=r"save\(key='42'\)"):
        Film(title="M").save(numbered)
    with pytest.raises(EncodeError, match="whole numbers"):
        numbered.save_many([Film(title="M")])
    assert Film(title="M").save(numbered, key="42") == "42"
    assert numbered.get(Film, "42").title == "M"
    with pytest.raises(DuplicateKey):
        Film(title="M").save(numbered, key="42")


def test_a_whole_key_beyond_the_column_is_refused(numbered):
    with pytest.raises((EncodeError, StorageError)):
        Film(title="M").save(numbered, key=str(2**63))
    assert str(2**63) not in numbered
    assert len(numbered) == 4


def test_records_with_whole_keys_are_changed_and_deleted(numbered, path):
    found = numbered.get(Film, "5")
    found.title = "changed"
    found.save()
    found.refresh()
    assert found.title == "changed"
    assert Film.objects(numbered).where(key__in=["7", "10"]).update(title="x") == 2
    assert Film.objects(numbered).order_by("key")[:1].delete() == 1
    numbered.delete("10")
    assert rows(path, "SELECT id, typeof(id) FROM films ORDER BY id") == [
        (5, "integer"),
        (7, "integer"),
    ]


@pytest.mark.parametrize("type_", ["", "BLOB", "NUMERIC", "REAL", "ANY"])
def test_a_key_column_of_another_type_gives_texts(path, type_):
    run(path, f"CREATE TABLE films (id {type_} PRIMARY KEY, data TEXT)")
    film(path, 5)
    film(path, "word")
    with opened(path) as storage:
        keys = set(storage)
        assert all(isinstance(key, str) for key in keys)
        assert "word" in keys
        for key in keys:
            found = storage.get(Film, key)
            found.title = f"found by {key}"
            found.save()
            assert storage[key]["title"] == f"found by {key}"
        assert Film.objects(storage).where(key__in=list(keys)).count() == 2
        assert {one.key for one in Film.objects(storage).order_by("key")} == keys
        for key in keys:
            storage.delete(key)
        assert len(storage) == 0


def test_keys_beyond_our_rules_are_read(plain, path):
    odd = ["x" * 2000, "", "with\nline", "\ufeff"]
    for key in odd:
        film(path, key)
    assert set(plain) == {"7", *odd}
    assert {one.key for one in Film.objects(plain)} == {"7", *odd}
    assert Film.objects(plain).where(key__startswith="x").count() == 1
    assert Film.objects(plain).where(key="x" * 2000).delete() == 1
    assert Film.objects(plain).update(title="M") == 4
    for one in Film.objects(plain).where(key__startswith="with"):
        one.title = "N"
        one.save()
    assert plain["with\nline"]["title"] == "N"


# The note of kinds, or none.


def test_what_no_declared_type_tells_needs_a_note(plain, path):
    for value in (date(2020, 1, 1), Decimal(1), b"x", datetime(2020, 1, 1), [b"x"]):
        with pytest.raises(EncodeError, match=r"no column 'kinds'.*ALTER TABLE"):
            plain["8"] = {"value": value}
        with pytest.raises(EncodeError, match="no column 'kinds'"):
            Titled(title="M", anything=value).save(plain, key="8")
        found = plain.get(Titled, "7")
        found.anything = value
        with pytest.raises(EncodeError, match="no column 'kinds'"):
            found.save()
        with pytest.raises(EncodeError, match="no column 'kinds'"):
            Titled.objects(plain).update(anything=value)
    assert dict(plain.records()) == {"7": BODY}
    run(path, "ALTER TABLE films ADD COLUMN kinds TEXT")
    with opened(path) as noted:
        noted["8"] = {"value": date(2020, 1, 1)}
        assert noted["8"] == {"value": date(2020, 1, 1)}


def test_a_text_that_would_read_as_a_date_needs_a_note(plain):
    class Dated(Model):
        when: date | bytes

    assert Dated(when=date(2020, 1, 1)).save(plain, key="8")
    assert plain.get(Dated, "8").when == date(2020, 1, 1)
    assert Dated(when=b"abc").save(plain, key="9")
    assert plain.get(Dated, "9").when == b"abc"


def test_plain_values_are_written_without_a_note(plain):
    record = {"a": 1, "b": [1.5, None, True], "c": {"d": "text"}}
    plain["8"] = record
    assert plain["8"] == record


def test_a_row_that_needs_a_note_gets_one_and_keeps_its_meaning(path):
    run(path, TABLES["a note of kinds"])
    film(path)
    with opened(path) as storage:
        found = storage.get(Film, "7")
        found.title = "M"
        found.save()
        assert rows(path, "SELECT kinds FROM films") == [(None,)]
        titled = storage.get(Titled, "7")
        titled.anything = date(2020, 1, 1)
        titled.save()
        ((note,),) = rows(path, "SELECT kinds FROM films")
        assert json.loads(note)["anything"] == "date"
        assert storage.get(Titled, "7").anything == date(2020, 1, 1)
        assert storage["7"]["released"] == "1927-01-10"


def test_a_column_of_notes_may_be_called_otherwise(path):
    run(path, "CREATE TABLE films (id TEXT PRIMARY KEY, data TEXT, notes TEXT)")
    film(path)
    with opened(path, kinds_column="notes") as storage:
        storage["8"] = {"value": date(2020, 1, 1)}
        assert storage["8"] == {"value": date(2020, 1, 1)}
        assert storage.get(Film, "7").released == date(1927, 1, 10)
    with opened(path) as without:
        assert without["8"] == {"value": "2020-01-01"}


def test_a_column_that_is_no_note_is_told_by_a_key_of_its(path):
    run(path, TABLES["a note of kinds"])
    film(path)
    run(path, "INSERT INTO films VALUES (?, ?, ?)", "8", json.dumps(BODY), "drama")
    with opened(path) as storage:
        with pytest.raises(InvalidRecord, match="'8'"):
            Film.objects(storage).where(released__year=1927).count()
        with pytest.raises(InvalidRecord, match="'8'"):
            storage["8"]
    with opened(path, kinds_column="no such column") as storage:
        assert Film.objects(storage).where(released__year=1927).count() == 2


# Tables that do not do.


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("CREATE TABLE films (id TEXT, data TEXT)", "'id' of 'films' is not unique"),
        (
            "CREATE TABLE films (id TEXT, two TEXT, data TEXT, PRIMARY KEY (id, two))",
            "'id' of 'films' is not unique",
        ),
        (
            "CREATE TABLE films (id TEXT, data TEXT); "
            "CREATE UNIQUE INDEX some ON films (id) WHERE data IS NOT NULL",
            "'id' of 'films' is not unique",
        ),
        (
            "CREATE TABLE films (id TEXT, data TEXT); "
            "CREATE UNIQUE INDEX two ON films (lower(id))",
            "'id' of 'films' is not unique",
        ),
        (
            "CREATE TABLE films (name TEXT PRIMARY KEY, data TEXT)",
            "no column 'id' for the setting key_column; it has name, data",
        ),
        (
            "CREATE TABLE films (id TEXT PRIMARY KEY, json TEXT)",
            "no column 'data' for the setting body_column; it has id, json",
        ),
        (
            "CREATE TABLE films (id TEXT COLLATE NOCASE PRIMARY KEY, data TEXT)",
            "collation",
        ),
    ],
)
def test_a_table_that_does_not_do_is_refused(path, sql, message):
    run(path, sql)
    before = others(path)
    with pytest.raises(SettingsError, match=message):
        opened(path)
    assert others(path) == before


def test_columns_must_differ(path):
    with pytest.raises(SettingsError, match="must differ"):
        opened(path, body_column="id")


# Views.


def test_a_view_can_be_read(path):
    run(
        path,
        "CREATE TABLE films (number INTEGER PRIMARY KEY, title TEXT, released TEXT);"
        "INSERT INTO films VALUES (1, 'Metropolis', '1927-01-10'), (2, 'M', NULL);"
        "CREATE VIEW seen AS SELECT 'film ' || number AS id, "
        "json_object('title', title, 'released', released) AS data FROM films;"
        "CREATE VIEW numbered AS SELECT number AS id, data FROM films JOIN seen "
        "ON id='film ' || number;",
    )
    for table, key in {"seen": "film 1", "numbered": "1"}.items():
        with opened(path, table=table) as storage:
            (found,) = Film.objects(storage).where(released__year=1927)
            assert found.key == key
            assert storage.get(Film, key).title == "Metropolis"
            assert [one.title for one in Film.objects(storage).order_by("title")] == [
                *("M", "Metropolis")
            ]
            assert Film.objects(storage).count() == len(storage) == 2
            found.title = "N"
            with pytest.raises(StorageError, match="view"):
                found.save()
            with pytest.raises(StorageError, match="view"):
                found.delete()
            with pytest.raises(StorageError, match="view"):
                Film(title="N").save(storage, key="3")
            with pytest.raises(StorageError, match="view"):
                Film.objects(storage).update(title="N")


def test_a_view_with_a_key_twice_is_refused(path):
    run(
        path,
        "CREATE VIEW films AS SELECT 'x' AS id, '{}' AS data "
        "UNION ALL VALUES('x', '{}')",
    )
    with pytest.raises(SettingsError, match="not unique"):
        opened(path)


# What is no record.

BROKEN = {
    "no JSON": "title: M",
    "cut": '{"title": "M"',
    "empty": "",
    "a list": '["title"]',
    "a number": "5",
    "a text": '"title"',
    "null": "null",
    "not a number": '{"title": NaN}',
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_row_that_is_no_record_is_told_by_its_key(plain, path, name):
    film(path, "8", BROKEN[name])
    queries = Film.objects(plain)
    is_json = name in {"a list", "a number", "a text", "null"}
    if is_json:
        # It has no title, so it is no film; nothing else is in the way.
        assert [one.key for one in queries] == ["7"]
        assert queries.count() == 1
        assert queries.where(title="Metropolis").update(title="N") == 1
    else:
        for ask in (
            list,
            lambda one: list(one.keys()),
            lambda one: one.count(),
            lambda one: one.where(title="M").exists(),
            lambda one: list(one.order_by("title")),
            lambda one: one.update(title="N"),
            lambda one: one.where(released__year=1927).delete(),
            lambda one: one.values("title"),
        ):
            with pytest.raises(InvalidRecord, match="'8'") as caught:
                ask(queries)
            assert caught.value.key == "8"
    for read in (lambda: plain["8"], lambda: dict(plain.records())):
        with pytest.raises(InvalidRecord, match="'8'") as caught:
            read()
        assert caught.value.key == "8"


@pytest.mark.parametrize("name", BROKEN)
def test_skip_invalid_leaves_out_what_is_no_record(plain, path, name):
    film(path, "8", BROKEN[name])
    film(path, "9", {"title": "M", "released": "no date"})
    queries = Film.objects(plain).skip_invalid()
    assert [one.key for one in queries] == ["7"]
    assert queries.count() == 1
    assert list(queries.order_by("-title")[:3].keys()) == ["7"]
    assert list(queries.where(released__year=1927).keys()) == ["7"]
    assert list(queries.where_not(title="x").keys()) == ["7"]
    assert queries.update(title="N") == 1
    assert queries.delete() == 1
    assert set(plain) == {"8", "9"}


def test_a_broken_row_can_be_mended_or_removed(plain, path):
    film(path, "8", "no JSON")
    film(path, "9", "neither")
    plain.delete("8")
    plain["9"] = {"title": "M"}
    assert [str(one) for one in Film.objects(plain).order_by("key")] == [
        *("Metropolis", "M")
    ]


def test_a_body_that_is_NULL_is_no_record(path):
    run(path, TABLES["plain"])
    film(path)
    run(path, "INSERT INTO films (id, data) VALUES (?, NULL)", "8")
    with opened(path) as storage:
        assert [one.key for one in Film.objects(storage)] == ["7"]
        assert Film.objects(storage).count() == 1
        with pytest.raises(InvalidRecord, match="'8'"):
            storage["8"]
        assert [one.key for one in Film.objects(storage).skip_invalid()] == ["7"]


# What no kind of ours fits.


def test_what_no_kind_fits_is_there_equal_to_nothing_and_last(plain, path):
    film(path, "huge", '{"title": "a", "rating": 123456789012345678901234567890}')
    film(path, "infinite", '{"title": "b", "rating": 1e999}')
    film(path, "beneath", '{"title": "c", "rating": -1e999}')
    film(path, "small", '{"title": "d", "rating": -9223372036854775808}')

    class Rated(Model):
        title: str
        rating: Any = None

    ratings = Rated.objects(plain)
    assert ratings.where(rating__exists=True).count() == 5
    assert set(ratings.where(F.rating > 0).keys()) == {"7"}
    assert set(ratings.where(F.rating < 0).keys()) == {"small"}
    assert ratings.where(F.rating == 123456789012345678901234567890).count() == 0
    assert list(ratings.order_by("rating", "key").keys())[:2] == ["small", "7"]
    assert ratings.values("rating") == [-(2**63), 8.5]
    for key in ("huge", "infinite", "beneath"):
        found = plain.get(Titled, key)
        found.title = "changed"
        found.save()
    texts = dict(rows(path, "SELECT id, data FROM films"))
    assert texts["huge"].endswith('"rating":123456789012345678901234567890}')
    assert texts["infinite"].endswith('"rating":1e999}')
    assert texts["beneath"].endswith('"rating":-1e999}')


def test_what_no_kind_fits_stays_where_a_note_is_made(path):
    run(path, TABLES["a note of kinds"])
    film(
        path,
        "8",
        '{"title": "M", "far": [1e999, -1e999], "huge": 12345678901234567890}',
    )
    with opened(path) as storage:
        found = storage.get(Titled, "8")
        found.anything = date(2020, 1, 1)
        found.save()
        assert found.anything == storage.get(Titled, "8").anything == date(2020, 1, 1)
        infinity = float("inf")
        assert storage["8"]["far"] == [infinity, -infinity]
        assert storage["8"]["huge"] == 12345678901234567890
        assert Titled.objects(storage).where(title="M").update(anything=b"x") == 1
        assert storage["8"]["far"] == [infinity, -infinity]


def test_lone_surrogates_are_compared_by_code_point(plain, path):
    film(path, "8", '{"title": "a\\ud800b"}')
    film(path, "9", '{"title": "a\\ue000"}')
    queries = Titled.objects(plain)
    assert queries.where(title__startswith="a").count() == 2
    assert list(queries.where(title__lt="a\ue000").keys()) == ["7", "8"]
    assert queries.where(title__contains="b").count() == 1
    assert queries.where(title="a").count() == 0


# Nothing of ours is added.


def test_nothing_is_added_to_the_file_of_another_program(films, path):
    before = others(path)
    assert not any(name.startswith("pymodels") for _, name, _ in before)
    found = films.get(Film, "7")
    found.title = "M"
    found.save()
    Film(title="N").save(films, key="8")
    assert Film.objects(films).where(title="N").order_by("released").count() == 1
    films.sync()
    films.clear()
    films.close()
    assert others(path) == before


def test_indexes_are_made_where_they_are_asked_for(films, path):
    class Indexed(Film):
        class Meta:
            indexes = ["title", "-released", Index("poster", unique=True)]

    before = others(path)
    names = films.ensure_indexes(Indexed)
    after = [one for one in others(path) if not one[1].startswith("sqlite_stat")]
    assert sorted({name for _, name, _ in after} - {n for _, n, _ in before}) == sorted(
        names
    )
    assert films.list_indexes() == sorted(names)
    assert Indexed.objects(films).where(title="Metropolis").count() == 1
    assert [one.key for one in Indexed.objects(films).order_by("-released")] == ["7"]
    Indexed(title="M", poster=b"new").save(films, key="8")
    with pytest.raises(DuplicateKey):
        Indexed(title="M", poster=b"new").save(films, key="9")


def test_our_own_table_can_stand_beside_theirs(plain, path):
    with Storage(path, table="mine") as mine:
        Film(title="M").save(mine, key="a")
        assert list(mine) == ["a"]
        assert list(plain) == ["7"]


def test_values_may_hold_what_no_kind_fits(plain, path):
    film(path, "8", '{"title": "M", "anything": [1, -1e999]}')
    film(path, "9", '{"title": "N", "anything": {"a": 123456789012345678901}}')
    found = Titled.objects(plain).values("anything")
    assert found == [{"a": 123456789012345678901}, [1, -float("inf")]]


def test_a_name_twice_refuses_a_change(path):
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE films (id TEXT PRIMARY KEY, data TEXT)")
        body = '{"title": "first", "title": "last"}'
        connection.execute("INSERT INTO films VALUES ('a', ?)", (body,))
    connection.close()

    class Titled(Model):
        title: str

    columns = {"key_column": "id", "body_column": "data"}
    with Storage(path, table="films", **columns) as storage:
        film = storage.get(Titled, "a")
        film.title = "new"
        with pytest.raises(InvalidRecord, match="'title' twice"):
            film.save()
        found = storage.connection.execute("SELECT data FROM films").fetchone()
        assert found == (body,)
