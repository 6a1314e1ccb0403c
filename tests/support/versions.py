"""The core tests with the oldest and newest of what we stand on: `make versions`.

Each run has a folder of packages of its own under `.versions/`. Pythons that this
machine lacks are taken from Debian's newest packages, unpacked there and started
with their own loader; the system stays as it is. What cannot be had is said on one
line, and is no failure.
"""

import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from os import environ, pathsep
from pathlib import Path

ROOT = Path(__file__).parents[2]
PLACE = ROOT / ".versions"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
EXTRAS = ("mongodb", "serve", "test")
THIS = f"{sys.version_info.major}.{sys.version_info.minor}"
CORE = [
    "tests/test_pydantic_parts.py",
    "tests/test_model.py",
    "tests/test_saving.py",
    "tests/test_references.py",
    "tests/backends/test_memory.py",
]
PYTEST = [
    "-q",
    "--no-header",
    "-n",
    "2",
    "--dist",
    "loadfile",
    "-p",
    "no:cacheprovider",
]
IMPORTS = "import pymodels.backends.mongodb, pymodels.backends.sqlite, pymodels.command"
UNPACKED = ("usr/lib/x86_64-linux-gnu", "usr/lib64/ld-linux-x86-64.so.2")
SOURCES = Path("/etc/apt/sources.list.d/debian.sources")


class CannotBeHad(Exception):
    """Says why a Python, or its packages, are not here."""


def declared() -> list[str]:
    """Give what the project and its extras for the tests ask for."""
    found = list(PROJECT["dependencies"])
    for extra in EXTRAS:
        found += PROJECT["optional-dependencies"][extra]
    return [*found, "pytest-xdist"]


def lowest(requirement: str) -> str:
    """Pin a requirement to the oldest version that it admits."""
    name, _, oldest = requirement.partition(",")[0].partition(">=")
    return f"{name}=={oldest}" if oldest else name


def pythons() -> list[str]:
    """Give the versions of Python that the project says it runs on."""
    marks = [one.rpartition(" ")[2] for one in PROJECT["classifiers"]]
    return [one for one in marks if re.fullmatch(r"3\.\d+", one)]


def output(*command: str | Path, **options: str) -> str:
    """Run a program and give what it says; `CannotBeHad` if it fails."""
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=options.get("cwd", ROOT)
    )
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines() or [""]
        raise CannotBeHad(f"{Path(command[0]).name}: {said[-1]}")
    return done.stdout


def python(version: str) -> Path:
    """Find a Python of a version, or unpack one; `CannotBeHad` if there is none."""
    if version == THIS:
        return Path(sys.executable)
    candidates = [
        *Path.home().glob(f".pyenv/versions/{version}.*/bin/python"),
        *map(Path, filter(None, [shutil.which(f"python{version}")])),
        PLACE / f"python{version}",
    ]
    for candidate in candidates:
        if candidate.exists():
            try:
                output(candidate, "-c", "import sqlite3")
            except CannotBeHad:
                continue
            return candidate
    return unpacked(version)


def unpacked(version: str) -> Path:
    """Unpack a Python of Debian's newest, with all libraries that it needs."""
    if not (shutil.which("apt-get") and SOURCES.exists()):
        raise CannotBeHad("not on this machine, and Debian's packages are not either")
    apt, root = PLACE / "apt", PLACE / f"root{version}"
    for folder in ("lists/partial", "archives/partial"):
        (apt / folder).mkdir(parents=True, exist_ok=True)
    stanzas = re.split(r"\n\s*\n", SOURCES.read_text("utf-8").strip())
    newest = [re.sub(r"(?m)^Suites:.*$", "Suites: sid", one) for one in stanzas[:1]]
    (apt / "sid.sources").write_text("\n\n".join(newest) + "\n")
    options = [
        f"Dir::Etc::SourceList={apt / 'sid.sources'}",
        "Dir::Etc::SourceParts=-",
        f"Dir::State::Lists={apt / 'lists'}",
        f"Dir::Cache={apt}",
        "APT::Sandbox::User=root",
    ]
    settings = [part for option in options for part in ("-o", option)]
    if not list((apt / "lists").glob("*Packages*")):
        output("apt-get", *settings, "update", "-qq")
    depends = ["depends", "--recurse", "--no-recommends", "--no-suggests"]
    depends += ["--no-conflicts", "--no-breaks", "--no-replaces", "--no-enhances"]
    listed = output("apt-cache", *settings, *depends, f"python{version}")
    names = sorted(set(re.findall(r"(?m)^[a-z0-9][a-z0-9.+-]*$", listed)))
    if not names:
        raise CannotBeHad("Debian does not have it")
    debs = apt / f"debs{version}"
    debs.mkdir(exist_ok=True)
    output("apt-get", *settings, "download", "-qq", *names, cwd=str(debs))
    for deb in debs.glob("*.deb"):
        output("dpkg-deb", "-x", deb, root)
    return started_by_its_own_loader(version, root)


def started_by_its_own_loader(version: str, root: Path) -> Path:
    """Write the program that starts an unpacked Python."""
    libraries, loader = (root / part for part in UNPACKED)
    program = PLACE / f"python{version}"
    program.write_text(
        f"#!/bin/sh\nPYTHONHOME='{root}/usr' exec '{loader}' --library-path "
        f"'{libraries}' --argv0 \"$0\" '{root}/usr/bin/python{version}' \"$@\"\n"
    )
    program.chmod(0o755)
    output(program, "-c", "import sqlite3, ssl")
    return program


def packages(name: str, version: str, requirements: list[str]) -> Path:
    """Install packages for one run, unless they are there."""
    folder = PLACE / name
    asked = "\n".join(requirements)
    note = folder / "requirements.txt"
    if not (note.exists() and note.read_text("utf-8") == asked):
        shutil.rmtree(folder, ignore_errors=True)
        target = ["--target", str(folder), "--python-version", version]
        pip = [sys.executable, "-m", "pip", "install", "-q", "--only-binary", ":all:"]
        output(*pip, *target, *requirements)
        note.write_text(asked)
    return folder


def runs() -> Iterator[tuple[str, str, list[str]]]:
    """Yield each run: its name, the version of Python, and what is installed."""
    yield f"{THIS}-lowest", THIS, list(map(lowest, declared()))
    for version in dict.fromkeys([THIS, *pythons()]):
        yield f"{version}-newest", version, declared()


def run(name: str, version: str, requirements: list[str]) -> bool:
    """Run the core tests once; say whether they passed."""
    try:
        program = python(version)
        folder = packages(name, version, requirements)
    except CannotBeHad as reason:
        print(f"{name}: cannot be had: {reason}", flush=True)
        return True
    paths = pathsep.join(map(str, (ROOT, folder)))
    surroundings = {**environ, "PYTHONPATH": paths, "PYTHONDONTWRITEBYTECODE": "1"}
    print(f"{name}: {', '.join(installed(folder))}", flush=True)
    for command in (
        ["-c", IMPORTS],
        ["-m", "pytest", *PYTEST, *CORE],
    ):
        done = subprocess.run(
            [program, *command],
            cwd=ROOT,
            env=surroundings,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            print(done.stdout[-4000:], done.stderr[-4000:], sep="\n", flush=True)
            print(f"{name}: FAILED", flush=True)
            return False
    print(f"{name}: {done.stdout.strip().splitlines()[-1]}", flush=True)
    return True


def installed(folder: Path) -> list[str]:
    """Give the names and versions of what is declared, as it was installed."""
    wanted = {re.split(r"[>=<]", one)[0].replace("-", "_") for one in declared()}
    found = [
        path.name.removesuffix(".dist-info").split("-")
        for path in folder.glob("*.dist-info")
    ]
    return sorted(f"{name} {version}" for name, version in found if name in wanted)


def main() -> int:
    """Run all, or those whose names begin with what is given."""
    PLACE.mkdir(exist_ok=True)
    beginnings = tuple(sys.argv[1:]) or ("",)
    passed = [run(*one) for one in runs() if one[0].startswith(beginnings)]
    return 0 if all(passed) else 1


if __name__ == "__main__":
    sys.exit(main())
