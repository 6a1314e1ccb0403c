"""What looks into strings, lists and dates, in SQL."""

from typing import Any

from pymodels.backends._sql.terms import Place, Sql, joined
from pymodels.backends._sql.values import equal, is_marked, is_text, is_typed
from pymodels.law import predicates as p
from pymodels.law.json_body import to_json
from pymodels.law.values import Kind


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


def contains(value: Any, within: Kind | None, at: Place, caseless: bool) -> Sql | None:
    """A string with the text in it, or a list with an equal element."""
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
    element = Place("e.value", "e.type", mark, at.kinds, items, foreign=at.foreign)
    if value is None:
        found: Sql | None = Sql("e.type='null'")
    else:
        found = equal(value, element)
    if found is None:
        return None
    text = (
        f"({is_typed('array', at)} AND EXISTS(SELECT 1 FROM json_each({at.elements}) e"
        f" WHERE {found.text}))"
    )
    return Sql(text, found.parameters, found.exact)


def date_part(part: str, number: int, at: Place) -> Sql:
    """A date or datetime with that year, month or day."""
    guard = is_marked(["date", "datetime", "naive"], at)
    if part == "year":
        ends = (f"{number:04d}-", f"{number:04d}.")
        return Sql(f"({at.value}>=? AND {at.value}<? AND {guard})", ends)
    start = 6 if part == "month" else 9
    return Sql(f"(substr({at.value},{start},2)=? AND {guard})", (f"{number:02d}",))
