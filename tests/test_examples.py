"""Each small program of examples/ says the same on every backend."""

import importlib
import inspect
from pathlib import Path

import pytest
import servers

import pymodels

ROOT = Path(__file__).parents[1]
# The demonstration asks 34,000 cities; it compares its own answers.
PROGRAMS = [
    path.stem
    for path in sorted((ROOT / "examples").glob("*.py"))
    if "\ndef main(db: BaseStorage) -> None:" in path.read_text("utf-8")
]


@pytest.fixture(params=PROGRAMS)
def program(request, monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT))
    return importlib.import_module(f"examples.{request.param}")


def said(program, url, capsys):
    with pymodels.get_storage(url) as storage:
        program.main(storage)
    return capsys.readouterr().out


def test_program_says_the_same_everywhere(program, tmp_path, capsys):
    expected = said(program, "memory://", capsys)
    assert len(expected.splitlines()) > 5
    assert said(program, f"sqlite:///{tmp_path / 'example.db'}", capsys) == expected


@pytest.mark.server
@pytest.mark.parametrize("server", servers.SERVERS)
def test_program_says_the_same_on_a_server(program, server, capsys):
    servers.check_able(server, inspect.getsource(program))
    expected = said(program, "memory://", capsys)
    with servers.SERVERS[server]() as url:
        assert said(program, url, capsys) == expected


def test_programs_are_found():
    assert {"notes", "people"} <= set(PROGRAMS)
