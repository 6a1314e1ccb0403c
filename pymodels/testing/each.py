"""Tests of many rows in one item, which lists the rows that fail."""

from collections.abc import Callable, Iterable
from functools import wraps
from inspect import Parameter, signature
from typing import Any

import pytest

Test = Callable[..., None]

TOLD = 20
"""How many failures are told in full; of the others, the rows alone."""


def each(
    names: str, rows: Iterable[Any], ids: Callable[[Any], str] = repr
) -> Callable[[Test], Test]:
    """Run a test for each row, in one item; its failure lists the rows that fail.

    Used as `pytest.mark.parametrize` is, where making a storage for each row takes
    longer than what is asked of it; a `storage` is emptied before each row instead.
    A row in `known_differences` has its label in brackets: ``test_name[label]``.
    """
    wanted = names.replace(",", " ").split()
    all_rows = [row if len(wanted) > 1 else (row,) for row in rows]

    def decorated(test: Test) -> Test:
        @wraps(test)
        def of_each(**given: Any) -> None:
            request = given.pop("request", None)
            known = getattr(request and request.module, "known_differences", {})
            failed: dict[str, BaseException] = {}
            for row in all_rows:
                name = "-".join(map(ids, row))
                if "storage" in given:
                    given["storage"].clear()
                error = _failure(test, {**given, **dict(zip(wanted, row, strict=True))})
                if f"{test.__name__}[{name}]" in known:
                    error = None if error else AssertionError("no difference any more")
                if error:
                    failed[name] = error
            if failed:
                first = next(iter(failed.values()))
                raise AssertionError(_told(failed, len(all_rows))) from first

        own = signature(test)
        left = [one for name, one in own.parameters.items() if name not in wanted]
        left.append(Parameter("request", Parameter.KEYWORD_ONLY))
        vars(of_each)["__signature__"] = own.replace(parameters=left)
        del vars(of_each)["__wrapped__"]  # pytest would look at what is behind it
        return of_each

    return decorated


def _failure(test: Test, arguments: dict[str, Any]) -> BaseException | None:
    try:
        test(**arguments)
    except (Exception, pytest.fail.Exception) as error:
        return error
    return None


def _told(failed: dict[str, BaseException], many: int) -> str:
    lines = [f"{len(failed)} of {many} rows fail:"]
    for number, (name, error) in enumerate(failed.items()):
        text = f": {type(error).__name__}: {error}" if number < TOLD else ""
        lines.append(f"[{name}]{text}")
    return "\n".join(lines)
