"""Ask a storage a random question, and the evaluator the same.

The expected answer comes from `pymodels.law.evaluate.matches` over each record, then
Python's own sort and slice; nothing of the planner or of a backend has a part in it.
"""

import datetime
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any

import pytest
from pydantic import ValidationError

from pymodels.errors import InvalidRecord, NotInModel, QueryError, Unsupported
from pymodels.law.canonical import canonical
from pymodels.law.changes import Changes, apply
from pymodels.law.evaluate import matches
from pymodels.law.values import Kind, Record, kind_of, read, same, sort_key
from pymodels.querying.expressions import F
from pymodels.querying.query import BaseQuery
from pymodels.storage import BaseStorage
from pymodels.testing.random.questions import Question
from pymodels.testing.random.universe import MODELS

Records = Mapping[str, Record]

NAMES: dict[str, Any] = {model.__name__: model for model in MODELS}
NAMES |= {"F": F, "Decimal": Decimal, "datetime": datetime}


class Refused(Exception):
    """The question is refused before anything is asked."""


def put(storage: BaseStorage, records: Records) -> None:
    """Write records as quickly as the storage allows."""
    try:
        with storage.transaction():
            _put_each(storage, records)
    except Unsupported:
        _put_each(storage, records)


def _put_each(storage: BaseStorage, records: Records) -> None:
    for key, record in records.items():
        storage[key] = record


def spoken(question: Question, storage: BaseStorage) -> BaseQuery[Any]:
    """Turn a question into the query that its text says; `Refused` if it is."""
    try:
        found: BaseQuery[Any] = eval(str(question), NAMES | {"storage": storage})
    except QueryError as error:
        raise Refused(str(error)) from error
    return found


class Answer:
    """What the law says to a question, over known records."""

    def __init__(
        self, question: Question, query: BaseQuery[Any], records: Records
    ) -> None:
        self.question, self.records = question, records
        self.model = question.model
        predicate = query.spec.predicate
        keys = [
            key for key, record in records.items() if matches(predicate, record, key)
        ]
        self.is_ordered = bool(question.order or question.start)
        self.is_ordered |= question.stop is not None
        # Law 9: a kind that a declared field does not admit has no place there.
        self.is_defined = all(self._has_place(key) for key in keys)
        self.found = len(keys)
        self.matching = set(keys)
        self.keys = self._sorted(keys)[question.start : question.stop]

    def _sorted(self, keys: list[str]) -> list[str]:
        names = self.question.order
        keys.sort(reverse=bool(names) and names[-1].is_descending)
        for name in reversed(names):
            keys.sort(
                key=lambda key, path=name.path: self._place(key, path),  # type: ignore[misc]  # bound now, on purpose
                reverse=name.is_descending,
            )
        return keys

    def _place(self, key: str, path: tuple[str, ...]) -> Any:
        if not path:
            return key
        stored, _ = self.model.__pymodels_codec__.shape.resolve(path)
        return sort_key(read(self.records[key], stored))

    def _has_place(self, key: str) -> bool:
        for name in self.question.order:
            if not name.path:
                continue
            whole = self.model.__pymodels_codec__.shape
            for size in range(1, len(name.path) + 1):
                stored, shape = whole.resolve(name.path[:size])
                value = read(self.records[key], stored)
                if shape and value is not None and kind_of(value) not in shape.kinds:
                    return False
        return True

    def judge_keys(self, found: list[str], what: str = "keys") -> None:
        """Fail unless these keys, in this order, are an answer."""
        assert len(set(found)) == len(found), f"{what}: {found} repeats a key"
        if not self.is_ordered:
            assert set(found) == set(self.keys), self._difference(found, what)
        elif self.is_defined:
            assert found == self.keys, self._difference(found, what)
        else:
            assert set(found) <= self.matching, self._difference(found, what)
            assert len(found) == len(self.keys), self._difference(found, what)

    def _difference(self, found: list[str], what: str) -> str:
        text = f"{what}: found {found}, expected {self.keys}"
        for key in sorted(set(found) ^ set(self.keys)):
            text += f"\n  {key!r}: {self.records.get(key)!r}"
        return text

    def instances(self) -> dict[str, Any]:
        """Give what each matching record is validated into, None if it is not."""
        validator = self.model.__pymodels_codec__.validator
        found: dict[str, Any] = {}
        for key in self.matching:
            try:
                found[key] = validator.validate_python(
                    canonical(self.records[key], "record")
                )
            except ValidationError:
                found[key] = None
        return found


def ask(question: Question, storage: BaseStorage, records: Records) -> None:
    """Ask a question and fail unless the answer is the law's.

    Raises `Refused` for what makes no sense. A storage that was written to is put
    back as it was.
    """
    query = spoken(question, storage)
    answer = Answer(question, query, records)
    if question.action in {"delete", "update"}:
        _change(question, query, answer, storage)
        return
    answer.judge_keys(list(query.keys()))
    count = query.count()
    assert count == len(answer.keys), f"count: {count}, expected {len(answer.keys)}"
    assert query.exists() == bool(answer.keys), "exists"
    ACTIONS[question.action](query, answer)


def _keys(query: BaseQuery[Any], answer: Answer) -> None:
    """Nothing more."""


def _load(query: BaseQuery[Any], answer: Answer) -> None:
    instances = answer.instances()
    if None not in instances.values():
        _judge_instances(list(query), answer, instances)
        return
    valid = {key for key in instances if instances[key] is not None}
    _judge_valid(query.skip_invalid(), answer, valid)
    if answer.is_defined and any(instances[key] is None for key in answer.keys):
        with pytest.raises(InvalidRecord) as caught:
            list(query)
        assert caught.value.key in answer.keys
        assert caught.value.key not in valid, f"{caught.value.key!r} is valid"


def _judge_instances(
    found: list[Any], answer: Answer, instances: Mapping[str, Any]
) -> None:
    answer.judge_keys([one.key for one in found], "iteration")
    for one in found:
        expected = instances[one.key]
        assert _state(one) == _state(expected), f"{one.key!r}: law 14"
        for name, value in vars(expected).items():
            assert type(getattr(one, name)) is type(value), (
                f"{one.key!r}.{name}: law 14"
            )


def _state(instance: Any) -> tuple[Any, ...]:
    return vars(instance), instance.model_extra, instance.model_fields_set


def _judge_valid(query: BaseQuery[Any], answer: Answer, valid: set[str]) -> None:
    question = answer.question
    ordered = answer._sorted([key for key in answer.matching if key in valid])
    expected = ordered[question.start : question.stop]
    found = [one.key for one in query]
    assert len(found) == len(expected), f"skip_invalid: {found}, expected {expected}"
    assert query.count() == len(expected), "count of skip_invalid"
    if answer.is_defined and answer.is_ordered:
        assert found == expected, f"skip_invalid: {found}, expected {expected}"
    elif not answer.is_ordered:
        assert set(found) == set(expected), f"skip_invalid: {found}"


def _first(query: BaseQuery[Any], answer: Answer) -> None:
    if not answer.is_defined or None in answer.instances().values():
        return
    found = query.first()
    smallest = answer.keys[:1] if answer.is_ordered else sorted(answer.keys)[:1]
    assert [found.key for found in [found] if found] == smallest, "first"


def _values(query: BaseQuery[Any], answer: Answer) -> None:
    if answer.is_ordered and not answer.is_defined:
        return
    path = answer.question.path
    expression: Any = F
    for name in path:
        expression = expression[name]
    stored, _ = answer.model.__pymodels_codec__.shape.resolve(path)
    found = query.values(expression)
    distinct: dict[Any, Any] = {}
    for key in answer.keys:
        value = read(answer.records[key], stored)
        if kind_of(value) is not Kind.NONE:
            distinct[sort_key(value)] = value
    expected = [distinct[place] for place in sorted(distinct)]
    assert list(map(sort_key, found)) == list(map(sort_key, expected)), (
        f"values of {path}: {found}, expected {expected}"
    )


def _records(query: BaseQuery[Any], answer: Answer) -> None:
    found = dict(query.records())
    answer.judge_keys(list(found), "records")
    for key, record in found.items():
        assert same(record, answer.records[key]), f"{key!r}: {record!r}"


def _contains(query: BaseQuery[Any], answer: Answer) -> None:
    if answer.is_ordered and not answer.is_defined:
        return
    for key in [*list(answer.records)[:3], *answer.keys[:3], "nowhere"]:
        assert (key in query) == (key in answer.keys), f"{key!r} in query"


def _plan(query: BaseQuery[Any], answer: Answer) -> None:
    assert str(query.plan())
    assert str(query)
    assert repr(query)


ACTIONS: dict[str, Callable[[BaseQuery[Any], Answer], None]] = {
    "keys": _keys,
    "load": _load,
    "first": _first,
    "values": _values,
    "records": _records,
    "in": _contains,
    "plan": _plan,
}


def _change(
    question: Question, query: BaseQuery[Any], answer: Answer, storage: BaseStorage
) -> None:
    if answer.is_ordered and not answer.is_defined:
        raise Refused("no defined order, so no defined outcome")
    expected = dict(answer.records)
    if question.action == "delete":
        done = query.delete()
        for key in answer.keys:
            del expected[key]
    else:
        try:
            done = query.update(**{"__".join(question.path): question.value})
        except (ValidationError, NotInModel, QueryError) as error:
            _judge_records(storage, answer.records)
            raise Refused(str(error)) from error
        path, _ = answer.model.__pymodels_codec__.shape.resolve(question.path)
        changes = Changes({path: canonical(question.value)})
        for key in answer.keys:
            expected[key] = apply(expected[key], changes)
    _judge_records(storage, expected)
    assert done == len(answer.keys), f"said {done}, expected {len(answer.keys)}"
    put(storage, {key: answer.records[key] for key in answer.keys})


def _judge_records(storage: BaseStorage, expected: Records) -> None:
    found = dict(storage.records())
    for key in found.keys() | expected.keys():
        one, other = found.get(key), expected.get(key)
        assert same(one, other), f"{key!r} is {one!r}, expected {other!r}"


def failure(
    question: Question, records: Records, opened: Callable[[], BaseStorage]
) -> BaseException | None:
    """Ask a question of a fresh storage; give what went wrong, if anything."""
    with opened() as storage:
        put(storage, records)
        try:
            ask(question, storage, records)
        except Refused:
            return None
        except Exception as error:
            return error
    return None


def smaller_records(records: Records) -> Iterator[Records]:
    """Yield records with fewer of them, then with less in each."""
    keys = list(records)
    size = len(keys) // 2
    while size:
        for at in range(0, len(keys), size):
            yield {key: records[key] for key in keys[:at] + keys[at + size :]}
        size //= 2
    for key in keys:
        for name in records[key]:
            record = {n: value for n, value in records[key].items() if n != name}
            yield {**records, key: record}
