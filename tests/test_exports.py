"""What is public is what the API page lists, no more and no less."""

import re
from pathlib import Path
from types import ModuleType

import pydantic
import pytest

import pymodels
from pymodels import BaseQuery, BaseStorage, Model
from pymodels.hooks import QueryHooks, StorageHooks

PAGE = Path(__file__).parents[1] / "docs" / "api.md"


def section(heading: str) -> str:
    text = PAGE.read_text("utf-8").partition(f"## {heading}\n")[2]
    return text.partition("\n## ")[0]


def names_of_the_page() -> list[str]:
    return re.findall(r"^\| `(\w+)` \|", section("Names of `pymodels`"), re.M)


def names_in_tables(heading: str) -> list[str]:
    """Give the methods and attributes in the first column of a section's tables."""
    cells = re.findall(r"^\| (.+?) \| .* \|$", section(heading), re.M)
    found = re.findall(r"`(?:Person\.)?(\w+)[(`]", "\n".join(cells))
    return [name for name in found if name not in {"iter", "len"}]


def public(*places: object) -> set[str]:
    return {name for one in places for name in vars(one) if not name.startswith("_")}


def test_api_page_lists_what_is_exported():
    assert sorted(names_of_the_page()) == sorted(pymodels.__all__)


def test_each_exported_name_is_there():
    missing = [name for name in pymodels.__all__ if not hasattr(pymodels, name)]
    assert missing == []


def test_nothing_is_exported_by_accident():
    found = {
        name
        for name, value in vars(pymodels).items()
        if not name.startswith("_") and not isinstance(value, ModuleType)
    }
    assert found == set(pymodels.__all__)


def test_exports_are_sorted():
    assert list(pymodels.__all__) == sorted(pymodels.__all__)


def test_api_page_lists_what_a_model_has():
    found = public(Model) - set(dir(pydantic.BaseModel))
    assert sorted(names_in_tables("A model")) == sorted(found)


@pytest.mark.parametrize(
    ("heading", "shown", "hooks"),
    [
        ("A storage", BaseStorage(), StorageHooks),
        ("A query", BaseQuery(Model, BaseStorage()), QueryHooks),
    ],
)
def test_api_page_lists_what_is_not_a_hook(heading, shown, hooks):
    found = public(type(shown), shown) - public(hooks)
    declared = {*type(shown).__annotations__} - public(hooks)
    assert sorted(names_in_tables(heading)) == sorted(found | declared)
