r"""Patterns for texts that are looked for, and the ends of what a text begins.

The server's patterns know a caseless way too, but not that of `str.casefold`: to it
"ß" is not "ss". The patterns here spell out which characters fold to the text.
"""

import sys
from collections.abc import Iterable
from functools import cache

LONGEST = 20_000
"""Characters of a pattern; the server refuses some 32,700 bytes."""


def escaped(text: str) -> str:
    r"""Spell a text in a pattern: every ASCII mark with a backslash before it."""
    return "".join(
        f"\\{one}" if one.isascii() and not one.isalnum() else one for one in text
    )


def after_prefix(prefix: str) -> str | None:
    """Give the smallest text after all that begin with the prefix."""
    while prefix:
        last = ord(prefix[-1])
        prefix = prefix[:-1]
        if last < sys.maxunicode:
            # Surrogates are no characters: after U+D7FF comes U+E000.
            return prefix + chr(0xE000 if last == 0xD7FF else last + 1)
    return None


def pattern(text: str, *, starts: bool, ends: bool, caseless: bool) -> str | None:
    r"""Give the pattern of a text, at the start, at the end, or anywhere.

    A caseless text has to be folded. None where the pattern would be too long. The
    end is ``\z``: the server's ``$`` allows a newline after it.
    """
    if not caseless:
        found: str | None = escaped(text)
    else:
        found = _folding(text, starts=starts, ends=ends)
    if found is None or len(found) > LONGEST:
        return None
    return ("^" if starts else "") + found + (r"\z" if ends else "")


@cache
def _unfolded() -> dict[str, str]:
    """Give for each folded text the characters that fold to it, itself left out."""
    found: dict[str, list[str]] = {}
    for code in range(sys.maxunicode + 1):
        one = chr(code)
        folded = one.casefold()
        if folded != one:
            found.setdefault(folded, []).append(one)
    return {folded: "".join(ones) for folded, ones in found.items()}


@cache
def _long_folds() -> tuple[tuple[str, str], ...]:
    """Give the characters that fold to several, each with what it folds to."""
    return tuple(
        (one, folded)
        for folded, ones in _unfolded().items()
        if len(folded) > 1
        for one in ones
    )


def _folding_to(folded: str) -> str:
    """Give the characters that fold to a text of one to three characters."""
    own = folded if len(folded) == 1 and folded.casefold() == folded else ""
    return own + _unfolded().get(folded, "")


def _one_of(characters: Iterable[str]) -> str:
    found = "".join(map(escaped, dict.fromkeys(characters)))
    return found if len(found.lstrip("\\")) == 1 else f"[{found}]"


def _either(alternatives: list[str]) -> str:
    return (
        alternatives[0] if len(alternatives) == 1 else f"(?:{'|'.join(alternatives)})"
    )


def _folding(text: str, *, starts: bool, ends: bool) -> str | None:
    """Spell out what folds to a text, whole or as a part of something longer."""
    if not text:
        return ""
    tails = [_tail(text, at, ends) for at in range(len(text))]
    body = _from(text, tails)
    if body is None or starts:
        return body
    heads = [body]
    for size in range(1, len(text) + 1):
        # A character whose fold ends with the head of the text, and begins before.
        before = [
            c for c, f in _long_folds() if len(f) > size and f.endswith(text[:size])
        ]
        rest = "" if size == len(text) else _from(text[size:], tails[size:])
        if before and rest is not None:
            heads.append(_one_of(before) + rest)
    if not ends:
        inside = [c for c, f in _long_folds() if text in f[1:-1]]
        heads += [_one_of(inside)] if inside else []
    return _either(heads)


def _tail(text: str, at: int, ends: bool) -> str:
    """Give the characters whose fold begins with the rest of a text and goes on."""
    rest = text[at:]
    if ends or len(rest) > 2:
        return ""
    return "".join(
        c for c, f in _long_folds() if len(f) > len(rest) and f.startswith(rest)
    )


def _from(text: str, tails: list[str]) -> str | None:
    """Spell out what folds to a text, from its end to its start."""
    spelled: list[str] = [""] * (len(text) + 1)
    for at in reversed(range(len(text))):
        alternatives = []
        if tails[at]:
            alternatives.append(_one_of(tails[at]))
        for size in range(1, min(3, len(text) - at) + 1):
            characters = _folding_to(text[at : at + size])
            if characters:
                alternatives.append(_one_of(characters) + spelled[at + size])
        if not alternatives:
            # A text that is not folded: nothing folds to it.
            return "(?!)"
        spelled[at] = _either(alternatives)
        if len(spelled[at]) > LONGEST:
            return None
    return spelled[0]
