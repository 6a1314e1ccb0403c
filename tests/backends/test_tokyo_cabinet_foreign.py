"""Tables of other programs: what `tctmgr` writes we read, and the other way round."""

import shutil
import subprocess
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from required import skip_or_fail

from pymodels import Model
from pymodels.backends.tokyo_cabinet import Storage


class Film(Model):
    title: str
    year: int | None = None
    length: float | None = None
    price: Decimal | None = None
    shown: date | None = None
    noticed: datetime | None = None
    raw: bytes | None = None
    seen: bool | None = None
    tags: list[str] = []
    cast: dict[str, int] = {}
    anything: Any = None


WRITTEN = {
    "title": "Metropolis",
    "year": "1927",
    "length": "153.5",
    "price": "19.90",
    "shown": "1927-01-10",
    "noticed": "2020-01-01T00:00:00+00:00",
    "raw": "YWJj",
    "seen": "true",
    "tags": '["silent"]',
    "cast": '{"Helm": 2}',
    "anything": "7",
}
READ = Film(
    title="Metropolis",
    year=1927,
    length=153.5,
    price=Decimal("19.90"),
    shown=date(1927, 1, 10),
    noticed=datetime(2020, 1, 1, tzinfo=UTC),
    raw=b"abc",
    seen=True,
    tags=["silent"],
    cast={"Helm": 2},
    anything="7",
)


@pytest.fixture
def path(tmp_path):
    if shutil.which("tctmgr") is None:
        skip_or_fail("tokyo_cabinet", "tctmgr is not installed")
    return tmp_path / "films.tct"


def tctmgr(*arguments):
    result = subprocess.run(
        ["tctmgr", *map(str, arguments)], capture_output=True, timeout=60
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def rows(path):
    """Give what tctmgr lists: by key, the columns."""
    found = {}
    for line in tctmgr("list", "-pv", path).splitlines():
        key, *pairs = line.decode().split("\t")
        found[key] = dict(zip(pairs[::2], pairs[1::2], strict=True))
    return found


def put(path, key, columns):
    tctmgr("put", path, key, *(part for pair in columns.items() for part in pair))


def fields(film):
    return {name: getattr(film, name) for name in WRITTEN}


def test_what_tctmgr_writes_reads_by_declared_types(path):
    tctmgr("create", path)
    put(path, "m", WRITTEN)
    with Storage(path) as storage:
        assert fields(storage.get(Film, "m")) == fields(READ)
        assert storage["m"] == WRITTEN


@pytest.mark.parametrize("name", sorted(set(WRITTEN) - {"tags", "cast"}))
def test_what_tctmgr_writes_is_found_by_declared_types(path, name):
    tctmgr("create", path)
    put(path, "m", WRITTEN)
    put(path, "n", {"title": "M"})
    with Storage(path) as storage:
        found = Film.objects(storage).where(**{name: getattr(READ, name)})
        assert [film.key for film in found] == ["m"]
        assert found.count() == 1


def test_what_we_write_is_natural_for_tctmgr(path):
    with Storage(path) as storage:
        READ.save_as(storage=storage, key="m")
    found = rows(path)["m"]
    assert found.pop("_kinds").startswith(";anything=str;cast=map;")
    assert found == {**WRITTEN, "cast": '{"Helm":2}'}


def test_a_change_leaves_a_row_of_tctmgr_natural(path):
    tctmgr("create", path)
    put(path, "m", {**WRITTEN, "more": "of theirs"})
    with Storage(path) as storage:
        film = storage.get(Film, "m")
        film.year, film.shown = 1926, date(1926, 1, 1)
        film.save()
    changed = {"year": "1926", "shown": "1926-01-01", "more": "of theirs"}
    assert rows(path)["m"] == {**WRITTEN, **changed}


def test_what_tctmgr_changes_in_a_row_of_ours_reads_by_declared_types(path):
    with Storage(path) as storage:
        Film(title="M").save(storage, key="n")
    tctmgr("put", "-dc", path, "n", "year", "1931")
    with Storage(path) as storage:
        assert storage.get(Film, "n").year == 1931
        assert Film.objects(storage).where(year__lt=1932).count() == 1


def test_tctmgr_searches_what_we_have_indexed(path):
    class Indexed(Film):
        class Meta:
            indexes = ["title", "year"]

    with Storage(path) as storage:
        storage.ensure_indexes(Indexed)
        storage.save_many(Indexed(title=f"t{n}", year=n) for n in range(100))
    listed = tctmgr("search", "-ph", path, "year", "NUMGE", "98").decode()
    assert 'using an index: "year"' in listed
    with Storage(path) as storage:
        assert Indexed.objects(storage).where(year__gte=98).count() == 2


def test_an_index_of_tctmgr_serves_our_queries(path):
    with Storage(path) as storage:
        storage.save_many(Film(title=f"t{n}", year=n) for n in range(50))
    tctmgr("setindex", path, "title")
    with Storage(path) as storage:
        query = Film.objects(storage).where(title="t7")
        assert query.count() == 1
        assert 'using an index: "title"' in str(query.plan())
