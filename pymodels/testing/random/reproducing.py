"""From a failure to a short program that shows it."""

from collections.abc import Callable

from pymodels.storage import BaseStorage
from pymodels.testing.random.asking import Records, failure, smaller_records
from pymodels.testing.random.questions import Question

ATTEMPTS = 600

SCRIPT = """\
import datetime
import sys
from decimal import Decimal

import pymodels
from pymodels import F
from pymodels.law.evaluate import matches
from pymodels.testing.random.universe import {model}

storage = pymodels.get_storage(sys.argv[1] if sys.argv[1:] else {url!r})
storage.clear()
{records}
query = {query}
wanted = query.spec.predicate
print(query.plan())
print("found:   ", list(query.keys()), query.count(), query.exists())
print("matching:", [k for k, r in storage.records() if matches(wanted, r, k)])
{action}"""

ACTIONS = {
    "load": "print(list(query))\n",
    "first": "print(query.first())\n",
    "values": "print(query.values({path}))\n",
    "records": "print(dict(query.records()))\n",
    "in": "print([k in query for k in storage])\n",
    "delete": "print(query.delete(), dict(storage.records()))\n",
    "update": "print(query.update(**{change!r}), dict(storage.records()))\n",
}


def reduced(
    question: Question, records: Records, opened: Callable[[], BaseStorage]
) -> tuple[Question, Records]:
    """Make a failing question, and the records it is asked of, smaller."""
    left = ATTEMPTS
    found = True
    while found and left > 0:
        found = False
        smaller = [(less, records) for less in question.smaller()]
        smaller += [(question, fewer) for fewer in smaller_records(records)]
        for candidate in smaller:
            left -= 1
            if left < 0:
                break
            if failure(*candidate, opened) is not None:
                question, records = candidate
                found = True
                break
    return question, records


def script(question: Question, records: Records, url: str) -> str:
    """Write the program."""
    action = ACTIONS.get(question.action, "")
    path = "F" + "".join(f"[{name!r}]" for name in question.path)
    return SCRIPT.format(
        model=question.model.__name__,
        url=url,
        records="\n".join(f"storage[{k!r}] = {r!r}" for k, r in records.items()),
        query=question,
        action=action.format(
            path=path, change={"__".join(question.path): question.value}
        ),
    )


def report(
    question: Question,
    records: Records,
    opened: Callable[[], BaseStorage],
    error: BaseException,
    seed: str,
) -> str:
    """Tell of a failure: what was asked, what is wrong, how to see it again."""
    with opened() as storage:
        url = str(storage)
    if failure(question, records, opened) is None:
        note = "it does not fail on a fresh storage: what came before matters"
    else:
        question, records = reduced(question, records, opened)
        note = "this program shows it"
        error = failure(question, records, opened) or error
    program = script(question, records, url)
    return (
        f"{type(error).__name__}: {error}\n\nseed {seed}, {question.action}; {note}:"
        f"\n\n{program}"
    )
