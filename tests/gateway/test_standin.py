"""An engine on a disk that takes nothing from the start, and on one that stops taking: bells and messages go on, nothing is receipted."""

import asyncio
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from brokers import DEMO, ROOT, free_ports, settings_file, wait_until
from commune import World
from engines import Receiver, Town
from test_engine_disk import Disk, faults, small_disk

from gateway import housekeeping
from gateway.housekeeping import DiskIsBack, Housekeeping
from gateway.store import standin, store
from gateway.store.store import open_store


@pytest.fixture
def disk(town: Town, tmp_path: Path) -> Iterator[Disk]:
    with small_disk(tmp_path / "data", kb=12_000) as disk:
        town.within = disk.inside
        try:
            yield disk
        finally:
            town.kill()
            shutil.rmtree(standin.place(town.database).parent, ignore_errors=True)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.close()


def remount(town: Town, disk: Disk, how: str) -> None:
    subprocess.run([*disk.inside, "mount", "-o", f"remount,{how}", str(town.database.parent)], check=True)


def stored(town: Town, disk: Disk, question: str) -> list[str]:
    reading = "import sqlite3, sys; print(*[row[0] for row in sqlite3.connect(sys.argv[1]).execute(sys.argv[2])])"
    command = [*disk.inside, sys.executable, "-c", reading, str(town.database), question]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()


def told(receiver: Receiver) -> list[str]:
    """What was posted; what a kill has made it post twice has the same key, and counts once."""
    return [body["event"] for body in dict(receiver.posted).values()]


def repeat_until_receipted(town: Town, device: str, seq: int) -> str:
    """As the board does."""
    deadline = time.monotonic() + 40
    event = town.press(device, seq)
    while not town.receipts(device, event) and time.monotonic() < deadline:
        time.sleep(0.3)
        town.press(device, seq)
    assert town.receipts(device, event)
    return event


def test_an_engine_on_a_read_only_disk_rings_and_tells_and_forgets_nothing_once_it_can_write(town, disk, receiver):
    town.settings = {"webhooks": [{"name": "xa", "url": receiver.url}]}
    town.start()
    first = repeat_until_receipted(town, "H03-01", 1)
    wait_until(lambda: told(receiver) == ["opened"], "the webhook has the first")
    town.kill()
    remount(town, disk, "ro")
    town.start()
    wait_until(lambda: any("disk: " in fault and "nothing is receipted" in fault for fault in faults(town)), "the fault is shown")
    assert town.incident()["n"] == 1, "the open incident goes on"
    second = town.press("H03-02", 2)
    wait_until(lambda: town.incident().get("n") == 2 and town.ring().get("n") == 2, "the group rings")
    wait_until(lambda: told(receiver) == ["opened", "re_alarmed"], "the webhook has it")
    assert town.command("acknowledge", id="c-1")["ok"]
    town.press("H03-02", 2)
    town.kill()
    town.start()
    wait_until(lambda: town.of("gateway")[-1]["faults"], "the fault is shown after each start")
    town.press("H03-02", 2)
    wait_until(lambda: town.incident().get("state") == "acknowledged", "what was decided in memory outlives a kill")
    assert town.receipts("H03-02", second) == 0
    remount(town, disk, "rw")
    wait_until(lambda: faults(town) == [], "the fault is over, and the engine has begun anew by itself")
    assert repeat_until_receipted(town, "H03-02", 2) == second
    assert stored(town, disk, "SELECT id FROM event ORDER BY seq") == [first, second]
    assert stored(town, disk, "SELECT state FROM incident") == ["acknowledged"]
    assert len({body["incident"]["id"] for _, body in receiver.posted}) == 1
    assert told(receiver) == ["opened", "re_alarmed", "acknowledged"]
    assert not standin.place(town.database).exists()


def test_an_engine_on_a_disk_that_was_never_written_rings(town, disk):
    remount(town, disk, "ro")
    town.start()
    town.press("H03-01", 1)
    wait_until(lambda: town.ring().get("pattern") == "fire", "the group rings")
    remount(town, disk, "rw")
    repeat_until_receipted(town, "H03-01", 1)
    assert stored(town, disk, "SELECT count(*) FROM incident") == ["1"]


def test_an_engine_starts_on_a_full_disk_whose_reserve_is_gone(town, disk):
    town.start()
    first = repeat_until_receipted(town, "H03-01", 1)
    town.kill()
    reserve = disk.seen / "keng.db.reserve"
    reserve.unlink()
    disk.fill()
    town.start()
    wait_until(lambda: faults(town), "the fault is shown")
    second = town.press("H03-02", 2)
    wait_until(lambda: town.ring().get("n") == 2, "the group rings")
    assert town.receipts("H03-02", second) == 0
    disk.free()
    repeat_until_receipted(town, "H03-02", 2)
    assert stored(town, disk, "SELECT id FROM event ORDER BY seq") == [first, second]


def test_a_disk_that_takes_something_and_cannot_be_used_all_the_same_is_tried_ever_more_seldom(tmp_path, monkeypatch):
    monkeypatch.setattr(housekeeping, "LOOK_S", 0.01)

    async def waits(in_vain: int) -> float:
        async with open_store(tmp_path / "keng.db") as store:
            store.trouble = "unable to open database file"
            began_s = time.monotonic()
            watching = Housekeeping(store, tmp_path / "keng.db", World().situation, lambda *_: None, in_vain=in_vain)
            with pytest.raises(BaseExceptionGroup) as caught:
                await watching.run()
            assert caught.group_contains(DiskIsBack)
            return time.monotonic() - began_s

    asyncio.run(waits(0))
    assert asyncio.run(waits(6)) >= 0.64


# The kernel answers every write of this process to a file with EROFS from the signal on, as after an error of the card.
TURN_READ_ONLY = """
import ctypes, platform, signal, struct, sys
# pwrite64, ftruncate, fallocate; seccomp: <asm/unistd.h>
CALLS = {"x86_64": ((18, 77, 285), 317), "aarch64": ((68, 46, 47), 277)}[platform.machine()]
LOAD, EQUAL, RETURN, ALLOW, EROFS = 0x20, 0x15, 0x06, 0x7FFF0000, 0x00050000 | 30
def turn_read_only(*_):
    libc = ctypes.CDLL(None, use_errno=True)
    refused = [line for call in CALLS[0] for line in ((EQUAL, 0, 1, call), (RETURN, 0, 0, EROFS))]
    lines = [(LOAD, 0, 0, 0), *refused, (RETURN, 0, 0, ALLOW)]
    filter = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *line) for line in lines))
    program = struct.pack("HP", len(lines), ctypes.addressof(filter))
    assert libc.prctl(38, 1, 0, 0, 0) == 0  # PR_SET_NO_NEW_PRIVS
    assert libc.syscall(CALLS[1], 1, 1, program) == 0, ctypes.get_errno()  # SECCOMP_SET_MODE_FILTER, for all threads
signal.signal(signal.SIGUSR1, turn_read_only)
_, _, _, engine, *arguments = sys.argv
sys.argv = ["-c", *arguments]
exec(engine)
"""


def test_a_disk_that_turns_read_only_under_a_running_engine_silences_nothing(town, receiver):
    town.settings = {"webhooks": [{"name": "xa", "url": receiver.url}]}
    town.within = [sys.executable, "-c", TURN_READ_ONLY]
    town.start()
    repeat_until_receipted(town, "H03-01", 1)
    town.engine.send_signal(signal.SIGUSR1)
    second = town.press("H03-02", 2)
    wait_until(lambda: town.incident().get("n") == 2 and town.ring().get("n") == 2, "the group rings")
    wait_until(lambda: told(receiver) == ["opened", "re_alarmed"], "the webhook has it")
    wait_until(lambda: any("disk: " in fault for fault in faults(town)), "the fault is shown")
    assert town.receipts("H03-02", second) == 0
    assert town.command("acknowledge", id="c-1")["ok"]
    town.kill()
    town.within = []
    town.start()
    assert repeat_until_receipted(town, "H03-02", 2) == second
    assert [(one.n, one.id) for one in town.history()] == [(2, town.incident()["id"])]


def test_broker_files_that_are_there_do_on_a_read_only_disk(tmp_path):
    with small_disk(tmp_path / "data", kb=2_000) as disk:
        settings = settings_file(tmp_path / "keng.toml", "mosquitto", free_ports(2))
        options = ["--site", str(DEMO), "--settings", str(settings), "--data", str(tmp_path / "data")]

        def write() -> subprocess.CompletedProcess[str]:
            command = [*disk.inside, sys.executable, "-m", "keng", "broker", "files", *options]
            return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

        assert write().returncode == 0
        before = (disk.seen / "broker/accounts.json").read_text()
        subprocess.run([*disk.inside, "mount", "-o", "remount,ro", str(tmp_path / "data")], check=True)
        done = write()
        assert done.returncode == 0, done.stderr
        assert (disk.seen / "broker/accounts.json").read_text() == before


@pytest.mark.parametrize(
    "left", ["CREATE TABLE scrub (id INTEGER PRIMARY KEY, zeros BLOB)", "CREATE TABLE of_the_next_version (id INTEGER)"]
)
def test_a_table_that_the_standin_lacks_ends_no_start(tmp_path, left):
    database = tmp_path / "keng.db"

    async def start() -> str:
        async with store.open_store(database) as found:
            return found.engine

    asyncio.run(start())
    with closing(sqlite3.connect(database, isolation_level=None)) as db:
        db.execute(left)
    standin.made(database)
    try:
        assert asyncio.run(start())
        assert asyncio.run(start())
    finally:
        shutil.rmtree(standin.place(database).parent, ignore_errors=True)
