"""Settings are a dict, keywords, a URL, the environment, or a mix of these."""

import sys
import types

import pytest
from storages import EMBEDDED

import pymodels
from pymodels import BaseStorage, Model, PyModelsError, SettingsError, get_storage
from pymodels.backend import from_query

needs_sqlite = pytest.mark.skipif("sqlite" not in EMBEDDED, reason="no sqlite backend")


class Note(Model):
    text: str


@pytest.fixture(autouse=True)
def no_environment(monkeypatch):
    monkeypatch.delenv("PYMODELS_DATABASE", raising=False)


def is_memory(storage: BaseStorage) -> bool:
    return str(storage).startswith("memory://")


# The forms.


@pytest.mark.parametrize(
    ("settings", "keywords"),
    [
        ("memory://", {}),
        ({"backend": "memory"}, {}),
        ({"backend": "pymodels.backends.memory"}, {}),
        ({"url": "memory://"}, {}),
        (None, {"backend": "memory"}),
        (None, {"url": "memory://"}),
        ({}, {"backend": "memory"}),
        ({"backend": "pymodels.backends.memory"}, {"residual": "warn"}),
        (types.MappingProxyType({"backend": "memory"}), {}),
        ({"backend": "memory", "url": "memory://"}, {}),
    ],
)
def test_each_form_opens_a_storage(settings, keywords):
    with get_storage(settings, **keywords) as storage:
        assert is_memory(storage)
        assert storage.residual == keywords.get("residual", "allow")


def test_settings_are_not_changed():
    settings = {"backend": "memory", "name": "unchanged"}
    get_storage(settings, residual="warn").close()
    assert settings == {"backend": "memory", "name": "unchanged"}


def test_memory_is_new_each_time_or_shared_by_name():
    one, two = get_storage("memory://"), get_storage("memory://")
    Note(text="x").save(one)
    assert (len(one), len(two)) == (1, 0)
    three, four = (
        get_storage("memory://shared-notes"),
        get_storage({"backend": "memory"}, name="shared-notes"),
    )
    key = Note(text="x").save(three)
    assert four.get(Note, key).text == "x"
    three.close()
    assert len(four) == 1


def test_the_environment_is_the_url_when_nothing_is_given(monkeypatch):
    monkeypatch.setenv("PYMODELS_DATABASE", "memory://from-environment")
    assert str(get_storage()) == "memory://from-environment"
    assert str(get_storage(backend="memory")) == "memory://"
    assert str(get_storage("memory://other")) == "memory://other"


@pytest.mark.parametrize("value", [None, ""])
def test_no_settings_at_all_are_told(monkeypatch, value):
    if value is not None:
        monkeypatch.setenv("PYMODELS_DATABASE", value)
    with pytest.raises(SettingsError, match="PYMODELS_DATABASE"):
        get_storage()


def test_a_wrong_url_in_the_environment_is_told(monkeypatch):
    monkeypatch.setenv("PYMODELS_DATABASE", "not a url")
    with pytest.raises(SettingsError, match="not a url"):
        get_storage()


def test_keywords_win_over_the_mapping_and_the_mapping_over_the_url():
    url = "memory://a?residual=warn"
    assert get_storage(url).residual == "warn"
    assert get_storage(url, residual="forbid").residual == "forbid"
    assert get_storage({"url": url, "residual": "allow"}).residual == "allow"
    assert str(get_storage({"url": url, "name": "b"})) == "memory://b"


def test_a_name_in_a_url_may_be_quoted():
    assert get_storage("memory://a%20b").name == "a b"


@needs_sqlite
def test_a_path_is_relative_absolute_or_given(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with get_storage("sqlite:///relative.db") as storage:
        Note(text="x").save(storage)
    assert (tmp_path / "relative.db").exists()
    with get_storage(f"sqlite:///{tmp_path}/absolute.db") as storage:
        Note(text="x").save(storage)
    assert (tmp_path / "absolute.db").exists()
    database = {"backend": "pymodels.backends.sqlite", "path": "one.db"}
    with get_storage(database, path="two.db") as storage:
        Note(text="x").save(storage)
    assert (tmp_path / "two.db").exists()
    assert not (tmp_path / "one.db").exists()


@needs_sqlite
def test_one_line_switches(tmp_path):
    for database in (
        {"backend": "pymodels.backends.memory"},
        {"backend": "pymodels.backends.sqlite", "path": str(tmp_path / "a.db")},
    ):
        with get_storage(database) as storage:
            Note(text="x").save(storage)
            assert Note.objects(storage).where(text="x").count() == 1


# What is wrong.


def test_the_error_is_a_value_error_of_ours():
    assert issubclass(SettingsError, ValueError)
    assert issubclass(SettingsError, PyModelsError)


@pytest.mark.parametrize(
    ("settings", "keywords", "told"),
    [
        ("", {}, ["://"]),
        ("memory", {}, ["memory", "://"]),
        ("nowhere://", {}, ["nowhere", "memory", "sqlite"]),
        ("http://localhost", {}, ["http", "memory"]),
        ("memory://[", {}, ["memory://["]),
        ("memory:///a/b", {}, ["memory://name"]),
        ("memory://a#b", {}, ["'#'", "%23"]),
        ("tokyo_cabinet:///x.tct", {}, ["tokyo-cabinet://"]),
        ({"backend": "nowhere"}, {}, ["nowhere", "memory", "sqlite"]),
        ({"backend": "sqlit"}, {}, ["did you mean 'sqlite'?"]),
        ({"backend": "pymodels.backends.nowhere"}, {}, ["nowhere", "memory"]),
        ({"backend": "pymodels.errors"}, {}, ["Storage"]),
        ({"backend": 3}, {}, ["3"]),
        ({"backend": ""}, {}, ["backend"]),
        ({"backend": None}, {}, ["backend"]),
        ({}, {"name": "x"}, ["backend", "url"]),
        ({}, {}, ["backend", "url"]),
        ({"backend": "memory", "nmae": "x"}, {}, ["nmae", "name", "residual"]),
        ("memory://", {"path": "x"}, ["path", "name", "residual"]),
        ("memory://?nmae=x", {}, ["nmae", "name"]),
        ({"backend": "memory", 3: "x"}, {}, ["3"]),
        ({"backend": "memory", "residual": "never"}, {}, ["never", "forbid"]),
        ("memory://?residual=never", {}, ["never", "forbid"]),
        ([("backend", "memory")], {}, ["list"]),
        (3, {}, ["int"]),
        ({"url": 3}, {}, ["3"]),
        (b"memory://", {}, ["bytes"]),
    ],
)
def test_a_wrong_setting_is_told_with_the_right_ones(settings, keywords, told):
    with pytest.raises(SettingsError) as wrong:
        get_storage(settings, **keywords)
    for part in told:
        assert part in str(wrong.value)


@pytest.mark.parametrize(
    "url",
    [
        "mongo://ada:secret@localhost/app",
        "mongodb:/ada:secret@localhost/app",
        "mongodb://ada:sec#secret@localhost/app?collection=people",
        "mongodb://ada:secret@[localhost/app",
    ],
)
def test_a_wrong_url_is_told_without_its_password(url):
    with pytest.raises(SettingsError) as wrong:
        get_storage(url)
    assert "secret" not in str(wrong.value)
    assert "@" in str(wrong.value)


@needs_sqlite
@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"backend": "sqlite"}, ["path"]),
        ({"backend": "sqlite", "pth": "x"}, ["pth", "path"]),
        ("sqlite://", ["sqlite:///"]),
        ("sqlite:///", []),
        ("sqlite:///x.db?no_such=1", ["no_such", "path"]),
    ],
)
def test_a_wrong_setting_of_sqlite_is_told(settings, told, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SettingsError) as wrong:
        get_storage(settings)
    for part in told:
        assert part in str(wrong.value)
    assert list(tmp_path.iterdir()) == []


def test_close_names_are_suggested():
    with pytest.raises(SettingsError, match="did you mean 'residual'"):
        get_storage("memory://", residul="warn")


def test_a_missing_setting_is_named(monkeypatch):
    class Storage(pymodels.BaseStorage):
        def __init__(self, host: str, port: int = 1, *, secure: bool = False) -> None:
            super().__init__()
            self.asked = (host, port, secure)

        @classmethod
        def url_settings(cls, url: str) -> dict[str, object]:
            return from_query(url, cls)

    module = types.ModuleType("a_backend_of_ones_own")
    module.Storage = Storage
    monkeypatch.setitem(sys.modules, "a_backend_of_ones_own", module)
    settings = {"backend": "a_backend_of_ones_own"}
    with pytest.raises(SettingsError, match="host"):
        get_storage(settings)
    url = {**settings, "url": "own://?host=h&port=5&secure=yes"}
    assert get_storage(url).asked == ("h", 5, True)
    for wrong in ("port=x", "port=", "secure=maybe", "secure="):
        with pytest.raises(SettingsError, match=wrong.partition("=")[0]):
            get_storage({**settings, "url": f"own://?host=h&{wrong}"})


def test_a_backend_whose_driver_is_missing_names_the_package(tmp_path, monkeypatch):
    (tmp_path / "needy.py").write_text("import no_such_driver_package\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(SettingsError, match="no_such_driver_package"):
        get_storage({"backend": "needy"})


# What a storage is.


@pytest.mark.parametrize("name", EMBEDDED)
def test_a_storage_is_true_and_equal_to_itself_alone(name, tmp_path):
    from storages import opened

    with opened(name, tmp_path) as storage:
        assert storage
        assert len(storage) == 0
        assert storage == storage
        assert storage != get_storage("memory://")
        assert {storage: 1}[storage] == 1
        assert not isinstance(storage, dict)
        assert repr(storage) == f"<{storage}>"
    assert storage.is_closed


@pytest.mark.parametrize("name", EMBEDDED)
def test_a_closed_storage_refuses_everything(name, tmp_path):
    from storages import opened

    with opened(name, tmp_path) as storage:
        note = Note(text="x")
        note.save(storage, key="k")
        query = Note.objects(storage)
    storage.close()
    note.text = "y"
    for attempt in (
        lambda: storage["k"],
        lambda: storage.__setitem__("k", {}),
        lambda: storage.__delitem__("k"),
        lambda: "k" in storage,
        lambda: len(storage),
        lambda: list(storage),
        lambda: list(storage.records()),
        lambda: storage.get(Note, "k"),
        lambda: storage.get_many(Note, ["k"]),
        lambda: storage.save_many([Note(text="z")]),
        lambda: storage.delete("k"),
        lambda: storage.clear(),
        lambda: storage.sync(),
        lambda: storage.ensure_indexes(Note),
        lambda: storage.transaction().__enter__(),
        lambda: storage.__enter__(),
        lambda: list(query),
        lambda: query.count(),
        lambda: query.exists(),
        lambda: query.first(),
        lambda: query.values("text"),
        lambda: list(query.keys()),
        lambda: list(query.records()),
        lambda: query.update(text="z"),
        lambda: query.delete(),
        lambda: "k" in query,
        lambda: Note.objects(storage),
        lambda: note.save(),
        lambda: note.refresh(),
        lambda: note.delete(),
        lambda: note.save_as("z"),
        lambda: Note(text="z").save(storage),
    ):
        with pytest.raises(pymodels.StorageClosed, match="closed"):
            attempt()
    assert "closed" in repr(query)
