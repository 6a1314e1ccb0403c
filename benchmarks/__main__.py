"""The command line of the benchmarks; `make bench` calls it."""

import argparse
import json
import subprocess
import sys
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter

from benchmarks import report
from benchmarks.databases import DATABASES
from benchmarks.harness import OTHER_TREE, ROOT, Run, environment
from benchmarks.work import COUNTED, OPERATIONS, QUICK, Sizes

RESULTS = ROOT / "benchmarks/results"
BEGIN, END = "<!-- results -->", "<!-- end of results -->"


def commit_of(tree: Path) -> str:
    """Return the commit of a tree, with a + if it was changed since."""
    command = ["git", "-C", str(tree), "describe", "--always", "--dirty=+"]
    found = subprocess.run(command, capture_output=True, text=True)
    return found.stdout.strip() or "unknown"


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("databases", nargs="*", help=", ".join(DATABASES))
    parser.add_argument("--quick", action="store_true", help="little of everything")
    parser.add_argument("--records", type=int, help="how many there are")
    parser.add_argument("--launches", type=int, help="how often all start anew")
    parser.add_argument("--rounds", type=int, help="rounds of each launch")
    parser.add_argument("--tree", type=Path, help="another PyModels to measure, too")
    parser.add_argument("--only", default="", help="contenders, with commas")
    parser.add_argument("--operations", default="", help="operations, with commas")
    parser.add_argument("--folder", type=Path, help="where files are kept meanwhile")
    parser.add_argument(
        "--instructions", action="store_true", help="count them, under valgrind"
    )
    parser.add_argument("--results", type=Path, help="where JSON and drawings go")
    parser.add_argument(
        "--readme", action="store_true", help="only write the tables of the README"
    )
    given = parser.parse_args()
    unknown = set(given.databases) - set(DATABASES)
    operations = set(filter(None, given.operations.split(",")))
    unknown |= operations - {operation.name for operation in OPERATIONS}
    if unknown:
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    return given


def results_of(given: argparse.Namespace) -> Path:
    """Say where results go: only those of a full run are kept in the repository."""
    parts = (given.quick, given.tree, given.only, given.operations)
    is_full = not (any(parts) or given.instructions)
    return RESULTS if is_full else RESULTS / "partial"


def write_readme() -> None:
    """Write the tables of the last full runs between the marks of the README."""
    page = ROOT / "benchmarks/README.md"
    before, _, rest = page.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    found = [RESULTS / f"{name}.json" for name in DATABASES]
    tables = [
        report.page(json.loads(path.read_text())) for path in found if path.exists()
    ]
    page.write_text("\n".join([before + BEGIN, "", *tables, END + after]))


def main() -> None:
    """Measure, write the results and print the tables."""
    given = arguments()
    if given.readme:
        write_readme()
        return
    sizes = QUICK if given.quick else Sizes()
    if given.instructions:
        sizes = COUNTED
    for name in ("records", "launches", "rounds"):
        if getattr(given, name) is not None:
            sizes = replace(sizes, **{name: getattr(given, name)})
    trees = {OTHER_TREE: given.tree.resolve()} if given.tree else {}
    results = given.results or results_of(given)
    results.mkdir(exist_ok=True, parents=True)
    failures = []
    for name in given.databases or DATABASES:
        began = perf_counter()
        run = Run(
            DATABASES[name],
            sizes,
            trees,
            list(filter(None, given.operations.split(","))),
            list(filter(None, given.only.split(","))),
            given.folder,
            given.instructions,
        )
        found = {
            "database": name,
            "made": datetime.now(UTC).isoformat(timespec="minutes"),
            "commit": commit_of(ROOT),
            "other": commit_of(given.tree) if given.tree else "",
            "environment": environment(),
            "folder": str(given.folder or ""),
            "measure": "instructions" if given.instructions else "processor",
            **asdict(run.measure()),
            "seconds": round(perf_counter() - began),
        }
        lines = [f"{json.dumps(key)}: {json.dumps(one)}" for key, one in found.items()]
        text = "{\n" + ",\n".join(lines) + "\n}\n"
        (results / f"{name}.json").write_text(text)
        (results / f"{name}.svg").write_text(report.drawing(found))
        print(report.table(found), flush=True)
        if given.tree:
            print(report.comparison(found), flush=True)
        failures += report.disagreements(found)
    for failure in failures:
        print(failure, file=sys.stderr)
    sys.exit(bool(failures))


if __name__ == "__main__":
    main()
