"""The engine while its disk takes nothing. Where it need not start on it, a limit on its process's files stands in for the full disk."""

import resource
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from brokers import wait_until
from engines import Receiver, Town

from gateway.store import queries

NOTHING = 1  # bytes: no file takes any more


def fill_disk(town: Town) -> None:
    """From now on no write of the engine succeeds."""
    _, hard = resource.prlimit(town.engine.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(town.engine.pid, resource.RLIMIT_FSIZE, (NOTHING, hard))


def free_disk(town: Town) -> None:
    _, hard = resource.prlimit(town.engine.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(town.engine.pid, resource.RLIMIT_FSIZE, (hard, hard))


class Disk:
    """A disk of its own: `inside` is the command that sees it in its place, `seen` is where everybody else finds it."""

    def __init__(self, place: Path, keeper: int) -> None:
        self.inside = ["nsenter", "--target", str(keeper), "--user", "--mount", "--preserve-credentials"]
        self.seen = Path(f"/proc/{keeper}/root{place}")

    def fill(self) -> None:
        """Until there is no room for another byte."""
        with (self.seen / "rubbish").open("ab", buffering=0) as file, suppress(OSError):
            while True:
                file.write(bytes(512))

    def free(self) -> None:
        (self.seen / "rubbish").unlink()


@contextmanager
def small_disk(place: Path, *, kb: int) -> Iterator[Disk]:
    """A tmpfs of `kb` kB at `place`, in a mount namespace of its own that ends with the test."""
    place.mkdir()
    script = f"mount -t tmpfs -o size={kb}k tmpfs {shlex.quote(str(place))} && echo there && exec cat"
    command = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script]
    keeper = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        if keeper.stdout.readline() != b"there\n":
            pytest.skip(f"no disk of its own to be had here: {keeper.stderr.read().decode().strip()}")
        yield Disk(place, keeper.pid)
    finally:
        keeper.kill()
        keeper.communicate()


def faults(town: Town) -> list[str]:
    return town.of("gateway")[-1]["faults"]


def events(town: Town) -> list[str]:
    db = queries.connect(town.database)
    try:
        return [row[0] for row in db.execute("SELECT id FROM event ORDER BY seq")]
    finally:
        db.close()


def test_a_full_disk_stops_no_bell_and_no_message_and_is_shown(town):
    receiver = Receiver()
    town.settings = {"webhooks": [{"name": "xa", "url": receiver.url}]}
    try:
        town.start()
        fill_disk(town)
        town.press("H03-01", 1)
        wait_until(lambda: town.ring().get("pattern") == "fire", "the group rings")
        wait_until(lambda: town.incident().get("state") == "open", "the desk sees it")
        wait_until(lambda: [body["event"] for _, body in receiver.posted] == ["opened"], "the webhook has it")
        wait_until(lambda: any("disk" in fault for fault in faults(town)), "the fault is shown")
        assert town.command("acknowledge", id="c-1")["ok"]
        assert town.engine.poll() is None
    finally:
        receiver.close()


def test_nothing_is_receipted_until_it_is_on_the_disk(town):
    town.start()
    before = town.press("H03-01", 1)
    wait_until(lambda: town.receipts("H03-01", before), "a receipt while the disk is well")
    fill_disk(town)
    event = town.press("H03-02", 2)
    wait_until(lambda: town.incident().get("n") == 2, "the second press counts")
    town.press("H03-02", 2)  # the board repeats what has no receipt
    town.press("H03-01", 1)  # and what is on the disk is receipted again
    wait_until(lambda: town.receipts("H03-01", before) == 2, "what is on the disk is receipted again")
    assert town.receipts("H03-02", event) == 0
    assert town.incident()["n"] == 2
    free_disk(town)
    wait_until(lambda: town.receipts("H03-02", event) >= 1, "the receipt, now that there is room")
    assert events(town) == [before, event]
    wait_until(lambda: faults(town) == [], "the fault is over")
    assert [(each.n, each.state) for each in town.history()] == [(2, "open")]


def test_an_engine_killed_on_a_full_disk_forgets_nothing_that_was_receipted_and_gets_the_rest_again(town):
    town.start()
    kept = town.press("H03-01", 1)
    wait_until(lambda: town.receipts("H03-01", kept), "a receipt")
    fill_disk(town)
    lost = town.press("H03-02", 2)
    wait_until(lambda: town.incident().get("n") == 2, "the second press counts")
    town.kill()
    town.start()
    deadline = time.monotonic() + 10
    while not town.receipts("H03-02", lost) and time.monotonic() < deadline:
        town.press("H03-02", 2)  # as the board does
        time.sleep(0.2)
    assert town.receipts("H03-02", lost)
    assert events(town) == [kept, lost]
    assert [(each.n, each.state) for each in town.history()] == [(2, "open")]


def test_an_engine_starts_on_a_full_disk_and_rings(town, tmp_path):
    with small_disk(tmp_path / "data", kb=12_000) as disk:
        town.within = disk.inside
        town.start()
        kept = town.press("H03-01", 1)
        wait_until(lambda: town.receipts("H03-01", kept), "a receipt while there is room")
        disk.fill()
        town.kill()
        town.start()
        event = town.press("H03-02", 2)
        wait_until(lambda: town.incident().get("n") == 2 and town.ring().get("n") == 2, "the group rings")
        disk.free()
        wait_until(lambda: town.receipts("H03-02", event) == 1, "the receipt, at the latest when there is room")
        reading = (
            "import sqlite3, sys; print(*[row[0] for row in sqlite3.connect(sys.argv[1]).execute('SELECT id FROM event ORDER BY seq')])"
        )
        seen = subprocess.run([*disk.inside, sys.executable, "-c", reading, str(town.database)], capture_output=True, text=True, check=True)
        assert seen.stdout.split() == [kept, event]


def test_reports_are_given_up_first_and_the_boards_are_stored_once_there_is_room(town):
    town.start()
    fill_disk(town)
    town.birth("H03-01")
    report = {"up": 1, "heap": 60000, "rssi": -60, "waiting": 0, "dropped": 0, "refused": 0}
    wait_until(lambda: faults(town), "the birth waits for the disk")
    for _ in range(600):
        town.send("dev/H03-01/report", report, qos=0)
    wait_until(lambda: town.engine.poll() is None and faults(town), "the engine lives")
    free_disk(town)
    wait_until(lambda: not faults(town), "the disk takes everything again")

    def state() -> str:
        db = queries.connect(town.database)
        try:
            return next(row.state for row in queries.devices(db) if row.id == "H03-01")
        finally:
            db.close()

    wait_until(lambda: state() == "online", "the board's state is on the disk")
