r"""Patterns for texts that are looked for, and the ends of what a text begins.

The server's patterns know a caseless way too, but not that of `str.casefold`: to it
"ß" is not "ss". The patterns here spell out which characters fold to the text.
"""

import sys
from functools import cache
from itertools import chain

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
            # Surrogates are not characters: after U+D7FF comes U+E000.
            return prefix + chr(0xE000 if last == 0xD7FF else last + 1)
    return None


def pattern(text: str, *, starts: bool, ends: bool, caseless: bool) -> str | None:
    r"""Give the pattern of a text, at the start, at the end, or anywhere.

    A caseless text has to be folded. None where the pattern would be too long. The
    end is ``\z``: the server's ``$`` allows a newline after it.
    """
    if caseless and text:
        spelled = _folding(text, starts=starts, ends=ends)
    else:
        spelled = escaped(text)
    if spelled is None or len(spelled) > LONGEST:
        return None
    return ("^" if starts else "") + spelled + (r"\z" if ends else "")


@cache
def _folds() -> tuple[dict[str, str], dict[str, dict[str, str]]]:
    """Give the characters that fold to another one, and to several, by their fold.

    Folds to several come by the first of these.
    """
    single: dict[str, str] = {}
    several: dict[str, dict[str, str]] = {}
    for code in range(sys.maxunicode + 1):
        folded = chr(code).casefold()
        if folded != chr(code):
            folds = single
            if len(folded) > 1:
                folds = several.setdefault(folded[0], {})
            folds[folded] = folds.get(folded, "") + chr(code)
    return single, several


def _folding(text: str, *, starts: bool, ends: bool) -> str | None:
    """Spell out what folds to a text, whole or as a part of something longer.

    It is made from its end to its start. A character that folds to several may begin
    before the text, by up to two places, or end after it.
    """
    single, several = _folds()
    spelled = [""] * (len(text) + 1)
    heads: list[str] = []
    for at in reversed(range(0 if starts else -2, len(text))):
        by_end: dict[int, str] = {}
        begun = [several.get(text[at], {})] if at >= 0 else several.values()
        if at >= 0:
            own = text[at] if text[at].casefold() == text[at] else ""
            by_end[at + 1] = own + single.get(text[at], "")
        for fold, characters in chain.from_iterable(one.items() for one in begun):
            if _stands_at(fold, text, at, ends):
                end = min(at + len(fold), len(text))
                by_end[end] = by_end.get(end, "") + characters
        alternatives = [_one_of(c) + spelled[end] for end, c in by_end.items() if c]
        if at < 0:
            heads += alternatives
            continue
        # To a text that is not folded, nothing folds.
        spelled[at] = _either(alternatives) if alternatives else "(?!)"
        if len(spelled[at]) > LONGEST:
            return None
    return _either([spelled[0], *heads])


def _stands_at(fold: str, text: str, at: int, ends: bool) -> bool:
    end = at + len(fold)
    if end <= 0 or (ends and end > len(text)):
        return False
    shared = text[max(at, 0) : end]
    return fold.startswith(shared, max(-at, 0))


def _one_of(characters: str) -> str:
    spelled = "".join(map(escaped, characters))
    return spelled if len(characters) == 1 else f"[{spelled}]"


def _either(alternatives: list[str]) -> str:
    if len(alternatives) == 1:
        return alternatives[0]
    return f"(?:{'|'.join(alternatives)})"
