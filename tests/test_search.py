"""The little language of `search`, by a table written by hand."""

import pytest

from pymodels import QueryError
from pymodels.law.evaluate import matches, words_of
from pymodels.querying.search import parse_search
from pymodels.testing.each import each
from pymodels.testing.records import label

TEXTS = {
    "fox": "The quick brown fox",
    "dog": "A lazy dog, brown as a FOX.",
    "über": "Über-cool",
    "or": "this or that",
    "not": "not a word",
    "empty": "",
    "digits": "route 66_b",
}
TABLE = [
    ("fox", {"fox", "dog"}),
    ("FOX", {"fox", "dog"}),
    ("fo", set()),
    ("quick fox", {"fox"}),
    ("fox quick", {"fox"}),
    ("quick AND fox", {"fox"}),
    ("quick OR lazy", {"fox", "dog"}),
    ("NOT fox", {"über", "or", "not", "empty", "digits"}),
    ("brown NOT lazy", {"fox"}),
    ("brown AND NOT lazy", {"fox"}),
    ("NOT NOT fox", {"fox", "dog"}),
    ("quick OR brown lazy", {"fox", "dog"}),
    ("quick OR brown AND lazy", {"fox", "dog"}),
    ("(quick OR brown) lazy", {"dog"}),
    ("NOT (quick OR lazy) brown", set()),
    ("NOT quick OR fox", set(TEXTS)),
    ("NOT quick brown", {"dog"}),
    ('"quick brown"', {"fox"}),
    ('"brown quick"', set()),
    ('"QUICK   brown"', {"fox"}),
    ('"lazy dog brown"', {"dog"}),
    ('"brown" "fox"', {"fox", "dog"}),
    ('NOT "quick brown"', set(TEXTS) - {"fox"}),
    ("or", {"or"}),
    ("not", {"not"}),
    ('"or"', {"or"}),
    ('"NOT"', {"not"}),
    ("über", {"über"}),
    ("uber", set()),
    ("ÜBER-COOL", {"über"}),
    ("66_b", {"digits"}),
    ("66", set()),
    ("(((fox)))", {"fox", "dog"}),
    ("  fox  ", {"fox", "dog"}),
    ("(quick)(fox)", {"fox"}),
]
WRONG = ["", " ", "AND", "OR fox", "fox OR", "fox AND", "NOT", "(fox", "fox)", "()"]
WRONG += ['"open', 'fox "', "fox OR OR dog", "AND fox", "fox AND AND dog", "...", '""']
WRONG += ["fox NOT", "( OR )", ")(", "NOT )", '"!"']


@each("text expected", TABLE, ids=label)
def test_a_search_finds(text, expected):
    predicate = parse_search(("text",), text)
    found = {key for key, value in TEXTS.items() if matches(predicate, {"text": value})}
    assert found == expected


@pytest.mark.parametrize("text", WRONG, ids=ascii)
def test_a_search_without_sense_is_an_error(text):
    with pytest.raises(QueryError, match="search"):
        parse_search(("text",), text)


@pytest.mark.parametrize("value", [None, 5, ["fox"], {"fox": 1}, b"fox"])
def test_a_search_looks_at_texts_only(value):
    assert not matches(parse_search(("text",), "fox"), {"text": value})
    assert matches(parse_search(("text",), "NOT fox"), {"text": value})


def test_words_are_runs_of_word_characters():
    assert words_of("Don't stop: ﬁne_2 Straße!") == [
        *("don", "t", "stop", "fine_2", "strasse")
    ]
    assert words_of(" ,;. ") == []
