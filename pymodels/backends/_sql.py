"""Predicates to SQL over a JSON body and a note of kinds, exactly as the law says.

Every form here was compared with the evaluator on random records
(`docs/backends/sqlite.md` has the table). A *place* is what SQL can see of one
value: ``value`` (`json_extract`), ``type`` (`json_type`) and ``mark``, its note.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from pymodels import predicates as p
from pymodels.backends._sql_numbers import compare_number, equal_numbers
from pymodels.json_body import to_json, value_json
from pymodels.plan import Native
from pymodels.shapes import Shape
from pymodels.values import KEY, Kind, Path, is_naive, kind_of


@dataclass(frozen=True, slots=True)
class Sql:
    """A text with its parameters, and whether it is exact."""

    text: str
    parameters: tuple[Any, ...] = ()
    exact: bool = True


@dataclass(frozen=True, slots=True)
class Columns:
    """How the columns of one table are called, quoted for SQL.

    ``usual`` are the notes that the model's own records carry most: where a
    row's note is one of them, nobody needs to look into it.
    """

    key: str = '"key"'
    body: str = '"body"'
    kinds: str = '"kinds"'
    usual: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Place:
    """What SQL sees of one value, and of the row it stands in."""

    value: str
    type: str
    mark: str
    kinds: str
    shape: Shape | None = None
    elements: str = ""
    """The arguments of `json_each`, where the value may be a list."""

    @property
    def texts(self) -> tuple[str, ...]:
        """The kinds that a foreign row's text is read as here."""
        return self.shape.reads_text if self.shape else ()


NEVER, ALWAYS = Sql("0"), Sql("1")


def is_pushable(name: str) -> bool:
    """Say whether a name is spelled in JSON as it is, without an escape."""
    return '"' not in name and "\\" not in name and name.isprintable()


def json_path(path: Path) -> str:
    """Give the SQL literal of a JSON path, every name quoted."""
    steps = "".join(f'."{name}"' for name in path)
    return "'$" + steps.replace("'", "''") + "'"


def place(columns: Columns, path: Path, shape: Shape | None) -> Place:
    """Give the expressions for one path of a row."""
    at = json_path(path)
    return Place(
        f"json_extract({columns.body},{at})",
        f"json_type({columns.body},{at})",
        f"json_extract({columns.kinds},{at})",
        columns.kinds,
        shape,
        f"{columns.body},{at}",
    )


def native(found: Sql | None) -> Native | None:
    """Wrap a compiled predicate for the planner."""
    return None if found is None else Native(found, found.exact)


def compile_predicate(node: p.Predicate, columns: Columns) -> Sql | None:
    """Turn a predicate into SQL, None where it has to be looked at in Python."""
    match node:
        case p.Everything():
            return ALWAYS
        case p.Not(term):
            inner = compile_predicate(term, columns)
            if inner is None or not inner.exact:
                return None
            return Sql(f"({inner.text}) IS NOT TRUE", inner.parameters)
        case p.And(terms):
            return joined(" AND ", [compile_predicate(t, columns) for t in terms])
        case p.Or(terms):
            return joined(" OR ", [compile_predicate(t, columns) for t in terms])
        case p.Comparison(path) if path == KEY:
            return _on_key(node, columns.key)
        case p.Comparison(path) if all(map(is_pushable, path)):
            return compare(node, place(columns, path, node.declared), columns)
    return None


def joined(operator: str, parts: Iterable[Sql | None]) -> Sql | None:
    """Join terms; None if one of them could not be compiled."""
    found = list(parts)
    if any(part is None for part in found):
        return None
    sql = [part for part in found if part is not None]
    if not sql:
        return NEVER if operator == " OR " else ALWAYS
    text = operator.join(part.text for part in sql)
    parameters = tuple(value for part in sql for value in part.parameters)
    return Sql(f"({text})", parameters, all(part.exact for part in sql))


OPERATORS: dict[type, str] = {
    p.Less: "<",
    p.LessOrEqual: "<=",
    p.Greater: ">",
    p.GreaterOrEqual: ">=",
}


def compare(node: p.Comparison, at: Place, columns: Columns) -> Sql | None:
    """Compile a comparison of the value at a place."""
    match node:
        case p.Exists():
            return Sql(f"{at.value} IS NOT NULL")
        case p.HasKind(kinds=kinds):
            return has_kind(kinds, at, columns.usual)
        case p.Equal(value=value, caseless=False):
            return equal(value, at)
        case p.In(values=values):
            return one_of(values, at)
        case (
            p.Less(value=value)
            | p.LessOrEqual(value=value)
            | p.Greater(value=value)
            | p.GreaterOrEqual(value=value)
        ):
            return ordered(OPERATORS[type(node)], value, at)
        case p.Contains(value=value, within=within):
            return _contains(value, within, at, node.caseless)
        case p.DatePart(part=part, value=number):
            return _date_part(part, number, at)
        case p.StartsWith() | p.EndsWith() | p.Equal() | p.Matches() | p.Words():
            return _on_text(node, at)
    return None


# Guards: what says that a value is of a kind.


def is_text(at: Place) -> str:
    """A string: text without a mark, that is not read as something else."""
    guard = f"{at.type}='text' AND {at.mark} IS NULL"
    if at.texts:
        guard += (
            f" AND ({at.kinds} IS NOT NULL"
            f" OR NOT pm_reads({at.value},'{' '.join(at.texts)}'))"
        )
    return guard


def is_marked(marks: Sequence[str], at: Place) -> str:
    """A text with one of the marks, or a foreign one that is read as such."""
    wanted = ",".join(f"'{mark}'" for mark in marks)
    own = f"{at.mark} IN ({wanted})" if len(marks) > 1 else f"{at.mark}={wanted}"
    read = [name for name in at.texts if name in marks or _reads(name, marks)]
    if not read:
        return own
    return (
        f"CASE WHEN {at.kinds} IS NULL THEN {at.type}='text' AND"
        f" pm_reads_as({at.value},'{' '.join(at.texts)}','{' '.join(marks)}')"
        f" ELSE {own} END"
    )


def _reads(name: str, marks: Sequence[str]) -> bool:
    return name == "datetime" and "naive" in marks


def is_finite(at: Place) -> str:
    """A number that fits: only foreign rows can hold others."""
    return (
        f"({at.kinds} IS NOT NULL OR (abs({at.value})<=1.7976931348623157e308"
        f" AND NOT ({at.type}='integer' AND typeof({at.value})='real')))"
    )


def has_kind(kinds: frozenset[Kind], at: Place, usual: tuple[str, ...]) -> Sql:
    """Present, with one of the kinds."""
    if kinds == frozenset(Kind):
        return Sql(f"{at.type} IS NOT NULL")
    found = [_kind_test(kind, at, usual) for kind in sorted(kinds)]
    return Sql(f"({' OR '.join(found)})" if found else "0")


def _kind_test(kind: Kind, at: Place, usual: tuple[str, ...]) -> str:
    shortcut = ""
    if usual:
        notes = ",".join("'" + note.replace("'", "''") + "'" for note in usual)
        shortcut = f"{at.kinds} IN ({notes}) OR "
    match kind:
        case Kind.NONE:
            return f"{at.type}='null'"
        case Kind.NUMBER:
            decimal = f"({at.type}='text' AND {is_marked(['decimal'], at)})"
            number = f"({at.type} IN ('integer','real') AND {is_finite(at)})"
            return f"{number} OR {decimal}"
        case Kind.STRING:
            if at.texts:
                return f"({is_text(at)})"
            return f"({at.type}='text' AND ({shortcut}{at.mark} IS NULL))"
        case Kind.BOOL:
            return f"{at.type} IN ('true','false')"
        case Kind.LIST:
            return f"{at.type}='array'"
        case Kind.MAP:
            return f"{at.type}='object'"
        case Kind.OTHER:
            return f"({at.type} IN ('integer','real') AND NOT {is_finite(at)})"
    marks = MARKS[kind]
    return f"({at.type}='text' AND ({shortcut}{is_marked(marks, at)}))"


MARKS: dict[Kind, tuple[str, ...]] = {
    Kind.BYTES: ("bytes",),
    Kind.DATE: ("date",),
    Kind.DATETIME: ("datetime", "naive"),
}


# Comparisons by kind of operand.


def equal(value: Any, at: Place) -> Sql | None:
    """Equal by value within one kind."""
    match kind_of(value):
        case Kind.NONE:
            return Sql(f"{at.value} IS NULL")
        case Kind.BOOL:
            word = "true" if value else "false"
            return Sql(f"({at.value}={int(value)} AND {at.type}='{word}')")
        case Kind.NUMBER:
            return ordered("=", value, at)
        case Kind.LIST | Kind.MAP:
            return _same(value, at)
        case Kind.OTHER:
            return NEVER
    return ordered("=", value, at)


def ordered(operator: str, value: Any, at: Place) -> Sql | None:
    """Compare with a value of an ordered kind; of any other it is false."""
    match kind_of(value):
        case Kind.NUMBER:
            decimal = f"{at.value}>='' AND {is_marked(['decimal'], at)}"
            text, parameters = compare_number(
                operator, value, at.value, at.type, decimal, is_finite(at)
            )
            return Sql(text, parameters)
        case Kind.STRING:
            after = f" AND {at.value}>=''" if operator in {"<", "<="} else ""
            text = f"({at.value}{operator}?{after} AND {is_text(at)})"
            return Sql(text, (value,))
        case Kind.DATE | Kind.DATETIME:
            mark = mark_of(value)
            text = f"({at.value}{operator}? AND {is_marked([mark], at)})"
            return Sql(text, (value.isoformat(),))
        case Kind.BYTES:
            text = f"({is_marked(['bytes'], at)} AND pm_bytes({at.value}){operator}?)"
            return Sql(text, (value,))
    return NEVER


def mark_of(value: Any) -> str:
    """Give the mark of a date or datetime."""
    if kind_of(value) is Kind.DATE:
        return "date"
    return "naive" if is_naive(value) else "datetime"


def _same(value: Any, at: Place) -> Sql:
    word = "array" if kind_of(value) is Kind.LIST else "object"
    if at.shape is not None and _reads_text_below(at.shape):
        # Which foreign texts are dates only the shape knows.
        return Sql(f"{at.type}='{word}'", exact=False)
    body, kinds = value_json(value)
    mark = f"CASE WHEN {at.kinds} IS NULL THEN NULL ELSE {at.mark} END"
    text = f"({at.type}='{word}' AND pm_same({at.value},{mark},?,?))"
    return Sql(text, (body, kinds))


def _reads_text_below(shape: Shape, seen: frozenset[int] = frozenset()) -> bool:
    if id(shape) in seen:
        return False
    seen |= {id(shape)}
    below = [member.shape for member in shape.members.values()]
    below += [part for part in (shape.items, shape.rest) if part is not None]
    return any(part.reads_text or _reads_text_below(part, seen) for part in below)


def one_of(values: tuple[Any, ...], at: Place) -> Sql | None:
    """Equal to one of several: one arm a kind, not one a value."""
    arms: list[Sql | None] = []
    numbers = [v for v in values if kind_of(v) is Kind.NUMBER]
    if numbers:
        decimal = f"{at.value}>='' AND {is_marked(['decimal'], at)}"
        text, parameters = equal_numbers(
            numbers, at.value, at.type, decimal, is_finite(at)
        )
        arms.append(Sql(text, parameters))
    texts = [v for v in values if kind_of(v) is Kind.STRING]
    if texts:
        arms.append(_text_in(texts, is_text(at), at))
    moments: dict[str, list[str]] = {}
    for value in values:
        kind = kind_of(value)
        if kind in {Kind.DATE, Kind.DATETIME}:
            moments.setdefault(mark_of(value), []).append(value.isoformat())
        elif kind not in {Kind.NUMBER, Kind.STRING}:
            arms.append(equal(value, at))
    for mark, spellings in moments.items():
        arms.append(_text_in(spellings, is_marked([mark], at), at))
    return joined(" OR ", arms)


MOST_BOUND = 64


def _text_in(texts: list[str], guard: str, at: Place) -> Sql:
    if len(texts) > MOST_BOUND:
        # One parameter, however many values: no limit, one prepared text.
        listed = "SELECT value FROM json_each(?)"
        return Sql(f"({at.value} IN ({listed}) AND {guard})", (to_json(texts),))
    marks = ",".join("?" * len(texts))
    return Sql(f"({at.value} IN ({marks}) AND {guard})", tuple(texts))


def _on_text(node: p.Comparison, at: Place) -> Sql | None:
    return text_test(node, at.value, is_text(at))


def text_test(node: p.Comparison, value: str, guard: str) -> Sql | None:
    """Compile what looks into a string, given the guard that it is one."""
    match node:
        case p.StartsWith(value=wanted, caseless=False):
            return _prefix(wanted, value, guard)
        case p.StartsWith(value=wanted):
            text = f"({guard} AND substr(pm_fold({value}),1,{len(wanted)})=?)"
            return Sql(text, (wanted,))
        case p.EndsWith(value=wanted, caseless=caseless):
            if not wanted:
                return Sql(f"({guard})")
            folded = f"pm_fold({value})" if caseless else value
            text = f"({guard} AND substr({folded},-{len(wanted)})=?)"
            return Sql(text, (wanted,))
        case p.Equal(value=wanted):
            return Sql(f"({guard} AND pm_fold({value})=?)", (wanted,))
        case p.Matches(pattern=pattern, caseless=caseless):
            text = f"({guard} AND pm_matches({value},?,{int(caseless)}))"
            return Sql(text, (pattern,))
        case p.Words(words=words, mode=mode):
            text = f"({guard} AND pm_words({value},?,'{mode}'))"
            return Sql(text, (to_json(list(words)),))
    return None


def _prefix(wanted: str, value: str, guard: str) -> Sql:
    if not wanted:
        return Sql(f"({guard})")
    end = after_prefix(wanted)
    if end is None:
        return Sql(f"({value}>=? AND {guard})", (wanted,))
    return Sql(f"({value}>=? AND {value}<? AND {guard})", (wanted, end))


def after_prefix(prefix: str) -> str | None:
    """Give the smallest text after all that begin with the prefix."""
    while prefix:
        last = ord(prefix[-1])
        prefix = prefix[:-1]
        if last < 0x10FFFF:
            # Surrogates are no characters: after U+D7FF comes U+E000.
            return prefix + chr(0xE000 if last == 0xD7FF else last + 1)
    return None


def _contains(
    value: Any, within: Kind | None, at: Place, caseless: bool
) -> Sql | None:
    arms: list[Sql | None] = []
    if within is not Kind.LIST and type(value) is str:
        looked_at = f"pm_fold({at.value})" if caseless else at.value
        text = f"({is_text(at)} AND instr({looked_at},?)>0)"
        arms.append(Sql(text, (value,)) if value else Sql(f"({is_text(at)})"))
    if within is not Kind.STRING:
        arms.append(_has_element(value, at))
    return joined(" OR ", arms)


def _has_element(value: Any, at: Place) -> Sql | None:
    """A list with an equal element: the same comparison, of each element."""
    items = at.shape.items if at.shape else None
    mark = f"json_extract({at.kinds},e.fullkey)"
    element = Place("e.value", "e.type", mark, at.kinds, items)
    if value is None:
        found: Sql | None = Sql("e.type='null'")
    else:
        found = equal(value, element)
    if found is None:
        return None
    text = (
        f"({at.type}='array' AND EXISTS(SELECT 1 FROM json_each({at.elements}) e"
        f" WHERE {found.text}))"
    )
    return Sql(text, found.parameters, found.exact)


def _date_part(part: str, number: int, at: Place) -> Sql:
    guard = is_marked(["date", "datetime", "naive"], at)
    if part == "year":
        ends = (f"{number:04d}-", f"{number:04d}.")
        return Sql(f"({at.value}>=? AND {at.value}<? AND {guard})", ends)
    start = 6 if part == "month" else 9
    return Sql(f"(substr({at.value},{start},2)=? AND {guard})", (f"{number:02d}",))


# The key is a string, and there.

_KEY_TEXTS: tuple[type, ...] = (p.StartsWith, p.EndsWith, p.Matches, p.Words)


def _on_key(node: p.Comparison, key: str) -> Sql | None:
    compiled: Callable[[], Sql | None] = lambda: text_test(node, key, "1")  # noqa: E731  # used once below, in two cases
    match node:
        case p.Exists():
            return ALWAYS
        case p.HasKind(kinds=kinds):
            return ALWAYS if Kind.STRING in kinds else NEVER
        case p.Equal(value=value, caseless=False):
            return Sql(f"{key}=?", (value,)) if type(value) is str else NEVER
        case p.In(values=values):
            texts = [value for value in values if type(value) is str]
            listed = "SELECT value FROM json_each(?)"
            return Sql(f"{key} IN ({listed})", (to_json(texts),))
        case (
            p.Less(value=value)
            | p.LessOrEqual(value=value)
            | p.Greater(value=value)
            | p.GreaterOrEqual(value=value)
        ):
            if type(value) is not str:
                return NEVER
            return Sql(f"{key}{OPERATORS[type(node)]}?", (value,))
        case p.Contains(value=value, within=within, caseless=caseless):
            if within is Kind.LIST or type(value) is not str:
                return NEVER
            folded = f"pm_fold({key})" if caseless else key
            return Sql(f"instr({folded},?)>0", (value,)) if value else ALWAYS
        case p.Equal():
            return compiled()
        case p.DatePart():
            return NEVER
    return compiled() if isinstance(node, _KEY_TEXTS) else None
