"""Many records in one SQLite file: written, counted, and read in little memory.

Memory is measured in programs of their own, where nothing else takes any.
"""

import subprocess
import sys
import textwrap

import pytest
from lengths import length

from pymodels import Model
from pymodels.backends.sqlite import Storage

COUNT = length(50_000, 1_000_000)
PAGE = 10
LAST_PAGE = COUNT // 2 // PAGE
GROWTH = 40 * 1024
"""In KiB: how much more memory a program may take for any number of records."""

PRELUDE = """
import sys
from pymodels import Model
from pymodels.backends.sqlite import Storage

class Entry(Model):
    name: str
    number: int
    group: str

    class Meta:
        indexes = ["group"]

def memory(name):
    for line in open("/proc/self/status"):
        if line.startswith(name):
            return int(line.split()[1])

def entries(start, stop):
    for number in range(start, stop):
        group = f"group {number % 1000}"
        yield Entry(name=f"entry {number}", number=number, group=group)

path, count = sys.argv[1], int(sys.argv[2])
with Storage(path) as storage:
    # Whatever is made once is made before the first look.
    list(Entry.objects(storage)[:1])
    before = memory("VmRSS:")
"""


class Entry(Model):
    name: str
    number: int
    group: str

    class Meta:
        indexes = ["group"]


def grown(path, program, count=COUNT):
    """Run a program with a storage; give the KiB by which it grew at its most."""
    text = PRELUDE + textwrap.indent(textwrap.dedent(program), "    ")
    text += '    print(memory("VmHWM:") - before)\n'
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", text, str(path), str(count)],
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert result.returncode == 0, result.stderr
    return int(result.stdout)


@pytest.fixture(scope="module")
def loaded(tmp_path_factory):
    """A file with all entries, and how much the program grew that wrote them."""
    path = tmp_path_factory.mktemp("large") / "entries.db"
    with Storage(path) as storage:
        storage.ensure_indexes(Entry)
    growth = grown(
        path,
        """
        keys = storage.save_many(entries(0, count))
        assert len(set(keys[:1000])) == 1000
        """,
    )
    return path, growth


@pytest.fixture
def storage(loaded):
    with Storage(loaded[0], residual="forbid") as opened:
        yield opened


def test_a_generator_is_saved_in_little_memory(loaded):
    """Only the keys, which are the result, are held: about a hundred bytes each."""
    _, growth = loaded
    assert growth < GROWTH + COUNT * 120 / 1024


def test_all_are_counted(storage):
    assert len(storage) == COUNT
    assert Entry.objects(storage).count() == COUNT
    assert Entry.objects(storage).where(group="group 7").count() == COUNT / 1000
    assert Entry.objects(storage).where(number__gte=COUNT - 5).count() == 5


def test_a_query_finds_a_few_of_many(storage):
    found = list(Entry.objects(storage).where(group="group 7").order_by("number"))
    assert [entry.number for entry in found] == list(range(7, COUNT, 1000))
    entry = Entry.objects(storage).get(number=COUNT // 2)
    assert storage.get(Entry, entry.key) == entry


def test_the_first_page_and_one_in_the_middle(storage):
    """Keys rise as records are made, so their order is that of the numbers."""
    for query in (
        Entry.objects(storage),
        Entry.objects(storage).order_by("key"),
        Entry.objects(storage).order_by("number"),
    ):
        for page in (1, LAST_PAGE):
            start = (page - 1) * PAGE
            part = query[start : start + PAGE]
            numbers = [entry.number for entry in part]
            assert numbers == list(range(start, start + PAGE))
            assert part.count() == PAGE


def test_a_page_at_the_end_is_as_long_as_what_is_left(storage):
    part = Entry.objects(storage).order_by("number")[COUNT - 3 : COUNT + 100]
    assert [entry.number for entry in part] == [COUNT - 3, COUNT - 2, COUNT - 1]
    assert list(Entry.objects(storage)[COUNT:]) == []


READINGS = {
    "instances": "Entry.objects(storage)",
    "filtered": "Entry.objects(storage).where(number__gte=0)",
    "by index": "Entry.objects(storage).order_by('group')",
    "pairs": "Entry.objects(storage).records()",
    "python": "Entry.objects(storage).skip_invalid()",
    "keys of the storage": "iter(storage)",
}


@pytest.mark.parametrize("name", READINGS)
def test_all_are_read_in_little_memory(loaded, name):
    program = f"""
    found = sum(1 for _ in {READINGS[name]})
    assert found == count, found
    """
    assert grown(loaded[0], program) < GROWTH


def test_all_are_changed_in_little_memory(loaded, tmp_path):
    """By query; and the storage is usable while the log is long."""
    program = """
    storage.save_many(entries(0, 50_000))
    before = memory("VmRSS:")
    with storage.transaction():
        assert Entry.objects(storage).update(group="same") == 50_000
        assert Entry.objects(storage).where(number__lt=25_000).delete() == 25_000
    assert Entry.objects(storage).where(group="same").count() == 25_000
    """
    assert grown(tmp_path / "changed.db", program) < GROWTH
