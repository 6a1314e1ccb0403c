"""Count instructions instead of taking times: they repeat where seconds do not.

Contenders run under valgrind, some fifty times slower, so with little work. It takes
valgrind with its C headers and a C compiler; the libraries' own code counts, what the
system and the servers do does not.
"""

import ctypes
import shutil
import subprocess
from pathlib import Path

SOURCE = Path(__file__).with_name("marks.c")
COUNTS = "counts"
"""The file that valgrind writes, with a number behind for each count."""


class CannotCount(Exception):
    """Something is not installed here."""


def build(folder: Path) -> Path:
    """Build the library that marks what is counted."""
    for program in ("cc", "valgrind"):
        if shutil.which(program) is None:
            raise CannotCount(f"instructions take {program}, which is not here")
    library = folder / "marks.so"
    command = ["cc", "-O1", "-shared", "-fPIC", "-o", str(library), str(SOURCE)]
    built = subprocess.run(command, capture_output=True, text=True)
    if built.returncode:
        raise CannotCount(built.stderr)
    return library


def under_valgrind(command: list[str], folder: Path) -> list[str]:
    """Return a command that runs another under valgrind."""
    options = ["--quiet", "--tool=callgrind", "--collect-atstart=no"]
    return ["valgrind", *options, f"--callgrind-out-file={folder / COUNTS}", *command]


class Marks:
    """The marks in a process that runs under valgrind."""

    def __init__(self, library: str, folder: str) -> None:
        self.library = ctypes.CDLL(library)
        self.path = Path(folder) / COUNTS
        self.number = 0

    def begin(self) -> None:
        """Count from here on."""
        self.library.begin()

    def end(self) -> int:
        """Stop counting and return how many instructions there were."""
        self.library.end()
        self.number += 1
        written = self.path.with_name(f"{COUNTS}.{self.number}")
        lines = written.read_text().splitlines()
        written.unlink()
        return next(int(one.split()[1]) for one in lines if one.startswith("totals:"))
