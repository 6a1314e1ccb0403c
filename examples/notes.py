"""A notebook: nested maps, lists, words to search for, and pages of ten.

python -m examples.notes [SETTINGS], where SETTINGS is the URL of an empty storage.
"""

import sys
from datetime import UTC, datetime, timedelta

from pydantic import BaseModel, Field

import pymodels
from pymodels import BaseStorage, Model

START = datetime(2026, 1, 1, 9, tzinfo=UTC)


class Source(BaseModel):
    """Where a note comes from; a map inside the record."""

    title: str
    page: int | None = None


class Note(Model):
    text: str
    written: datetime
    tags: set[str] = Field(default_factory=set)
    source: Source | None = None

    class Meta:
        indexes = ["-written", "source__title"]

    def __str__(self) -> str:
        return self.text


NOTES = [
    Note(
        text="Simple is better than complex.",
        written=START,
        tags={"python", "zen"},
        source=Source(title="The Zen of Python", page=1),
    ),
    Note(
        text="Complex is better than complicated.",
        written=START + timedelta(days=1),
        tags={"zen"},
        source=Source(title="The Zen of Python", page=1),
    ),
    Note(text="Buy bread and milk.", written=START + timedelta(days=40)),
]


def main(db: BaseStorage) -> None:
    db.save_many(note.model_copy(deep=True) for note in NOTES)
    db.ensure_indexes(Note)
    notes = Note.objects(db)

    print("newest first:", *notes.order_by("-written")[:10], sep="\n  ")
    print("about complex things:")
    for note in notes.where(text__search='complex NOT "buy bread"').order_by("text"):
        print(f"  {note} ({', '.join(sorted(note.tags))})")
    print("tagged:", *notes.where(tags__contains=["zen", "python"]))
    print("from a book:", notes.where(source__title__istartswith="the zen").count())
    print("of January:", notes.where(written__month=1).count())

    # One nested value is written; what else stands in the map stays.
    changed = notes.where(source__page=1).update(source__page=2)
    print("moved to page 2:", changed, notes.values("source__page"))

    with db.transaction():
        old = notes.where(written__lt=START + timedelta(days=30))
        print("thrown away:", old.delete())
    print("left:", *notes)


if __name__ == "__main__":
    with pymodels.get_storage(*sys.argv[1:2] or ["memory://"]) as storage:
        main(storage)
