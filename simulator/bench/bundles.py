"""Which modules of a bundle a kind never loads: read from the firmware's sources, as data."""

import ast
from collections.abc import Iterable
from pathlib import Path

from protocol.site import Kind
from simulator.terminals import BELL, FIRMWARE, WIRINGS

DEVICE = FIRMWARE / "device"
CONTACT_DRIVERS = ("contact", "mains", "loop")  # any contact may be on a supervised loop


def of_others(kind: Kind, modules: Iterable[str]) -> set[str]:
    """Those of `modules` (paths without suffix) that only other kinds load: their own file, and the drivers of their points."""
    wiring = WIRINGS[kind]
    used = {f"kinds/{kind}", "kinds/__init__", "drivers/__init__"}
    drivers = {*wiring.always.values(), *wiring.at_choice.values()}
    makers = {"_contact" if driver in CONTACT_DRIVERS else f"_make_{driver}" for driver in drivers}
    waiting = _loaded_by(DEVICE / "agent" / "wiring.py", makers)
    if BELL not in wiring.outputs:
        waiting |= _loaded_by(DEVICE / "agent" / "groundwork.py", {"_bell"})
    while waiting:
        module = waiting.pop()
        used.add(module)
        waiting |= _loaded_by(DEVICE / f"{module}.py") - used
    return {name for name in modules if name.startswith(("kinds/", "drivers/")) and name not in used}


def _loaded_by(path: Path, functions: set[str] | None = None) -> set[str]:
    """The drivers that these functions of a module import; all of it if none is named."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    parts = (
        [tree] if functions is None else [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name in functions]
    )
    imports = [node for part in parts for node in ast.walk(part) if isinstance(node, ast.ImportFrom)]
    found = {node.module or "" for node in imports} | {
        f"drivers.{name.name}" for node in imports if node.module == "drivers" for name in node.names
    }
    return {name.replace(".", "/") for name in found if name.startswith("drivers.")}
