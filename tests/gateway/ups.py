"""`keng up` as a process of its own, with the demo commune."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import httpx

from tests.gateway.brokers import DEMO, ROOT, WAIT_S, free_ports, settings_file, wait_until


class Up(NamedTuple):
    """`keng up` at work."""

    process: subprocess.Popen[bytes]
    log: Path
    page: str

    def children(self) -> dict[str, int]:
        """pid of each part, by name."""
        pids = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        found = {}
        for pid in pids:
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            if words[0].endswith(b"/mosquitto"):
                found["broker"] = int(pid)
            elif b"gateway.supervised" in words:  # else it is dead already, or not yet what it will be
                found[words[words.index(b"gateway.supervised") + 2].decode()] = int(pid)
        return found

    def lines(self) -> list[str]:
        return self.log.read_text(encoding="utf-8").splitlines()

    def online(self) -> bool:
        try:
            return httpx.get(f"{self.page}/healthz", trust_env=False, timeout=5).json()["engine"] == "online"
        except (httpx.HTTPError, ValueError):
            return False


@contextmanager
def up(folder: Path) -> Iterator[Up]:
    """`keng up` until it says that it is ready."""
    ports = free_ports(3)
    settings = settings_file(folder / "keng.toml", "mosquitto", ports)
    settings.write_text(settings.read_text() + f"[console]\nport = {ports[2]}\n")
    command = [sys.executable, "-m", "keng", "up", "--site", str(DEMO), "--settings", str(settings), "--data", str(folder / "data")]
    log = folder / "up.log"
    with log.open("wb") as out:
        process = subprocess.Popen(command, cwd=ROOT, stdout=out, stderr=subprocess.STDOUT)
    found = Up(process, log, f"http://127.0.0.1:{ports[2]}")
    try:
        wait_until(lambda: "keng    | ready" in found.lines() or process.poll() is not None, "ready")
        assert process.poll() is None, log.read_text()
        yield found
    finally:
        process.terminate()
        process.wait(WAIT_S)
