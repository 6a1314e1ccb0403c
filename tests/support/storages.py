"""The storages that tests of models run on: each embedded backend there is."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from required import check_installed

import pymodels
from pymodels import BaseStorage

SETTINGS = {
    "memory": "memory://",
    "sqlite": "sqlite:///{folder}/records.db",
    "tokyo_cabinet": "tokyo-cabinet:///{folder}/records.tct",
}
EMBEDDED = [name for name in SETTINGS if find_spec(f"pymodels.backends.{name}")]


@contextmanager
def opened(name: str, folder: Path) -> Iterator[BaseStorage]:
    """Open a new storage of one backend, and close it afterwards."""
    check_installed(name)
    with pymodels.get_storage(SETTINGS[name].format(folder=folder)) as storage:
        yield storage
