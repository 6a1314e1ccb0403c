"""A backend's tests are not even imported where it lacks what it needs."""

from collections.abc import Iterable
from pathlib import Path

import pytest
from required import check_installed, lacking

NEEDED_BY = {
    "test_mongodb": "mongodb",
    "test_tokyo_cabinet": "tokyo_cabinet",
    "test_tokyo_tyrant_same_file": "tokyo_tyrant",
}
"""By the beginnings of modules' names; the others of Tokyo Tyrant start a server."""


class Lacking(pytest.Module):
    """A module that is skipped as a whole, or fails where its backend is required."""

    backend: str

    def collect(self) -> Iterable[pytest.Item | pytest.Collector]:
        check_installed(self.backend)
        return ()


def pytest_pycollect_makemodule(
    module_path: Path, parent: pytest.Collector
) -> pytest.Module | None:
    for beginning, backend in NEEDED_BY.items():
        if module_path.name.startswith(beginning) and lacking(backend):
            made = Lacking.from_parent(parent, path=module_path)
            made.backend = backend
            return made
    return None
