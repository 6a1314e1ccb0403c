"""Child processes of a test: forked, heard through a pipe, and always ended."""

import gc
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import BinaryIO


class Child:
    """A forked process that reports lines."""

    def __init__(self, process: int, reports: BinaryIO) -> None:
        self.process = process
        self.reports = reports
        self.code: int | None = None

    def line(self) -> str:
        """Wait for the next line; empty when the child has ended."""
        return self.reports.readline().decode().rstrip("\n")

    def kill(self) -> None:
        """Kill it as the machine would: no handler of its own runs."""
        with suppress(ProcessLookupError):
            os.kill(self.process, signal.SIGKILL)

    def wait(self) -> int:
        """Wait for its end; give the code, negative for a signal."""
        if self.code is None:
            status = os.waitpid(self.process, 0)[1]
            self.code = os.waitstatus_to_exitcode(status)
        return self.code


@contextmanager
def forked(work: Callable[[Callable[[object], None]], None]) -> Iterator[Child]:
    """Run a function in a child; it is given the function that reports a line.

    An exception is reported as a line of its own. What happens after the block
    is of no interest: the child is killed.
    """
    reading, writing = os.pipe()
    process = os.fork()
    if not process:
        os.close(reading)
        os._exit(_worked(work, writing))
    os.close(writing)
    with os.fdopen(reading, "rb") as reports:
        child = Child(process, reports)
        try:
            yield child
        finally:
            if child.code is None:
                child.kill()
                child.wait()


def _worked(work: Callable[[Callable[[object], None]], None], writing: int) -> int:
    sys.settrace(None)
    # Collecting what the parent's tests have left would take longer than most work.
    gc.freeze()

    def report(line: object) -> None:
        os.write(writing, f"{line}\n".encode())

    try:
        work(report)
    except BaseException as error:
        traceback.print_exc()
        with suppress(OSError):
            report(f"{type(error).__name__}: {error}")
        return 1
    return 0


def outcome(work: Callable[[Callable[[object], None]], None]) -> list[str]:
    """Run a function in a child to its end; give the lines it reported."""
    with forked(work) as child:
        lines = child.reports.read().decode().splitlines()
        code = child.wait()
        assert code == 0, f"the child ended with {code}: {lines}"
    return lines
