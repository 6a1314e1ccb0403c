"""What the server is asked and how it answers, for people."""

from collections.abc import Iterator, Mapping
from typing import Any

from bson import json_util


def explained(command: Mapping[str, Any], answer: Mapping[str, Any]) -> str:
    """Write down a command, and the stages of the plan that was chosen for it."""
    lines = [f"{name} {_text(value)}" for name, value in command.items()]
    return "\n".join([*lines, *stages(_winner(answer))])


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return json_util.dumps(value, ensure_ascii=False)


def _winner(answer: Mapping[str, Any]) -> Mapping[str, Any]:
    """Find the chosen plan in an explanation, of a find or of a pipeline."""
    for part in answer.get("stages", ()):
        answer = part.get("$cursor", answer)
    for name in ("queryPlanner", "winningPlan", "queryPlan"):
        answer = answer.get(name, answer)
    return answer


def stages(plan: Mapping[str, Any], level: int = 0) -> Iterator[str]:
    """Yield a line for each stage, those that feed it below it."""
    name = str(plan.get("stage", plan.get("shardName", "?")))
    if "indexName" in plan:
        bounds = (f"{of}: {_ends(ends)}" for of, ends in plan["indexBounds"].items())
        name += f" {plan['indexName']} ({', '.join(bounds)})"
    yield "  " * level + name
    below = [plan[part] for part in ("inputStage", "winningPlan") if part in plan]
    for inner in (*below, *plan.get("inputStages", ()), *plan.get("shards", ())):
        yield from stages(inner, level + 1)


def _ends(ends: Any) -> str:
    return " ".join(map(str, ends)) if isinstance(ends, list) else str(ends)
