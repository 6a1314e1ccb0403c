"""A process that claims jobs: ``python claiming.py URL NAME WAY`` prints how many."""

import sys

import pymodels
from pymodels import Model


class Job(Model):
    state: str
    owner: str | None = None


WAYS = {
    "whole": lambda jobs, key: jobs.where(key=key, state="new"),
    "finished here": lambda jobs, key: jobs.where(key=key, state__matches="^n.w$"),
    "sliced": lambda jobs, key: jobs.where(key=key, state="new")[:1],
}


def main() -> None:
    """Wait for a line, claim what can be claimed, and say how many were."""
    url, name, way = sys.argv[1:]
    with pymodels.get_storage(url) as storage:
        jobs, keys = Job.objects(storage), sorted(storage)
        say("ready")
        sys.stdin.readline()
        taken = 0
        for key in keys:
            taken += WAYS[way](jobs, key).update(state="taken", owner=name)
        say(taken)


def say(what: object) -> None:
    """Write a line that the parent is waiting for."""
    sys.stdout.write(f"{what}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
