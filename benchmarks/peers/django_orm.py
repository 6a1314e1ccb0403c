"""Django's models on SQLite."""

from typing import Any

import django
from django.conf import settings
from django.db import connection, models, transaction

from benchmarks.contender import Contender, Place
from benchmarks.contenders.sqlite import file_of
from benchmarks.work import LOW_SCORE, OLDEST, PAGE, YOUNGEST, Document


def configure(path: str) -> None:
    """Set Django up as a project's settings would."""
    pragmas = "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL"
    database = {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": path,
        "OPTIONS": {"init_command": pragmas},
    }
    settings.configure(DATABASES={"default": database}, USE_TZ=False)
    django.setup()


class Django(Contender):
    """Django, alone: models, no web server."""

    title = "Django"
    layout = "a column for each field, tags as JSON; an integer key"
    program = (
        "import django\n"
        "from django.conf import settings\n"
        "settings.configure()\n"
        "django.setup()\n"
        "from django.db import models\n"
        "class One(models.Model):\n"
        "    name = models.TextField()\n"
        "    class Meta:\n"
        "        app_label = 'one'"
    )

    def __init__(self, place: Place) -> None:
        configure(file_of(place, "main"))
        self.main = self.define("Person")
        self.spare = self.define("SparePerson")

    def define(self, name: str) -> type[models.Model]:
        """Define a model and make its table if it is not there."""
        fields = {
            "first_name": models.TextField(),
            "last_name": models.TextField(),
            "age": models.IntegerField(),
            "email": models.TextField(),
            "score": models.FloatField(),
            "active": models.BooleanField(),
            "birth_date": models.DateField(),
            "tags": models.JSONField(),
        }
        meta = type("Meta", (), {"app_label": "people", "db_table": name.lower()})
        parts = {"__module__": __name__, "Meta": meta, **fields}
        model = type(name, (models.Model,), parts)
        if name.lower() not in connection.introspection.table_names():
            with connection.schema_editor() as editor:
                editor.create_model(model)
        return model

    def fill(self, documents: list[Document]) -> list[Any]:
        self.main.objects.all().delete()
        made = self.main.objects.bulk_create(self.main(**d) for d in documents)
        return [one.pk for one in made]

    def index(self) -> None:
        with connection.schema_editor() as editor:
            for name in ("age", "score"):
                index = models.Index(fields=[name], name=f"by_{name}")
                editor.add_index(self.main, index)

    def empty(self) -> None:
        self.spare.objects.all().delete()

    def stored(self) -> Any:
        return self.spare.objects.all()

    def make(self, documents: list[Document]) -> list[Any]:
        return [self.spare(**document) for document in documents]

    def single(self, document: Document) -> None:
        self.spare(**document).save()

    def bulk(self, documents: list[Document]) -> None:
        self.instances(self.make(documents))

    def instances(self, made: list[Any]) -> None:
        with transaction.atomic():
            self.spare.objects.bulk_create(made)

    def get(self, key: Any) -> Any:
        return self.main.objects.get(pk=key)

    def save(self, loaded: Any) -> None:
        loaded.age += 1
        loaded.save(update_fields=["age"])

    def scan(self) -> int:
        number = 0
        for _ in self.main.objects.all().iterator():
            number += 1
        return number

    def held(self) -> list[Any]:
        return list(self.main.objects.all())

    def wanted(self) -> Any:
        """Return the query of `filter` and `count`."""
        return self.main.objects.filter(age__range=(YOUNGEST, OLDEST), active=True)

    def filter(self) -> list[Any]:
        return list(self.wanted().order_by("-age"))

    def count(self) -> int:
        number: int = self.wanted().count()
        return number

    def narrow(self, low: float, high: float) -> int:
        return self.main.objects.filter(score__range=(low, high)).count()

    def page(self) -> list[Any]:
        return list(self.main.objects.order_by("-age", "-pk")[PAGE])

    def delete(self) -> int:
        found = self.spare.objects.filter(score__lte=LOW_SCORE, active=True)
        return found.delete()[0]

    def close(self) -> None:
        connection.close()
