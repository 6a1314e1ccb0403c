"""People, women and living beings: three models over the same records.

python -m examples.people [SETTINGS], where SETTINGS is the URL of an empty storage.
"""

import sys
from datetime import date
from typing import Literal

import pymodels
from pymodels import BaseStorage, F, Model, Reference


class Country(Model):
    type: Literal["country"] = "country"
    name: str

    def __str__(self) -> str:
        return self.name


class Person(Model):
    first_name: str
    last_name: str
    gender: str | None = None
    birth_date: date | None = None
    birth_place: Reference[Country] | None = None

    class Meta:
        indexes = ["last_name", ("-birth_date", "last_name")]

    def __str__(self) -> str:
        return f"{self.first_name} {self.last_name}"


class Woman(Person):
    """The people whose gender is female; a new one gets that gender."""

    class Meta:
        must_have = {"gender": "female"}


class LivingBeing(Model):
    """No relation to Person, but everyone with a date of birth is one."""

    birth_date: date
    species: str | None = None


def fill(db: BaseStorage) -> None:
    netherlands, england = Country(name="Netherlands"), Country(name="England")
    Person(
        first_name="Guido",
        last_name="van Rossum",
        gender="male",
        birth_date=date(1956, 1, 31),
        birth_place=netherlands,
    ).save(db)
    Woman(
        first_name="Ada",
        last_name="Lovelace",
        birth_date=date(1815, 12, 10),
        birth_place=england,
    ).save(db)
    Person(first_name="Larry", last_name="Wall").save(db)


def main(db: BaseStorage) -> None:
    fill(db)
    db.ensure_indexes(Person)
    people = Person.objects(db)

    print("all:", *people.order_by("last_name"), sep="\n  ")
    print("women:", *Woman.objects(db))
    print("born before 1900, or male:")
    for person in people.where(
        (F.birth_date < date(1900, 1, 1)) | (F.gender == "male")
    ).order_by("birth_date"):
        print(f"  {person}, {person.birth_date}")

    print("born where:")
    born = people.where(birth_place__exists=True).order_by("-birth_date")
    for person in born.prefetch("birth_place"):
        print(f"  {person} in {person.birth_place.load()}")

    # Another model writes into the same record; Person does not notice.
    for being in LivingBeing.objects(db):
        being.species = "human"
        being.save()
    guido = people.get(first_name="Guido")
    guido.last_name = "Van Rossum"
    guido.save()
    record = db[guido.key]
    print("one record, two models:", record["last_name"], record["species"])

    print("updated:", people.where(gender=None).update(gender="unknown"))
    print("genders:", people.values("gender"))


if __name__ == "__main__":
    with pymodels.get_storage(*sys.argv[1:2] or ["memory://"]) as storage:
        main(storage)
