"""Random questions and saves: the storage and the evaluator must agree.

3,000 questions with fixed seeds; ``PYMODELS_FUZZ=100000`` asks so many, with new
seeds. A failure is made smaller and printed as a program.
"""

import os
from collections.abc import Callable, Iterator
from itertools import count
from random import SystemRandom
from typing import Any

from pymodels.law.values import same
from pymodels.storage import BaseStorage
from pymodels.testing.each import each
from pymodels.testing.fixtures import NewStorage
from pymodels.testing.random.asking import Refused, ask, put
from pymodels.testing.random.drawing import random_change, random_question
from pymodels.testing.random.questions import Question
from pymodels.testing.random.reproducing import report
from pymodels.testing.random.universe import Chance, random_records

A_ROUND = 60
"""Questions that are asked of one set of records."""
RECORDS = 36
CHANGES = 0.15
"""The part of questions that delete or update."""


def seeds() -> Iterator[str]:
    """Give a seed for each round: fixed ones, or new ones when asked for more."""
    for number in count():
        is_new = os.environ.get("PYMODELS_FUZZ")
        yield f"{SystemRandom().getrandbits(48):x}" if is_new else str(number)


def one_round(opened: Callable[[], BaseStorage], seed: str) -> int:
    """Ask a round of questions; give how many made sense."""
    random = Chance(seed)
    random.known = records = random_records(
        random, random.choice((1, RECORDS, RECORDS, RECORDS))
    )
    asked = 0
    with opened() as storage:
        put(storage, records)
        for key, record in storage.records():
            assert same(record, records[key]), f"{record!r} was {records[key]!r}"
        for _ in range(A_ROUND):
            question = _question(random)
            try:
                ask(question, storage, records)
            except Refused:
                continue
            except Exception as error:
                told = report(question, records, opened, error, seed)
                raise AssertionError(told) from None
            asked += 1
    return asked


def _question(random: Chance) -> Question:
    if random.random() < CHANGES:
        return random_change(random)
    return random_question(random)


def test_reference_answers_random_questions_alike(
    new_storage: NewStorage, how_many: int
) -> None:
    asked = 0
    for seed in seeds():
        asked += one_round(new_storage, seed)
        if asked >= how_many:
            return


@each("seed", ["a", "b", "c"])
def test_reference_answers_alike_whatever_the_residual_setting(
    new_storage: NewStorage, seed: str
) -> None:
    def opened() -> Any:
        return new_storage(residual="allow")

    assert one_round(opened, seed)
