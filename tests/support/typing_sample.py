"""Right lines and wrong ones, for the type checker alone: nothing here is run.

A line that a checker must refuse ends in a comment that says so.
"""

from collections.abc import Iterator
from datetime import date
from typing import Any, Literal, assert_type

import pymodels
from pymodels import BaseQuery, BaseStorage, F, Model, Predicate, Reference


class Country(Model):
    type: Literal["country"] = "country"
    name: str


class Person(Model):
    first_name: str
    last_name: str
    gender: str | None = None
    birth_date: date | None = None
    birth_place: Reference[Country] | None = None
    friends: list[Reference["Person"]] = []

    class Meta:
        indexes = ["last_name", ("-birth_date", "last_name")]


class Woman(Person):
    class Meta:
        must_have = {"gender": "female"}


class Citizen(Model):
    of: Reference[Country]


storage: BaseStorage = pymodels.get_storage("memory://")
pymodels.get_storage({"backend": "pymodels.backends.memory"}, name="x")
pymodels.get_storage()
pymodels.get_storage(3)  # expect-error

# Making instances.
country = Country(name="Netherlands")
guido = Person(first_name="Guido", last_name="van Rossum")
# mypy does not look through the union here; it does in an assignment.
Person(first_name="x", last_name="y", birth_place=Reference(country))
Person(first_name="x", last_name="y", birth_place=Reference("nl"))
Person(first_name="x", last_name="y", birth_place=None)
Woman(first_name="x", last_name="y")
Citizen(of=country)
Citizen(of="nl")
Person(first_name="x")  # expect-error
Person(first_name=3, last_name="y")  # expect-error
Person("x", "y")  # expect-error
Person(first_name="x", last_name="y", born=date(2000, 1, 1))  # expect-error
Person(first_name="x", last_name="y", birth_date="2000-01-01")  # expect-error
Person(first_name="x", last_name="y", birth_place=3)  # expect-error
Country(name="x", type="city")  # expect-error
Citizen()  # expect-error
Citizen(of=guido)  # expect-error

# Attributes.
guido.gender = "male"
guido.birth_date = None
guido.birth_place = country
guido.birth_place = "nl"
guido.birth_place = None
assert_type(guido.first_name, str)
assert_type(Country(name="x").name, str)
assert_type(Person(first_name="x", last_name="y").birth_date, date | None)
assert_type(guido.key, str | None)
assert_type(guido.pk, str | None)
assert_type(guido.storage, BaseStorage | None)
assert_type(Citizen(of="nl").of, Reference[Country])
assert_type(Citizen(of="nl").of.load(), Country)
assert_type(Citizen(of="nl").of.key, str | None)
guido.first_name = 3  # expect-error
guido.frist_name = "x"  # expect-error
guido.birth_place = 3  # expect-error
guido.birth_place = guido  # expect-error
guido.key = "x"  # expect-error
guido.storage = storage  # expect-error
guido.birth_date.year  # expect-error # noqa: B018
guido.nothing()  # expect-error

# Saving.
assert_type(guido.save(storage), str)
assert_type(guido.save(), str)
assert_type(guido.save(storage, key="guido", replace=True), str)
assert_type(guido.save_as("other", storage), Person)
assert_type(guido.refresh(), Person)
assert_type(guido.convert_to(Woman, gender="female"), Woman)
assert_type(guido.same_record(country), bool)
assert_type(Person.fits({"first_name": "x"}), bool)
assert_type(guido.model_copy(), Person)
assert_type(Person.model_validate({}), Person)
guido.save("memory://")  # expect-error
guido.save(storage, "guido")  # expect-error
guido.save(storage, key=3)  # expect-error
guido.convert_to(dict)  # expect-error
guido.same_record("x")  # expect-error

# A storage.
assert_type(storage.get(Person, "guido"), Person)
assert_type(storage.get(Woman, "guido").first_name, str)
assert_type(storage.get_many(Person, ["a", "b"]), list[Person])
assert_type(storage.save_many([guido, country]), list[str])
assert_type(storage["guido"], dict[str, Any])
assert_type("guido" in storage, bool)
assert_type(len(storage), int)
storage["guido"] = {"first_name": "x"}
del storage["guido"]
for key in storage:
    assert_type(key, str)
for _, record in storage.records():
    assert_type(record, dict[str, Any])
with pymodels.get_storage("memory://") as opened, opened.transaction():
    assert_type(opened, BaseStorage)
storage.get("guido", Person)  # expect-error
storage.get(Person)  # expect-error
storage.get(dict, "guido")  # expect-error
storage[3]  # expect-error
storage["guido"] = 3  # expect-error
storage.save_many([3])  # expect-error

# Queries.
people = Person.objects(storage)
assert_type(people, BaseQuery[Person])
assert_type(Woman.objects(storage), BaseQuery[Woman])
assert_type(people.where(last_name__startswith="van"), BaseQuery[Person])
assert_type(people.where_not(gender="female"), BaseQuery[Person])
assert_type(people.where(gender=None).order_by("-birth_date"), BaseQuery[Person])
assert_type(people.order_by(-F.birth_date, F.last_name), BaseQuery[Person])
assert_type(people[:3], BaseQuery[Person])
assert_type(people[3], Person)
assert_type(people[2:][1].first_name, str)
assert_type(people | people, BaseQuery[Person])
assert_type(people & people, BaseQuery[Person])
assert_type(people - people, BaseQuery[Person])
assert_type(people.skip_invalid().prefetch("birth_place"), BaseQuery[Person])
assert_type(people.first(), Person | None)
assert_type(people.one(), Person)
assert_type(people.get(first_name="Guido"), Person)
assert_type(people.count(), int)
assert_type(people.exists(), bool)
assert_type(people.values("gender"), list[Any])
assert_type(people.keys(), Iterator[str])
assert_type(people.update(gender="unknown"), int)
assert_type(people.delete(), int)
assert_type(guido in people, bool)
assert_type(list(people), list[Person])
for person in people:
    assert_type(person, Person)
Person.objects()  # expect-error
Person.objects("memory://")  # expect-error
people.where("last_name")  # expect-error
people.where(guido.first_name == "Guido")  # expect-error
people.order_by(3)  # expect-error
people["a"]  # expect-error
people.first().first_name  # expect-error # noqa: B018
people | 3  # expect-error
people[:3].first_name  # expect-error # noqa: B018
people.nothing()  # expect-error

# Expressions.
assert_type(F.birth_date < date(1960, 1, 1), Predicate)
assert_type(F.last_name == "x", Predicate)
assert_type(F.last_name != "x", Predicate)
assert_type((F.birth_date < date(1960, 1, 1)) | (F.gender == "female"), Predicate)
assert_type((F.age > 3) & ~F.name.startswith("A"), Predicate)
assert_type(F.address.city.contains("A"), Predicate)
assert_type(F["odd name"] == 3, Predicate)
people.where((F.birth_date < date(1960, 1, 1)) | (F.gender == "female"))
people.where(~(F.age > 18), F.name.in_(["a"]), gender=None)
(F.age > 3) | True  # expect-error
(F.age > 3) & "x"  # expect-error
F.name.startswith()  # expect-error
F.age = 3  # expect-error
