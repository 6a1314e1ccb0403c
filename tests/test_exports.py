"""What is public is what the API page lists, no more and no less."""

import re
from pathlib import Path
from types import ModuleType

import pymodels

PAGE = Path(__file__).parents[1] / "docs" / "api.md"


def names_of_the_page() -> list[str]:
    section = PAGE.read_text("utf-8").partition("## Names of `pymodels`")[2]
    return re.findall(r"^\| `(\w+)` \|", section.partition("\n## ")[0], re.M)


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
