"""docs/traps.md names every test of a trap, and each trap has one."""

import ast
import re
from pathlib import Path

TESTS = Path(__file__).parent
TRAPS = (1, 2, 6, 7, 8, 9, 10, 11, 18, 20, 21, 28, 31, 34, 35, 36, 37, 38, 41, 42, 60)
NUMBERS = re.compile(r"^test((?:_d\d\d)+)_")


def all_of_traps() -> dict[int, set[str]]:
    """Trap -> <file>::<name> of each of its tests, seen from tests/."""
    found: dict[int, set[str]] = {}
    for path in TESTS.rglob("test_*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and (match := NUMBERS.match(node.name)):
                for number in re.findall(r"d(\d\d)", match[1]):
                    found.setdefault(int(number), set()).add(f"{path.relative_to(TESTS).as_posix()}::{node.name}")
    return found


def test_index_names_every_test_of_a_trap_in_its_row_and_none_else() -> None:
    page = (TESTS.parent / "docs/traps.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| D(\d+) \| [^|]+ \| ([^|]+) \|$", page, flags=re.MULTILINE))
    assert set(TRAPS) <= set(map(int, rows))
    assert rows == {f"{number}": "<br>".join(f"`{test}`" for test in sorted(tests)) for number, tests in sorted(all_of_traps().items())}
