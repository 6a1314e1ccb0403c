"""Conditional writes are one step among processes, too (law 15)."""

import subprocess
import sys
from collections import Counter
from pathlib import Path

import claiming
import pytest
import servers
from lengths import length

import pymodels

JOBS, PROCESSES = length(20, 200), 3
SCRIPT = Path(claiming.__file__)


@pytest.fixture(
    params=[
        "sqlite",
        *(pytest.param(name, marks=pytest.mark.server) for name in servers.SERVERS),
    ]
)
def url(request, tmp_path):
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/jobs.db"
        return
    with servers.SERVERS[request.param]() as found:
        yield found


def test_15_processes_that_claim_jobs_get_each_once(url):
    with pymodels.get_storage(url) as storage:
        for way in claiming.WAYS:
            storage.clear()
            jobs = [claiming.Job(state="new") for _ in range(JOBS)]
            storage.save_many(jobs)
            counts = claimed(url, way)
            assert sum(counts.values()) == JOBS, way
            owners = Counter(job.owner for job in claiming.Job.objects(storage))
            assert owners == +Counter(counts), way


def claimed(url, way):
    """Let processes claim at once; give how many each of them got."""
    names = [f"process {number}" for number in range(PROCESSES)]
    children = [
        subprocess.Popen(
            [sys.executable, SCRIPT, url, name, way],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for name in names
    ]
    try:
        for child in children:
            assert child.stdout.readline() == "ready\n"
        for child in children:
            child.stdin.write("go\n")
            child.stdin.flush()
        return {
            name: int(child.stdout.readline())
            for name, child in zip(names, children, strict=True)
        }
    finally:
        for child in children:
            child.stdin.close()
            child.stdout.close()
            child.kill()
            child.wait()
