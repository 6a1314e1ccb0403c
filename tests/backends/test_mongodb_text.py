r"""Patterns and the ends of prefixes, as MongoDB is asked for texts; without a server.

The server's patterns are PCRE. What is used of them means the same to `re`, but for
the end, which `re` spells ``\Z``.
"""

import re
from random import Random

import pytest

from pymodels.backends.mongodb.text import after_prefix, escaped, pattern

FOLDING = "sSßẞſKkKﬁfiıİi\u0307ŉʼnΐι\u0308\u0301ᾳαι"
"""Characters that fold to one, two or three others, or are folded to."""


def found(written, text):
    return re.search(written.replace("\\z", "\\Z"), text) is not None


@pytest.mark.parametrize(
    ("prefix", "end"),
    [
        ("", None),
        ("a", "b"),
        ("ab", "ac"),
        ("a\U0010ffff", "b"),
        ("\U0010ffff\U0010ffff", None),
        ("\ud7ff", "\ue000"),
        ("\x7f", "\x80"),
    ],
    ids=ascii,
)
def test_a_prefix_ends_before_the_next_text(prefix, end):
    assert after_prefix(prefix) == end


@pytest.mark.parametrize(
    "prefix", ["a", "a\U0010ffff", "\ud7ff", "é", "\uffff"], ids=ascii
)
def test_all_that_begins_with_a_prefix_is_before_its_end(prefix):
    end = after_prefix(prefix)
    for tail in ("", "\x01", "a", "\ue000", "\U0010ffff" * 3):
        assert prefix <= prefix + tail < end


@pytest.mark.parametrize(
    "text", ["a.b", "^$", "[x]", "a\\z", "a\nb", "\\", "(?i)", "#"]
)
def test_a_text_is_no_pattern(text):
    assert re.fullmatch(escaped(text), text)
    assert not re.fullmatch(escaped(text), f"{text}x")


def test_an_end_is_not_before_a_newline():
    ends = pattern("a", starts=False, ends=True, caseless=False)
    assert ends == "a\\z"
    assert not found(ends, "a\n")


@pytest.mark.parametrize(
    "caseless", ["strasse", "ss", "k", "i\u0307", "\u03b9\u0308\u0301"]
)
def test_all_spellings_of_a_folded_text_are_found(caseless):
    whole = pattern(caseless, starts=True, ends=True, caseless=True)
    for one in (caseless, caseless.upper(), caseless.title(), caseless.swapcase()):
        if one.casefold() == caseless:
            assert found(whole, one)


@pytest.mark.parametrize(
    ("starts", "ends"), [(True, True), (True, False), (False, True), (False, False)]
)
def test_caseless_patterns_find_what_folds_alike(starts, ends):
    random = Random(f"{starts}{ends}")
    matched = 0
    for _ in range(1_000):
        text = "".join(random.choices(FOLDING, k=random.randint(0, 4)))
        wanted = "".join(random.choices(FOLDING, k=random.randint(1, 3))).casefold()
        at = random.randint(0, 2)
        wanted = wanted[at : at + random.randint(1, 4)] or "s"
        folded = text.casefold()
        expected = {
            (True, True): folded == wanted,
            (True, False): folded.startswith(wanted),
            (False, True): folded.endswith(wanted),
            (False, False): wanted in folded,
        }[starts, ends]
        written = pattern(wanted, starts=starts, ends=ends, caseless=True)
        assert found(written, text) == expected, ascii((text, wanted, written))
        matched += expected
    assert matched > 10


def test_a_text_that_nothing_folds_to_is_found_nowhere():
    written = pattern("A", starts=False, ends=False, caseless=True)
    assert not found(written, "A")
    assert not found(written, "a")


def test_a_pattern_that_would_be_too_long_is_none():
    assert pattern("s" * 60, starts=True, ends=True, caseless=True) is None
    assert pattern("x" * 30_000, starts=True, ends=True, caseless=False) is None
    assert pattern("x" * 3_000, starts=True, ends=True, caseless=False)
