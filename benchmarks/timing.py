"""Interleaved rounds: what is compared is run turn about, and medians divided."""

import gc
import statistics
import time
from collections.abc import Callable, Mapping


def interleaved(
    contenders: Mapping[str, Callable[[], object]],
    rounds: int,
    prepare: Callable[[], object] = bool,
) -> dict[str, float]:
    """Run each contender once a round; give the median seconds of each.

    What ``prepare`` does before each run is not measured.
    """
    taken: dict[str, list[float]] = {name: [] for name in contenders}
    for run in contenders.values():
        prepare()
        run()
    for number in range(rounds):
        names = list(contenders)
        # Nobody always comes after the same neighbour.
        names = names[number % len(names) :] + names[: number % len(names)]
        for name in names:
            prepare()
            gc.collect()
            start = time.perf_counter()
            contenders[name]()
            taken[name].append(time.perf_counter() - start)
    return {name: statistics.median(times) for name, times in taken.items()}


def report(title: str, raw: float, ours: float, goal: float) -> str:
    """Give one line of a table: a ratio, and whether the goal is reached."""
    ratio = ours / raw
    verdict = "reached" if ratio <= goal else "missed"
    return f"| {title} | {ratio:.2f} | {goal:.2f} | {verdict} |"
