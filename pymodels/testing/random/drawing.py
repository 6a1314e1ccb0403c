"""Random questions, drawn so that many of them are answered by some records."""

from dataclasses import replace
from datetime import date
from functools import cache
from typing import Any

from pymodels.models.model import Model
from pymodels.testing.random.questions import (
    Clause,
    Inverted,
    Joined,
    Leaf,
    Name,
    Question,
)
from pymodels.testing.random.universe import (
    MODELS,
    POOLS,
    STORED,
    TEXTS,
    Chance,
    any_value,
    value_for,
)

EQUALITY = ["equals", "equals", "ne", "in", "exists"]
ORDERED = [*EQUALITY, "gt", "gte", "lt", "lte", "between"]
ON_TEXT = ["contains", "contains_any", "startswith", "endswith"]
ON_TEXT += ["iequals", "icontains", "istartswith", "iendswith"]
ON_TEXT += ["matches", "matches_caseless", "like", "like_any", "search"]
PATTERNS = ["^a", "b$", "", ".", "[a-b]+$", r"\d", "A|é", r"^\w+$", "(?s)a.b"]
CASELESS = ["a", "AB", "aß", "ASS", "É", "é", "İ", "i̇", "ONE TWO", "", "ß"]
SEARCHES = ["one two", "a OR b", '"one two"', "NOT one", "ab (a OR NOT two)", "É"]
LOOKUPS = {
    "flag": EQUALITY,
    "whole": ORDERED,
    "real": ORDERED,
    "money": ORDERED,
    "zip": ORDERED,
    "text": [*ORDERED, *ON_TEXT],
    "short": [*ORDERED, *ON_TEXT],
    "city": [*ORDERED, *ON_TEXT],
    "key": [*ORDERED[:4], *ORDERED[5:], *ON_TEXT],
    "raw": ORDERED,
    "day": [*ORDERED, "year", "month", "day"],
    "since": [*ORDERED, "year", "month", "day"],
    "moment": [*ORDERED, "year", "month", "day"],
    "words": [*EQUALITY, "contains", "contains", "contains_any"],
    "numbers": [*EQUALITY, "contains", "contains", "contains_any"],
    "counts": EQUALITY,
    "spot": EQUALITY,
}
ELEMENTS = {"words": "text", "numbers": "whole"}
EVERY_LOOKUP = [*ORDERED, *ON_TEXT, "year", "month", "day"]


def _element(name: str, random: Chance) -> Any:
    if name == "numbers":
        return random.choice(POOLS["whole"])
    if name in {"words", "text", "short", "city", "key", "a.b"}:
        return random.choice(TEXTS)
    return any_value(random)


def _ordered_value(name: str, random: Chance) -> Any:
    """Give an operand; often a number of another type than the field's."""
    if name in {"whole", "real", "money", "zip"}:
        return random.choice(POOLS[random.choice(("whole", "real", "money"))])
    if name == "key":
        return random.choice(["a", "A", "é", "aa", "b%", "1", "\uffff", "_"])
    return value_for(name, random)


def _operand(name: str, lookup: str, random: Chance) -> Any:
    def one() -> Any:
        return _ordered_value(name, random)

    def element() -> Any:
        return _element(name, random)

    match lookup:
        case "exists":
            return random.random() < 0.5
        case "between":
            return (one(), one())
        case "in":
            found = [one() for _ in range(random.randint(0, 4))]
            return [*found, None] if random.random() < 0.2 and name != "key" else found
        case "contains_any":
            return [element() for _ in range(random.randint(0, 3))]
        case "contains":
            found = element()
            return [found] if isinstance(found, list) else found
        case "matches" | "matches_caseless":
            return random.choice(PATTERNS)
        case "like" | "like_any":
            return random.choice(["one", "two one", "A", "ab b", ["one", "É"], ""])
        case "search":
            return random.choice(SEARCHES)
        case "year":
            return random.choice([1, 2020, 1969, 9999])
        case "month":
            return random.choice([1, 2, 12])
        case "day":
            return random.choice([1, 29, 31])
        case "equals" | "ne" if random.random() < 0.15 and name != "key":
            return None
        case "equals" | "ne" | "gt" | "gte" | "lt" | "lte":
            return one()
        case "iequals" | "icontains" | "istartswith" | "iendswith":
            return random.choice(CASELESS)
    return random.choice(TEXTS)


@cache
def _declared_paths(model: type[Model], lookup: str) -> list[tuple[str, ...]]:
    """Give the declared paths that a lookup suits; of any, where none is declared."""
    names = list(model.model_fields) or [*STORED[:12], "anything"]
    paths: list[tuple[str, ...]] = [(), *((name,) for name in names)]
    if "spot" in names:
        paths += [("spot", name) for name in ("city", "zip", "since")]
    return [path for path in paths if lookup in lookups_of(path)]


def lookups_of(path: tuple[str, ...]) -> list[str]:
    """Give the lookups that make sense of what is declared at a path."""
    return LOOKUPS.get(path[-1] if path else "key", EVERY_LOOKUP)


def _declared_path(
    model: type[Model], random: Chance, lookup: str = "equals"
) -> tuple[str, ...]:
    return random.choice(_declared_paths(model, lookup) or [("text",)])


def _any_path(random: Chance) -> tuple[str, ...]:
    if random.random() < 0.08:
        return ()
    name = random.choice([*STORED, "nowhere"])
    if name in {"spot", "counts", "anything"} and random.random() < 0.7:
        inner = random.choice(("city", "zip", "a", "a.b", "nowhere"))
        deep = ("deep", random.choice(("city", "zip")))
        return (name, *deep) if random.random() < 0.2 else (name, inner)
    return (name,)


def _seen(
    model: type[Model], path: tuple[str, ...], lookup: str, random: Chance
) -> Any:
    """Give an operand that some record answers, or nearly; None if there is none."""
    stored, _ = model.__pymodels_codec__.shape.resolve(path)
    value, other = random.standing(stored), random.standing(stored)
    if value is None:
        return None
    match lookup, value:
        case "equals" | "ne" | "gt" | "gte" | "lt" | "lte", _:
            return value
        case "in", _:
            return [value, other]
        case "between", _:
            return (value, value if other is None else other)
        case "contains" | "contains_any", [*elements]:
            return [random.choice(elements)] if elements else None
        case "contains_any" | "like_any", str():
            return [value]
        case "iequals", str():
            return value.swapcase()
        case (("contains" | "startswith" | "endswith" | "like"), str()):
            start = random.randint(0, len(value)) if lookup == "contains" else 0
            return value[-1:] if lookup == "endswith" else value[start:][:2]
        case (("icontains" | "istartswith" | "iendswith"), str()):
            return (value[-1:] if lookup == "iendswith" else value[:2]).swapcase()
        case (("year" | "month" | "day"), date()):
            return getattr(value, lookup)
    return None


def _leaf(model: type[Model], random: Chance, *, is_keyword: bool) -> Leaf:
    lookup = random.choice(EVERY_LOOKUP)
    if is_keyword or random.random() < 0.6:
        path = _declared_path(model, random, lookup)
        name = path[-1] if path else "key"
        value = _seen(model, path, lookup, random) if random.random() < 0.4 else None
        if value is None:
            value = _operand(name, lookup, random)
        return Leaf(path, lookup, value, is_keyword)
    # Anything may be asked of an expression, of whatever kind the field is.
    path = _any_path(random)
    if random.random() < 0.3:
        path = _declared_path(model, random)
    name = path[-1] if path else "key"
    if random.random() < 0.5:  # of an element's kind, or of any
        name = ELEMENTS.get(name) or random.choice(list(POOLS))
    value = _seen(model, path, lookup, random) if random.random() < 0.4 else None
    if value is None:
        value = _operand(name, lookup, random)
    if lookup in {"gt", "gte", "lt", "lte"} and value is None:
        value = 1
    elif lookup == "between":
        low, high = value
        value = (1 if low is None else low, 1 if high is None else high)
    return Leaf(path, lookup, value)


def _clause(model: type[Model], random: Chance, depth: int) -> Clause:
    chance = random.random()
    if depth == 0 or chance < 0.4:
        return _leaf(model, random, is_keyword=False)
    if chance < 0.55:
        return Inverted(_clause(model, random, depth - 1))
    terms = (_clause(model, random, depth - 1) for _ in range(random.randint(2, 3)))
    return Joined("|" if chance < 0.8 else "&", tuple(terms))


def _order(model: type[Model], random: Chance) -> tuple[Name, ...]:
    found: dict[tuple[str, ...], Name] = {}
    for _ in range(random.choice((0, 0, 1, 1, 2))):
        is_keyword = random.random() < 0.7
        path = _declared_path(model, random) if is_keyword else _any_path(random)
        found[path] = Name(path, random.random() < 0.5, is_keyword)
    return tuple(found.values())


READS = ("keys", "load", "load", "load", "first", "values", "records", "in", "plan")


def random_question(random: Chance) -> Question:
    """Give a question; some are refused when they are asked, and rightly so."""
    model = random.choice(MODELS)
    conditions = []
    for _ in range(random.choice((0, 1, 1, 1, 1, 2, 2))):
        is_keyword = random.random() < 0.5
        clause = (
            _leaf(model, random, is_keyword=True)
            if is_keyword
            else _clause(model, random, 3)
        )
        conditions.append((random.choice(("where", "where", "where_not")), clause))
    start = random.choice((0, 0, 0, 0, 1, 2, 5))
    stop = random.choice((*[None] * 8, start, *(start + 1, start + 3, start + 9)))
    question = Question(
        model,
        tuple(conditions),
        _order(model, random),
        start,
        stop,
        random.choice(READS),
    )
    if question.action == "values":
        return replace(question, path=_any_path(random) or ("text",))
    return question


def random_change(random: Chance) -> Question:
    """Give a query that deletes or updates."""
    question = random_question(random)
    if random.random() < 0.4:
        return replace(question, action="delete")
    if not question.model.model_fields:
        return replace(question, action="delete")
    path = _declared_path(question.model, random)
    if path in {(), ("spot",)}:  # a whole map would be validated into another
        path = ("text",)
    value = value_for("whole" if path[-1] == "dollar" else path[-1], random)
    if random.random() < 0.2:
        value = None
    return replace(question, action="update", path=path, value=value)
