"""Each server is started by one worker, which runs all tests that need it."""

import pytest

GROUPS = {
    "test_mongodb_replica_set": "replica set",
    "test_mongodb_concerns": "replica set",
    "test_mongodb_failover": "replica set",
    "test_mongodb_writing": "replica set",
    "test_contract": "replica set",
    "test_docs": "replica set",
    "test_examples": "replica set",
    "test_mongodb": "mongodb",
}
"""By the beginnings of modules' names; every other module is a group of its own."""
LAST = len(GROUPS)


def group_of(item: pytest.Item) -> tuple[int, str]:
    """Give the place and the name of the group of tests that one worker runs."""
    for place, (beginning, group) in enumerate(GROUPS.items()):
        if item.path.name.startswith(beginning):
            return place, group
    return LAST, str(item.path)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put each test into its group, those first that take the longest."""
    items.sort(key=lambda item: group_of(item)[0])
    for item in items:
        item.add_marker(pytest.mark.xdist_group(group_of(item)[1]))
