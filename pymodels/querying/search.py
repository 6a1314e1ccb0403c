"""The little language of the `search` lookup: words, phrases, AND, OR, NOT.

Grammar: NOT binds before AND, AND (also written by nothing) before OR, and
parentheses before all. A phrase stands in double quotes. The operators are in
capitals; `or` is a word like any other.
"""

import re
from dataclasses import dataclass

from pymodels.errors import QueryError
from pymodels.law.evaluate import words_of
from pymodels.law.predicates import DEEPEST, Predicate, Words, any_of, every, negation
from pymodels.law.values import Path

_TOKEN = re.compile(r'\s*(?:(?P<phrase>"[^"]*")|(?P<mark>[()])|(?P<word>[^\s()"]+))')


def parse_search(path: Path, text: str) -> Predicate:
    """Turn a search text into a predicate on one path; `QueryError` if it is bad."""
    return _Parser(path, text, _tokens(text)).whole()


def _tokens(text: str) -> list[str]:
    found, at, end = [], 0, len(text.rstrip())
    while at < end:
        token = _TOKEN.match(text, at)
        if token is None:
            raise QueryError(f"search {text!r}: the quote at {at} is never closed")
        found.append(token.group().strip())
        at = token.end()
    return found


@dataclass(slots=True)
class _Parser:
    path: Path
    text: str
    tokens: list[str]
    at: int = 0
    depth: int = 0

    def whole(self) -> Predicate:
        result = self.disjunction()
        if self.at < len(self.tokens):
            raise self.error(f"{self.tokens[self.at]!r} is not expected here")
        return result

    def error(self, what: str) -> QueryError:
        return QueryError(
            f"search {self.text!r}: {what}; words are joined by nothing, AND, OR and "
            'NOT, with parentheses, and "double quotes" for a phrase'
        )

    def next_is(self, *tokens: str) -> bool:
        return self.at < len(self.tokens) and self.tokens[self.at] in tokens

    def take(self) -> str:
        if self.at == len(self.tokens):
            raise self.error("a word is missing at the end")
        self.at += 1
        return self.tokens[self.at - 1]

    def disjunction(self) -> Predicate:
        terms = [self.conjunction()]
        while self.next_is("OR"):
            self.take()
            terms.append(self.conjunction())
        return any_of(*terms)

    def conjunction(self) -> Predicate:
        terms = [self.complement()]
        while self.at < len(self.tokens) and not self.next_is("OR", ")"):
            if self.next_is("AND"):
                self.take()
            terms.append(self.complement())
        return every(*terms)

    def complement(self) -> Predicate:
        is_refused = False
        while self.next_is("NOT"):
            self.take()
            is_refused = not is_refused
        found = self.operand()
        return negation(found) if is_refused else found

    def operand(self) -> Predicate:
        token = self.take()
        if token == "(":
            return self.inner()
        if token in {")", "AND", "OR"}:
            raise self.error(f"a word is missing before {token!r}")
        words = tuple(words_of(token))
        if not words:
            raise self.error(f"{token!r} holds no word")
        return Words(self.path, words, "phrase" if token[0] == '"' else "all")

    def inner(self) -> Predicate:
        self.depth += 1
        if self.depth > DEEPEST:
            raise QueryError(
                f"search: more than {DEEPEST} levels of parentheses in each other"
            )
        found = self.disjunction()
        if not self.next_is(")"):
            raise self.error("a closing parenthesis is missing")
        self.take()
        self.depth -= 1
        return found
