"""docs/limits.md: what is published is what the code keeps to (trap D10)."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
ROW = re.compile(r"^\| (\d+) \| ([^|]+) \| ([^|]+) \| `([^`]+)` `([^`]+)` \|$", re.MULTILINE)


def constant(file: str, name: str) -> object:
    """The value that a module gives to a name at its top."""
    for node in ast.parse((ROOT / file).read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and any(isinstance(target, ast.Name) and target.id == name for target in node.targets):
            return ast.literal_eval(node.value)
    raise AssertionError(f"{file} has no {name}")


def test_d10_published_limits_are_those_of_the_code() -> None:
    page = (ROOT / "docs/limits.md").read_text(encoding="utf-8")
    rows = ROW.findall(page)
    assert len(rows) == page.count("\n| ") - 2, "every row names its number and where it stands"
    assert {(file, name): int(number) for number, _, _, file, name in rows} == {(row[3], row[4]): constant(row[3], row[4]) for row in rows}
    assert all(beyond.strip() for _, _, beyond, _, _ in rows)
    assert {"firmware/device/agent/outbox.py", "firmware/device/agent/journal.py", "gateway/store/backlog.py"} <= {row[3] for row in rows}
