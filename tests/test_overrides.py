"""A backend writes hooks; it cannot hide what its base class does for users."""

import pytest

from pymodels.backend import BaseQuery, BaseStorage


@pytest.mark.parametrize("name", ["get", "save_many", "__len__", "transaction_depth"])
def test_a_storage_cannot_override_what_users_call(name):
    with pytest.raises(TypeError, match=f"Ours.{name} would hide what BaseStorage"):
        type("Ours", (BaseStorage,), {name: lambda self: None})


@pytest.mark.parametrize("name", ["where", "count", "_with", "__iter__"])
def test_a_query_cannot_override_what_users_call(name):
    with pytest.raises(TypeError, match=f"Ours.{name} would hide what BaseQuery"):
        type("Ours", (BaseQuery,), {name: lambda self: None})


def test_hooks_and_names_of_their_own_are_free():
    names = ["close", "clear", "scan", "count_all", "_closed", "__str__"]
    type("Ours", (BaseStorage,), dict.fromkeys(names, lambda self: None))
    type("Ours", (BaseQuery,), {"run": lambda self, pushed: iter(())})
