"""Who may import whom: the table of docs/structure.md, read from the code."""

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
OURS = {"protocol", "firmware", "gateway", "simulator", "keng"}
ON_BOARD = {"agent", "drivers", "kinds", "pins", "built", "main", "boot"}
MICROPYTHON = {
    *("asyncio", "binascii", "collections", "deflate", "errno", "gc", "hashlib", "io", "json", "math", "micropython", "os"),
    "flashbdev",  # of the ESP32 port
    *("random", "select", "socket", "ssl", "struct", "sys", "time", "vfs"),
}
HARDWARE = {"machine", "network", "esp", "esp32"}
TWO_INTERPRETERS = {"protocol/topics.py", "protocol/wire.py", "protocol/updates.py"}
BOARDS_WIRE = ("protocol.topics", "protocol.wire", "protocol.updates")
PURE = {
    *("bisect", "collections", "contextlib", "copy", "dataclasses", "datetime", "decimal", "enum", "functools", "hashlib", "heapq"),
    *("itertools", "json", "math", "operator", "re", "statistics", "string", "types", "typing", "unicodedata", "zoneinfo", "__future__"),
}


def imports(path: Path) -> set[str]:
    """The dotted names that a file imports, wherever in it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: a relative import hides where it leads"
            assert node.module is not None
            found |= {f"{node.module}.{name.name}" if node.module in OURS else node.module for name in node.names}
    return found


def files(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


def broken(path: Path, name: str) -> str | None:
    """Why `path` may not import `name`, or None."""
    file = path.relative_to(ROOT).as_posix()
    top = name.partition(".")[0]
    if file.startswith("firmware/device/"):
        return on_board(file, name)
    if file in TWO_INTERPRETERS:
        return None if top in MICROPYTHON or name.startswith(BOARDS_WIRE) else "it must run on MicroPython"
    allowed = {
        "protocol": {"protocol"},
        "firmware/bench": {"protocol", "firmware"},
        "gateway": {"protocol", "gateway"},
        "simulator": {"protocol", "simulator"},
    }
    for folder, may in allowed.items():
        if file.startswith(f"{folder}/") and top in OURS - may:
            return f"{folder} may import {sorted(may)} of ours"
    if file.startswith("firmware/bench/") and top == "firmware" and not name.startswith("firmware.bench"):
        return "the bench does not import what runs on the board"
    if file.startswith("gateway/domain/"):
        return in_domain(name)
    if file == "keng.py" and top in OURS:
        return "commands are loaded by their entry points"
    return None


def on_board(file: str, name: str) -> str | None:
    top = name.partition(".")[0]
    if top in HARDWARE:
        return (
            None
            if file in ("firmware/device/main.py", "firmware/device/agent/board.py", "firmware/device/agent/terminals.py")
            else "hardware is met in main.py, agent/board.py and agent/terminals.py only"
        )
    if top in MICROPYTHON | ON_BOARD or name.startswith(BOARDS_WIRE):
        return None
    return "the board has only MicroPython, its own modules, protocol.topics, protocol.wire and protocol.updates"


def in_domain(name: str) -> str | None:
    top = name.partition(".")[0]
    if name.startswith(("protocol.", "gateway.domain")) or top in PURE:
        return None
    return "decisions are pure: no I/O, no clock, no asyncio, no other room of the gateway"


@pytest.mark.parametrize("folder", ["protocol", "firmware/device", "firmware/bench", "gateway", "simulator"])
def test_every_import_is_allowed(folder: str) -> None:
    found = files(folder)
    assert found, f"{folder} holds no code"
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}: {why}"
        for path in found
        if not path.relative_to(ROOT).as_posix().startswith("simulator/board/")  # stands in for MicroPython's own modules
        for name in sorted(imports(path))
        if (why := broken(path, name))
    ]
    assert wrong == []


def test_the_command_line_knows_nobody() -> None:
    assert [name for name in imports(ROOT / "keng.py") if broken(ROOT / "keng.py", name)] == []


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("protocol/wire.py", "pydantic"),
        ("protocol/site.py", "gateway.settings"),
        ("firmware/device/agent/session.py", "machine"),
        ("firmware/device/agent/points.py", "typing"),
        ("firmware/device/kinds/household.py", "protocol.messages"),
        ("firmware/bench/bundle.py", "gateway.settings"),
        ("gateway/domain/incidents.py", "time"),
        ("gateway/domain/incidents.py", "gateway.store.writer"),
        ("gateway/engine.py", "simulator.world"),
        ("simulator/world.py", "gateway.engine"),
        ("keng.py", "gateway.commands"),
    ],
)
def test_the_rule_catches_the_wrong_import(file: str, name: str) -> None:
    assert broken(ROOT / file, name)


def test_standard_library_names_above_exist() -> None:
    assert PURE - sys.stdlib_module_names == set()
