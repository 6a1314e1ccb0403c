"""JSON text that is changed without being written anew.

What is not changed stays as another program has spelled it: ``8.50``, ``1e400``,
escaped names, integers of any size.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

_string: Any = json.decoder.scanstring  # type: ignore[attr-defined]  # of all versions
_space = re.compile(r"[ \t\n\r]*").match
_scan: Any = json.JSONDecoder().scan_once  # type: ignore[attr-defined]  # of all versions
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?', re.ASCII)


class RepeatedName(ValueError):
    """A map has one name twice."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"it holds the name {name!r} twice; nobody can tell which of the two a "
            "change is for"
        )


class Map:
    """A JSON object: the text of each value, or a map that was looked into."""

    def __init__(self, text: str = "{}") -> None:
        """Split a text that is a JSON object; `ValueError` if it is not."""
        self.spellings: dict[str, str] = {}
        self.values: dict[str, str | Map] = {}
        for name, spelling, value in _members(text):
            if name in self.values:
                raise RepeatedName(name)
            self.spellings[name], self.values[name] = spelling, value

    def put(self, name: str, text: str) -> None:
        """Put the text of a value under a name."""
        self.spellings.setdefault(name, json.dumps(name, ensure_ascii=False))
        self.values[name] = text

    def remove(self, name: str) -> None:
        """Remove a name, if it is there."""
        if self.values.pop(name, None) is not None:
            del self.spellings[name]

    def below(self, name: str, *, make: bool = False) -> "Map | None":
        """Give the map under a name, made where nothing is; None for anything else."""
        value = self.values.get(name)
        if value is None and make:
            self.put(name, "{}")
            value = "{}"
        if isinstance(value, str):
            if not value.startswith("{"):
                return None
            value = self.values[name] = Map(value)
        return value

    def text_at(self, name: str) -> str:
        """Give the text of a value; "" if there is none."""
        return str(self.values.get(name, ""))

    def __str__(self) -> str:
        pairs = (f"{self.spellings[name]}:{one}" for name, one in self.values.items())
        return "{" + ",".join(pairs) + "}"


def _members(text: str) -> Iterator[tuple[str, str, str]]:
    """Yield name, its spelling and the value's text of each member of an object."""
    try:
        at = _after(text, _space(text).end(), "{")  # type: ignore[union-attr]  # it matches nothing, too
        while text[at] != "}":
            start = at
            name, at = _string(text, _after(text, at, '"', 0))
            spelling = text[start:at]
            start = _after(text, _space(text, at).end(), ":")  # type: ignore[union-attr]  # as above
            _, at = _scan(text, start)
            yield name, spelling, text[start:at]
            at = _space(text, at).end()  # type: ignore[union-attr]  # as above
            if text[at] != "}":
                at = _after(text, at, ",")
    except (IndexError, StopIteration) as error:
        raise ValueError(f"a JSON object is expected, not {text[:40]!r}") from error


def _after(text: str, at: int, sign: str, skip: int = 1) -> int:
    """Go behind a sign, and the blanks that follow it."""
    if text[at] != sign:
        raise ValueError(f"a JSON object is expected, not {text[:40]!r}")
    return _space(text, at + 1).end() if skip else at + 1  # type: ignore[union-attr]  # as above


def respelled(text: str, old: str) -> str:
    """Write the numbers in a JSON text as an older list or map spells the same."""
    if old[:1] not in {"[", "{"}:
        return text
    spellings: dict[str, list[str]] = {}
    for token in _TOKEN.findall(old):
        if token[0] != '"' and not token.lstrip("-").isdigit():
            usual = usual_text(float(token))
            spellings.setdefault(usual, []).append(token)

    def spell(found: re.Match[str]) -> str:
        known = spellings.get(found[0])
        if not known:
            return found[0]
        return known.pop(0) if len(known) > 1 else known[0]

    return _TOKEN.sub(spell, text) if spellings else text


def usual_text(value: float) -> str:
    """Spell a float as we do; an infinity as the number that was read as one."""
    if value in {float("inf"), -float("inf")}:
        return "1e999" if value > 0 else "-1e999"
    return repr(value)
