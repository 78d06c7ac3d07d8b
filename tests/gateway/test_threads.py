"""Work apart: it gives what it gives, and no end waits for it."""

import asyncio
import subprocess
import sys

import pytest

from gateway.threads import apart

# A look at a huge database, and a disk that is dead: neither comes back. The process is to end all the same.
HANGING = """
import asyncio, contextlib, threading
from pathlib import Path
from types import SimpleNamespace
from gateway import housekeeping, wellbeing
from gateway.domain.health import Limits

hangs = {name: threading.Event() for name in ("look", "put_aside", "is_writable", "read")}
def hang(name):
    def work(*_, **__):
        hangs[name].set()
        threading.Event().wait()
    return work

housekeeping.damage.look, housekeeping.damage.put_aside = hang("look"), hang("put_aside")
housekeeping.standin.is_writable = hang("is_writable")
housekeeping.EXAMINE_AFTER_S = 0
store = SimpleNamespace(trouble="full", path=Path("keng.db"), unchecked=SimpleNamespace(tables=("report",)))

async def run():
    keeper = housekeeping.Housekeeping(store, Path("keng.db"), None, lambda *_: None)
    tasks = [asyncio.create_task(keeper.run()), asyncio.create_task(wellbeing.watch(hang("read"), Limits(), print))]
    while not all(event.is_set() for event in hangs.values()):
        await asyncio.sleep(0.01)
    for task in tasks:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

asyncio.run(run())
print("ended")
"""


def test_an_end_waits_for_no_look_that_hangs() -> None:
    ended = subprocess.run([sys.executable, "-c", HANGING], capture_output=True, text=True, timeout=60, check=False)
    assert (ended.stdout, ended.returncode) == ("ended\n", 0), ended.stderr


def test_what_it_gives_and_what_it_raises_comes_back() -> None:
    async def run() -> None:
        assert await apart(divmod, 7, 2) == (3, 1)
        assert await apart(int, "11", base=2) == 3
        with pytest.raises(ZeroDivisionError):
            await apart(divmod, 7, 0)

    asyncio.run(run())
