"""Hypothesis strategies for values and records of all kinds."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from pymodels.keys import is_key
from pymodels.law.values import LARGEST_INTEGER, SMALLEST_INTEGER, Record
from pymodels.testing.records import NAMES, VALUES

texts = st.text().filter(lambda text: is_key(text) or not text)
names = st.one_of(st.sampled_from(NAMES), texts.filter(bool))
decimals = st.builds(
    lambda digits, exponent: Decimal(digits).scaleb(exponent),
    st.integers(-(10**20), 10**20),
    st.integers(-30, 30),
)


def _to_the_millisecond(moment: datetime) -> datetime:
    """What a database does with the rest is told by a test of its own."""
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000, fold=0)


moments = st.datetimes(timezones=st.sampled_from([UTC, None])).map(_to_the_millisecond)
scalars: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(SMALLEST_INTEGER, LARGEST_INTEGER),
    st.floats(allow_nan=False, allow_infinity=False),
    decimals,
    texts,
    st.binary(max_size=20),
    st.dates(),
    moments,
)


def values() -> st.SearchStrategy[Any]:
    """Give any value that a record can hold."""
    return st.recursive(
        st.one_of(scalars, st.sampled_from(VALUES)),
        lambda inner: st.one_of(
            st.lists(inner, max_size=4), st.dictionaries(names, inner, max_size=4)
        ),
        max_leaves=8,
    )


def records() -> st.SearchStrategy[Record]:
    """Give any record."""
    return st.dictionaries(names, values(), max_size=6)
