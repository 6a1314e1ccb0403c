"""Conditions and orders meet a model: names are checked, and become stored names.

Keywords are checked against what the model declares; expressions are not, they
only learn it. A bound predicate speaks of stored names, and each comparison
carries the shape that is declared at its path.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from difflib import get_close_matches
from typing import Any

from pymodels.errors import QueryError, UnknownField, UnknownLookup
from pymodels.law import predicates as p
from pymodels.law.shapes import KEY_SHAPE, Shape
from pymodels.law.values import KEY, Kind, Path, kind_of
from pymodels.querying.expressions import Descending, Expression, path_of
from pymodels.querying.lookups import LOOKUPS, ask, operand
from pymodels.querying.plan import Order

KEY_NAMES = ("key", "pk")


def parse_lookups(shape: Shape, lookups: Mapping[str, Any]) -> p.Predicate:
    """Turn keywords into one bound predicate, checked against the model."""
    terms = []
    for text, value in lookups.items():
        path, lookup = split_lookup(shape, text)
        terms.append(bind(ask(path, lookup, value), shape, check=True))
    return p.every(*terms)


def split_lookup(shape: Shape, text: str) -> tuple[Path, str]:
    """Split `address__city__startswith` into a path and the name of a lookup."""
    names = text.split("__")
    path: list[str] = []
    here: Shape | None = shape
    if names[0] in KEY_NAMES and names[0] not in shape.members:
        here, names = KEY_SHAPE, names[1:]
        if not names:
            return KEY, "equals"
        if len(names) == 1 and names[0] in LOOKUPS:
            return KEY, names[0]
    while names and here is not None:
        size = _declared_size(here, names)
        if not size:
            if len(names) == 1 and names[0] in LOOKUPS and (path or here is KEY_SHAPE):
                return tuple(path), names[0]
            if here.rest is None or not all(names):
                raise _unknown(text, shape, here, tuple(path), names)
            size = 1
        name = "__".join(names[:size])
        path.append(name)
        here = here.step(name)[1]
        names = names[size:]
    return tuple(path), "equals"


def _declared_size(shape: Shape, names: list[str]) -> int:
    """Say how many of the pieces make up a declared name; the longest wins."""
    for size in range(len(names), 0, -1):
        if "__".join(names[:size]) in shape.members:
            return size
    return 0


def _unknown(
    text: str, whole: Shape, here: Shape, path: Path, names: list[str]
) -> QueryError:
    name = "__".join(names)
    asked = "" if text == name else f"{text}: "
    if name in here.computed:
        return UnknownField(
            f"{asked}{name!r} of {here.name} is computed, not stored, and cannot be "
            "asked for; ask for the fields that it is made of"
        )
    if (path or here is KEY_SHAPE) and not here.members:
        close = _did_you_mean(name, LOOKUPS)
        return UnknownLookup(
            f"{asked}{name!r} is not a lookup{close}; known are {', '.join(LOOKUPS)}"
        )
    known = ", ".join(here.members) or "none"
    close = _did_you_mean(name, [*here.members, *(LOOKUPS if path else ())])
    message = f"{asked}{here.name} has no field {name!r}{close}; it has {known}"
    if path:
        message += f", and the lookups are {', '.join(LOOKUPS)}"
    return UnknownField(message)


def _did_you_mean(name: str, known: Iterable[str]) -> str:
    close = get_close_matches(name, list(known), n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""


def bind(predicate: p.Predicate, shape: Shape, *, check: bool = False) -> p.Predicate:
    """Give a predicate its stored names and declared shapes.

    With ``check``, an operand of a kind that the place can never hold is a
    `QueryError`.
    """
    match predicate:
        case p.And(terms):
            return p.every(*(bind(term, shape, check=check) for term in terms))
        case p.Or(terms):
            return p.any_of(*(bind(term, shape, check=check) for term in terms))
        case p.Not(term):
            return p.negation(bind(term, shape, check=check))
        case p.Comparison():
            return _bind_comparison(predicate, shape, check)
    return predicate


def _bind_comparison(node: p.Comparison, shape: Shape, check: bool) -> p.Predicate:
    if node.path == KEY:
        path, declared = KEY, KEY_SHAPE
    else:
        path, found = shape.resolve(node.path)
        if found is None:
            return _operands(replace(node, path=path), None)
        declared = found
    bound = _operands(replace(node, path=path, declared=declared), declared)
    if check:
        _check(bound, node.path, shape, declared)
    return bound


def _operands(node: p.Comparison, declared: Shape | None) -> p.Comparison:
    """Convert what stands for something else, and say what `contains` looks into."""
    match node:
        case p.Contains(value=value, within=within):
            items = declared.items if declared else None
            if declared and within is None:
                texts = Kind.STRING in declared.kinds
                lists = Kind.LIST in declared.kinds
                within = (
                    None if texts and lists else Kind.STRING if texts else Kind.LIST
                )
            return replace(node, value=_converted(value, items, node), within=within)
        case p.In(values=values):
            found = tuple(_converted(value, declared, node) for value in values)
            return replace(node, values=found)
        case (
            p.Equal(value=value)
            | p.Less(value=value)
            | p.LessOrEqual(value=value)
            | p.Greater(value=value)
            | p.GreaterOrEqual(value=value)
        ):
            return replace(node, value=_converted(value, declared, node))
        case p.HasKind(kinds=kinds) if declared:
            return replace(node, kinds=kinds & declared.kinds)
    return node


def _converted(value: Any, shape: Shape | None, node: p.Comparison) -> Any:
    if shape is not None and shape.operand is not None:
        return shape.operand(value)
    if type(value) is list:
        items = shape.items if shape is not None else None
        return [_converted(part, items, node) for part in value]
    if hasattr(type(value), "__pymodels_reference__"):
        return value.key
    if hasattr(type(value), "__pydantic_fields__"):
        return operand({**vars(value)}, p.spelled(node.path))
    if kind_of(value) is Kind.OTHER:
        raise QueryError(
            f"{p.spelled(node.path)}: a {type(value).__name__} is not a value that a "
            f"record can hold: {value!r}"
        )
    return value


_ON_TEXT = (p.StartsWith, p.EndsWith, p.Matches, p.Words)


def _check(node: p.Comparison, path: Path, shape: Shape, declared: Shape) -> None:
    """Refuse an operand that can never stand where the model says it would."""
    match node:
        case p.In(values=values):
            for value in values:
                _check_kind(value, path, shape, declared)
        case p.Equal(caseless=True):
            _check_text(path, shape, declared)
        case p.Contains(caseless=True):
            _check_text(path, shape, declared)
        case p.Contains(value=value, within=within):
            if within is not Kind.STRING and declared.items is not None:
                if _holds(value, declared.items) or Kind.STRING in declared.kinds:
                    return
                raise _never(value, f"an element of {p.spelled(path)}", declared.items)
            if Kind.LIST not in declared.kinds:
                _check_text(path, shape, declared)
                if type(value) is not str:
                    raise QueryError(
                        f"{p.spelled(path)}__contains takes a string, not {value!r}"
                    )
        case p.DatePart():
            if not declared.kinds & {Kind.DATE, Kind.DATETIME}:
                raise QueryError(
                    f"{shape.name}.{p.spelled(path)} holds {_kinds(declared)}, "
                    f"which has no {node.part}"
                )
        case p.HasKind(kinds=kinds):
            if not kinds:
                raise QueryError(
                    f"{shape.name}.{p.spelled(path)} holds {_kinds(declared)}, "
                    "which contains nothing"
                )
        case p.Exists():
            return
        case _ if isinstance(node, _ON_TEXT):
            _check_text(path, shape, declared)
        case _:
            _check_kind(node.value, path, shape, declared)  # type: ignore[attr-defined]  # all that is left has one


def _check_kind(value: Any, path: Path, shape: Shape, declared: Shape) -> None:
    if value is None and declared is not KEY_SHAPE and _may_be_missing(path, shape):
        return
    if kind_of(value) not in declared.kinds:
        raise _never(value, f"{shape.name}.{p.spelled(path)}", declared)


def _check_text(path: Path, shape: Shape, declared: Shape) -> None:
    """Refuse what looks into strings where there are none."""
    if Kind.STRING not in declared.kinds:
        hint = "; `contains` asks for an element" if Kind.LIST in declared.kinds else ""
        raise QueryError(
            f"{shape.name}.{p.spelled(path)} holds {_kinds(declared)}, but this asks "
            f"for a string{hint}"
        )


def _may_be_missing(path: Path, shape: Shape) -> bool:
    """Say whether nothing, or None, can stand at a path of field names."""
    here: Shape | None = shape
    for name in path:
        member = here.members.get(name) if here else None
        if member is None or not member.required or Kind.NONE in member.shape.kinds:
            return True
        here = member.shape
    return False


def _holds(value: Any, shape: Shape) -> bool:
    return kind_of(value) in shape.kinds


def _never(value: Any, place: str, shape: Shape) -> QueryError:
    kind = kind_of(value)
    hint = ""
    if Kind.LIST in shape.kinds:
        hint = "; `contains` asks for one of its elements"
    if kind is Kind.NONE:
        hint = " and is required"
    return QueryError(
        f"{place} holds {_kinds(shape)}{hint}; it can never be {value!r}, a {kind}"
        if kind is not Kind.NONE
        else f"{place} holds {_kinds(shape)}{hint}; it can never be None"
    )


def _kinds(shape: Shape) -> str:
    return " or ".join(str(kind) for kind in sorted(shape.kinds))


def parse_order(shape: Shape, name: str | Expression | Descending) -> Order:
    """Turn one name of `order_by` into an order; a leading "-" means descending."""
    if isinstance(name, Descending):
        return _order(shape, name.path, True)
    if isinstance(name, Expression):
        return _order(shape, path_of(name), False)
    if not isinstance(name, str):
        raise QueryError(f"order_by takes names such as '-age' or F.age, not {name!r}")
    descending, text = name.startswith("-"), name.removeprefix("-")
    path, lookup = split_lookup(shape, text)
    if lookup != "equals" or text.endswith(("__equals", "__is")):
        raise QueryError(f"order_by({name!r}): a lookup is not a field to order by")
    return _order(shape, path, descending)


def _order(shape: Shape, path: Path, descending: bool) -> Order:
    if path == KEY:
        return Order(KEY, descending, KEY_SHAPE)
    stored, declared = shape.resolve(path)
    if declared and declared.kinds <= {Kind.LIST, Kind.MAP, Kind.NONE}:
        raise QueryError(
            f"{shape.name}.{p.spelled(path)} holds {_kinds(declared)}, which has no "
            "order; order by a field inside it or beside it"
        )
    return Order(stored, descending, declared)


def parse_path(shape: Shape, name: str | Expression) -> tuple[Path, Path, Shape | None]:
    """Turn a name of `values` or `update` into path, stored path and shape."""
    if isinstance(name, Expression):
        path = path_of(name)
    elif not isinstance(name, str):
        raise TypeError(f"a field is named by a string, not by {type(name).__name__}")
    else:
        path, lookup = split_lookup(shape, name)
        if lookup != "equals" or name.endswith(("__equals", "__is")):
            raise QueryError(f"{name!r}: a field is asked for here, not a lookup")
    if path == KEY:
        return KEY, KEY, KEY_SHAPE
    stored, declared = shape.resolve(path)
    return path, stored, declared
