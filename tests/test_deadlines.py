"""Whatever waits for another program or another machine has a deadline."""

import ast
from pathlib import Path

ROOT = Path(__file__).parents[1]
FOLDERS = ("firmware/bench", "gateway", "protocol")
WAIT = {"run", "check_output", "check_call", "call", "urlopen", "create_connection"}
OF = {"subprocess", "socket", "request"}


def waiting(tree: ast.AST) -> list[ast.Call]:
    """Calls of functions that wait: subprocess.run(), urlopen(), socket.create_connection()."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            called = node.func
            is_of = (
                isinstance(called, ast.Attribute) and isinstance(called.value, ast.Name) and called.value.id in OF and called.attr in WAIT
            )
            if is_of or (isinstance(called, ast.Name) and called.id in {"urlopen", "create_connection"}):
                found.append(node)
    return found


def test_no_call_waits_for_ever() -> None:
    calls = [
        (path, call)
        for folder in FOLDERS
        for path in sorted((ROOT / folder).rglob("*.py"))
        for call in waiting(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert len(calls) >= 4
    without = [
        f"{path.relative_to(ROOT)}:{call.lineno}" for path, call in calls if not any(keyword.arg == "timeout" for keyword in call.keywords)
    ]
    assert without == []
