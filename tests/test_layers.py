"""Imports point down the layers, never up, never sideways between backends.

The table is the diagram of docs/architecture.md. A new module is placed here first.
"""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "pymodels"
MODULES = sorted(PACKAGE.rglob("*.py"))

# A name with a dot at its end stands for a folder and every module in it.
MEANING = "canonical errors predicates shapes values"
UNDERSTANDING = """
    binding changes evaluate expressions indexes lookups plan rounding search slices
"""
CONTRACT = "batches hooks keys query settings storage"
DRIVERS = "json_body tokyo."
MODEL = """
    core_schema definition direct_loading fields instance_rounding json_loading
    json_writing loading membership model references saving updates
"""
BACKENDS = "backends."
REGISTRY = "registry"
FACE = "__init__ __main__ command testing."

LAYERS = [
    set(names.split())
    for names in (
        MEANING,
        UNDERSTANDING,
        CONTRACT,
        DRIVERS,
        f"{MODEL} {BACKENDS}",
        REGISTRY,
        FACE,
    )
]
# The kit declares models, as users do.
PYDANTIC = set(MODEL.split()) - {"membership", "saving"} | {"testing."}
ONLY_IN = {
    "pydantic": PYDANTIC,
    "pydantic_core": PYDANTIC,
    "sqlite3": {"backends.sqlite."},
    "pymongo": {"backends.mongodb."},
    "bson": {"backends.mongodb."},
    "ctypes": {"tokyo.library."},
}


def name_of(path: Path) -> str:
    """Name a module below the package: `storage`, `backends.sqlite`, `testing`."""
    names = path.relative_to(PACKAGE).with_suffix("").parts
    if len(names) > 1 and names[-1] == "__init__":
        names = names[:-1]
    return ".".join(names)


def layer_of(name: str) -> int | None:
    folder = name.partition(".")[0] + "."
    for number, names in enumerate(LAYERS):
        if name in names or folder in names:
            return number
    return None


def backend_of(name: str) -> str | None:
    """Say which backend a module belongs to; an underscore means shared by them."""
    folder, _, rest = name.partition(".")
    module = rest.partition(".")[0]
    is_shared = not module or module.startswith("_")
    return None if folder != "backends" or is_shared else module


def is_for_types_only(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")


def import_statements(node: ast.AST) -> Iterator[ast.Import | ast.ImportFrom]:
    """Yield what is imported at run time, inside functions too."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import | ast.ImportFrom):
            yield child
        elif is_for_types_only(child):
            for otherwise in child.orelse:
                yield from import_statements(ast.Module([otherwise], []))
        else:
            yield from import_statements(child)


def imported_names(path: Path) -> Iterator[str]:
    """Yield the full name of each module that a module imports."""
    package = ("pymodels", *path.relative_to(PACKAGE).parts[:-1])
    for statement in import_statements(ast.parse(path.read_text("utf-8"))):
        if isinstance(statement, ast.Import):
            yield from (alias.name for alias in statement.names)
            continue
        start = package[: len(package) - statement.level + 1] if statement.level else ()
        names = [*start, *(statement.module or "").split(".")]
        source = ".".join(name for name in names if name)
        for alias in statement.names:
            # `from pymodels import errors` names a module, `... import Model` does not
            inner = f"{source}.{alias.name}"
            yield inner if is_ours(inner) else source


def is_ours(name: str) -> bool:
    place = ROOT.joinpath(*name.split("."))
    return name.startswith("pymodels.") and (
        place.with_suffix(".py").is_file() or place.is_dir()
    )


def imports_of_ours(path: Path) -> Iterator[str]:
    for name in imported_names(path):
        if name == "pymodels":
            yield "__init__"
        elif name.startswith("pymodels."):
            yield name.removeprefix("pymodels.")


def imports_of_others(path: Path) -> Iterator[str]:
    for name in imported_names(path):
        top = name.partition(".")[0]
        if top != "pymodels":
            yield top


each_module = pytest.mark.parametrize("path", MODULES, ids=name_of)


@each_module
def test_module_has_its_place(path):
    name = name_of(path)
    assert layer_of(name) is not None, (
        f"pymodels/{path.relative_to(PACKAGE)} is in no layer: "
        f"place {name!r} in LAYERS of tests/test_layers.py"
    )


@each_module
def test_imports_point_down(path):
    name = name_of(path)
    layer = layer_of(name)
    if layer is None:
        return  # the test above says so
    upward = [
        other for other in imports_of_ours(path) if (layer_of(other) or 0) > layer
    ]
    assert upward == [], f"{name} (layer {layer}) imports from above"


@each_module
def test_backends_and_models_are_strangers(path):
    name = name_of(path)
    others = set(imports_of_ours(path))
    backends = {other for other in others if backend_of(other)}
    if name.startswith("backends"):
        assert not {
            other for other in backends if backend_of(other) != backend_of(name)
        }
        assert not others & set(MODEL.split())
    elif name in MODEL.split():
        assert not backends


@each_module
def test_meaning_needs_only_the_standard_library(path):
    if name_of(path) in MEANING.split():
        assert set(imports_of_others(path)) <= sys.stdlib_module_names


@each_module
def test_libraries_are_imported_in_their_place(path):
    name = name_of(path)
    places = {name, f"{name}.", f"{name.rpartition('.')[0]}."}
    misplaced = {
        other: sorted(ONLY_IN[other])
        for other in imports_of_others(path)
        if other in ONLY_IN and not ONLY_IN[other] & places
    }
    assert misplaced == {}, f"{name} imports what belongs elsewhere"


def test_the_table_names_no_module_twice():
    names = [name for layer in LAYERS for name in layer]
    assert len(names) == len(set(names))
