"""Update and delete by query: one statement, or an honest count of what was done."""

from datetime import date, datetime

import pytest

from pymodels import Model, StorageError, WriteInterrupted
from pymodels.backends.sqlite import Storage

COUNT = 30
FORBIDDEN = 20


class Note(Model):
    text: str
    number: int = 0
    place: dict[str, str] = {}


@pytest.fixture
def storage(tmp_path):
    with Storage(tmp_path / "notes.db") as opened:
        opened.save_many(Note(text=f"note {n}", number=n) for n in range(COUNT))
        yield opened


def statements(storage, work):
    """Give the statements that write, and that begin and end, in the order run."""
    run = []
    storage.connection.set_trace_callback(run.append)
    try:
        work()
    finally:
        storage.connection.set_trace_callback(None)
    return [text.split()[0] for text in run if not text.startswith("SELECT")]


QUERIES = {
    "all": lambda storage: Note.objects(storage),
    "some": lambda storage: Note.objects(storage).where(number__gte=5),
    "or": lambda storage: (
        Note.objects(storage).where(number=1) | Note.objects(storage).where(text="x")
    ),
    "not": lambda storage: Note.objects(storage).where_not(number=5),
    "a slice": lambda storage: Note.objects(storage)[2:10],
    "an ordered slice": lambda storage: Note.objects(storage).order_by("-number")[:7],
    "none": lambda storage: Note.objects(storage).where(number=-1),
}
WRITES = {
    "UPDATE": lambda query: query.update(text="changed"),
    "DELETE": lambda query: query.delete(),
}


@pytest.mark.parametrize("write", WRITES)
@pytest.mark.parametrize("name", QUERIES)
def test_what_is_pushed_whole_is_written_by_one_statement(storage, name, write):
    query = QUERIES[name](storage)
    expected = {note.key for note in query}
    done = []
    run = statements(storage, lambda: done.append(WRITES[write](query)))
    assert [word for word in run if word in {"UPDATE", "DELETE", "INSERT"}] == [write]
    assert done == [len(expected)]
    changed = {note.key for note in Note.objects(storage) if note.text == "changed"}
    if write == "UPDATE":
        assert changed == expected
    else:
        assert len(storage) == COUNT - len(expected)
        assert not expected & set(storage)


def test_a_nested_path_is_written_by_one_statement(storage):
    query = Note.objects(storage).where(number__lt=10)
    run = statements(storage, lambda: query.update(place={"town": "Delft"}))
    assert run.count("UPDATE") == 1
    assert Note.objects(storage).where(place={"town": "Delft"}).count() == 10


def test_an_update_without_fields_writes_nothing(storage):
    counted = []
    run = statements(storage, lambda: counted.append(Note.objects(storage).update()))
    assert run == []
    assert counted == [COUNT]


def forbid(storage):
    """Let the database itself refuse to touch the last third."""
    for event, row in (("UPDATE", "NEW"), ("DELETE", "OLD")):
        storage.connection.execute(
            f"CREATE TRIGGER refuse_{event} BEFORE {event} ON records "
            f"WHEN json_extract({row}.body, '$.number') >= {FORBIDDEN} "
            "BEGIN SELECT RAISE(ABORT, 'not this one'); END"
        )


def numbers(storage):
    return sorted(note.number for note in Note.objects(storage))


@pytest.mark.parametrize("write", WRITES)
def test_one_statement_that_fails_has_done_nothing(storage, write):
    forbid(storage)
    with pytest.raises(StorageError, match="not this one") as caught:
        WRITES[write](Note.objects(storage))
    assert not isinstance(caught.value, WriteInterrupted)
    assert numbers(storage) == list(range(COUNT))
    assert Note.objects(storage).where(text="changed").count() == 0
    assert not storage.connection.in_transaction


@pytest.mark.parametrize("write", WRITES)
@pytest.mark.parametrize("depth", [0, 1, 2])
def test_a_failure_in_the_middle_has_done_nothing(storage, write, depth):
    """Invalid records can be told apart only by loading each: one write for each."""
    forbid(storage)
    query = Note.objects(storage).order_by("number").skip_invalid()

    def work(levels):
        if not levels:
            return WRITES[write](query)
        with storage.transaction():
            return work(levels - 1)

    with pytest.raises(StorageError, match="not this one") as caught:
        work(depth)
    assert not isinstance(caught.value, WriteInterrupted)
    assert numbers(storage) == list(range(COUNT))
    assert Note.objects(storage).where(text="changed").count() == 0
    assert not storage.connection.in_transaction


@pytest.mark.parametrize("write", WRITES)
def test_a_caught_failure_leaves_the_rest_of_a_transaction(storage, write):
    forbid(storage)
    queries = {
        "one statement": Note.objects(storage),
        "one by one": Note.objects(storage).order_by("number").skip_invalid(),
    }
    with storage.transaction():
        for name, query in queries.items():
            storage[name] = {"text": name, "number": -1}
            with pytest.raises(StorageError, match="not this one"):
                WRITES[write](query)
    assert numbers(storage) == [-1, -1, *range(COUNT)]
    assert Note.objects(storage).where(text="changed").count() == 0


def test_a_failure_at_the_first_is_no_interrupted_write(storage):
    forbid(storage)
    query = Note.objects(storage).where(number__gte=FORBIDDEN).skip_invalid()
    with pytest.raises(StorageError, match="not this one") as caught:
        query.delete()
    assert not isinstance(caught.value, WriteInterrupted)
    assert numbers(storage) == list(range(COUNT))


def test_a_batch_that_fails_says_how_many_were_saved(storage):
    storage.clear()
    storage.connection.execute(
        "CREATE TRIGGER refuse BEFORE INSERT ON records "
        "WHEN json_extract(NEW.body, '$.number') = 4500 "
        "BEGIN SELECT RAISE(ABORT, 'not this one'); END"
    )
    with pytest.raises(WriteInterrupted, match="not this one") as caught:
        storage.save_many(Note(text="x", number=number) for number in range(6000))
    assert caught.value.done == 4000
    assert numbers(storage) == list(range(4000))


def test_other_threads_and_programs_see_all_of_it_or_nothing(storage):
    reading = iter(Note.objects(storage).order_by("number"))
    first = next(reading)
    assert Note.objects(storage).update(text="changed") == COUNT
    assert first.text == "note 0"
    assert {note.text for note in reading} == {f"note {n}" for n in range(1, COUNT)}
    assert {note.text for note in Note.objects(storage)} == {"changed"}


# What a text is not.


class Dated(Model):
    moment: date | None


class Timed(Model):
    moment: datetime | date


class Raw(Model):
    moment: bytes | None


@pytest.mark.parametrize("model", [Dated, Timed, Raw])
def test_a_plain_text_is_no_member_where_a_date_or_bytes_are_wanted(storage, model):
    storage["text"] = {"moment": "a"}
    storage["dated"] = {"moment": date(2020, 1, 1)}
    found = {key for key, record in storage.records() if model.fits(record)}
    assert "text" not in found
    assert set(model.objects(storage).keys()) == found
    assert model.objects(storage).count() == len(found)
    model.objects(storage).delete()
    assert "text" in storage


# Very many changes at once.


class Wide(Model):
    cells: dict[str, int] = {}
    lists: dict[str, list[date]] = {}


@pytest.mark.parametrize("count", [300, 301, 1_500])
def test_many_changed_fields_are_saved_at_once(storage, count):
    names = [f"n{n}" for n in range(count)]
    wide = Wide(
        cells=dict.fromkeys(names, 1),
        lists={name: [date(2020, 1, 1)] for name in names},
    )
    wide.save(storage, key="wide")
    wide.cells = dict.fromkeys(names[1:], 2) | {"new": 3}
    wide.save()
    assert storage["wide"]["cells"] == wide.cells
    wide.lists = {name: [date(2021, 1, 1)] for name in names}
    wide.save()
    assert storage["wide"]["lists"] == wide.lists
    assert Wide.objects(storage).where(key="wide").one() == wide


@pytest.mark.parametrize("count", [300, 301, 1_500])
def test_many_fields_are_updated_by_one_query(storage, count):
    wide = Wide(cells={f"n{n}": 1 for n in range(count)})
    wide.save(storage, key="wide")
    values = {f"cells__n{n}": 2 for n in range(count)}
    assert Wide.objects(storage).where(key="wide").update(**values) == 1
    assert storage["wide"]["cells"] == dict.fromkeys(wide.cells, 2)
