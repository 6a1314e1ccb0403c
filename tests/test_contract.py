"""The public face, as a program of its own, on each embedded backend."""

import subprocess
import sys
from pathlib import Path

import pytest
import servers
from required import check_installed

CONTRACT = Path(__file__).with_name("contract.py")


def run_contract(*settings: str) -> None:
    if settings[0].startswith("tokyo-cabinet:"):
        check_installed("tokyo_cabinet")
    program = [sys.executable, "-W", "error", str(CONTRACT), *settings]
    result = subprocess.run(program, capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines()[-1] == "contract holds"


@pytest.mark.parametrize(
    "form",
    [
        "memory://",
        "sqlite:///{path}",
        "tokyo-cabinet:///{path}",
        "tokyo-cabinet:///{path}?kind=HASH",
        "tokyo-cabinet:///{path}?kind=BTREE",
    ],
)
def test_contract_holds(form, tmp_path):
    run_contract(form.format(path=tmp_path / "contract.db"))


@pytest.mark.server
@pytest.mark.parametrize("server", servers.SERVERS)
def test_contract_holds_on_a_server(server):
    with servers.SERVERS[server]() as url:
        run_contract(url, url)


@pytest.mark.server
def test_contract_holds_on_a_mongodb_that_stands_alone():
    mongod = servers.mongod_module()
    url = mongod.standalone_url()
    run_contract(mongod.with_path(url, "contract"))
    with mongod.client_of(url) as client:
        client.drop_database("contract")


@pytest.mark.parametrize("backend", ["sqlite", "tokyo-cabinet"])
def test_contract_holds_when_the_file_is_opened_again(backend, tmp_path):
    settings = f"{backend}:///{tmp_path / 'contract.db'}"
    run_contract(settings, settings)


def test_contract_holds_with_settings_as_a_dict():
    run_contract('{"backend": "pymodels.backends.memory"}')
