"""Imports point one way, and files stand in no circles; imports for types count too.

The table is the drawing of docs/architecture.md: each room with the rooms that it may
import. A room is a folder or file of `pymodels/`; below `backends/` and `tokyo/` each
folder is one.
"""

import sys

from imports import NAMES, PACKAGE, imports_of_others, imports_of_ours, reached

DOOR = "backend"
# For now: what backends imported before they had one door.
WINDOWS = "errors hooks indexes keys law models querying settings storage"
MAY_IMPORT = {
    "errors": "",
    "law": "errors",
    "keys": "errors",
    "settings": "errors",
    "indexes": "errors law querying",
    "hooks": "errors indexes law querying settings",
    "querying": "errors hooks indexes keys law mapper storage",
    "transactions": "",
    "models": "errors indexes keys law querying transactions",
    # The face of models, as a storage and a query are faces.
    "models.model": "errors keys law models querying storage transactions",
    "mapper": "hooks querying transactions",
    "storage": "errors hooks keys law mapper models querying transactions",
    "backend": "errors hooks indexes keys law models querying settings storage",
    "registry": "errors settings storage",
    "tokyo": "errors",
    "tokyo.library": "errors tokyo",
    "tokyo.serve": "errors tokyo tokyo.library",
    "backends": "",
    "backends.memory": DOOR,
    "backends._sql": DOOR,
    "backends.sqlite": f"{DOOR} backends._sql",
    "backends.mongodb": DOOR,
    "backends._tokyo": f"{DOOR} tokyo",
    "backends.tokyo_cabinet": f"{DOOR} backends._tokyo tokyo tokyo.library",
    "backends.tokyo_tyrant": f"{DOOR} backends._tokyo tokyo",
    "__init__": "errors indexes law models models.model querying registry storage",
    "command": "errors backends._tokyo tokyo tokyo.serve",
    "__main__": "command",
    "testing": "__init__ errors indexes keys law models models.model querying storage",
}
"""What each room may import, besides itself."""

ONLY_IN = {
    "pydantic": {"models", "models.model", "testing"},
    "pydantic_core": {"models", "testing"},
    "sqlite3": {"backends.sqlite"},
    "pymongo": {"backends.mongodb"},
    "bson": {"backends.mongodb"},
    "ctypes": {"tokyo.library"},
}
"""Libraries that belong to some rooms alone."""

STANDARD_LIBRARY_ALONE = {"errors", "law", "querying"}

CIRCLES = [{"storage", "querying.query"}]
"""The circles there may be: a storage gives queries, and a query asks its storage."""

NESTED = ("backends", "tokyo")


def room_of(name: str) -> str:
    """Give the room of a module: `law`, `backends.sqlite`."""
    if name in MAY_IMPORT:
        return name
    first, _, rest = name.partition(".")
    second = rest.partition(".")[0]
    is_room = first in NESTED and f"{first}.{second}" in MAY_IMPORT
    return f"{first}.{second}" if is_room else first


def circles() -> list[set[str]]:
    """Give each largest set of modules of which every one leads to every other."""
    leads, found = reached(), []
    for name in sorted(NAMES):
        circle = {other for other in leads[name] if name in leads[other]}
        if len(circle) > 1 and circle not in found:
            found.append(circle)
    return found


def test_every_module_stands_in_a_room():
    rooms = set(map(room_of, NAMES))
    assert rooms - MAY_IMPORT.keys() == set(), "add the room to MAY_IMPORT"


def test_imports_point_one_way():
    wrong = {
        name: sorted(rooms)
        for name, path in NAMES.items()
        if (rooms := set(map(room_of, imports_of_ours(path))) - allowed(room_of(name)))
    }
    assert wrong == {}


def allowed(room: str) -> set[str]:
    return {room, *MAY_IMPORT[room].split()}


def test_files_stand_in_no_circles():
    assert [circle for circle in circles() if circle not in CIRCLES] == []


def test_what_things_mean_needs_only_the_standard_library():
    others = {
        name: sorted(imports_of_others(path) - sys.stdlib_module_names)
        for name, path in NAMES.items()
        if room_of(name) in STANDARD_LIBRARY_ALONE
    }
    assert {name: found for name, found in others.items() if found} == {}


def test_libraries_are_imported_in_their_rooms():
    misplaced = [
        f"{library} in {name}"
        for name, path in NAMES.items()
        for library in imports_of_others(path) & ONLY_IN.keys()
        if room_of(name) not in ONLY_IN[library]
    ]
    assert misplaced == []


def test_the_rooms_of_the_package_are_few():
    rooms = [path for path in PACKAGE.iterdir() if path.name != "__pycache__"]
    assert len(rooms) <= 20
