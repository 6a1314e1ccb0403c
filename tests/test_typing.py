"""A type checker passes right lines of users and refuses wrong ones."""

import re
import subprocess
import sys
from pathlib import Path

SAMPLE = Path(__file__).parent / "support" / "typing_sample.py"
MARK = "# expect-error"


def refused_lines(cache: Path) -> dict[int, str]:
    """Check the sample strictly, and give what was refused by line number."""
    program = [sys.executable, "-m", "mypy", "--strict", "--no-error-summary"]
    program += ["--cache-dir", str(cache), "--config-file", "", str(SAMPLE)]
    result = subprocess.run(
        program, capture_output=True, text=True, timeout=300, cwd=SAMPLE.parents[2]
    )
    assert not result.stderr, result.stderr
    found = re.findall(
        r"^tests.support.typing_sample\.py:(\d+): error: (.*)$", result.stdout, re.M
    )
    others = [line for line in result.stdout.splitlines() if SAMPLE.name not in line]
    assert others == []
    return {int(number): message for number, message in found}


def test_a_checker_refuses_the_wrong_lines_and_no_others(tmp_path):
    lines = enumerate(SAMPLE.read_text("utf-8").splitlines(), 1)
    expected = {number: line for number, line in lines if MARK in line}
    refused = refused_lines(tmp_path)
    missed = [expected[number] for number in expected if number not in refused]
    wronged = [f"{n}: {text}" for n, text in refused.items() if n not in expected]
    assert (missed, wronged) == ([], [])
