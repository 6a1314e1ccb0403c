"""Numbers at the edges of what the library holds, and names that files cannot have."""

import subprocess

import pytest
import tyrant
from required import check_installed

from pymodels import Model, Unsupported, get_storage
from pymodels.backends import tokyo_cabinet, tokyo_tyrant


class Number(Model):
    whole: int | None = None
    real: float | None = None

    class Meta:
        indexes = ["whole"]


INTS = [-(2**63), -(2**63) + 1, -(2**56), 0, 2**53, 2**53 + 1, 2**56, 2**63 - 1]
REALS = [*{float(value): 0 for value in INTS}, -9.2e18, 1e19, -1e19, 0.3, 1e-300]
OPERATIONS = ("", "__gt", "__gte", "__lt", "__lte", "__in", "__ne")


@pytest.fixture(params=["cabinet", "serve", "ttserver"])
def storage(request, tmp_path):
    check_installed("tokyo_cabinet")
    if request.param == "cabinet":
        with tokyo_cabinet.Storage(tmp_path / "a.tct") as opened:
            yield opened
        return
    with (
        tyrant.Server(is_original=request.param == "ttserver") as server,
        tokyo_tyrant.Storage(**server.settings, lost_updates="allow") as opened,
    ):
        yield opened


def questions():
    for value in [*INTS, *REALS]:
        for operation in OPERATIONS:
            wanted = [value, 1] if operation == "__in" else value
            yield {f"real{operation}": wanted}
            yield {f"whole{operation}": wanted}


@pytest.mark.parametrize("is_indexed", [False, True], ids=["plain", "indexed"])
def test_numbers_at_the_edges_are_found_whatever_type_they_have(storage, is_indexed):
    memory = get_storage("memory://")
    for opened in (storage, memory):
        if is_indexed:
            opened.ensure_indexes(Number)
        for value in INTS:
            Number(whole=value).save(opened, key=f"whole {value}")
            # Of other programs: another type than the field's.
            opened[f"real {value}"] = {"real": value}
        for value in REALS:
            Number(real=value).save(opened, key=f"real {value}")
            if value.is_integer() and abs(value) < 2**63:
                opened[f"whole {value}"] = {"whole": value}
    for asked in questions():
        wrong = [
            {one.key for one in Number.objects(opened).where(**asked)}
            for opened in (storage, memory)
        ]
        assert wrong[0] == wrong[1], asked


@pytest.mark.parametrize(
    ("start", "stop", "expected"),
    [
        (2**31 - 8, 2**31 - 1, 0),
        (2**31 - 900, None, 0),
        (2**31, None, 0),
        (2**32, None, 0),
        (2**32, 2**64, 0),
        (1, 2**31 - 1, 2),
        (1, 2**32 + 1, 2),
        (0, 2**64, 3),
    ],
)
def test_a_slice_is_what_it_says_however_far(storage, start, stop, expected):
    for value in range(3):
        Number(whole=value).save(storage)
    query = Number.objects(storage)[start:stop]
    assert (len(list(query)), query.count()) == (expected, expected)
    assert query.delete() == expected
    assert len(storage) == 3 - expected


def test_an_index_that_can_have_no_name_is_refused_before_anything(storage):
    for names in (("short", "n" * 300), ("é" * 90,)):
        with pytest.raises(Unsupported, match="255 bytes"):
            storage.ensure_indexes(indexed_by(*names))
    assert storage.list_indexes() == []
    storage["k"] = {"n" * 300: "x", "short": ""}
    assert storage["k"] == {"n" * 300: "x", "short": ""}


def indexed_by(*names):
    place = {"__module__": __name__, "__qualname__": "Named"}
    meta = {**place, "__qualname__": "Named.Meta", "indexes": [names]}
    defaults = dict.fromkeys(names, "")
    annotations = {"__annotations__": dict.fromkeys(names, str)}
    namespace = {**place, **annotations, **defaults, "Meta": type("Meta", (), meta)}
    return type(Model)("Named", (Model,), namespace)


def test_several_values_under_one_key_of_a_tree_are_one_record(tmp_path):
    check_installed("tokyo_cabinet")
    path = tmp_path / "a.tcb"
    with tokyo_cabinet.Storage(path, kind="BTREE") as storage:
        storage["a"] = {"n": 1}
        storage["b"] = {"n": 1}
    for number in (2, 3):
        subprocess.run(
            ["tcbmgr", "put", "-dd", path, "a", f'{{"n":{number}}}'], check=True
        )
    with tokyo_cabinet.Storage(path, kind="BTREE") as storage:
        assert (len(storage), list(storage)) == (2, ["a", "b"])
        assert storage["a"] == {"n": 1}
        del storage["a"]
        assert "a" not in storage
        assert (len(storage), list(storage)) == (1, ["b"])
