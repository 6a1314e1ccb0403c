"""The notes that a server tells are those of the rows it was told to write."""

from itertools import chain

from hypothesis import given
from hypothesis import strategies as st

from pymodels.backends._tokyo.columns import encode, read_noted_row
from pymodels.backends._tokyo.facts import FOREIGN, WITH_NUL, TableFacts
from pymodels.testing.random.universe import Chance, random_records
from pymodels.tokyo.packing import pack, unpack

HOSTILE = [
    b"",
    b"\xc0\x80",
    b"\xff",
    b"1",
    b"01",
    b"true",
    b"a\0b",
    b"_kinds",
    b";a=int;",
]


def rows():
    """Give rows of ours, some of them with a part that was changed."""
    records = random_records(Chance("rows"), 40).values()
    ours = [list(unpack(encode(record))) for record in records]
    plain = [list(unpack(encode({"n": n, "t": "x" * n}))) for n in range(3)]

    def changed(row, at, part):
        return [*row[: at % len(row)], part, *row[at % len(row) + 1 :]]

    whole = st.sampled_from([*ours, *plain])
    return st.one_of(
        whole,
        st.sampled_from(plain),
        st.builds(changed, whole, st.integers(0, 40), st.sampled_from(HOSTILE)),
        st.builds(lambda row: [*row[2:], *row[:2]], whole),
        st.builds(lambda row: [*row, *row[:2]], whole),
        st.builds(lambda row: row[:-1], whole),
    )


def told_by_reading(written):
    """Say what is to be told, each row read anew."""
    if any(b"\0" in part for part in chain.from_iterable(written)):
        return {FOREIGN, WITH_NUL}
    found = [read_noted_row(pack(row[: len(row) & ~1])) for row in written]
    if None in found:
        return {FOREIGN}
    return {note.encode() for _, note in found}


@given(st.lists(rows(), max_size=8))
def test_rows_that_look_like_others_are_told_as_if_each_was_read(written):
    facts = TableFacts.of_rows(iter(()))
    facts.look()
    for row in written:
        facts.saw(b"key", row)
        # Once more, when a row like it was seen before.
        facts.saw(b"key", row)
    assert set(facts.told()) == told_by_reading(written)


def test_a_row_with_the_usual_names_and_another_value_is_foreign():
    facts = TableFacts.of_rows(iter(()))
    facts.look()
    row = list(unpack(encode({"n": 1, "t": "x"})))
    for value in (b"2", b"x"):
        facts.saw(b"key", [b"n", value, *row[2:]])
    assert facts.told() == [FOREIGN]
