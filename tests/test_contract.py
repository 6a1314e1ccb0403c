"""The public face, as a program of its own, on each embedded backend."""

import subprocess
import sys
from pathlib import Path

import pytest

CONTRACT = Path(__file__).with_name("contract.py")


def run_contract(*settings: str) -> None:
    program = [sys.executable, "-W", "error", str(CONTRACT), *settings]
    result = subprocess.run(program, capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines()[-1] == "contract holds"


@pytest.mark.parametrize("form", ["memory://", "sqlite:///{path}"])
def test_contract_holds(form, tmp_path):
    run_contract(form.format(path=tmp_path / "contract.db"))


def test_contract_holds_when_the_file_is_opened_again(tmp_path):
    settings = f"sqlite:///{tmp_path / 'contract.db'}"
    run_contract(settings, settings)


def test_contract_holds_with_settings_as_a_dict():
    run_contract('{"backend": "pymodels.backends.memory"}')
