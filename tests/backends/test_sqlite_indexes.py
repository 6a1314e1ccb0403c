"""Indexes on SQLite: exact, used, kept up to date, and read alone by counts."""

import re
import sqlite3
import threading
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from children import forked

from pymodels import DefinitionError, DuplicateKey, F, Index, Model, Unsupported
from pymodels.backends.sqlite import Storage, indexes
from pymodels.indexes import BoundIndex
from pymodels.law.evaluate import matcher
from pymodels.querying.plan import Order


class Place(Model):
    city: str | None = None
    zip: int | None = None


class Person(Model):
    first_name: str
    last_name: str
    age: int | None = None
    height: float | None = None
    active: bool = True
    birth_date: date
    seen: datetime | None = None
    place: Place | None = None

    class Meta:
        indexes = ["last_name", ("-birth_date", "last_name"), "-age", "height"]
        indexes += ["active", "seen", "place__city", "key"]


class Woman(Person):
    gender: str | None = None

    class Meta:
        must_have = {"gender": "female"}


class Account(Model):
    email: str | None = None
    number: int | None = None

    class Meta:
        indexes = [Index("email", unique=True)]


class Measured(Model):
    """The same records, other types."""

    age: Decimal | str | None = None
    last_name: Any = None


PEOPLE = 600


def people():
    for n in range(PEOPLE):
        yield Person(
            first_name=f"first {n}",
            last_name=f"name {n % 20}",
            age=n % 90 if n % 7 else None,
            height=1.5 + n % 50 / 100,
            active=n % 3 > 0,
            birth_date=date(1900 + n % 100, 1 + n % 12, 1 + n % 28),
            seen=datetime(2020, 1, 1 + n % 28, tzinfo=UTC if n % 2 else None),
            place=Place(city=f"city {n % 30}", zip=n) if n % 5 else None,
        )


@pytest.fixture
def path(tmp_path):
    return tmp_path / "people.db"


@pytest.fixture
def empty(path):
    with Storage(path) as opened:
        yield opened


@pytest.fixture
def storage(empty):
    empty.save_many(people())
    empty.ensure_indexes(Person)
    return empty


def steps(query):
    """Give what SQLite says that it will do."""
    return query.plan().native.splitlines()[2:]


def index_of(query):
    """Give the names in the index that a query uses, "" for none."""
    found = re.search(
        r"records__(\w+?)__(\w+?)__(index|unique)_", "\n".join(steps(query))
    )
    return f"{found[1]}.{found[2]}" if found else ""


# Which index answers what.

RANGE = (date(1990, 1, 1), date(1995, 1, 1))
USED = {
    "equality of strings": ("last_name", {"last_name": "name 3"}),
    "equality of numbers": ("desc_age", {"age": 3}),
    "equality of floats": ("height", {"height": 1.5}),
    "equality of bools": ("active", {"active": False}),
    "equality of dates": (
        "desc_birth_date_last_name",
        {"birth_date": date(1903, 4, 4)},
    ),
    "equality of datetimes": ("seen", {"seen": datetime(2020, 1, 3)}),
    "equality inside a map": ("place__city", {"place__city": "city 3"}),
    "None": ("desc_age", {"age": None}),
    "one of several numbers": ("desc_age", {"age__in": [3, 4, 5.0]}),
    "one of several strings": ("last_name", {"last_name__in": ["name 3", "name 4"]}),
    "a range of numbers": ("desc_age", {"age__gt": 3, "age__lte": 6}),
    "between numbers": ("desc_age", {"age__between": (3, 5)}),
    "above a fraction": ("desc_age", {"age__gt": 85.5}),
    "above a Decimal": ("desc_age", {"age__gte": Decimal("85.5")}),
    "a range of strings": ("last_name", {"last_name__gte": "name 8"}),
    "the beginning of strings": ("last_name", {"last_name__startswith": "name 1"}),
    "between dates": ("desc_birth_date_last_name", {"birth_date__between": RANGE}),
    "a year": ("desc_birth_date_last_name", {"birth_date__year": 1990}),
    "datetimes after one": ("seen", {"seen__gt": datetime(2020, 1, 25, tzinfo=UTC)}),
}


@pytest.mark.parametrize("name", USED)
def test_an_index_answers(storage, name):
    names, lookups = USED[name]
    query = Person.objects(storage).where(**lookups)
    assert index_of(query) == f"Person.{names}", steps(query)
    assert steps(query)[0].startswith("SEARCH"), steps(query)
    found = {one.key for one in query}
    assert found == matching(storage, query)
    assert 0 < len(found) < PEOPLE


def matching(storage, query):
    """Ask the law, which knows no index."""
    matches = matcher(query.spec.predicate)
    return {key for key, record in storage.records() if matches(key, record)}


ORDERS = {
    "ascending": ("last_name", {}, ["last_name"]),
    "descending": ("last_name", {}, ["-last_name"]),
    "a number that may be missing": ("desc_age", {}, ["age"]),
    "a number, descending": ("desc_age", {}, ["-age"]),
    "datetimes, naive and aware": ("seen", {}, ["seen"]),
    "two names": ("desc_birth_date_last_name", {}, ["-birth_date", "last_name"]),
    "two names reversed": (
        "desc_birth_date_last_name",
        {},
        ["birth_date", "-last_name"],
    ),
    "what is asked for": ("desc_age", {"age__gt": 80}, ["-age"]),
    "the names of a prefix": (
        "last_name",
        {"last_name__startswith": "n"},
        ["last_name"],
    ),
    "one value": ("last_name", {"last_name": "name 3"}, ["last_name"]),
    "one value, by key": ("last_name", {"last_name": "name 3"}, ["-key"]),
    "one value, by the next": (
        "desc_birth_date_last_name",
        {"birth_date": date(1903, 4, 4)},
        ["last_name"],
    ),
    "a range of the first of two names": (
        "desc_birth_date_last_name",
        {"birth_date__gte": date(1950, 1, 1)},
        ["-birth_date", "last_name"],
    ),
}


@pytest.mark.parametrize("slice_", [slice(None), slice(3, 9)], ids=["all", "part"])
@pytest.mark.parametrize("name", ORDERS)
def test_an_index_serves_an_order_without_a_sort(storage, name, slice_):
    names, lookups, order = ORDERS[name]
    query = Person.objects(storage).where(**lookups).order_by(*order)
    assert index_of(query[slice_]) == f"Person.{names}", steps(query)
    assert "B-TREE" not in "\n".join(steps(query[slice_])), steps(query)
    assert list(query[slice_].keys()) == ordered(query)[slice_]


def ordered(query):
    """Sort by Python, as the law says: stable, from the last name to the first."""
    found = list(query.order_by())
    names = [str(order) for order in query.spec.order]
    found.sort(key=lambda one: one.key, reverse=names[-1].startswith("-"))
    for name in reversed(names):
        field = name.removeprefix("-")
        found.sort(
            key=lambda one, field=field: place(getattr(one, field)),
            reverse=name.startswith("-"),
        )
    return [one.key for one in found]


def place(value):
    if isinstance(value, datetime):
        return (1, value.tzinfo is not None, value.replace(tzinfo=None))
    return (value is not None, value)


# Counting.

COUNTED = ["equality of strings", "equality of numbers", "equality of bools", "None"]
COUNTED += ["equality of dates", "equality inside a map", "one of several numbers"]
COUNTED += ["one of several strings", "between numbers", "above a Decimal", "a year"]
COUNTED += ["the beginning of strings", "datetimes after one"]


def asked_of(storage, ask):
    """Give the last statement of a call, with its parameters in it."""
    with Storage(":memory:") as scratch:
        assert scratch.file.is_memory
    found = []
    connection = storage.connection
    connection.set_trace_callback(found.append)
    with storage.transaction():
        result = ask()
    connection.set_trace_callback(None)
    return next(one for one in reversed(found) if "count(" in one), result


def columns_of_the_table(storage, sql):
    """Give the columns of the table that a statement's bytecode reads."""
    connection = storage.connection
    find = "SELECT rootpage FROM sqlite_schema WHERE name='records'"
    (root,) = connection.execute(find).fetchone()
    codes = connection.execute(f"EXPLAIN {sql}").fetchall()
    cursors = {code[2] for code in codes if code[1] == "OpenRead" and code[3] == root}
    return [code[3] for code in codes if code[1] == "Column" and code[2] in cursors]


@pytest.mark.parametrize("slice_", [slice(None), slice(1, 4)], ids=["all", "part"])
@pytest.mark.parametrize("name", COUNTED)
def test_an_index_alone_is_read_for_a_count(storage, name, slice_):
    query = Person.objects(storage).where(**USED[name][1])[slice_]
    sql, count = asked_of(storage, query.count)
    assert columns_of_the_table(storage, sql) == []
    assert count == len(list(query.keys()))


def test_counting_all_of_a_model_reads_an_index_alone(storage):
    storage["other"] = {"title": "no person"}
    for query in (Person.objects(storage), Person.objects(storage)[2:]):
        sql, count = asked_of(storage, query.count)
        assert columns_of_the_table(storage, sql) == []
        assert count == len(list(query.keys()))


def test_counting_without_an_index_reads_the_table(empty):
    empty.save_many(people())
    sql, count = asked_of(empty, Person.objects(empty).where(age=3).count)
    assert columns_of_the_table(empty, sql)
    assert count == Person.objects(empty).where(age=3).count()


# Membership.


def test_what_an_index_is_made_of_is_not_asked_of_each_record(storage):
    query = Person.objects(storage).where(age=3)
    sql, _ = asked_of(storage, query.count)
    assert '"first_name"' in sql  # it is asked, and SQLite drops it
    assert columns_of_the_table(storage, sql) == []


def test_a_subclass_uses_the_index_of_its_parent(storage):
    for n in range(50):
        Woman(
            first_name="Eve", last_name=f"name {n % 20}", birth_date=date(1990, 1, 1)
        ).save(storage)
    query = Woman.objects(storage)
    found = query.where(last_name="name 3")
    assert index_of(found) == "Person.last_name"
    assert set(found.keys()) == matching(storage, found)
    assert found.count() == 3
    by_name = query.order_by("-birth_date", "last_name")[:5]
    assert index_of(by_name) == "Person.desc_birth_date_last_name"
    assert [one.last_name for one in by_name] == ["name 0"] * 3 + ["name 1"] * 2


def test_a_subclass_uses_its_own_index_where_there_is_one(storage):
    made = storage.ensure_indexes(Woman)
    assert len(made) == 8
    for n in range(50):
        Woman(
            first_name="Eve", last_name="E", birth_date=date(1990, 1, n % 28 + 1)
        ).save(storage)
    assert index_of(Woman.objects(storage).where(last_name="E")) == "Woman.last_name"


def test_records_of_other_models_are_not_in_an_index(storage):
    storage["other"] = {"last_name": "name 3", "age": 3}
    query = Person.objects(storage).where(last_name="name 3")
    assert "other" not in set(query.keys())
    assert query.count() == 30
    assert "other" in set(Measured.objects(storage).where(last_name="name 3").keys())


# Kinds that the field does not admit, and rows of other programs.

ODD = {
    "decimal": {"age": Decimal("3.0")},
    "decimal between": {"age": Decimal("3.5")},
    "string": {"age": "3"},
    "bool": {"age": True},
    "float": {"age": 3.0},
    "list": {"age": [3]},
    "none": {"age": None},
}


@pytest.mark.parametrize(
    "condition",
    [F.age == 3, F.age > 2, F.age <= 3, F.age.in_([3, 4]), F.age.between(3, 3.5)],
    ids=str,
)
def test_other_kinds_in_an_indexed_field_are_answered_exactly(storage, condition):
    whole = {"first_name": "x", "last_name": "y", "birth_date": date(2000, 1, 1)}
    for key, record in ODD.items():
        storage[key] = whole | record
    query = Person.objects(storage).where(condition)
    found = set(query.keys())
    assert found == matching(storage, query)
    assert ("decimal" in found) == (str(condition) != str(F.age == 4))
    assert query.count() == len(found)
    del storage["decimal"], storage["decimal between"]
    assert index_of(query) == "Person.desc_age"
    assert set(query.keys()) == found - {"decimal", "decimal between"}


def test_decimals_in_an_indexed_field_are_in_order(storage):
    storage.clear()
    whole = {"first_name": "x", "last_name": "y", "birth_date": date(2000, 1, 1)}
    for key, age in {"a": 3, "b": Decimal("2.5"), "c": 2.75, "d": Decimal(9)}.items():
        storage[key] = whole | {"age": age}
    people = Person.objects(storage)
    assert list(people.order_by("age").keys()) == ["b", "c", "a", "d"]
    assert list(people.order_by("-age")[:2].keys()) == ["d", "a"]
    assert people.where(age__lt=3).delete() == 2
    assert people.where(F.age >= 3).count() == 2


def insert_foreign(storage, key, body):
    sql = "INSERT INTO records (key, body) VALUES (?, ?)"
    with sqlite3.connect(storage.path) as connection:
        connection.execute(sql, (key, body))
    connection.close()


def test_a_foreign_row_in_an_indexed_table_is_found_and_ordered(storage):
    body = """{"first_name": "Zo\\u00eb", "last_name": "name 3", "age": 3,
        "birth_date": "1903-04-04", "seen": "2020-01-25T00:00:00"}"""
    people = Person.objects(storage)
    before = people.count()
    insert_foreign(storage, "foreign", body)
    assert people.count() == before + 1
    for lookups in (
        {"last_name": "name 3"},
        {"age": 3},
        {"birth_date": date(1903, 4, 4)},
        {"birth_date__year": 1903},
        {"seen__gte": datetime(2020, 1, 25)},
        {"first_name__startswith": "Zoë"},
    ):
        query = people.where(**lookups)
        assert "foreign" in set(query.keys()), lookups
        assert query.count() == len(list(query.keys())), lookups
    ordered_keys = list(people.order_by("birth_date", "-last_name").keys())
    assert ordered_keys == ordered(people.order_by("birth_date", "-last_name"))
    assert index_of(people.where(age=3)) == ""
    del storage["foreign"]
    assert index_of(people.where(age=3)) == "Person.desc_age"


def test_a_foreign_row_that_is_saved_whole_ends_the_full_form(storage):
    body = '{"first_name": "A", "last_name": "B", "birth_date": "1903-04-04"}'
    insert_foreign(storage, "foreign", body)
    person = storage.get(Person, "foreign")
    storage["foreign"] = {"first_name": "A", "last_name": "B", "birth_date": "text"}
    assert index_of(Person.objects(storage).where(age=3)) == "Person.desc_age"
    assert person.birth_date == date(1903, 4, 4)
    assert "foreign" not in Person.objects(storage)  # a string is no date now


# Writing.


def test_delete_and_update_find_their_records_by_an_index(storage):
    people = Person.objects(storage)
    wanted = people.where(last_name="name 3")
    found = wanted.count()
    statements = []
    storage.connection.set_trace_callback(statements.append)
    assert wanted.update(age=200) == found
    assert people.where(age=200).delete() == found
    storage.connection.set_trace_callback(None)
    written = [one for one in statements if one.startswith(("UPDATE", "DELETE"))]
    assert len(written) == 2
    for sql in written:
        (step, *_) = storage.connection.execute(f"EXPLAIN QUERY PLAN {sql}").fetchall()
        assert "SEARCH records USING INDEX" in step[3], step
    assert wanted.count() == people.where(age=200).count() == 0
    assert people.count() == PEOPLE - found


def test_raising_an_indexed_value_by_its_own_range_ends(storage):
    people = Person.objects(storage)
    older = people.where(age__gt=10)
    found = older.count()
    for person in older.order_by("age"):
        person.age += 100
        person.save()
    assert people.where(age__gt=100).count() == found
    assert people.where(age__gt=10).update(age=11) == found
    assert people.where(age=11).count() == found


def test_an_index_follows_every_way_to_write(storage):
    people = Person.objects(storage)
    person = people.where(last_name="name 3").order_by("key").first()
    person.last_name = "Zorn"
    person.save()
    assert [one.key for one in people.where(last_name="Zorn")] == [person.key]
    person.delete()
    assert people.where(last_name="Zorn").count() == 0
    with storage.transaction():
        assert people.where(last_name="name 4").update(last_name="Zorn") == 30
        assert people.where(last_name="Zorn").count() == 30
    storage.clear()
    assert people.where(last_name="Zorn").count() == people.count() == 0


# Names and places.


class Odd(Model):
    value: int | None = None
    other: str | None = None

    class Meta:
        names = {"value": "the 'value', of $a.b-é", "other": "körper"}
        indexes = ["value", ("-other", "value")]


def test_stored_names_are_indexed(empty):
    empty.save_many(Odd(value=n % 100, other=f"{n % 9}") for n in range(500))
    assert len(empty.ensure_indexes(Odd)) == 2
    query = Odd.objects(empty).where(value=3)
    assert "SEARCH" in steps(query)[0]
    assert [one.value for one in query] == [3] * 5
    ordered_keys = Odd.objects(empty).order_by("-other", "value")
    assert "B-TREE" not in "".join(steps(ordered_keys))
    assert [one.other for one in ordered_keys[:2]] == ["8", "8"]


def test_a_foreign_spelling_of_an_indexed_name_is_found(empty):
    empty.save_many(Odd(value=n, other="x") for n in range(50))
    empty.ensure_indexes(Odd)
    insert_foreign(empty, "foreign", '{"k\\u00f6rper": "foreign"}')
    assert list(Odd.objects(empty).where(other="foreign").keys()) == ["foreign"]


@pytest.mark.parametrize("name", ['a"b', "a\\b", "a\nb", "a\tb"])
def test_names_that_cannot_be_indexed_are_refused(empty, name):
    class Hard(Model):
        field: int | None = None

        class Meta:
            names = {"field": name}
            indexes = ["field"]

    with pytest.raises(Unsupported, match="a name with quotes"):
        empty.ensure_indexes(Hard)
    assert empty.list_indexes() == []
    Hard(field=3).save(empty)
    assert Hard.objects(empty).where(field=3).count() == 1


def test_an_index_on_the_key_serves_members_in_key_order(empty):
    class Keyed(Model):
        number: int

        class Meta:
            indexes = ["key"]

    empty.save_many(people())
    for n in range(20):
        Keyed(number=n).save(empty, key=f"k{n:02}")
    empty.ensure_indexes(Keyed)
    query = Keyed.objects(empty).where(key__gte="k1")[2:5]
    assert index_of(query) == "Keyed.key"
    assert list(query.keys()) == ["k12", "k13", "k14"]
    assert Keyed.objects(empty).count() == 20


# Unique indexes.


@pytest.fixture
def accounts(empty):
    empty.ensure_indexes(Account)
    Account(email="a@example.org").save(empty, key="a")
    Account(email="b@example.org").save(empty, key="b")
    return empty


def test_a_second_record_with_a_unique_value_is_refused(accounts):
    with pytest.raises(DuplicateKey, match="must be unique"):
        Account(email="a@example.org").save(accounts, key="c")
    assert set(accounts) == {"a", "b"}


def test_one_unique_value_twice_in_a_batch_is_refused_whole(accounts):
    batch = [Account(email=f"{n}@example.org") for n in (1, 2, 1)]
    with pytest.raises(DuplicateKey):
        accounts.save_many(batch)
    assert set(accounts) == {"a", "b"}
    assert [one.key for one in batch] == [None] * 3


def test_a_change_to_a_taken_unique_value_is_refused(accounts):
    account = accounts.get(Account, "b")
    account.email = "a@example.org"
    with pytest.raises(DuplicateKey):
        account.save()
    assert accounts["b"]["email"] == "b@example.org"
    account.email = "c@example.org"
    account.save()
    Account(email="b@example.org").save(accounts)


def test_replacing_by_a_taken_unique_value_is_refused(accounts):
    with pytest.raises(DuplicateKey):
        Account(email="a@example.org").save(accounts, key="b", replace=True)
    with pytest.raises(DuplicateKey):
        accounts["b"] = {"email": "a@example.org", "number": 1}
    Account(email="b@example.org", number=2).save(accounts, key="b", replace=True)
    assert accounts["b"]["number"] == 2


def test_an_update_that_makes_a_unique_value_common_changes_nothing(accounts):
    with pytest.raises(DuplicateKey):
        Account.objects(accounts).update(email="same@example.org")
    found = {one.key: one.email for one in Account.objects(accounts)}
    assert found == {"a": "a@example.org", "b": "b@example.org"}


def test_None_and_missing_are_no_unique_values(accounts):
    for _ in range(3):
        Account(email=None).save(accounts)
        accounts[Account(email=None).save(accounts)] = {"number": 1}
    assert Account.objects(accounts).where(email=None).count() == 6
    assert Account.objects(accounts).update(email=None) == 8


def test_a_unique_index_answers_queries(accounts):
    accounts.save_many(Account(email=f"{n}") for n in range(300))
    query = Account.objects(accounts).where(email="7")
    assert index_of(query) == "Account.email"
    assert query.count() == 1


def test_unique_over_two_names_lets_None_repeat(empty):
    class Seat(Model):
        row: int | None = None
        number: int | None = None

        class Meta:
            indexes = [Index("row", "number", unique=True)]

    empty.ensure_indexes(Seat)
    Seat(row=1, number=1).save(empty)
    Seat(row=1, number=2).save(empty)
    for _ in range(2):
        Seat(row=1, number=None).save(empty)
        Seat().save(empty)
    with pytest.raises(DuplicateKey):
        Seat(row=1, number=2).save(empty)
    assert Seat.objects(empty).count() == 6


def test_values_of_two_kinds_are_not_equal_and_so_unique(empty):
    class Labelled(Model):
        label: int | str | bool | None = None

        class Meta:
            indexes = [Index("label", unique=True)]

    empty.ensure_indexes(Labelled)
    for label in (1, "1", True, 0, False, ""):
        Labelled(label=label).save(empty)
    empty["float"] = {"label": 2.0}
    with pytest.raises(DuplicateKey):
        Labelled(label=2).save(empty)


def test_records_of_other_models_may_hold_the_same_value(empty):
    class Mail(Model):
        type: str
        email: str

        class Meta:
            must_have = {"type": "mail"}
            indexes = [Index("email", unique=True)]

    empty.ensure_indexes(Mail)
    Mail(email="a").save(empty)
    empty["other"] = {"type": "other", "email": "a"}
    with pytest.raises(DuplicateKey):
        Mail(email="a").save(empty)


def test_existing_duplicates_are_told_by_their_keys(empty):
    for key, email in {"x": "same", "y": "other", "z": "same", "n": None}.items():
        Account(email=email).save(empty, key=key)
    with pytest.raises(DuplicateKey, match="'x', 'z' hold the same value") as caught:
        empty.ensure_indexes(Account)
    assert isinstance(caught.value.__cause__, sqlite3.IntegrityError)
    assert empty.list_indexes() == []
    del empty["z"]
    assert len(empty.ensure_indexes(Account)) == 1


@pytest.mark.parametrize("type_", [Decimal, Decimal | str, list[int] | str, Any])
def test_what_may_be_equal_and_spelled_otherwise_cannot_be_unique(empty, type_):
    class Priced(Model):
        field: type_ | None = None

        class Meta:
            indexes = [Index("field", unique=True)]

    with pytest.raises(Unsupported):
        empty.ensure_indexes(Priced)
    assert empty.list_indexes() == []


@pytest.mark.parametrize("type_", [list[int], dict[str, int], Place])
def test_what_has_no_order_has_no_index(type_):
    with pytest.raises(DefinitionError, match="no order"):

        class Listed(Model):
            field: type_ | None = None

            class Meta:
                indexes = [Index("field", unique=True)]


# Making them.


def test_ensuring_again_changes_nothing(storage):
    before = schema(storage)
    names = storage.ensure_indexes(Person)
    assert schema(storage) == before
    assert sorted(names) == storage.list_indexes()


def schema(storage):
    found = storage.connection.execute("SELECT name, sql, rootpage FROM sqlite_schema")
    return sorted(found.fetchall())


def test_a_storage_that_is_opened_later_uses_the_indexes(storage, path):
    with Storage(path) as other:
        assert index_of(Person.objects(other).where(age=3)) == "Person.desc_age"


def test_an_index_can_be_made_inside_a_transaction_and_undone(empty):
    empty.save_many(people())

    def make_and_undo():
        with empty.transaction():
            empty.ensure_indexes(Person)
            assert index_of(Person.objects(empty).where(age=3)) == "Person.desc_age"
            raise KeyError

    with pytest.raises(KeyError):
        make_and_undo()
    assert empty.list_indexes() == []
    assert Person.objects(empty).where(age=3).count() == 6
    assert len(empty.ensure_indexes(Person)) == 8
    assert index_of(Person.objects(empty).where(age=3)) == "Person.desc_age"


def test_the_index_of_an_older_version_goes_when_the_new_one_is_there(storage):
    names = storage.list_indexes()
    (name,) = [one for one in names if "__desc_age__" in one]
    older = name[:-12] + "0" * 12
    storage.connection.execute(f'DROP INDEX "{name}"')
    storage.connection.execute(f'CREATE INDEX "{older}" ON records (body)')
    with Storage(storage.path) as other:
        assert index_of(Person.objects(other).where(age=3)) != "Person.desc_age"
        other.ensure_indexes(Person)
        assert other.list_indexes() == names
        assert index_of(Person.objects(other).where(age=3)) == "Person.desc_age"


def test_the_index_of_an_older_version_stays_if_the_new_one_fails(empty):
    (name,) = empty.ensure_indexes(Account)
    older = name[:-12] + "0" * 12
    empty.connection.execute(f'DROP INDEX "{name}"')
    empty.connection.execute(f'CREATE INDEX "{older}" ON records (body)')
    Account(email="same").save(empty)
    Account(email="same").save(empty)
    with pytest.raises(DuplicateKey):
        empty.ensure_indexes(Account)
    assert empty.list_indexes() == [older]


def test_indexes_that_look_alike_by_name_are_told_apart(empty):
    class Alike(Model):
        a: int = 0
        b: int = 0
        a_b: int = 0
        desc_a: int = 0
        a__b: int = 0

        class Meta:
            indexes = ["a_b", ("a", "b"), "desc_a", "-a", "a__b"]

    names = empty.ensure_indexes(Alike)
    assert empty.list_indexes() == sorted(names)
    assert len(set(names)) == 5


def test_indexes_of_another_program_are_left_alone(empty):
    empty.connection.execute("CREATE INDEX theirs ON records (body)")
    empty.ensure_indexes(Account)
    assert "theirs" in [row[0] for row in schema(empty)]
    assert "theirs" not in empty.list_indexes()


def test_tables_of_one_file_have_indexes_of_their_own(path):
    with Storage(path, table="one") as one, Storage(path, table="two") as two:
        one.ensure_indexes(Account)
        two.ensure_indexes(Account)
        Account(email="a").save(one)
        Account(email="a").save(two)
        with pytest.raises(DuplicateKey):
            Account(email="a").save(two)
        assert one.list_indexes() != two.list_indexes()


def test_a_table_may_be_named_in_other_letters(empty, path):
    empty.save_many(people())
    with Storage(path, table="RECORDS") as other:
        other.ensure_indexes(Person)
        query = Person.objects(other).where(age=3)
        assert "SEARCH" in steps(query)[0]
        assert query.count() == 6


def test_indexes_can_be_made_while_threads_write(empty):
    failures = []

    def write(start):
        try:
            for n in range(60):
                Account(email=f"{start} {n}", number=n).save(empty)
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=write, args=(n,)) for n in range(3)]
    for thread in threads:
        thread.start()
    for _ in range(5):
        empty.ensure_indexes(Account, Person)
    for thread in threads:
        thread.join()
    assert failures == []
    assert Account.objects(empty).where(email__startswith="1 ").count() == 60
    check_sound(empty)


def test_indexes_can_be_made_while_another_process_writes(path):
    with Storage(path) as storage:
        storage.save_many(people())

    def write(report):
        with Storage(path) as storage:
            for n in range(80):
                Account(email=f"{n}", number=n).save(storage)
                storage.ensure_indexes(Account)
        report("written")

    with Storage(path) as storage:
        with forked(write) as child:
            for _ in range(5):
                storage.ensure_indexes(Person, Account)
            assert child.line() == "written"
        assert Account.objects(storage).where(email="7").count() == 1
        assert len(storage.list_indexes()) == 9
        check_sound(storage)


def check_sound(storage):
    (answer,) = storage.connection.execute("PRAGMA integrity_check").fetchone()
    assert answer == "ok"


def test_other_programs_can_write_an_indexed_table(storage):
    insert_foreign(storage, "foreign", '{"first_name": "A", "age": 1}')
    with sqlite3.connect(storage.path) as connection:
        connection.execute("UPDATE records SET body=json_set(body,'$.age',5)")
        connection.execute("DELETE FROM records WHERE key='foreign'")
    connection.close()
    assert Person.objects(storage).where(age=5).count() == PEOPLE
    check_sound(storage)


def test_an_index_of_what_is_not_declared_is_made_by_hand(empty):
    """What a backend is given: a bound index may stand for any path."""
    index = BoundIndex((Order(("free",), True),), model="By hand")
    name = empty.create_index(index)
    assert name in empty.list_indexes()
    assert indexes.index_name(index, empty.table) == name
