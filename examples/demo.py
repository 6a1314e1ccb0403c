"""Ask the same questions of two databases: python -m examples.demo.

The countries of the world and its 34,000 cities go into an SQLite file, a dozen
questions follow (questions.py, over the models of world.py). Then one line of settings
changes, everything is asked again, and the answers have to be the same.
"""

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from rich import box
from rich.console import Console
from rich.table import Table

import pymodels
from examples.questions import QUESTIONS, Rows, large_burgs
from pymodels import BaseStorage

console = Console(highlight=False)


class Answer(NamedTuple):
    """What came back to one question."""

    title: str
    rows: Rows
    seconds: float


def ask(db: BaseStorage) -> Iterator[Answer]:
    for question in QUESTIONS:
        title = (question.__doc__ or "").rstrip(".")
        started = time.perf_counter()
        rows = question(db)
        yield Answer(title, rows, time.perf_counter() - started)


def main(db: BaseStorage) -> list[Answer]:
    """Ask everything of one database and show the answers as they come."""
    answers = []
    for answer in ask(db):
        show(answer.title, answer.rows)
        answers.append(answer)
    show_plan(db)
    return answers


def show_plan(db: BaseStorage) -> None:
    console.print("The plan for burg and bourg: what runs where", style="bold")
    console.print(f"\n{large_burgs(db).plan()}\n", markup=False)


def show(title: str, rows: Rows) -> None:
    console.print(title, style="bold")
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name, value in rows[0].items():
        is_number = isinstance(value, int | float)
        table.add_column(name, justify="right" if is_number else "left")
    for row in rows:
        cells = (f"{v:,}" if isinstance(v, int) else str(v) for v in row.values())
        table.add_row(*cells)
    console.print(table)


def compare(before: list[Answer], after: list[Answer]) -> bool:
    """Show how long both took and whether both say the same."""
    pairs = list(zip(before, after, strict=True))
    times = [
        {
            "question": old.title,
            "sqlite": round(old.seconds * 1000),
            "memory": round(new.seconds * 1000),
        }
        for old, new in pairs
    ]
    show("What took how long, in milliseconds", times)
    different = [(old, new) for old, new in pairs if old.rows != new.rows]
    for old, new in different:
        show(f"sqlite: {old.title}", old.rows)
        show(f"memory: {new.title}", new.rows)
    if different:
        console.print(f"[red]{len(different)} answers differ[/]")
    else:
        console.print(f"[green]{len(before)} answers, the same from both databases[/]")
    return not different


def run() -> int:
    with TemporaryDirectory() as folder:
        # this is the only line to change to change the backend
        database = f"sqlite:///{Path(folder, 'world.db')}"
        with pymodels.get_storage(database) as db:
            answers = main(db)

    database = "memory://"
    console.print("The same questions again, after one line of settings changed:\n")
    console.print(f'database = "{database}"\n', markup=False)
    with pymodels.get_storage(database) as db:
        answers_again = list(ask(db))
        show_plan(db)
    return 0 if compare(answers, answers_again) else 1


if __name__ == "__main__":
    sys.exit(run())
