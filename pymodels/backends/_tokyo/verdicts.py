"""What a note of kinds says about conditions on the rows that have it."""

from collections.abc import Callable, Mapping
from enum import Enum

from pymodels.backend import KEY, Kind
from pymodels.backend import predicates as p


class Verdict(Enum):
    """What lean conditions are worth in the rows that have one note."""

    SOUND = "the conditions say what is asked"
    NEVER = "no such row is wanted, whatever the conditions say"
    UNSURE = "the rows must be looked at"


Kinds = Mapping[str, str]
Judge = Callable[[Kinds], Verdict]


KIND_OF_WORD = {
    "none": Kind.NONE,
    "bool": Kind.BOOL,
    "int": Kind.NUMBER,
    "float": Kind.NUMBER,
    "decimal": Kind.NUMBER,
    "str": Kind.STRING,
    "bytes": Kind.BYTES,
    "date": Kind.DATE,
    "datetime": Kind.DATETIME,
    "naive": Kind.DATETIME,
    "list": Kind.LIST,
    "map": Kind.MAP,
}
"""The kind of value that each word of a note stands for."""


def always_sound(kinds: Kinds) -> Verdict:
    """Trust the conditions in every row."""
    return Verdict.SOUND


def opposite(verdict: Verdict) -> Verdict:
    """Give the verdict on a complement that no condition says."""
    pairs = {Verdict.SOUND: Verdict.NEVER, Verdict.NEVER: Verdict.SOUND}
    return pairs.get(verdict, verdict)


def has_kind(name: str, kinds: frozenset[Kind]) -> Judge:
    """Judge membership: the note alone tells it."""

    def judge(noted: Kinds) -> Verdict:
        word = noted.get(name, "").partition(":")[0]
        is_kind = word in KIND_OF_WORD and KIND_OF_WORD[word] in kinds
        return Verdict.SOUND if is_kind else Verdict.NEVER

    return judge


def judged(
    node: p.Comparison, sound: set[str], unsure: frozenset[str] | set[str] = frozenset()
) -> Judge:
    """Judge notes by the kind that they tell of a comparison's column."""
    if node.path == KEY:
        is_text = "str" in sound
        return lambda kinds: Verdict.SOUND if is_text else Verdict.NEVER
    return of_words(node.path[0], sound, unsure)


def of_words(
    name: str, sound: set[str], unsure: frozenset[str] | set[str] = frozenset()
) -> Judge:
    """Judge notes by the word for one column: sound, unsure, and never the rest."""

    def judge(kinds: Kinds) -> Verdict:
        word = kinds.get(name, "none").partition(":")[0]
        if word in sound or word == "none":
            # Where there is no column, no condition is true.
            return Verdict.SOUND
        return Verdict.UNSURE if word in unsure else Verdict.NEVER

    return judge
