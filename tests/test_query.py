"""Queries are immutable questions; what cannot be meant is an error at once."""

import warnings
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Any, Literal

import pydantic
import pytest
from pydantic import BaseModel, ConfigDict, Field
from required import check_installed
from storages import EMBEDDED, opened

import pymodels
from pymodels import (
    BaseStorage,
    EncodeError,
    F,
    InvalidRecord,
    Model,
    MultipleFound,
    NotInModel,
    QueryError,
    RecordNotFound,
    ResidualForbidden,
    ResidualWarning,
    UnknownField,
    UnknownLookup,
)
from pymodels.backends import memory
from pymodels.testing.each import each


@pytest.fixture(params=EMBEDDED)
def backend(request):
    return request.param


@pytest.fixture
def storage(backend, tmp_path):
    with opened(backend, tmp_path) as one:
        yield one


class Address(BaseModel):
    city: str = ""
    number: int | None = Field(None, gt=0)


class Person(Model):
    name: str
    age: int | None = Field(None, ge=0)
    tags: list[str] = []
    address: Address | None = None
    born: date | None = None
    scores: dict[str, int] = {}

    def __str__(self) -> str:
        return self.name


class Adult(Person):
    kind: Literal["adult"] = "adult"

    class Meta:
        must_have = {"age__gte": 18, "status": "ok"}
        must_not_have = {"name": "Nobody"}


@pytest.fixture
def people(storage):
    ages = [5, None, 30, 12, 30, 80]
    for number, age in enumerate(ages):
        Person(
            name="abcdef"[number],
            age=age,
            tags=["x", "y"][: number % 3],
            address=Address(city="AB"[number % 2]) if number < 4 else None,
        ).save(storage, key=f"k{number}")
    return Person.objects(storage)


def names(query: Any) -> str:
    return "".join(person.name for person in query)


# Building.


def test_a_query_is_never_changed(people):
    before = str(people)
    narrowed = people.where(age=30)
    ordered = people.order_by("-name")
    people.where_not(age=30)
    people.skip_invalid()
    sliced = ordered[1:3]
    assert str(people) == before
    assert people.count() == 6
    assert narrowed.count() == 2
    assert names(ordered) == "fedcba"
    assert names(sliced) == "ed"
    assert names(ordered) == "fedcba"


def test_a_query_is_lazy_and_repeatable(storage, people):
    query = people.where(age=30)
    assert query.count() == 2
    Person(name="g", age=30).save(storage)
    assert query.count() == 3
    assert len(list(query)) == 3
    assert len(list(query)) == 3


def test_all_conditions_must_hold(people):
    assert names(people.where(F.age > 10, F.age < 40, name="c")) == "c"
    assert people.where(age__gt=10).where(age__lt=40).count() == 3
    assert people.where().count() == 6
    assert people.where_not().count() == 0


def test_where_not_is_the_complement_missing_included(people):
    for condition in ({"age": 30}, {"age__gt": 10}, {"age": 30, "name": "c"}):
        wanted = people.where(**condition)
        rest = people.where_not(**condition)
        assert wanted.count() + rest.count() == 6
        assert (wanted & rest).count() == 0
        assert (wanted | rest).count() == 6


def test_order_by_replaces_an_earlier_order(people):
    query = people.order_by("age", "name")
    assert names(query) == "badcef"
    assert names(query.order_by("-name")) == "fedcba"
    assert sorted(names(query.order_by())) == list("abcdef")
    assert names(people.order_by(-F.age, F.name)) == "fceda" + "b"


def test_descending_is_exactly_the_reverse(people):
    for name in ("age", "name", "born", "address__city", "key"):
        up = [one.key for one in people.order_by(name)]
        down = [one.key for one in people.order_by(f"-{name}")]
        assert up == down[::-1]


@each(
    "wrong",
    [
        ("name", "name"),
        ("name", "-name"),
        ("key", "pk"),
        ("nmae",),
        ("age__gt",),
        ("age__equals",),
        ("tags",),
        ("address",),
        ("scores",),
        ("--name",),
        ("",),
        ("-",),
        (3,),
        (None,),
        ("name__",),
        ("address__",),
    ],
)
def test_a_wrong_order_is_an_error(people, wrong):
    with pytest.raises(QueryError):
        people.order_by(*wrong)


def test_a_slice_may_name_more_records_than_there_can_be(people):
    query = people.order_by("name")
    assert names(query[: 2**70]) == "abcdef"
    assert names(query[2**63 :]) == names(query[1:][2**63 - 1 :]) == ""
    assert query[2**63 :].count() == 0


def test_slices_compose(people):
    query = people.order_by("name")
    letters = "abcdef"
    spans = [None, 0, 1, 2, 4, 6, 9]
    for start in spans:
        for stop in spans:
            once = query[start:stop]
            assert names(once) == letters[start:stop]
            assert once.count() == len(letters[start:stop])
            assert once.exists() == bool(letters[start:stop])
            for second in (slice(1, None), slice(None, 2), slice(1, 3), slice(5, 2)):
                assert names(once[second]) == letters[start:stop][second]
                assert once[second].count() == len(letters[start:stop][second])


def test_an_index_gives_an_instance(people):
    query = people.order_by("name")
    assert query[0].name == "a"
    assert query[5].name == "f"
    assert query[2:][1].name == "d"
    for wrong in (6, 100):
        with pytest.raises(IndexError):
            query[wrong]
    with pytest.raises(IndexError):
        query[2:4][2]


@pytest.mark.parametrize(
    "wrong", [-1, slice(-1, None), slice(None, -1), slice(0, 4, 2)]
)
def test_steps_and_negative_indices_are_errors(people, wrong):
    with pytest.raises(QueryError):
        people[wrong]


@pytest.mark.parametrize("wrong", ["a", 1.0, None, slice("a", None), slice(1.5, 2)])
def test_what_is_no_index_is_a_type_error(people, wrong):
    with pytest.raises(TypeError):
        people[wrong]


def test_a_slice_without_an_order_is_in_key_order(people):
    assert [one.key for one in people[1:4]] == ["k1", "k2", "k3"]
    assert people.first().key == "k0"
    assert people[0].key == "k0"


def test_nothing_can_be_asked_after_a_slice(people):
    sliced = people.order_by("name")[:3]
    for attempt in (
        lambda: sliced.where(age=3),
        lambda: sliced.where_not(age=3),
        lambda: sliced.order_by("name"),
        lambda: sliced | people,
        lambda: people & sliced,
        lambda: people - sliced,
        lambda: sliced.get(age=3),
    ):
        with pytest.raises(QueryError, match="slice"):
            attempt()


def test_queries_join(people):
    young, thirty = people.where(age__lt=20), people.where(age=30)
    assert sorted(names(young | thirty)) == list("acde")
    assert sorted(names(young & people.where(name="a"))) == ["a"]
    assert sorted(names(people - young)) == list("bcef")
    assert sorted(names(people - young - thirty)) == list("bf")


def test_queries_of_other_models_or_storages_do_not_join(storage, people):
    with pytest.raises(QueryError):
        people | Adult.objects(storage)
    with pytest.raises(QueryError):
        people & Person.objects(pymodels.get_storage("memory://"))
    for wrong in (3, None, F.age > 3, [], "x"):
        for join in ("__or__", "__and__", "__sub__"):
            with pytest.raises(TypeError):
                getattr(people, join)(wrong)


@each("wrong", [True, False, None, 3, "age", {"age": 3}, F.age, len, [F.age == 3]])
def test_what_is_no_condition_is_a_type_error(people, wrong):
    with pytest.raises(TypeError):
        people.where(wrong)
    with pytest.raises(TypeError):
        people.where_not(wrong)


def test_a_condition_has_no_truth(people):
    for attempt in (
        lambda: bool(F.age > 3),
        lambda: bool(F.age),
        lambda: 3 < F.age < 5,
        lambda: F.age > 3 and F.age < 5,
        lambda: not (F.age > 3),
        lambda: 3 in F.age,
        lambda: F.age in [3],
        lambda: list(F.tags),
        lambda: bool(people.where(age=3)),
        lambda: not people,
    ):
        with pytest.raises(TypeError):
            attempt()


def test_a_query_has_no_len(people):
    with pytest.raises(TypeError, match=r"count\(\)"):
        len(people)
    assert len(list(people)) == 6


@each(
    "lookups error told",
    [
        ({"agee": 3}, UnknownField, "age"),
        ({"age__gtt": 3}, QueryError, "gt"),
        ({"address__cty": "x"}, UnknownField, "city"),
        ({"name__city": "x"}, QueryError, "city"),
        ({"age": "many"}, QueryError, "age"),
        ({"age": 3.5j}, QueryError, "age"),
        ({"age__gt": None}, QueryError, "None"),
        ({"name": None}, QueryError, "name"),
        ({"name": 3}, QueryError, "name"),
        ({"name__startswith": 3}, QueryError, "name"),
        ({"age__startswith": "3"}, QueryError, "age"),
        ({"name__in": "abc"}, QueryError, "in"),
        ({"name__in": [3]}, QueryError, "name"),
        ({"name__in": 3}, QueryError, "in"),
        ({"name__matches": "("}, QueryError, "regular"),
        ({"name__search": "("}, QueryError, "search"),
        ({"name__search": "a AND"}, QueryError, "search"),
        ({"age__between": [1]}, QueryError, "two"),
        ({"age__between": 3}, QueryError, "between"),
        ({"age__exists": 1}, QueryError, "True"),
        ({"born__year": "x"}, QueryError, "year"),
        ({"born": "2020-01-01"}, QueryError, "born"),
        ({"name__year": 2020}, QueryError, "year"),
        ({"tags": "x"}, QueryError, "contains"),
        ({"tags__contains": 3}, QueryError, "tags"),
        ({"age__contains": 3}, QueryError, "age"),
        ({"tags__gt": "a"}, QueryError, "tags"),
        ({"key": 3}, QueryError, "key"),
        ({"key__year": 3}, QueryError, "key"),
        ({"age": float("nan")}, QueryError, "nan"),
        ({"name": "a\0"}, QueryError, "NUL"),
        ({"name": "\ud800"}, QueryError, "surrogate"),
        ({"": 3}, QueryError, ""),
        ({"__": 3}, QueryError, ""),
        ({"age__": 3}, QueryError, ""),
        ({"__age": 3}, QueryError, ""),
        ({"scores__x": "y"}, QueryError, "scores"),
        ({"address": "x"}, QueryError, "address"),
        ({"address__city": 3}, QueryError, "city"),
    ],
)
def test_a_wrong_keyword_is_an_error_at_once(people, lookups, error, told):
    for ask in (people.where, people.where_not, people.get):
        with pytest.raises(error) as wrong:
            ask(**lookups)
        assert told in str(wrong.value)


def test_unknown_lookups_name_those_that_are_known(people):
    with pytest.raises(UnknownLookup, match="startswith"):
        people.where(age__startwith="x")


def test_expressions_are_not_checked_against_the_model(people):
    assert people.where(F.agee == 3).count() == 0
    assert people.where(F.age == "x").count() == 0
    assert people.where(F.name > 3).count() == 0


def test_the_key_is_asked_for_and_ordered_by(people):
    assert people.where(key="k1").one().name == "b"
    assert people.where(pk__in=["k1", "k2", "zz"]).count() == 2
    assert people.where(key__gt="k3").count() == 2
    assert people.where(F.key == "k1").count() == 1
    assert people.where(key__startswith="k").count() == 6
    assert people.values("key") == [f"k{n}" for n in range(6)]
    assert [one.key for one in people.order_by("-key")] == [
        f"k{n}" for n in reversed(range(6))
    ]


# Asking.


def test_first_one_and_get(people):
    assert people.order_by("-name").first().name == "f"
    assert people.where(age=99).first() is None
    assert people.where(name="a").one().name == "a"
    assert people.get(name="a").name == "a"
    assert people.get(F.name == "a", age=5).key == "k0"
    for missing in (people.where(age=99).one, lambda: people.get(age=99)):
        with pytest.raises(RecordNotFound, match="Person"):
            missing()
    for several in (people.where(age=30).one, lambda: people.get(age=30)):
        with pytest.raises(MultipleFound, match="Person"):
            several()
    with pytest.raises(KeyError):
        people.get(age=99)
    with pytest.raises(LookupError):
        people.get(age=30)


def test_exists_keys_and_records(people):
    assert people.exists()
    assert not people.where(age=99).exists()
    assert sorted(people.keys()) == [f"k{n}" for n in range(6)]
    query = people.where(age=30).order_by("name")
    assert list(query.keys()) == ["k2", "k4"]
    pairs = list(query.records())
    assert [key for key, _ in pairs] == ["k2", "k4"]
    assert pairs[0][1]["address"] == {"city": "A", "number": None}


def test_membership_of_a_key_or_an_instance(storage, people):
    thirty = people.where(age=30)
    assert "k2" in thirty
    assert "k1" not in thirty
    assert storage.get(Person, "k2") in thirty
    assert storage.get(Person, "k1") not in thirty
    assert Person(name="new", age=30) not in thirty
    assert 3 not in thirty
    assert None not in thirty
    assert "" not in thirty
    assert "k2" in people.order_by("key")[:3]
    assert "k4" not in people.order_by("key")[:3]
    other = pymodels.get_storage("memory://")
    Person(name="x", age=30).save(other, key="k2")
    assert other.get(Person, "k2") not in thirty
    storage["k9"] = {"no": "person"}
    assert "k9" not in people


def test_values_are_distinct_without_none_in_order(storage, people):
    assert people.values("age") == [5, 12, 30, 80]
    assert people.values("address__city") == ["A", "B"]
    assert people.values(F.address.city) == ["A", "B"]
    assert people.values("tags") == [[], ["x"], ["x", "y"]]
    assert people.where(age=99).values("age") == []
    assert people.order_by("-name")[:2].values("age") == [30, 80]
    assert people.values(F.nothing) == []
    with pytest.raises(UnknownField):
        people.values("agee")
    with pytest.raises(QueryError):
        people.values("age__gt")
    with pytest.raises(TypeError, match="a field is named by a string"):
        people.values({"$gt": ""})


def test_values_of_mixed_kinds_are_in_the_laws_order(storage):
    class Anything(Model):
        value: Any

    mixed = [True, "a", 2, [1], {"a": 1}, b"b", date(2020, 1, 1), False, 1.5, None]
    mixed += [Decimal("2.0"), "A", [], "a"]
    for value in mixed:
        Anything(value=value).save(storage)
    found = Anything.objects(storage).values("value")
    expected = [1.5, 2, "A", "a", {"a": 1}, [], [1], b"b", False, True]
    assert found == [*expected, date(2020, 1, 1)]
    assert [type(one) for one in found[-3:]] == [bool, bool, date]


def test_a_record_that_does_not_validate_is_told_by_key(storage, people):
    storage["bad"] = {"name": "z", "age": -3}
    assert people.count() == 7
    with pytest.raises(InvalidRecord, match="bad") as invalid:
        list(people)
    assert invalid.value.key == "bad"
    assert invalid.value.errors[0]["type"] == "greater_than_equal"


def test_skip_invalid_leaves_them_out_everywhere(storage, people):
    storage["bad"] = {"name": "0", "age": -3}
    query = people.skip_invalid()
    assert sorted(names(query)) == list("abcdef")
    assert query.count() == 6
    assert "bad" not in query
    assert "bad" not in list(query.keys())
    assert names(query.order_by("name")[:2]) == "ab"
    assert query.order_by("name").first().name == "a"
    assert query[:3].count() == 3
    assert -3 not in query.values("age")
    assert query.where(age__lt=0).count() == 0
    assert not query.where(age__lt=0).exists()
    assert query.update(born=date(2020, 1, 1)) == 6
    assert "born" not in storage["bad"]
    assert query.delete() == 6
    assert list(storage) == ["bad"]
    assert "invalid" in str(query.plan())


# Showing.


def test_repr_shows_at_most_twenty(storage, people):
    assert repr(people.order_by("name")[:2]) == "[<Person a>, <Person b>]"
    assert repr(people.where(age=99)) == "[]"
    storage.save_many(Person(name=f"n{n}") for n in range(30))
    shown = repr(people)
    assert shown.count("<Person") == 20
    assert shown.endswith(", ...]")
    exactly = repr(people.order_by("key")[:20])
    assert exactly.count("<Person") == 20
    assert "..." not in exactly


def test_repr_never_raises(storage, people):
    storage["bad"] = {"name": "z", "age": -3}
    assert "InvalidRecord" in repr(people)

    class Grumpy(Person):
        def __str__(self) -> str:
            raise RuntimeError("no")

    assert "RuntimeError" in repr(Grumpy.objects(storage).skip_invalid())
    storage.close()
    assert "StorageClosed" in repr(people)


def test_a_forbidden_query_is_shown_as_such(tmp_path):
    with pymodels.get_storage("memory://", residual="forbid") as storage:
        assert "ResidualForbidden" in repr(Person.objects(storage).where(age=3))


def test_str_shows_the_instances_as_repr_does(people):
    query = people.where(age__gt=3).order_by("-name")[2:5]
    assert str(query) == repr(query) == "[<Person d>, <Person c>, <Person a>]"


def test_the_plan_says_who_does_what(people):
    text = str(people.where(age=3).order_by("name")[:2].plan())
    assert text.startswith("in the database: ")
    assert "afterwards, here: " in text
    assert "age" in text
    assert "records 0 to 2" in text


# Residuals.


@pytest.fixture
def residual_storage(backend, tmp_path, request):
    check_installed(backend)
    settings = {"backend": backend, "residual": request.param}
    if backend != "memory":
        settings["path"] = str(tmp_path / "residual.db")
    with pymodels.get_storage(settings) as one:
        yield one


ASKING = [
    list,
    lambda query: query.count(),
    lambda query: query.first(),
    lambda query: query.exists(),
    lambda query: query.values("age"),
    lambda query: list(query.keys()),
    lambda query: list(query.records()),
    lambda query: "k" in query,
    lambda query: query.update(age=3),
    lambda query: query.delete(),
]


@pytest.mark.parametrize("residual_storage", ["forbid"], indirect=True)
@pytest.mark.parametrize("ask", ASKING)
def test_a_residual_is_forbidden_before_anything_is_read(residual_storage, ask):
    Person(name="x", age=1).save(residual_storage, key="k")
    # SQLite's paths cannot spell such a name.
    query = Person.objects(residual_storage).where(F['a"b'] != 1)
    with pytest.raises(ResidualForbidden, match="Person"):
        ask(query)
    assert residual_storage["k"]["age"] == 1


@pytest.mark.parametrize("residual_storage", ["warn"], indirect=True)
def test_a_residual_is_warned_of_and_run(residual_storage):
    Person(name="x", age=1).save(residual_storage, key="k")
    query = Person.objects(residual_storage).where(F['a"b'] != 1)
    for ask in ASKING:
        with pytest.warns(ResidualWarning, match="Person"):
            ask(query)
    assert len(residual_storage) == 0


@pytest.mark.parametrize("residual_storage", ["forbid"], indirect=True)
def test_an_order_that_changes_no_answer_is_no_residual(residual_storage, backend):
    if backend == "memory":
        return  # all its conditions are residual, membership too
    Person(name="x", age=1).save(residual_storage, key="k")
    # Nothing says which kinds an undeclared name holds, so no database sorts by it.
    query = Person.objects(residual_storage).order_by(F.undeclared)
    with pytest.raises(ResidualForbidden):
        list(query)
    assert query.count() == 1
    assert query.exists()
    assert "k" in query
    assert query.one().name == "x"
    assert query.values("age") == [1]
    assert query.update(age=2) == 1
    assert query.delete() == 1


def test_residuals_are_allowed_unless_said_otherwise(people):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert people.where(name__matches="[ab]").count() == 2


# Updates.


class Tidy(BaseModel):
    model_config = ConfigDict(str_to_lower=True)
    code: str = ""


class Stripped(Model):
    model_config = ConfigDict(str_strip_whitespace=True)
    name: str
    tidy: Tidy = Tidy()


def test_update_validates_as_the_model_is_configured(storage):
    Stripped(name="x").save(storage, key="k")
    query = Stripped.objects(storage)
    assert query.update(name="  b  ", tidy__code="UP") == 1
    assert storage["k"] == {"name": "b", "tidy": {"code": "up"}}
    with pytest.raises(pydantic.ValidationError, match=r"Stripped\.name"):
        query.update(name=5)


def test_update_sets_fields_and_says_how_many(storage, people):
    assert people.where(age=30).update(age=31, born=date(2020, 1, 1)) == 2
    assert storage["k2"]["age"] == 31
    assert storage["k4"]["born"] == date(2020, 1, 1)
    assert storage["k0"]["age"] == 5
    assert people.where(age=99).update(age=1) == 0
    assert people.where(age=None).update(age=1) == 1
    assert people.update(age=None) == 6


def test_update_leaves_undeclared_fields_alone(storage, people):
    storage["k0"] = {**storage["k0"], "extra": [1]}
    people.update(age=1)
    assert storage["k0"]["extra"] == [1]


def test_update_takes_nested_paths(storage, people):
    storage["k0"] = {"name": "a", "address": {"city": "A", "planet": "Earth"}}
    storage["k1"] = {"name": "b"}
    storage["k2"] = {"name": "c", "address": None}
    storage["k3"] = {"name": "d", "address": "text"}
    assert people.update(address__city="Z") == 6
    assert storage["k0"]["address"] == {"city": "Z", "planet": "Earth"}
    for key in ("k1", "k2", "k3"):
        assert storage[key]["address"] == {"city": "Z"}
    assert people.update(scores__math=3, address=None) == 6
    assert storage["k5"]["scores"] == {"math": 3}
    assert storage["k5"]["address"] is None


def test_no_update_nests_deeper_than_a_save(storage):
    class Anything(Model):
        value: Any = None

    deep = "deep"
    for _ in range(100):
        deep = [deep]
    Anything().save(storage, key="k")
    with pytest.raises(EncodeError, match="levels"):
        Anything.objects(storage).update(value=deep)
    with pytest.raises(EncodeError, match="levels"):
        Anything.objects(storage).update(value__a=deep[0])
    assert Anything.objects(storage).update(value=deep[0]) == 1
    assert storage["k"] == {"value": deep[0]}


def test_a_question_nests_no_deeper_than_a_record(people):
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(QueryError, match="levels"):
        people.where(F.age == endless)


def test_update_takes_models_and_lists(storage, people):
    people.where(name="a").update(address=Address(city="Q"), tags=["z"])
    assert storage["k0"]["address"] == {"city": "Q", "number": None}
    assert storage["k0"]["tags"] == ["z"]
    people.where(name="a").update(address={"city": "R"})
    assert storage["k0"]["address"]["city"] == "R"


@pytest.mark.parametrize(
    ("values", "error"),
    [
        ({"agee": 3}, UnknownField),
        ({"address__cty": "x"}, UnknownField),
        ({"age__gt": 3}, QueryError),
        ({"age__equals": 3}, QueryError),
        ({"key": "x"}, QueryError),
        ({"pk": "x"}, QueryError),
        ({"age": "many"}, pydantic.ValidationError),
        ({"age": -1}, pydantic.ValidationError),
        ({"name": None}, pydantic.ValidationError),
        ({"tags": [3]}, pydantic.ValidationError),
        ({"address": {"number": 0}}, pydantic.ValidationError),
        ({"address__number": 0}, pydantic.ValidationError),
        ({"scores__math": "x"}, pydantic.ValidationError),
        ({"name": "a\0"}, pymodels.EncodeError),
        ({"scores__a\0": 3}, pymodels.EncodeError),
        ({"age": 2**63}, pymodels.EncodeError),
        ({"address": None, "address__city": "x"}, QueryError),
        ({"name__city": "x"}, QueryError),
    ],
)
def test_a_wrong_update_is_an_error_and_writes_nothing(storage, people, values, error):
    before = dict(storage.records())
    with pytest.raises(error):
        people.update(**{"born": date(2020, 1, 1), **values})
    assert dict(storage.records()) == before
    with pytest.raises(error):
        people.where(age=99).update(**values)


def test_an_update_that_breaks_membership_is_refused_before_writing(storage):
    for number in range(3):
        Adult(name="x", age=20 + number).save(storage, key=f"k{number}")
    before = dict(storage.records())
    adults = Adult.objects(storage)
    for values in ({"age": 3}, {"name": "Nobody"}, {"age": None}):
        with pytest.raises(NotInModel):
            adults.update(**values)
        with pytest.raises(ValueError):
            adults.where(age=99).update(**values)
    with pytest.raises(pydantic.ValidationError):
        adults.update(kind="child")
    assert dict(storage.records()) == before
    assert adults.update(age=18, name="Somebody", kind="adult") == 3


def test_an_update_validates_by_the_fields_own_validators(storage):
    class Shout(Model):
        word: str

        @pydantic.field_validator("word")
        @classmethod
        def loud(cls, value: str) -> str:
            return value.upper()

    Shout(word="a").save(storage, key="k")
    Shout.objects(storage).update(word="b")
    assert storage["k"] == {"word": "B"}


def test_an_update_inside_a_union_validates_by_its_choices(storage):
    class Cat(BaseModel):
        kind: Literal["cat"] = "cat"
        lives: int = 9

    class Dog(BaseModel):
        kind: Literal["dog"] = "dog"
        lives: Literal[1] = 1

    class Owner(Model):
        pet: Cat | Dog | None = None
        told: Cat | Dog | None = Field(None, discriminator="kind")

    Owner(pet=Cat(), told=Cat()).save(storage, key="k")
    owners = Owner.objects(storage)
    assert owners.update(pet__lives=3, told__lives=4) == 1
    assert storage["k"]["pet"]["lives"] == 3
    with pytest.raises(pydantic.ValidationError):
        owners.update(pet__lives="many")
    with pytest.raises(pydantic.ValidationError):
        owners.update(told__lives="many")


def test_an_update_of_nothing_counts(people):
    assert people.where(age=30).update() == 2


def test_an_update_of_a_slice_writes_just_these(storage, people):
    assert people.order_by("name")[1:3].update(age=77) == 2
    changed = [key for key, one in storage.records() if one["age"] == 77]
    assert sorted(changed) == ["k1", "k2"]


def test_an_update_that_changes_what_is_asked_sees_each_record_once(storage, people):
    assert people.where(age__gte=0).update(age=0) == 5
    assert people.order_by("age").update(age=1) == 6


def test_update_does_not_read_a_template(storage, people):
    people.update(scores={"$inc": 1, "a.b": 2})
    assert storage["k0"]["scores"] == {"$inc": 1, "a.b": 2}
    assert people.where(scores={"$inc": 1, "a.b": 2}).count() == 6


def test_delete_says_how_many(storage, people):
    assert people.where(age=30).delete() == 2
    assert people.where(age=30).delete() == 0
    assert people.order_by("name")[:1].delete() == 1
    assert "k0" not in storage
    storage["other"] = {"no": "person"}
    assert people.delete() == 3
    assert list(storage) == ["other"]


def break_after_two(storage) -> None:
    swap = storage.swap

    def failing(swaps):
        swap(swaps[:2])
        cause = pymodels.StorageError("the disk is gone")
        raise pymodels.WriteInterrupted("2 records were written", 2) from cause

    storage.swap = failing


def test_a_failure_in_the_middle_undoes_the_whole(storage, people):
    count = len(storage)
    break_after_two(storage)
    with pytest.raises(pymodels.StorageError, match="the disk is gone") as failure:
        people.skip_invalid().delete()
    assert "nothing was deleted" in failure.value.__notes__[0]
    assert len(storage) == count


def test_without_transactions_a_failure_says_how_many_were_done():
    class Bare(memory.Storage):
        begin = BaseStorage.begin

    storage = Bare()
    for name in "abcdef":
        Person(name=name, age=1).save(storage)
    break_after_two(storage)
    with pytest.raises(pymodels.WriteInterrupted, match="2 records") as interrupted:
        Person.objects(storage).delete()
    assert interrupted.value.done == 2
    assert len(storage) == 4


def test_iterating_while_the_same_records_are_changed(storage, people):
    seen = []
    for person in people.where(age__gte=0):
        seen.append(person.name)
        person.age = (person.age or 0) + 1
        person.save()
        if person.name == "c":
            person.delete()
    assert sorted(seen) == list("acdef")


def test_two_iterations_at_once(people):
    pairs = [(a.name, b.name) for a in people for b in people]
    assert len(set(pairs)) == 36


def test_an_iteration_that_is_dropped_leaves_no_trace(storage, people):
    iterator: Iterator[Person] = iter(people)
    next(iterator)
    del iterator
    Person(name="z").save(storage)
    storage.clear()
    assert people.count() == 0


# Lookups by keyword on declared things, end to end.


def test_declared_names_with_two_underscores_win(storage):
    class Odd(Model):
        age__gt: int = 0
        a__b: str = ""
        age: int = 0

    Odd(age__gt=5, a__b="x", age=9).save(storage)
    odd = Odd.objects(storage)
    assert odd.where(age__gt=5).count() == 1
    assert odd.where(age__gt=4).count() == 0
    assert odd.where(age__gt__gt=4).count() == 1
    assert odd.where(a__b="x").count() == 1
    assert odd.where(a__b__startswith="x").count() == 1


def test_a_map_is_asked_by_its_names(storage, people):
    Person(name="z", scores={"math": 5, "x y": 6}).save(storage)
    assert people.where(scores__math=5).count() == 1
    assert people.where(scores__math__gt=4).count() == 1
    assert people.where(F.scores["x y"] == 6).count() == 1
    assert people.where(scores={"x y": 6, "math": 5}).count() == 1
    assert people.where(scores__nothing=None).count() == 7


def test_no_operator_is_smuggled_in_through_a_value(storage):
    class Open(Model):
        value: Any = None

    Open(value={"$gt": ""}).save(storage, key="k")
    Open(value="x").save(storage)
    query = Open.objects(storage)
    assert [one.key for one in query.where(value={"$gt": ""})] == ["k"]
    assert query.where(value={"$ne": None}).count() == 0
    assert query.where(value__in=[{"$gt": ""}]).count() == 1
    assert query.where(value="' OR 1=1 --").count() == 0
    assert query.where(F["value'] OR 1=1 --"] == "x").count() == 0
    assert query.where(F['"]'] == None).count() == 2  # noqa: E711  # this is what is asked


def test_between_ends_are_included_and_reversed_ends_match_nothing(people):
    assert sorted(names(people.where(age__between=(12, 30)))) == list("cde")
    assert people.where(age__between=(30, 12)).count() == 0
    assert people.where(F.age.between(30, 30)).count() == 2


def test_generators_are_taken_where_an_iterable_is(people):
    assert people.where(age__in=(age for age in [5, 30])).count() == 3
    assert people.where(age__in=[]).count() == 0
    assert people.where(age__in=[None]).count() == 1
    assert people.where(age__in={5, 12}).count() == 2


def test_a_query_of_no_records(storage):
    empty = Person.objects(storage)
    assert empty.count() == 0
    assert list(empty) == []
    assert empty.values("age") == []
    assert empty.delete() == 0
    assert empty.update(age=3) == 0
    assert repr(empty) == "[]"
    assert empty.first() is None
    with pytest.raises(IndexError):
        empty[0]
