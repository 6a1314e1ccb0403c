"""The way of a call through the files of the package, as a profiler sees it."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from types import FrameType
from typing import Any

from imports import NAMES, reached

FILES = {str(path): name for name, path in NAMES.items()}


@dataclass(frozen=True)
class Journey:
    """The files that are entered, in order, and the calls from one into another."""

    files: tuple[str, ...]
    functions: frozenset[tuple[str, str]]
    """Each that is called, with its file."""
    moves: int
    climbs: int
    """Calls against the arrows of imports: into a file that leads to the caller's."""


def journey(work: Callable[[], Any]) -> Journey:
    """Follow a call; what goes through another's code counts as a call from ours."""
    moves: list[tuple[str, str]] = []
    files: dict[str, None] = {}
    functions: set[tuple[str, str]] = set()
    stack: list[str] = []

    def profile(frame: FrameType, event: str, _: object) -> None:
        name = FILES.get(frame.f_code.co_filename)
        if name is None:
            return
        if event == "call":
            if stack and stack[-1] != name:
                moves.append((stack[-1], name))
            files[name] = None
            functions.add((name, frame.f_code.co_qualname))
            stack.append(name)
        elif event == "return" and stack:
            stack.pop()

    before = sys.getprofile()
    sys.setprofile(profile)
    try:
        work()
    finally:
        sys.setprofile(before)
    leads = reached()
    climbs = sum(caller in leads[called] for caller, called in moves)
    return Journey(tuple(files), frozenset(functions), len(moves), climbs)
