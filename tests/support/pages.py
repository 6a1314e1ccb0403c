"""What the pages say: their examples, links and headings; used by test_docs.py."""

import doctest
import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

from pymodels import BaseStorage

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = [
    *(ROOT / f"{name}.md" for name in ("README", "CHANGELOG", "CONTRIBUTING")),
    *sorted(DOCS.rglob("*.md")),
]
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE

_BLOCK = re.compile(r"^( *)```([^\n]*)\n(.*?)^ *```$", re.M | re.S)
_HEADING = re.compile(r"^#+ (.+)$", re.M)
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


@dataclass(frozen=True)
class Example:
    """One fenced block of Python; ``source`` is the file it is an excerpt of."""

    code: str
    line: int
    source: str = ""


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def examples_of(page: Path) -> list[Example]:
    """Find the fenced Python of a page, in order."""
    text = page.read_text("utf-8")
    found = []
    for block in _BLOCK.finditer(text):
        language, _, rest = block[2].partition(" ")
        if language == "python":
            line = text.count("\n", 0, block.start(3)) + 1
            source = rest.removeprefix("from=") if rest.startswith("from=") else ""
            found.append(Example(textwrap.dedent(block[3]), line, source))
    return found


def prose_of(page: Path) -> str:
    """Give a page without its fenced blocks."""
    return _BLOCK.sub("", page.read_text("utf-8"))


def headings_of(page: Path) -> list[str]:
    return _HEADING.findall(prose_of(page))


def links_of(page: Path) -> list[str]:
    """Give the targets of a page's links, but for those that leave the project."""
    return [to for to in _LINK.findall(prose_of(page)) if "://" not in to]


def anchor(heading: str) -> str:
    """Spell a heading as the link to it is spelled."""
    kept = re.sub(r"[^\w\- ]", "", heading.lower())
    return kept.replace(" ", "-")


@contextmanager
def closing_storages() -> Iterator[None]:
    """Close every storage that is opened inside, even those nobody kept."""
    opened: list[BaseStorage] = []
    init = BaseStorage.__init__

    def noted(self: BaseStorage, **settings: Any) -> None:
        opened.append(self)
        init(self, **settings)

    BaseStorage.__init__ = noted
    try:
        yield
    finally:
        BaseStorage.__init__ = init
        for storage in opened:
            storage.close()


class Runner:
    """Runs the examples of one page, top to bottom, in one namespace."""

    def __init__(self, page: Path, settings: dict[str, str] | None = None) -> None:
        """Take a page, and perhaps settings to put in the place of others."""
        self.page = page
        self.settings = settings or {}
        # A module of its own, so that what is defined there can be pickled.
        self.module = ModuleType("page_" + re.sub(r"\W", "_", page.stem))

    def run(self) -> None:
        sys.modules[self.module.__name__] = self.module
        try:
            with closing_storages():
                for example in examples_of(self.page):
                    self._run(replace(example, code=self._replaced(example.code)))
        finally:
            self._end_processes()
        del sys.modules[self.module.__name__]

    def _end_processes(self) -> None:
        """End what a page started and did not come to end."""
        for value in vars(self.module).values():
            if isinstance(value, subprocess.Popen) and value.poll() is None:
                value.kill()
                value.communicate()

    def _replaced(self, code: str) -> str:
        for old, new in self.settings.items():
            code = code.replace(f'"{old}"', f'"{new}"')
        return code

    def _run(self, example: Example) -> None:
        if example.source:
            written = (ROOT / example.source).read_text("utf-8")
            where = f"{name_of(self.page)}:{example.line}"
            assert is_in(example.code, written), f"{where} is not in {example.source}"
        elif example.code.lstrip().startswith(">>>"):
            self._run_doctest(example)
        else:
            # Blank lines before, so that a traceback tells the line of the page.
            code = "\n" * (example.line - 1) + example.code
            exec(compile(code, str(self.page), "exec"), vars(self.module))

    def _run_doctest(self, example: Example) -> None:
        said: list[str] = []
        test = doctest.DocTestParser().get_doctest(
            example.code,
            vars(self.module),
            name_of(self.page),
            str(self.page),
            example.line - 1,
        )
        test.globs = vars(self.module)
        runner = doctest.DocTestRunner(optionflags=FLAGS)
        failed, _ = runner.run(test, out=said.append, clear_globs=False)
        assert not failed, "".join(said)


def is_in(excerpt: str, written: str) -> bool:
    """Say whether an excerpt stands in a file, at any depth; blank lines aside.

    The formatter takes an excerpt of methods for functions, and parts them further.
    """
    lines = "".join(f"{line}\n" for line in written.splitlines() if line)
    asked = "".join(f"{line}\n" for line in excerpt.splitlines() if line)
    return any(textwrap.indent(asked, " " * depth) in lines for depth in (0, 4, 8))


def parameters_in(section: str) -> set[str]:
    """Find the names that a page spells as code."""
    return set(re.findall(r"`(\w+)`", section))


def section_of(page: Path, heading: str) -> str:
    """Give what stands under one heading of the second level."""
    parts: dict[str, Any] = {}
    for part in re.split(r"^## ", page.read_text("utf-8"), flags=re.M)[1:]:
        title, _, text = part.partition("\n")
        parts[title] = text
    return str(parts.get(heading, ""))
