"""A model is an ordinary pydantic model, and a view of records beside it."""

import copy
import json
import pickle
from datetime import date
from enum import Enum
from typing import Annotated, Any, ClassVar, Generic, Literal, TypeVar

import pydantic
import pytest
from pydantic import (
    AliasChoices,
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    computed_field,
    create_model,
    field_serializer,
    field_validator,
    model_serializer,
    model_validator,
)
from storages import EMBEDDED, opened

import pymodels
from pymodels import DefinitionError, F, Index, Model, NotInModel, Reference

T = TypeVar("T")


@pytest.fixture(params=EMBEDDED)
def storage(request, tmp_path):
    with opened(request.param, tmp_path) as one:
        yield one


class Address(BaseModel):
    city: str
    zip: str | None = None


class Person(Model):
    name: str
    age: int = 0
    tags: list[str] = []
    address: Address | None = None

    def __str__(self) -> str:
        return self.name


class Bare(Model):
    name: str
    age: int = 3


class Frozen(Model):
    model_config = ConfigDict(frozen=True)

    name: str
    age: int = 0


class Open(Model):
    model_config = ConfigDict(extra="allow")

    name: str


def make_model(name, bases, annotations, **namespace):
    """Make a class as a class statement does."""
    bases = bases if isinstance(bases, tuple) else (bases,)
    namespace |= {"__module__": __name__, "__qualname__": name}
    if "Meta" in namespace:
        meta = {**namespace["Meta"], "__qualname__": f"{name}.Meta"}
        namespace["Meta"] = type("Meta", (), meta)
    namespace["__annotations__"] = annotations
    return type(Model)(name, bases, namespace)


@pytest.fixture
def ada(storage):
    ada = Person(name="Ada", age=36, tags=["a"], address=Address(city="London"))
    ada.save(storage, key="ada")
    return storage.get(Person, "ada")


# An ordinary pydantic model.


def test_a_model_needs_no_storage():
    person = Person(name="Ada")
    assert person.model_dump() == {
        "name": "Ada",
        "age": 0,
        "tags": [],
        "address": None,
    }
    assert person.key is None
    assert person.pk is None
    assert person.storage is None


def test_the_json_schema_has_the_fields_alone():
    assert list(Person.model_json_schema()["properties"]) == [
        "name",
        "age",
        "tags",
        "address",
    ]


def test_key_and_storage_are_in_no_dump(ada):
    assert set(ada.model_dump()) == set(Person.model_fields)
    assert set(json.loads(ada.model_dump_json())) == set(Person.model_fields)
    assert dict(ada).keys() == Person.model_fields.keys()


def test_assignments_are_validated():
    person = Person(name="Ada")
    with pytest.raises(pydantic.ValidationError):
        person.age = "many"
    person.age = "7"
    assert person.age == 7


def test_a_model_may_switch_off_the_validation_of_assignments():
    class Loose(Model):
        model_config = ConfigDict(validate_assignment=False)
        age: int

    loose = Loose(age=1)
    loose.age = "x"
    assert loose.age == "x"


def test_key_and_storage_cannot_be_assigned(ada):
    with pytest.raises(AttributeError):
        ada.key = "other"
    with pytest.raises(AttributeError):
        ada.storage = None
    assert ada.key == "ada"


def test_a_key_in_the_constructor_is_ignored_like_any_unknown_name():
    assert Person(name="Ada", key="ada", pk="p").key is None


def test_a_model_made_by_create_model_works(storage):
    made = create_model("Made", __base__=Model, name=(str, ...), age=(int, 5))
    key = made(name="x").save(storage)
    assert made.objects(storage).where(age=5).one().key == key


def test_private_attributes_stay_private(storage):
    class Counting(Model):
        name: str
        _key: str = PrivateAttr("mine")
        _seen: int = PrivateAttr(default=0)

    one = Counting(name="x")
    one._seen += 1
    one.save(storage, key="k")
    assert (one._key, one._seen, one.key) == ("mine", 1, "k")
    assert storage["k"] == {"name": "x"}
    assert copy.copy(one)._seen == 1
    assert storage.get(Counting, "k")._seen == 0


def test_class_variables_are_no_fields(storage):
    class Counted(Model):
        count: ClassVar[int] = 0
        name: str

    Counted(name="x").save(storage, key="k")
    assert storage["k"] == {"name": "x"}


def test_model_post_init_and_validators_run_on_loading(storage):
    class Upper(Model):
        name: str
        _ready: bool = PrivateAttr(default=False)

        def model_post_init(self, context: Any) -> None:
            self._ready = True

        @model_validator(mode="after")
        def check(self) -> "Upper":
            if self.name == "bad":
                raise ValueError("bad name")
            return self

    Upper(name="x").save(storage, key="k")
    assert storage.get(Upper, "k")._ready
    storage["bad"] = {"name": "bad"}
    with pytest.raises(pymodels.InvalidRecord, match="bad name"):
        storage.get(Upper, "bad")


def test_an_overridden_init_is_called_on_loading(storage):
    class Greeting(Model):
        name: str

        def __init__(self, **values: Any) -> None:
            super().__init__(**values)
            calls.append(values["name"])

    calls: list[str] = []
    Greeting(name="x").save(storage, key="k")
    loaded = storage.get(Greeting, "k")
    assert calls[0] == "x"
    assert len(calls) > 1
    assert loaded.key == "k"


# Names that would hide ours.


@pytest.mark.parametrize(
    "name",
    [
        "key",
        "pk",
        "storage",
        "save",
        "objects",
        "delete",
        "refresh",
        "convert_to",
        "save_as",
        "same_record",
        "fits",
    ],
)
def test_a_field_that_hides_a_name_of_ours_is_refused(name):
    with pytest.raises(DefinitionError, match=name):
        make_model("Hiding", Model, {name: str})


def test_a_hidden_name_is_refused_by_create_model_and_from_mixins_too():
    class Mixin(BaseModel):
        key: str

    with pytest.raises(DefinitionError, match="key"):
        create_model("Made", __base__=Model, key=(str, ...))
    with pytest.raises(DefinitionError, match="key"):
        make_model("Mixed", (Mixin, Model), {})
    with pytest.raises(DefinitionError, match="key"):
        make_model("Mixed", (Model, Mixin), {})


def test_a_field_called_meta_is_refused():
    with pytest.raises(DefinitionError):
        make_model("Hiding", Model, {"Meta": str})


def test_a_stored_field_may_be_called_key(storage):
    class Locked(Model):
        lock_key: str

        class Meta:
            names = {"lock_key": "key"}

    Locked(lock_key="iron").save(storage, key="k")
    assert storage["k"] == {"key": "iron"}
    assert Locked.objects(storage).where(lock_key="iron").one().key == "k"
    assert Locked.objects(storage).where(F["key"] == "iron").count() == 1
    assert Locked.objects(storage).where(key="k").count() == 1


def test_extra_forbid_is_refused_when_the_class_is_made():
    with pytest.raises(DefinitionError, match="forbid"):
        make_model("Strict", Model, {}, model_config=ConfigDict(extra="forbid"))


def test_a_root_model_is_refused():
    with pytest.raises((DefinitionError, TypeError)):

        class Root(Model, pydantic.RootModel[int]):
            pass


def test_an_unknown_option_of_meta_is_refused():
    with pytest.raises(DefinitionError, match="must_hav"):

        class Wrong(Model):
            name: str

            class Meta:
                must_hav = {"name": "x"}


def test_a_condition_on_an_unknown_lookup_is_taken_as_a_path_or_refused():
    with pytest.raises(DefinitionError, match="agee"):

        class Wrong(Model):
            age: int

            class Meta:
                must_have = {"age__agee": 3}


@pytest.mark.parametrize(
    "options",
    [
        {"must_have": ["name"]},
        {"must_not_have": "name"},
        {"names": ["name"]},
        {"names": {"nam": "n"}},
        {"names": {"name": ""}},
        {"names": {"name": "a\0b"}},
        {"names": {"name": 3}},
        {"names": {"name": "age"}},
        {"indexes": "name"},
        {"indexes": ["nam"]},
        {"indexes": [3]},
        {"must_have": {"name": 3}},
        {"must_have": {"name__in": "x"}},
    ],
)
def test_a_wrong_meta_is_refused_when_the_class_is_made(options):
    with pytest.raises(DefinitionError):
        make_model(
            "Wrong",
            Model,
            {"name": str, "age": int},
            Meta=options,
        )


# Smuggling by extra fields.


SMUGGLED = {
    "_key": "u",
    "key": "u",
    "pk": "u",
    "storage": "u",
    "save": "u",
    "__pymodels_row__": ["u", {}],
    "__pymodels_storage__": "u",
    "__pymodels_codec__": "u",
    "__dict__": {"name": "y"},
    "__class__": "u",
    "__pydantic_fields_set__": ["u"],
    "objects": "u",
    "Meta": "u",
}


def test_extra_fields_of_a_document_set_neither_key_nor_storage(storage):
    text = json.dumps({"name": "x", **SMUGGLED})
    for one in (
        Open.model_validate_json(text),
        Open.model_validate(json.loads(text)),
        Open(**json.loads(text)),
    ):
        assert one.key is None
        assert one.storage is None
        assert one.name == "x"
        assert type(one) is Open
        key = one.save(storage)
        assert key != "u"
        assert storage[key] == {"name": "x", **SMUGGLED}
        loaded = storage.get(Open, key)
        assert loaded.key == key
        assert loaded.storage is storage
        assert loaded.model_extra == SMUGGLED


def test_a_record_with_such_names_loads_with_its_own_key(storage):
    storage["k"] = {"name": "x", "key": "u", "__pymodels_row__": "u", "_key": "v"}
    for model in (Open, Bare):
        one = model.objects(storage).one()
        assert one.key == "k"
        one.name = "y"
        one.save()
        one.name = "x"
        one.save()
    assert storage["k"] == {
        "name": "x",
        "key": "u",
        "__pymodels_row__": "u",
        "_key": "v",
    }


def test_extra_fields_are_stored_asked_and_removed(storage):
    one = Open(name="x", age=3, when=date(2020, 1, 2))
    one.save(storage, key="k")
    assert storage["k"] == {"name": "x", "age": 3, "when": date(2020, 1, 2)}
    found = Open.objects(storage).where(age=3, when__year=2020).one()
    assert found.when == date(2020, 1, 2)
    found.age = 4
    del found.when
    found.save()
    assert storage["k"] == {"name": "x", "age": 4}


def test_extra_fields_of_two_instances_are_apart(storage):
    storage["a"] = {"name": "x", "age": 1}
    storage["b"] = {"name": "x"}
    a, b = Open.objects(storage).order_by("key")
    a.other = 1
    assert not b.model_fields_set & {"other", "age"}


# Copying and pickling.


COPIES = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "model_copy": lambda one: one.model_copy(),
    "deep model_copy": lambda one: one.model_copy(deep=True),
}


@pytest.mark.parametrize("route", COPIES)
def test_copies_keep_key_and_storage(route, ada):
    other = COPIES[route](ada)
    assert other is not ada
    assert (other.key, other.storage) == ("ada", ada.storage)
    assert other == ada
    other.age = 37
    other.save()
    assert ada.storage["ada"]["age"] == 37
    assert ada.age == 36


@pytest.mark.parametrize("route", COPIES)
def test_copies_of_unsaved_instances_are_unsaved(route):
    other = COPIES[route](Person(name="x"))
    assert other.key is None
    assert other.storage is None


def test_a_copy_with_an_update_is_the_same_document_changed(ada):
    other = ada.model_copy(update={"age": 40})
    assert other.key == "ada"
    other.save()
    assert ada.storage["ada"]["age"] == 40
    assert ada.storage["ada"]["name"] == "Ada"


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_pickling_keeps_the_key_but_not_the_storage(protocol, ada):
    other = pickle.loads(pickle.dumps(ada, protocol))
    assert other.key == "ada"
    assert other.storage is None
    with pytest.raises(ValueError, match="storage"):
        other.save()
    other.age = 50
    assert other.save(ada.storage) == "ada"
    assert ada.storage["ada"] == {
        "name": "Ada",
        "age": 50,
        "tags": ["a"],
        "address": {"city": "London", "zip": None},
    }


def test_an_unpickled_instance_writes_only_what_changed(ada):
    other = pickle.loads(pickle.dumps(ada))
    ada.name = "Countess"
    ada.save()
    other.age = 50
    other.save(ada.storage)
    assert ada.storage["ada"]["name"] == "Countess"
    assert ada.storage["ada"]["age"] == 50


def test_an_unpickled_instance_knows_its_storage_after_a_save_without_changes(ada):
    other = pickle.loads(pickle.dumps(ada))
    other.save(ada.storage)
    assert other.storage is ada.storage


def test_an_unsaved_instance_pickles():
    other = pickle.loads(pickle.dumps(Person(name="x")))
    assert other == Person(name="x")
    assert other.key is None


def test_a_deep_copy_shares_no_list(ada):
    other = copy.deepcopy(ada)
    other.tags.append("b")
    assert ada.tags == ["a"]


def test_model_validate_of_an_instance_is_the_instance(ada):
    assert Person.model_validate(ada) is ada


def test_another_model_made_from_attributes_has_no_key(ada):
    other = Bare.model_validate(ada, from_attributes=True)
    assert other.key is None
    assert other.name == "Ada"


def test_model_construct_has_no_key():
    assert Person.model_construct(name="x", key="k").key is None


# Equality, hash, representation.


def test_equality_is_that_of_fields_and_keys(storage):
    one, two = Person(name="x"), Person(name="x")
    assert one == two
    one.save(storage, key="1")
    assert one != two
    two.save(storage, key="2")
    assert one != two
    assert storage.get(Person, "1") == one
    changed = storage.get(Person, "1")
    changed.age = 5
    assert changed != one


def test_models_of_one_record_are_the_same_record_but_not_equal(ada):
    bare = ada.storage.get(Bare, "ada")
    assert bare != ada
    assert bare.same_record(ada)
    assert ada.same_record(bare)


def test_the_same_key_in_another_storage_is_another_record(ada):
    other_storage = pymodels.get_storage("memory://")
    other = Person(name="Ada")
    other.save(other_storage, key="ada")
    assert not other.same_record(ada)


def test_unsaved_instances_are_the_same_record_only_as_one_object():
    one = Person(name="x")
    assert one.same_record(one)
    assert not one.same_record(Person(name="x"))


def test_instances_are_equal_to_nothing_else(ada):
    assert ada != "ada"
    assert ada != 3
    assert ada != None  # noqa: E711  # this is what is asked
    assert ada != {"name": "Ada"}


def test_models_are_unhashable_as_in_pydantic():
    with pytest.raises(TypeError, match="unhashable"):
        hash(Person(name="x"))


def test_the_hash_of_a_frozen_model_agrees_with_equality(storage):
    one, two = Frozen(name="x"), Frozen(name="x")
    assert hash(one) == hash(two)
    one.save(storage, key="1")
    loaded = storage.get(Frozen, "1")
    assert loaded == one
    assert hash(loaded) == hash(one)
    assert len({one, loaded}) == 1
    with pytest.raises(pydantic.ValidationError):
        one.age = 3


def test_a_frozen_model_is_saved_changed_by_copy_and_refreshed(storage):
    one = Frozen(name="x")
    one.save(storage, key="1")
    two = one.model_copy(update={"age": 4})
    two.save()
    assert storage["1"] == {"name": "x", "age": 4}
    one.refresh()
    assert one.age == 4
    one.delete()
    assert one.key is None


def test_representation_is_class_and_str(ada):
    assert repr(ada) == "<Person Ada>"
    assert str(ada) == "Ada"
    assert repr(Bare(name="x")) == "<Bare name='x' age=3>"
    assert repr([ada]) == "[<Person Ada>]"


def test_representation_of_half_made_instances_does_not_fail():
    assert repr(Bare.model_construct()) == "<Bare age=3>"


def test_representation_of_a_str_that_asks_for_repr_ends():
    class Looping(Model):
        name: str

    assert repr(Looping(name="x")) == "<Looping name='x'>"


# Inheritance, Meta and conditions.


class Woman(Person):
    gender: str | None = None

    class Meta:
        must_have = {"gender": "female"}


class Old(Woman):
    class Meta:
        must_have = {"age__gte": 80}
        must_not_have = {"name": "Nobody"}


def test_conditions_are_inherited_and_merged():
    assert Old.fits({"name": "x", "gender": "female", "age": 80})
    assert not Old.fits({"name": "x", "gender": "female", "age": 79})
    assert not Old.fits({"name": "x", "gender": "male", "age": 90})
    assert not Old.fits({"name": "Nobody", "gender": "female", "age": 90})
    assert Woman.fits({"name": "Nobody", "gender": "female"})
    assert not Woman.fits({"gender": "female"})


def test_a_condition_of_the_same_spelling_overrides_the_inherited_one():
    class Man(Woman):
        class Meta:
            must_have = {"gender": "male"}

    assert Man.fits({"name": "x", "gender": "male"})
    assert not Man.fits({"name": "x", "gender": "female"})
    assert Man(name="x").gender == "male"


def test_a_meta_that_inherits_means_the_same():
    class Tall(Woman):
        class Meta(Woman.Meta):
            must_have = {"height__gt": 180}

    assert Tall.fits({"name": "x", "gender": "female", "height": 190})
    assert not Tall.fits({"name": "x", "height": 190})
    assert Tall(name="x").gender == "female"


def test_conditions_of_two_parents_hold_both(storage):
    class Tagged(Model):
        tags: list[str] = []

        class Meta:
            must_have = {"tags__contains": "a"}

    class Both(Tagged, Woman):
        pass

    Both(name="x", tags=["a"]).save(storage, key="k")
    assert storage["k"]["gender"] == "female"
    assert not Both.fits({"name": "x", "gender": "female", "tags": []})
    assert not Both.fits({"name": "x", "gender": "male", "tags": ["a"]})


def test_indexes_are_inherited_by_union():
    class Indexed(Model):
        name: str
        age: int = 0

        class Meta:
            indexes = ["name", ("-age", "name")]

    class More(Indexed):
        class Meta:
            indexes = ["name", "age", Index("name", "age")]

    shown = [str(index) for index in More.__pymodels_codec__.indexes]
    assert shown == ["More(name)", "More(-age, name)", "More(age)", "More(name, age)"]


def test_equality_conditions_prefill_new_instances(storage):
    ada = Woman(name="Ada")
    assert ada.gender == "female"
    ada.save(storage, key="ada")
    assert storage["ada"]["gender"] == "female"


def test_prefilled_fields_may_be_given():
    assert Woman(name="x", gender="male").gender == "male"


def test_a_required_field_with_a_condition_need_not_be_given(storage):
    class Dutch(Model):
        country: str
        name: str

        class Meta:
            must_have = {"country": "nl"}

    assert Dutch(name="x").country == "nl"
    Dutch(name="x").save(storage, key="k")
    assert storage["k"] == {"country": "nl", "name": "x"}
    assert not Dutch.fits({"name": "x"})


def test_prefilling_leaves_the_parent_alone():
    assert Person(name="x").model_dump().keys() == {"name", "age", "tags", "address"}

    class Base(Model):
        gender: str | None = None

    class Narrow(Base):
        class Meta:
            must_have = {"gender": "female"}

    assert Base().gender is None
    assert Narrow().gender == "female"
    assert Narrow.model_fields["gender"].default == "female"


def test_prefilling_keeps_constraints_descriptions_and_validators():
    class Base(Model):
        code: str = Field("x", max_length=3, description="A code.")

        @field_validator("code")
        @classmethod
        def upper(cls, value: str) -> str:
            return value.upper()

    class Narrow(Base):
        class Meta:
            must_have = {"code": "ABC"}

    assert Narrow().code == "ABC"
    assert Narrow(code="abc").code == "ABC"
    assert Narrow.model_fields["code"].description == "A code."
    with pytest.raises(pydantic.ValidationError):
        Narrow(code="abcd")


def test_prefilling_follows_the_conditions_of_every_parent():
    class Base(Model):
        gender: str | None = None

    class Narrow(Base):
        class Meta:
            must_have = {"gender": "female"}

    class Wide(Base):
        note: str = ""

    class Both(Wide, Narrow):
        pass

    class Again(Narrow):
        gender: str | None

    assert Both().gender == "female"
    assert Again().gender == "female"


def test_prefilling_leaves_a_shared_field_alone():
    shared = Field("x", max_length=6)

    class Narrow(Model):
        gender: str = shared

        class Meta:
            must_have = {"gender": "female"}

    class Other(Model):
        gender: str = shared

    assert Narrow().gender == "female"
    assert Other().gender == "x"
    with pytest.raises(pydantic.ValidationError):
        Narrow(gender="too long")


def test_prefilled_values_are_of_the_fields_types(storage):
    class Color(Enum):
        RED = "red"

    Bare(name="x").save(storage, key="x")

    class Base(Model):
        color: Color | None = None
        to: Reference[Bare] | None = None
        days: frozenset[date] = frozenset()

        class Meta:
            names = {"color": "c"}

    class Narrow(Base):
        own: date | None = None

        class Meta:
            must_have = {
                "color": "red",
                "to": "x",
                "days": [date(2020, 1, 1)],
                "own": date(2020, 1, 1),
            }

    one = Narrow()
    assert one.color is Color.RED
    assert one.to is not None
    assert one.to.load(storage).name == "x"
    assert one.days == frozenset({date(2020, 1, 1)})
    one.save(storage, key="k")
    assert storage["k"] == {
        "c": "red",
        "to": "x",
        "days": [date(2020, 1, 1)],
        "own": date(2020, 1, 1),
    }
    assert Narrow.objects(storage).one() == one
    assert Narrow.objects(storage).where(color=Color.RED).count() == 1


def test_a_condition_may_ask_for_the_key(storage):
    class User(Model):
        name: str

        class Meta:
            must_have = {"key__startswith": "user:"}

    User(name="x").save(storage, key="user:1")
    storage["other"] = {"name": "y"}
    assert [one.key for one in User.objects(storage)] == ["user:1"]
    with pytest.raises(NotInModel, match="key"):
        User(name="x").save(storage, key="other:1")
    with pytest.raises(NotInModel, match="key"):
        User(name="x").save(storage)
    with pytest.raises(KeyError):
        storage.get(User, "other")
    one = storage.get(User, "user:1")
    one.name = "z"
    one.save()
    assert one.save_as("user:2").key == "user:2"
    with pytest.raises(NotInModel):
        one.save_as()
    assert len(storage) == 3
    assert User.fits({"name": "x"}, "user:9")
    assert not User.fits({"name": "x"})


def test_a_prefilled_list_is_not_shared():
    class Tagged(Model):
        tags: list[str] = Field(default_factory=list)

        class Meta:
            must_have = {"tags": ["a"]}

    one = Tagged()
    one.tags.append("b")
    assert Tagged().tags == ["a"]


def test_conditions_on_undeclared_fields_are_written_and_asked(storage):
    class Draft(Model):
        title: str

        class Meta:
            must_have = {"state": "draft", "meta__level": 3}
            must_not_have = {"hidden": True}

    Draft(title="x").save(storage, key="k")
    assert storage["k"] == {"title": "x", "state": "draft", "meta": {"level": 3}}
    Draft(title="x").save_as("copy", storage).delete()
    storage["other"] = {"title": "y", "state": "final", "meta": {"level": 3}}
    storage["hidden"] = {**storage["k"], "hidden": True}
    assert [one.key for one in Draft.objects(storage)] == ["k"]
    assert "hidden" not in Draft.objects(storage)
    with pytest.raises(KeyError):
        storage.get(Draft, "hidden")


def test_conditions_on_nested_declared_fields_are_prefilled_on_save(storage):
    class Londoner(Model):
        name: str
        address: Address

        class Meta:
            must_have = {"address__city": "London"}

    Londoner(name="x", address=Address(city="London")).save(storage, key="k")
    with pytest.raises(NotInModel):
        Londoner(name="x", address=Address(city="Paris")).save(storage)
    assert len(storage) == 1


def test_must_have_may_use_any_lookup():
    class Van(Model):
        name: str

        class Meta:
            must_have = {
                "name__startswith": "van",
                "name__matches": "e",
                "x__exists": True,
            }

    assert Van


def test_an_instance_that_would_not_belong_is_not_saved(storage):
    with pytest.raises(NotInModel, match="gender"):
        Woman(name="x", gender="male").save(storage)
    with pytest.raises(ValueError):
        Old(name="Nobody", age=99).save(storage)
    assert len(storage) == 0


def test_a_change_that_would_not_belong_is_not_saved(storage):
    Woman(name="x").save(storage, key="k")
    one = storage.get(Woman, "k")
    one.gender = "male"
    with pytest.raises(NotInModel):
        one.save()
    assert storage["k"]["gender"] == "female"


def test_must_not_have_holds_for_any_one_of_several():
    class Clean(Model):
        name: str

        class Meta:
            must_not_have = {"name": "a", "age__gt": 3}

    assert not Clean.fits({"name": "a", "age": 1})
    assert not Clean.fits({"name": "b", "age": 5})
    assert Clean.fits({"name": "b", "age": 1})
    assert Clean.fits({"name": "b"})


# Literals.


class Animal(Model):
    kind: str
    name: str = ""


class Dog(Animal):
    kind: Literal["dog"] = "dog"


def test_a_literal_of_one_value_is_a_condition(storage):
    Dog(name="Rex").save(storage, key="rex")
    storage["tom"] = {"kind": "cat", "name": "Tom"}
    assert [one.name for one in Dog.objects(storage)] == ["Rex"]
    assert Animal.objects(storage).count() == 2
    assert not Dog.fits({"name": "Rex"})
    assert storage["rex"] == {"kind": "dog", "name": "Rex"}


def test_a_literal_of_two_values_or_in_a_union_is_none():
    class Pet(Model):
        kind: Literal["dog", "cat"] = "dog"
        other: Literal["x"] | None = None

    assert Pet.fits({})
    assert Pet.fits({"kind": "cow"})


def test_a_literal_enum_member_is_a_condition_by_its_value():
    class Color(Enum):
        RED = "red"
        BLUE = "blue"

    class Red(Model):
        color: Literal[Color.RED] = Color.RED

    assert Red.fits({"color": "red"})
    assert not Red.fits({"color": "blue"})


def test_a_literal_with_a_stored_name(storage):
    class Named(Model):
        kind: Literal["dog"] = "dog"

        class Meta:
            names = {"kind": "k"}

    Named().save(storage, key="d")
    assert storage["d"] == {"k": "dog"}
    assert Named.objects(storage).count() == 1
    assert not Named.fits({"kind": "dog"})


def test_a_literal_given_by_annotation_is_a_condition():
    from typing import Annotated

    class Marked(Model):
        kind: Annotated[Literal[3], Field(description="three")] = 3

    assert Marked.fits({"kind": 3})
    assert not Marked.fits({"kind": 4})
    assert not Marked.fits({"kind": "3"})


def test_a_required_field_must_be_of_an_admitted_kind():
    class Sized(Model):
        size: int | str
        when: date | None

    assert Sized.fits({"size": 1, "when": None})
    assert Sized.fits({"size": "x", "when": date(2020, 1, 1)})
    assert not Sized.fits({"size": None, "when": None})
    assert not Sized.fits({"size": 1})
    assert not Sized.fits({"size": True, "when": None})
    assert not Sized.fits({"size": 1, "when": "2020-01-01"})


def test_fits_takes_plain_records_only_by_their_stored_names():
    class Named(Model):
        name: str = Field(alias="Name")

        class Meta:
            names = {"name": "n"}

    assert Named.fits({"n": "x"})
    assert not Named.fits({"name": "x"})
    assert not Named.fits({"Name": "x"})


# Generics and forward references.


class Box(Model, Generic[T]):
    content: T
    label: str = ""


def test_a_generic_model_is_stored_by_its_parameters(storage):
    Box[int](content=3).save(storage, key="i")
    Box[date](content=date(2020, 1, 2)).save(storage, key="d")
    assert storage.get(Box[int], "i").content == 3
    assert Box[date].objects(storage).one().content == date(2020, 1, 2)
    assert Box[int].objects(storage).where(content__gt=2).one().key == "i"
    with pytest.raises(KeyError):
        storage.get(Box[int], "d")


def test_a_generic_of_a_refused_type_is_refused():
    with pytest.raises(DefinitionError, match="content"):
        Box[complex]


def test_a_subclass_of_a_generic_is_a_model(storage):
    class Dated(Box[date]):
        extra: int = 0

    Dated(content=date(2020, 1, 2)).save(storage, key="k")
    assert storage.get(Dated, "k").content == date(2020, 1, 2)


class Node(Model):
    name: str
    left: "Node | None" = None
    children: "list[Node]" = []


def test_a_model_may_hold_itself(storage):
    tree = Node(name="a", left=Node(name="b"), children=[Node(name="c")])
    tree.save(storage, key="t")
    found = storage.get(Node, "t")
    assert found == tree
    assert found.left is not None
    assert found.left.key is None
    found.left.name = "z"
    found.save()
    assert storage["t"]["left"]["name"] == "z"
    assert Node.objects(storage).where(left__name="z").count() == 1


def test_a_forward_reference_is_resolved_at_first_use(storage):
    class Outer(Model):
        inner: "Inner | None" = None

    class Inner(BaseModel):
        n: int

    Outer.model_rebuild()
    Outer(inner=Inner(n=1)).save(storage, key="k")
    assert storage.get(Outer, "k").inner.n == 1


def test_an_unresolved_forward_reference_is_pydantics_error(storage):
    class Outer(Model):
        inner: "NowhereToBeFound | None" = None  # noqa: F821  # there is none, on purpose

    with pytest.raises(pydantic.errors.PydanticUndefinedAnnotation):
        Outer.objects(storage).count()


def test_a_rebuild_makes_the_codec_again(storage):
    class Growing(Model):
        name: str

    assert Growing.fits({"name": "x"})
    Growing.model_fields["name"].annotation = int
    Growing.model_rebuild(force=True)
    assert Growing.fits({"name": 3})
    assert not Growing.fits({"name": "x"})


def test_a_subclass_may_redefine_a_field(storage):
    class Numbered(Bare):
        age: float = 1.5

    Numbered(name="x").save(storage, key="k")
    assert storage["k"] == {"name": "x", "age": 1.5}
    assert storage.get(Numbered, "k").age == 1.5


def test_a_refused_field_is_told_when_the_class_is_made():
    with pytest.raises(DefinitionError, match=r"Wrong\.number"):

        class Wrong(Model):
            number: complex


# Names in the store.


class Stored(Model):
    first_name: str = ""
    home: "Home | None" = None
    homes: "list[Home]" = []

    class Meta:
        names = {"first_name": "fn", "home": "h"}


class Home(Model):
    city: str = ""
    street: str = ""

    class Meta:
        names = {"city": "c"}


Stored.model_rebuild()


def test_names_map_fields_to_stored_names_in_nested_models_too(storage):
    one = Stored(first_name="x", home=Home(city="y"), homes=[Home(city="z")])
    one.save(storage, key="k")
    assert storage["k"] == {
        "fn": "x",
        "h": {"c": "y", "street": ""},
        "homes": [{"c": "z", "street": ""}],
    }
    found = storage.get(Stored, "k")
    assert found == one
    assert found.model_dump()["home"] == {"city": "y", "street": ""}
    assert Stored.objects(storage).where(home__city="y").count() == 1
    assert Stored.objects(storage).where(F.home.city == "y").count() == 1
    assert Stored.objects(storage).order_by("-first_name").values("home__city") == ["y"]


def test_names_hold_in_partial_saves_and_updates(storage):
    Stored(first_name="x", home=Home(city="y")).save(storage, key="k")
    one = storage.get(Stored, "k")
    one.home.city = "z"
    one.save()
    assert storage["k"]["h"] == {"c": "z", "street": ""}
    Stored.objects(storage).update(home__city="w", first_name="v")
    assert storage["k"]["h"] == {"c": "w", "street": ""}
    assert storage["k"]["fn"] == "v"


def test_a_name_that_is_another_fields_name(storage):
    class Swapped(Model):
        a: str
        b: str

        class Meta:
            names = {"a": "b", "b": "a"}

    Swapped(a="1", b="2").save(storage, key="k")
    assert storage["k"] == {"b": "1", "a": "2"}
    one = storage.get(Swapped, "k")
    assert (one.a, one.b) == ("1", "2")
    one.a = "3"
    one.save()
    assert storage["k"] == {"b": "3", "a": "2"}


@pytest.mark.parametrize(
    "stored", ["a.b", "$set", "a'b", 'a"b', "a`b", "é", "a b", "["]
)
def test_odd_names_are_names_or_refused_when_the_class_is_made(stored, storage):
    odd = make_model(
        "Odd", Model, {"name": str, "n": int}, n=0, Meta={"names": {"name": stored}}
    )
    odd(name="x").save(storage, key="k")
    assert storage["k"] == {stored: "x", "n": 0}
    one = odd.objects(storage).where(name="x").one()
    one.name = "y"
    one.save()
    assert odd.objects(storage).order_by("name").values("name") == ["y"]
    assert storage["k"] == {stored: "y", "n": 0}


# What pydantic shows others is not what is stored.


class Shown(Model):
    model_config = ConfigDict(
        alias_generator=str.upper, ser_json_timedelta="float", serialize_by_alias=True
    )

    name: str
    secret: str = Field("s", exclude=True)
    other: str = Field("o", validation_alias=AliasChoices("x", "y"))
    inner: "ShownInner | None" = None

    @computed_field
    @property
    def loud(self) -> str:
        return self.name.upper()


class ShownInner(BaseModel):
    model_config = ConfigDict(alias_generator=lambda name: name + "_")

    word: str
    hidden: int = Field(1, exclude=True)

    @computed_field
    @property
    def twice(self) -> str:
        return self.word * 2


Shown.model_rebuild()


def test_aliases_exclude_and_computed_fields_do_not_change_what_is_stored(storage):
    one = Shown(NAME="n", x="p", INNER={"word_": "w", "hidden_": 5})
    one.secret = "t"
    one.save(storage, key="k")
    assert storage["k"] == {
        "name": "n",
        "secret": "t",
        "other": "p",
        "inner": {"word": "w", "hidden": 5},
    }
    found = storage.get(Shown, "k")
    assert found == one
    assert found.model_dump().keys() == {"NAME", "OTHER", "INNER", "LOUD"}
    found.other = "q"
    found.save()
    assert storage["k"]["other"] == "q"
    assert Shown.objects(storage).where(other="q", inner__hidden=5).count() == 1


def test_a_computed_field_cannot_be_asked_for(storage):
    with pytest.raises(pymodels.UnknownField, match="computed"):
        Shown.objects(storage).where(loud="N")


def test_a_records_own_alias_is_not_read(storage):
    storage["k"] = {"name": "n", "NAME": "wrong", "x": "wrong", "y": "wrong"}
    found = storage.get(Shown, "k")
    assert (found.name, found.other) == ("n", "o")


def test_serializers_for_others_do_not_change_what_is_stored(storage):
    class Masked(Model):
        number: str
        when: date

        @model_serializer(mode="wrap")
        def masked(self, handler: Any) -> dict[str, Any]:
            return {**handler(self), "number": "***"}

    one = Masked(number="1234", when=date(2020, 1, 2))
    one.save(storage, key="k")
    assert one.model_dump()["number"] == "***"
    assert storage["k"] == {"number": "1234", "when": date(2020, 1, 2)}
    assert storage.get(Masked, "k") == one


def test_a_plain_model_serializer_does_not_change_what_is_stored(storage):
    class Texted(Model):
        a: int
        inner: "Part"

        @model_serializer
        def text(self) -> str:
            return f"{self.a}"

    class Part(BaseModel):
        b: int

        @model_serializer
        def text(self) -> str:
            return f"{self.b}"

    Texted.model_rebuild()
    one = Texted(a=1, inner=Part(b=2))
    one.save(storage, key="k")
    assert storage["k"] == {"a": 1, "inner": {"b": 2}}
    assert storage.get(Texted, "k") == one
    assert Texted.objects(storage).where(inner__b=2).count() == 1


def test_a_json_only_field_serializer_does_not_change_what_is_stored(storage):
    class Rounded(Model):
        price: float
        when: date

        @field_serializer("price", when_used="json")
        def short(self, value: float) -> str:
            return f"{value:.1f}"

    one = Rounded(price=1.25, when=date(2020, 1, 2))
    one.save(storage, key="k")
    assert storage["k"] == {"price": 1.25, "when": date(2020, 1, 2)}
    assert storage.get(Rounded, "k") == one


def test_json_settings_do_not_change_what_is_stored(storage):
    from datetime import timedelta

    class Configured(Model):
        model_config = ConfigDict(
            ser_json_bytes="hex",
            val_json_bytes="hex",
            ser_json_timedelta="float",
            ser_json_inf_nan="strings",
            use_enum_values=True,
        )

        data: bytes
        time: timedelta

    one = Configured(data=b"\xff\x00", time=timedelta(seconds=1.5))
    one.save(storage, key="k")
    assert storage["k"] == {"data": b"\xff\x00", "time": 1_500_000}
    assert storage.get(Configured, "k") == one


def test_use_enum_values_stores_the_value(storage):
    class Color(Enum):
        RED = "red"

    class Painted(Model):
        model_config = ConfigDict(use_enum_values=True)
        color: Color

    Painted(color=Color.RED).save(storage, key="k")
    assert storage["k"] == {"color": "red"}
    assert storage.get(Painted, "k").color == "red"


def test_a_model_with_nothing_but_defaults_sees_every_record(storage):
    class Anything(Model):
        pass

    storage["k"] = {"a": 1}
    one = Anything.objects(storage).one()
    assert one.key == "k"
    one.save()
    assert storage["k"] == {"a": 1}


def test_references_are_in_the_json_schema_as_strings():
    class Holder(Model):
        to: Reference[Person] | None = None

    shown = Holder.model_json_schema()["properties"]["to"]
    assert {"type": "string", "minLength": 1} in shown["anyOf"] or {
        "type": "string"
    } in shown["anyOf"]


class Painted(Model):
    color: str
    next: "Painted | Unmade | None" = None

    class Meta:
        must_have = {"color": "red"}


class PaintedMore(Painted):
    size: int
    shade: "Annotated[str, pydantic.Field(max_length=4)]" = pydantic.Field(
        default_factory=str
    )

    class Meta:
        must_have = {"size": 3, "shade": "dark"}


class Unmade(Model):
    name: str = ""


def test_conditions_are_defaults_whatever_the_annotations_are():
    # Those of Python 3.14 are made when they are asked for, and may not be then.
    Painted.model_rebuild()
    PaintedMore.model_rebuild()
    assert Painted().color == "red"
    more = PaintedMore()
    assert (more.color, more.size, more.shade) == ("red", 3, "dark")
    assert Painted.model_fields["next"].default is None
    with pytest.raises(pydantic.ValidationError):
        PaintedMore(shade="darker")
