"""The modules of the package, and what each imports; imports for types count too."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).parents[2] / "pymodels"


def name_of(path: Path) -> str:
    """Name a module below the package: `storage`, `backends.sqlite`, `testing`."""
    names = path.relative_to(PACKAGE).with_suffix("").parts
    if len(names) > 1 and names[-1] == "__init__":
        names = names[:-1]
    return ".".join(names)


NAMES = {name_of(path): path for path in sorted(PACKAGE.rglob("*.py"))}
"""Each module's file."""


def imported_names(path: Path) -> Iterator[str]:
    """Yield the full name of each module that a module imports, for types too."""
    package = ("pymodels", *path.relative_to(PACKAGE).parts[:-1])
    for statement in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(statement, ast.Import):
            yield from (alias.name for alias in statement.names)
        if not isinstance(statement, ast.ImportFrom):
            continue
        start = package[: len(package) - statement.level + 1] if statement.level else ()
        names = [*start, *(statement.module or "").split(".")]
        source = ".".join(name for name in names if name)
        for alias in statement.names:
            # `from pymodels import errors` names a module, `... import Model` does not
            inner = f"{source}.{alias.name}"
            yield inner if inner.removeprefix("pymodels.") in NAMES else source


@cache
def imports_of_ours(path: Path) -> frozenset[str]:
    return frozenset(
        "__init__" if name == "pymodels" else name.removeprefix("pymodels.")
        for name in imported_names(path)
        if name.partition(".")[0] == "pymodels"
    )


def imports_of_others(path: Path) -> set[str]:
    tops = {name.partition(".")[0] for name in imported_names(path)}
    return tops - {"pymodels"}


@cache
def reached() -> dict[str, frozenset[str]]:
    """Give for each module all that its imports lead to."""
    found = {name: imports_of_ours(path) & NAMES.keys() for name, path in NAMES.items()}
    changed = True
    while changed:
        changed = False
        for name, others in found.items():
            further = others.union(*(found[other] for other in others))
            changed = changed or further != others
            found[name] = further
    return found
