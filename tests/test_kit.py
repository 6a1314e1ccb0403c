"""The kit finds what backends get wrong: each of `faults` has one fault planted."""

import subprocess
import sys
from inspect import signature
from pathlib import Path

import faults
import pytest

from pymodels.testing.fixtures import QUESTIONS
from pymodels.testing.models import PEOPLE, Person


def run(test, storage_class):
    """Run a test of the kit as pytest would."""
    wanted = signature(test).parameters
    with storage_class() as storage:
        if "people" in wanted:
            for person in PEOPLE:
                Person(**person).save(storage, key=person["name"].lower())
        given = dict.fromkeys(
            ("storage", "people", "indexed", "transactional"), storage
        )
        given |= {
            "new_storage": storage_class,
            "how_many": QUESTIONS,
            "is_thorough": True,
        }
        test(**{name: given[name] for name in wanted})


@pytest.mark.parametrize(
    ("fault", "test"), faults.FOUND_BY, ids=lambda one: one.__name__
)
def test_the_kit_finds(fault, test):
    with pytest.raises(AssertionError) as caught:
        run(test, faults.storage_with(fault))
    if test is faults.random_questions:
        assert "this program shows it" in str(caught.value)


def test_every_fault_is_in_the_table():
    planted = {
        one
        for one in vars(faults).values()
        if isinstance(one, type) and issubclass(one, (faults.Query, faults.Storage))
    }
    named = {fault for fault, _ in faults.FOUND_BY}
    assert planted - {faults.Query, faults.Storage} == named


def test_an_honest_backend_passes():
    """Random questions are asked of it by test_pushing.py."""
    for test in {test for _, test in faults.FOUND_BY} - {faults.random_questions}:
        run(test, faults.Storage)


def test_a_failure_prints_a_program_that_runs(tmp_path):
    with pytest.raises(AssertionError) as caught:
        run(faults.random_questions, faults.storage_with(faults.NotOverNull))
    program = tmp_path / "failure.py"
    program.write_text(str(caught.value).partition("shows it:")[2], "utf-8")
    command = [sys.executable, "-W", "error", str(program), "memory://"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result.stderr
    assert "found:" in result.stdout
    assert "matching:" in result.stdout
    assert len(program.read_text("utf-8").splitlines()) < 30


BACKEND = """
import pytest
from pymodels.backends.memory import Storage
from pymodels.testing import *


class Query(Storage.query_class):
    pass


# Not in the class, whose maker would refuse it.
Query.count = lambda self: len(list(self.keys())) + 1


class Miscounting(Storage):
    query_class = Query


@pytest.fixture(scope="module")
def new_storage():
    return {storage}


known_differences = {{
    "test_10_all_ways_speak_of_the_same_records": "counts itself too",
    "test_10_delete_removes_just_the_slice": "none in truth",
}}
"""


def outcomes(folder: Path, storage: str) -> str:
    test = folder / "test_backend.py"
    test.write_text(BACKEND.format(storage=storage), "utf-8")
    wanted = "test_10_all_ways or test_10_delete"
    command = [sys.executable, "-m", "pytest", "-rA", "-q", str(test), "-k", wanted]
    command += ["-p", "no:cacheprovider", "--import-mode=importlib", "-c", "/dev/null"]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=60, cwd=folder
    ).stdout


def test_a_known_difference_is_expected_to_fail(tmp_path):
    told = outcomes(tmp_path, "Miscounting")
    assert "counts itself too" in told
    assert "1 failed" in told
    assert "1 xfailed" in told


def test_a_known_difference_that_is_cured_fails(tmp_path):
    told = outcomes(tmp_path, "Storage")
    assert "XPASS(strict)" in told
    assert "2 failed" in told
