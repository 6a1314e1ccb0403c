"""Values that no kind fits, wherever they stand: kept by whatever is done beside them.

Clauses 3.4 to 3.6 of the law. Each backend is given records by its own means, as
another program would write them.
"""

import json
from datetime import date
from typing import Any

import pytest
from required import check_installed
from storages import opened

import pymodels
from pymodels import EncodeError, F, Model
from pymodels.law.values import copied
from pymodels.querying.protocols import codec_of
from pymodels.testing.each import each

INFINITY = float("inf")


class Inner(Model):
    name: str = ""


class Holder(Model):
    """It declares some of the places where odd values stand."""

    title: str
    number: float = 0.0
    anything: Any = None
    data: dict[str, Any] = {}
    values: list[Any] = []
    lists: list[list[Any]] = []
    inner: Inner = Inner()


class Other(Model):
    title: str
    data: dict[str, Any] = {}
    more: int = 0


PLACES = {
    "top": lambda odd: {"anything": odd},
    "declared number": lambda odd: {"number": odd},
    "map": lambda odd: {"data": {"x": 1, "odd": odd}},
    "deep in a map": lambda odd: {"data": {"x": [{"odd": odd}], "y": {"z": [odd]}}},
    "list": lambda odd: {"values": [1, odd, {"odd": odd}]},
    "list in a list": lambda odd: {"lists": [[1], [odd, 2]]},
    "beside what a map declares": lambda odd: {"inner": {"name": "n", "odd": odd}},
    "undeclared": lambda odd: {"unknown": [odd, {"deep": odd}]},
    "everywhere": lambda odd: {
        "anything": odd,
        "data": {"odd": odd},
        "values": [odd],
        "inner": {"odd": odd},
        "unknown": odd,
    },
}


def save_unchanged(storage):
    storage.get(Holder, "k").save()
    return {}


def save_another_field(storage):
    one = storage.get(Holder, "k")
    one.title = "new"
    one.save()
    return {"title": "new"}


def save_in_the_map(storage):
    one = storage.get(Holder, "k")
    one.data["new"] = 1
    one.save()
    return {"data": {**one.data, "new": 1}}


def save_in_the_list(storage):
    one = storage.get(Holder, "k")
    one.values.append(2)
    one.save()
    return {"values": [*one.values]}


def save_in_the_list_of_lists(storage):
    one = storage.get(Holder, "k")
    one.lists.append([3])
    one.save()
    return {"lists": [*one.lists]}


def update_by_query(storage):
    assert Holder.objects(storage).update(title="new") == 1
    return {"title": "new"}


def update_by_residual(storage):
    found = Holder.objects(storage).where(F['no"where'] == None)  # noqa: E711  # an expression
    assert found.update(title="new") == 1
    return {"title": "new"}


def convert(storage):
    one = storage.get(Holder, "k").convert_to(Other, title="new")
    one.save()
    return {"title": "new"}


def convert_and_change_the_map(storage):
    one = storage.get(Holder, "k").convert_to(Other)
    one.data["new"] = 1
    one.save()
    return {"data": {**one.data}}


def put_beside(storage):
    storage["k"] = {**storage["k"], "title": "new"}
    return {"title": "new"}


def copy(storage):
    storage.get(Holder, "k").save_as(key="copy")
    assert same_text(declared(storage, "copy"), declared(storage))
    return {}


ACTS = [
    save_unchanged,
    save_another_field,
    save_in_the_map,
    save_in_the_list,
    save_in_the_list_of_lists,
    update_by_query,
    update_by_residual,
    convert,
    convert_and_change_the_map,
    put_beside,
    copy,
]
ROWS = [(place, act) for place in PLACES for act in ACTS]


def same_text(one: Any, other: Any) -> bool:
    return repr(one) == repr(other)


def check(storage, act):
    """Do something beside an odd value: the record is as before, but for that."""
    before = declared(storage)
    changed = act(storage)
    after = declared(storage)
    assert same_text(sorted(after.items()), sorted({**before, **changed}.items()))


def declared(storage, key="k"):
    """Give the record as the model declares it, or as it is where that is not asked."""
    for row in storage.fetch((key,)):
        return copied(storage.decode(row, codec_of(Holder).shape))
    return None


def label(value):
    return getattr(value, "__name__", str(value))


# Memory holds what was put there directly.


@pytest.fixture
def memory(tmp_path):
    with opened("memory", tmp_path) as storage:
        yield storage


@each("place, act", ROWS, ids=label)
def test_memory_keeps_odd_values(memory, place, act):
    for odd in (INFINITY, -INFINITY, float("nan"), 2**64, "a\0b", "\ud800"):
        if place == "declared number" and isinstance(odd, str):
            continue
        memory.connection.clear()
        memory.connection["k"] = {"title": "old", **PLACES[place](odd)}
        check(memory, act)


# SQLite and hashes hold JSON, spelled by another program.

SPELLINGS = ["1e400", "-1e400", "123456789012345678901234567890", "8.50", "1E2"]
EMPTY_NAME = '{"":1}'


def body_of(place, odd):
    record = json.dumps({"title": "old", **PLACES[place]("@")}, separators=(",", ":"))
    return record.replace('"@"', odd)


@pytest.fixture
def sqlite(tmp_path):
    with opened("sqlite", tmp_path) as storage:
        yield storage


def put_row(storage, body):
    sql = "INSERT OR REPLACE INTO records (key, body) VALUES ('k', ?)"
    storage.connection.execute(sql, (body,))
    storage.connection.execute("DELETE FROM records WHERE key='copy'")


def row_of(storage):
    sql = "SELECT body, kinds FROM records WHERE key='k'"
    return storage.connection.execute(sql).fetchone()


@each("place, act", ROWS, ids=label)
def test_sqlite_keeps_odd_values(sqlite, place, act):
    for odd in [*SPELLINGS, EMPTY_NAME]:
        if place == "declared number" and odd == EMPTY_NAME:
            continue
        body = body_of(place, odd)
        put_row(sqlite, body)
        check(sqlite, act)
        if act is not put_beside:
            assert row_of(sqlite)[0].count(odd) == body.count(odd), row_of(sqlite)


def test_a_new_odd_value_is_refused_beside_an_old_one(sqlite):
    put_row(sqlite, '{"title": "old", "data": {"odd": 1e400}}')
    one = sqlite.get(Holder, "k")
    one.data["new"] = float("nan")
    with pytest.raises(EncodeError, match="nan is not a finite number"):
        one.save()


# A hash of Tokyo Cabinet holds JSON too, a table JSON in its columns.


@pytest.fixture
def hashed(tmp_path):
    check_installed("tokyo_cabinet")
    url = f"tokyo-cabinet:///{tmp_path}/records.tch?kind=HASH"
    with pymodels.get_storage(url) as storage:
        yield storage


@each("place, act", ROWS, ids=label)
def test_hashes_keep_odd_values(hashed, place, act):
    for odd in [*SPELLINGS, EMPTY_NAME]:
        if place == "declared number" and odd == EMPTY_NAME:
            continue
        body = body_of(place, odd)
        hashed.clear()
        hashed.connection.put(b"k", body.encode())
        check(hashed, act)
        after = hashed.connection.get(b"k").decode()
        if act is not put_beside:
            assert after.count(odd) == body.count(odd), after


@pytest.fixture
def table(tmp_path):
    with opened("tokyo_cabinet", tmp_path) as storage:
        yield storage


# Without a model, foreign columns are texts: what is put there then is text.
OF_TABLES = [(place, act) for place, act in ROWS if act is not put_beside]


@each("place, act", OF_TABLES, ids=label)
def test_tables_keep_odd_values(table, place, act):
    for odd in [*SPELLINGS, EMPTY_NAME]:
        record = json.loads(body_of(place, odd))
        columns = {
            name.encode(): json.dumps(value, separators=(",", ":")).encode()
            if isinstance(value, list | dict)
            else str(value).encode()
            for name, value in record.items()
        }
        columns = {
            name: value.replace(b"Infinity", b"1e400")
            for name, value in columns.items()
        }
        if place == "declared number" and odd == EMPTY_NAME:
            continue
        table.clear()
        table.connection.put(b"k", columns)
        check(table, act)


@each("place, act", [(one, act) for one, act in ROWS if act is not copy], ids=label)
def test_tables_keep_what_is_no_text(table, place, act):
    if place not in {"top", "undeclared"}:
        return
    name = b"anything" if place == "top" else b"unknown"
    for odd in (b"\xff\xfe", b"a\0b"):
        table.clear()
        table.connection.put(b"k", {b"title": b"old", name: odd})
        check(table, act)
        assert table.connection.get(b"k")[name] == odd


# A note that a change needs says nothing of what was not changed.


class Person(Model):
    name: str
    born: date | None = None
    anything: Any = None


class Text(Model):
    """It declares as a text what another model declares as a date."""

    name: str
    born: str


NEEDS_A_NOTE = [date(2020, 1, 1), b"abc", [date(2020, 1, 1)], {"x": b"abc"}]
FOREIGN = '{"name": "YWJj", "born": "1956-01-31", "odd": 1e400, "größe": "1.50"}'


def people(storage):
    """Ask all that depends on how a text is read."""
    return [
        Person.objects(storage).where(born=date(1956, 1, 31)).count(),
        Person.objects(storage).where(born__year=1956).count(),
        Text.objects(storage).where(born="1956-01-31").count(),
        Text.objects(storage).where(born__startswith="1956").count(),
        Text.objects(storage).count(),
        Person.objects(storage).where(name="YWJj").count(),
        Person.objects(storage).where(F.odd > 1).count(),
        Person.objects(storage).where(F.größe == "1.50").count(),
        Person.objects(storage).where(F.odd.exists()).count(),
        Person.objects(storage).values("born"),
        Text.objects(storage).values("born"),
        Text.objects(storage).order_by("born").count(),
    ]


@pytest.fixture(params=["sqlite", "hash"])
def notes(request):
    """A storage, and the function that puts JSON there as another program does."""
    if request.param == "sqlite":
        storage = request.getfixturevalue("sqlite")
        return storage, lambda text: put_row(storage, text)
    storage = request.getfixturevalue("hashed")
    return storage, lambda text: storage.connection.put(b"k", text.encode())


@pytest.mark.parametrize("escaped", [False, True])
@pytest.mark.parametrize("value", NEEDS_A_NOTE, ids=repr)
def test_a_note_says_nothing_of_what_was_not_changed(notes, value, escaped):
    storage, put = notes
    put(FOREIGN.replace("größe", "gr\\u00f6\\u00dfe") if escaped else FOREIGN)
    before, record = people(storage), storage["k"]
    one = storage.get(Person, "k")
    one.anything = value
    one.save()
    assert people(storage) == before
    assert storage["k"] == {**record, "anything": value}
    assert Person.objects(storage).update(anything=7) == 1
    assert people(storage) == before
    one = storage.get(Person, "k")
    one.born = date(1957, 1, 31)
    one.save()
    assert storage["k"] == {**record, "anything": 7, "born": one.born}
    assert Text.objects(storage).count() == 0


def test_a_note_of_an_update_by_query_says_nothing_of_the_rest(notes):
    storage, put = notes
    put(FOREIGN)
    before = people(storage)
    assert Person.objects(storage).update(anything=date(2020, 1, 1)) == 1
    assert people(storage) == before


def test_a_mark_that_does_not_fit_is_not_believed(notes):
    storage, put = notes
    kinds = {"name": "bytes", "born": "datetime", "more": ["date"], "x": {"y": "date"}}
    record = {"name": "?", "born": "1956-01-31", "more": ["1956-01-31", "b"], "x": 5}
    if storage.connection.__class__.__name__ == "Connection":
        put(json.dumps(record))
        storage.connection.execute("UPDATE records SET kinds=?", (json.dumps(kinds),))
    else:
        put(json.dumps({**record, "_kinds": kinds}))
    assert storage["k"] == record
    assert storage.get(Person, "k").born == date(1956, 1, 31)
    assert storage.get(Text, "k").born == "1956-01-31"
