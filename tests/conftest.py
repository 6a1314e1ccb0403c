"""Which worker runs what, and what `make quick` leaves out, by the names of files."""

import pytest

GROUPS = {
    "test_mongodb_replica_set": "replica set",
    "test_mongodb_concerns": "replica set",
    "test_mongodb_failover": "replica set",
    "test_mongodb_writing": "replica set",
    "test_claims": "replica set",
    "test_contract": "replica set",
    "test_docs": "replica set",
    "test_examples": "replica set",
    "test_mongodb": "mongodb",
    "test_counts": "mongodb",
}
"""Files that need one server are of one group, so that it is started once.

They are named by their beginnings, those first that take the longest. Every other file
is a group of its own.
"""
SLOW = ("concurrency", "kills", "kit", "large", "pushdown", "random", "typing")
SLOW += ("_btree", "_hash", "_indexed", "_indexes", "_faults", "pushing", "contract")
SLOW += ("example_backend", "example_first", "example_lmdb")
"""Files that are left out of `make quick`, by how their names end."""


def group_of(item: pytest.Item) -> tuple[int, str]:
    """Give the place and the name of the group of tests that one worker runs."""
    for place, (beginning, group) in enumerate(GROUPS.items()):
        if item.path.name.startswith(beginning):
            return place, group
    return len(GROUPS), str(item.path)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put each test into its group, and mark what is slow."""
    items.sort(key=lambda item: group_of(item)[0])
    for item in items:
        item.add_marker(pytest.mark.xdist_group(group_of(item)[1]))
        if item.path.stem.endswith(SLOW):
            item.add_marker(pytest.mark.slow)
