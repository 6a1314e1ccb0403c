"""The pages tell the truth: each example runs, nothing that exists is left out."""

import doctest
import inspect
import pkgutil
import re
from contextlib import ExitStack
from importlib import import_module
from pathlib import Path

import pages
import pushdown
import pytest
import servers
from required import check_installed

import pymodels
from pymodels import backend as door
from pymodels import backends, errors, storage, testing
from pymodels.backend import BaseStorage
from pymodels.hooks import QueryHooks, StorageHooks
from pymodels.querying.lookups import LOOKUPS
from pymodels.settings import ENVIRONMENT

DOCS = pages.DOCS
BACKENDS = [
    module.name
    for module in pkgutil.iter_modules(backends.__path__)
    if not module.name.startswith("_")
]
FIVE_HEADINGS = [
    "Install and settings",
    "How a record is stored",
    "What is pushed down",
    "Known differences",
    "Going underneath",
]
MODULES = [
    "pymodels",
    *(
        module.name
        for module in pkgutil.walk_packages(pymodels.__path__, "pymodels.")
        if ".testing.test_" not in module.name
    ),
]

each_page = pytest.mark.parametrize("page", pages.PAGES, ids=pages.name_of)
each_backend = pytest.mark.parametrize("backend", BACKENDS)


def code_on(page):
    return "".join(example.code for example in pages.examples_of(page))


def urls_on(page):
    """Find the URLs of servers that a page opens."""
    return [url for url in servers.ON_PAGES if f'"{url}"' in code_on(page)]


def check_needs(page):
    """Skip a page that opens what this machine lacks something for."""
    code = code_on(page)
    for backend in BACKENDS:
        scheme = backend.replace("_", "-")
        if f'"{scheme}:' in code or f"pymodels.backends.{backend}" in code:
            check_installed(backend)


def imported(name):
    """Import a module of ours; skip it where its driver is not there."""
    if name.startswith("pymodels.backends.mongodb"):
        check_installed("mongodb")
    return import_module(name)


@pytest.mark.parametrize(
    "page", [page for page in pages.PAGES if not urls_on(page)], ids=pages.name_of
)
def test_examples_run(page, tmp_path, monkeypatch):
    check_needs(page)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(pages.ROOT))
    monkeypatch.delenv(ENVIRONMENT, raising=False)
    pages.Runner(page).run()


@pytest.mark.server
@pytest.mark.parametrize(
    "page", [page for page in pages.PAGES if urls_on(page)], ids=pages.name_of
)
def test_examples_run_on_real_servers(page, tmp_path, monkeypatch):
    check_needs(page)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(ENVIRONMENT, raising=False)
    with ExitStack() as opened:
        real = {
            url: opened.enter_context(servers.SERVERS[servers.ON_PAGES[url]]())
            for url in urls_on(page)
        }
        pages.Runner(page, real).run()


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("docs/models.md", "memory://", "sqlite:///page.db"),
        ("docs/querying.md", "memory://", "sqlite:///page.db"),
        ("docs/semantics.md", "memory://", "sqlite:///page.db"),
        ("docs/tutorial.md", "sqlite:///library.db", "memory://library"),
        ("README.md", "sqlite:///people.db", "memory://people"),
    ],
)
def test_one_line_switches(name, old, new, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    page = pages.ROOT / name
    assert f'"{old}"' in page.read_text("utf-8")
    pages.Runner(page, {old: new}).run()


@pytest.mark.server
@pytest.mark.parametrize("server", servers.SERVERS)
@pytest.mark.parametrize("name", ["models", "querying", "semantics"])
def test_one_line_switches_to_a_server(name, server, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    page = DOCS / f"{name}.md"
    servers.check_able(server, page.read_text("utf-8"))
    with servers.SERVERS[server]() as url:
        pages.Runner(page, {"memory://": url}).run()


@each_page
def test_links_lead_somewhere(page):
    broken = []
    for link in pages.links_of(page):
        name, _, part = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        if not target.exists() or (
            part and part not in map(pages.anchor, pages.headings_of(target))
        ):
            broken.append(link)
    assert broken == []


@pytest.mark.parametrize("module", MODULES)
def test_docstrings_run(module, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    failed, _ = doctest.testmod(imported(module), optionflags=pages.FLAGS)
    assert not failed


def test_every_lookup_is_explained():
    told = pages.parameters_in((DOCS / "querying.md").read_text("utf-8"))
    assert LOOKUPS.keys() - told == set()


def test_every_exception_is_explained():
    known = {
        name
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, Exception)
    }
    headings = {h.strip("`") for h in pages.headings_of(DOCS / "errors.md")}
    assert known - headings == set()


@each_backend
def test_every_setting_is_explained(backend):
    storage = imported(f"pymodels.backends.{backend}").Storage
    settings = [*inspect.signature(storage).parameters]
    page = DOCS / "backends" / f"{backend}.md"
    told = pages.parameters_in(pages.section_of(page, FIVE_HEADINGS[0]))
    assert set(settings) - told == set()
    everywhere = pages.parameters_in((DOCS / "settings.md").read_text("utf-8"))
    assert set(settings) - everywhere == set()


@each_backend
def test_every_backend_has_a_page_of_five_headings(backend):
    page = DOCS / "backends" / f"{backend}.md"
    found = re.findall(r"^## (.+)$", page.read_text("utf-8"), re.M)
    assert found == FIVE_HEADINGS
    assert f"(backends/{backend}.md)" in (DOCS / "index.md").read_text("utf-8")


def hooks_on_the_page():
    """Give the names in the tables of hooks, by the heading above them."""
    text = (DOCS / "write-a-backend.md").read_text("utf-8")
    text = text.partition("## The hooks")[2].partition("\n## ")[0]
    parts = re.split(r"^### (.+)$", text, flags=re.M)[1:]
    rows = [re.findall(r"^\| `(\w+)", part, re.M) for part in parts[1::2]]
    return dict(zip(parts[::2], rows, strict=True))


def test_every_hook_is_on_the_page_in_its_group():
    """The groups are those of hooks.py; the last of a storage has what users call."""
    source = inspect.getsource(StorageHooks)
    groups = re.split(r"^    # (\d)\. ", source, flags=re.M)[1:]
    groups = [re.findall(r"^    def ([a-z]\w*)", part, re.M) for part in groups[1::2]]
    *found, of_query = hooks_on_the_page().values()
    assert found[:-1] == groups[:-1]
    called_by_users = {"clear", "close", "connection", "has_transactions", "sync"}
    on_the_class = {
        name for name in vars(BaseStorage) if name in BaseStorage.__annotations__
    }
    assert set(found[-1]) == {
        "__init__",
        "__str__",
        *groups[-1],
        *called_by_users,
        *on_the_class,
        "query_class",
    }
    assert called_by_users == storage._HOOKS_THAT_USERS_CALL
    assert of_query == [n for n in vars(QueryHooks) if not n.startswith("_")]


def test_every_file_of_the_kit_is_explained():
    page = (DOCS / "conformance.md").read_text("utf-8")
    assert re.findall(r"^\| `(test_\w+)` \|", page, re.M) == list(testing._TESTS)


@pytest.mark.parametrize("example", ["first", "shelf", "lmdb"])
def test_example_backends_import_through_the_door(example):
    text = (pages.ROOT / "examples" / f"{example}_backend.py").read_text("utf-8")
    imported = re.findall(r"^(?:from|import) (pymodels[\w.]*)", text, re.M)
    assert set(imported) == {"pymodels.backend"}


def test_the_door_says_what_each_name_is():
    explained = set(re.findall(r"`(\w+)`", door.__doc__))
    assert set(door.__all__) - explained == set()


@pytest.mark.parametrize(
    "backend",
    [
        *pushdown.SETTINGS,
        *(pytest.param(name, marks=pytest.mark.server) for name in pushdown.SERVERS),
    ],
)
def test_pushdown_is_told_as_it_is(backend):
    check_installed(backend)
    fresh = pushdown.table(backend) == pushdown.written(backend)
    assert fresh, "python tests/support/pushdown.py writes the table anew"


def test_every_page_is_in_the_index():
    linked = {
        (DOCS / link.partition("#")[0]).resolve()
        for link in pages.links_of(DOCS / "index.md")
    }
    found = set(DOCS.rglob("*.md")) - {DOCS / "index.md"}
    assert [pages.name_of(page) for page in sorted(found - linked)] == []


def test_architecture_is_short():
    text = (DOCS / "architecture.md").read_text("utf-8")
    assert len(text.splitlines()) <= 150


def test_architecture_names_each_module():
    text = (DOCS / "architecture.md").read_text("utf-8")
    modules = {path.stem for path in Path(pymodels.__path__[0]).glob("*.py")}
    assert modules - set(re.findall(r"\w+", text)) == set()
