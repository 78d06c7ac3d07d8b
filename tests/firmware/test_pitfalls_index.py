"""docs/firmware-pitfalls.md names every test of a pitfall, and each of the nineteen has one."""

import ast
import re

from rig import HERE, ROOT

PITFALLS = 19


def all_of_pitfalls() -> set[str]:
    """<file>::<name> of each, as pytest has it, seen from tests/firmware."""
    return {
        f"{path.relative_to(HERE).as_posix()}::{node.name}"
        for path in HERE.rglob("test_*.py")
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_pitfall_")
    }


def test_index_names_every_test_of_a_pitfall_in_its_row_and_none_else() -> None:
    page = (ROOT / "docs/firmware-pitfalls.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d+) \| [^|]+ \| ([^|]+) \|$", page, flags=re.MULTILINE)
    assert [int(number) for number, _ in rows] == list(range(1, PITFALLS + 1))
    named: set[str] = set()
    for number, cell in rows:
        tests = set(re.findall(r"`([^`]+)`", cell))
        assert tests, f"pitfall {number} has no test"
        assert [test for test in tests if f"::test_pitfall_{int(number):02}_" not in test] == []
        named |= tests
    assert named == all_of_pitfalls()
