"""Where to find the server, as whom, and what a wrong setting or URL says."""

import os
import subprocess
import sys
import textwrap
import threading
from urllib.parse import urlsplit

import mongod
import pytest
from mongo_places import places_on

import pymodels
from pymodels import Model, SettingsError, StorageClosed, StorageError

pytestmark = pytest.mark.server

BACKEND = "pymodels.backends.mongodb"


class Note(Model):
    text: str


@pytest.fixture(scope="module")
def places():
    with places_on(mongod.standalone_url()) as places:
        yield places


def url_of(places, options="", path=None):
    """Give a URL of the server with options behind those that it has."""
    url = mongod.with_path(places.url, path or places.name)
    return f"{url}{'&' if urlsplit(url).query else '?'}{options}" if options else url


# The ways to say it.


def test_a_url_names_server_database_and_collection(places):
    with pymodels.get_storage(url_of(places, "collection=notes")) as storage:
        Note(text="x").save(storage, key="a")
        assert places.database["notes"].find_one() == {"_id": "a", "text": "x"}
        assert str(storage).startswith("mongodb://")
        assert str(storage).endswith(f"/{places.name}?collection=notes")
        storage.clear()


def test_host_port_database_and_collection_are_settings(places):
    parts = urlsplit(places.url)
    if parts.username or parts.query:
        pytest.skip("the server wants more than a host and a port")
    settings = {
        "backend": BACKEND,
        "host": parts.hostname,
        "port": parts.port or 27017,
        "database": places.name,
        "collection": "notes",
    }
    with pymodels.get_storage(settings) as storage:
        Note(text="x").save(storage, key="a")
        assert places.database["notes"].count_documents({}) == 1
        storage.clear()


def test_named_settings_win_over_the_url(places):
    url = url_of(places, "collection=notes")
    with pymodels.get_storage(url, collection="others") as storage:
        assert str(storage).endswith("collection=others")
        assert storage.connection.name == "others"


def test_the_backend_is_registered_by_name(places):
    settings = {"backend": "mongodb", "uri": places.url, "database": places.name}
    with pymodels.get_storage(settings) as storage:
        assert len(storage) == 0


def test_options_of_the_driver_pass_through(places):
    with pymodels.get_storage(url_of(places, "w=1&maxPoolSize=7")) as storage:
        assert storage.connection.write_concern.document == {"w": 1}
        client = storage.connection.database.client
        assert client.options.pool_options.max_pool_size == 7


def test_writes_wait_for_the_majority_by_default(places):
    with pymodels.get_storage(url_of(places)) as storage:
        assert storage.connection.write_concern.document == {"w": "majority"}


def test_the_environment_may_hold_the_url(places, monkeypatch):
    monkeypatch.setenv("PYMODELS_DATABASE", url_of(places, "collection=notes"))
    with pymodels.get_storage() as storage:
        assert storage.connection.name == "notes"


# What is wrong is refused, with what is right.


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({}, "database"),
        ({"database": ""}, "database"),
        ({"database": "a b"}, "a b"),
        ({"database": "a.b"}, "a.b"),
        ({"database": "a$b"}, "a\\$b"),
        ({"database": "a/b"}, "a/b"),
        ({"database": 7}, "7"),
        ({"database": "x" * 64}, "database"),
        ({"database": "\ud800"}, "database"),
        ({"database": "app", "collection": "x" * 300}, "collection"),
        ({"database": "app", "collection": "\ud800"}, "collection"),
        ({"database": "app", "collection": "a\0b"}, "collection"),
        ({"database": "app", "collection": ""}, "collection"),
        ({"database": "app", "collection": "a$b"}, "a\\$b"),
        ({"database": "app", "collection": ".a"}, "\\.a"),
        ({"database": "app", "collection": "a..b"}, "a\\.\\.b"),
        ({"database": "app", "collection": None}, "collection"),
        ({"database": "app", "host": ""}, "host"),
        ({"database": "app", "host": 7}, "host"),
        ({"database": "app", "host": "a,b"}, "'a,b'.*uri"),
        ({"database": "app", "host": "mongodb://h"}, "'mongodb://h'.*uri"),
        ({"database": "app", "host": "user@h"}, "host"),
        ({"database": "app", "host": "h:27017"}, "'h:27017'.*port"),
        ({"database": "app", "port": "x"}, "port"),
        ({"database": "app", "port": 0}, "port"),
        ({"database": "app", "port": 70000}, "port"),
        ({"database": "app", "port": True}, "port"),
        ({"database": "app", "timeout": "soon"}, "timeout"),
        ({"database": "app", "timeout": 0}, "timeout"),
        ({"database": "app", "timeout": -1}, "timeout"),
        ({"database": "app", "timeout": float("nan")}, "timeout"),
        ({"database": "app", "timeout": float("inf")}, "timeout"),
        ({"database": "app", "residual": "never"}, "residual"),
        ({"database": "app", "colection": "x"}, "collection"),
        ({"database": "app", "uri": "sqlite:///x"}, "uri|sqlite"),
        ({"database": "app", "uri": 7}, "uri"),
        ({"database": "app", "uri": "mongodb://h", "host": "h"}, "host"),
        ({"database": "app", "url": "mongodb://h", "host": "h"}, "URL names.*host"),
    ],
    ids=repr,
)
def test_a_wrong_setting_is_an_error_that_names_it(settings, said):
    with pytest.raises(SettingsError, match=said):
        pymodels.get_storage({"backend": BACKEND, **settings})


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("mongodb://", "mongodb://"),
        ("mongodb:///app", "mongodb:///app"),
        ("mongodb://localhost", "database"),
        ("mongodb://localhost/", "database"),
        ("mongodb://localhost:port/app", "[Pp]ort"),
        ("mongodb://localhost:99999/app", "[Pp]ort"),
        ("mongodb://localhost/app?", None),
        ("mongodb://localhost/app?colection=x", "colection.*did you mean 'collection'"),
        ("mongodb://localhost/app?retryWrite=true", "retryWrite"),
        ("mongodb://localhost/app?retryWrites=perhaps", "retryWrites"),
        ("mongodb://localhost/app?w=-1", "w"),
        ("mongodb://localhost/app?w=0", "acknowledges nothing"),
        ("mongodb://localhost/app?readPreference=nearby", "readPreference"),
        ("mongodb://localhost/app?serverSelectionTimeoutMS=x", "serverSelection"),
        ("mongodb://localhost/app?tls=maybe", "tls"),
        ("mongodb://localhost/app?timeout=x", "timeout"),
        ("mongodb://localhost/app?residual=never", "residual"),
        ("mongodb://localhost/app?host=other", "host"),
        ("mongodb://a:b:c@localhost/app", "escaped"),
        ("mongodb://user@na/me/app", "me/app"),
        ("mongodb+srv://localhost/app", "localhost"),
        ("mongodb+srv://a,b/app", "only one"),
    ],
)
def test_a_wrong_url_is_an_error_that_says_what(url, said):
    expected = (SettingsError, StorageError) if said is None else SettingsError
    with pytest.raises(expected, match=said):
        pymodels.get_storage(url, timeout=0.2)


# Nobody there, or nobody who answers to us.


def test_an_unreachable_server_is_named(places):
    port = mongod.free_port()
    for url in (
        f"mongodb://127.0.0.1:{port}/app?timeout=0.3",
        f"mongodb://127.0.0.1:{port}/app?serverSelectionTimeoutMS=300",
    ):
        with pytest.raises(StorageError, match=f"127.0.0.1:{port}") as caught:
            pymodels.get_storage(url)
        assert caught.value.__cause__ is not None
        assert str(caught.value).endswith("refused; does a server run there?")


def test_an_unknown_host_is_named():
    with pytest.raises(StorageError, match=r"nowhere\.invalid"):
        pymodels.get_storage("mongodb://nowhere.invalid/app", timeout=0.3)


def test_several_unreachable_servers_are_named():
    ports = mongod.free_port(), mongod.free_port()
    hosts = ",".join(f"127.0.0.1:{port}" for port in ports)
    with pytest.raises(StorageError, match=f"{ports[1]}"):
        pymodels.get_storage(f"mongodb://{hosts}/app?replicaSet=x", timeout=0.3)


def test_a_replica_set_of_another_name_is_no_server(places):
    with pytest.raises(StorageError):
        pymodels.get_storage(url_of(places, "replicaSet=other"), timeout=0.3)


def test_credentials_in_the_url_open_the_door():
    url = mongod.with_path(mongod.authenticated_url(), "app")
    with pymodels.get_storage(url) as storage:
        Note(text="x").save(storage, key="a")
        assert storage.get(Note, "a").text == "x"
        storage.clear()
        shown = f"{storage} {storage!r} {Note.objects(storage).where(text='x')!r}"
        assert mongod.PASSWORD not in shown
        assert "p%40ss" not in shown


@pytest.mark.parametrize(
    "credentials",
    ["tester:wrong@", "nobody:nothing@", "tester:@", ""],
    ids=["password", "user", "none", "anonymous"],
)
def test_wrong_credentials_are_refused(credentials):
    address = mongod.authenticated().address
    url = f"mongodb://{credentials}{address}/app?authSource=admin"

    def use():
        with pymodels.get_storage(url) as storage:
            Note(text="x").save(storage)

    with pytest.raises((StorageError, SettingsError), match=address) as caught:
        use()
    assert "wrong" not in str(caught.value)
    assert "nothing" not in str(caught.value)


def test_a_user_without_the_right_is_refused():
    server = mongod.authenticated()
    with mongod.client_of(mongod.authenticated_url()) as client:
        roles = [{"role": "read", "db": "app"}]
        client.app.command("createUser", "reader", pwd="secret", roles=roles)
    with pymodels.get_storage(
        f"mongodb://reader:secret@{server.address}/app"
    ) as storage:
        assert len(storage) == 0
        with pytest.raises(StorageError, match=r"not authorized|refuses"):
            Note(text="x").save(storage)
        with pytest.raises(StorageError):
            storage.clear()


# One client for all.


def test_storages_on_one_server_share_a_client(places):
    one = pymodels.get_storage(url_of(places, "collection=one"))
    two = pymodels.get_storage(url_of(places, "collection=two"))
    try:
        assert one.connection.database.client is two.connection.database.client
        one.close()
        assert len(two) == 0
        with pytest.raises(StorageClosed):
            len(one)
    finally:
        one.close()
        two.close()


def test_closing_leaves_no_thread_behind(places):
    before = set(threading.enumerate())
    for _ in range(3):
        with pymodels.get_storage(url_of(places, "appName=alone")) as storage:
            assert len(storage) == 0
    left = set(threading.enumerate()) - before
    for thread in left:
        thread.join(5)
    assert [thread for thread in left if thread.is_alive()] == []


# Without the driver.


@pytest.mark.parametrize("missing", [["pymongo"], ["pymongo", "bson"]], ids=repr)
def test_a_missing_driver_is_named(missing):
    program = f"""
        import sys
        for name in {missing!r}:
            sys.modules[name] = None
        import pymodels
        try:
            pymodels.get_storage({{"backend": {BACKEND!r}, "database": "app"}})
        except pymodels.SettingsError as error:
            print(error)
    """
    command = [sys.executable, "-W", "error", "-c", textwrap.dedent(program)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result.stderr
    assert "pymongo" in result.stdout
    assert "pip install pymongo" in result.stdout


def test_importing_pymodels_imports_no_driver():
    command = [
        sys.executable,
        "-c",
        "import sys, pymodels; print({'bson', 'pymongo'} & set(sys.modules))",
    ]
    environment = {**os.environ, "PYTHONWARNINGS": "error"}
    result = subprocess.run(
        command, capture_output=True, text=True, timeout=60, env=environment
    )
    assert result.stdout == "set()\n"
