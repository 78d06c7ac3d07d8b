# Connections that fail, at once, later or by a time-out, leave no socket open. MicroPython only.
import asyncio
import os
import sys
import time

from agent import streams
from agent.clock import Clock
from agent.names import Names


def open_files():
    return len(list(os.ilistdir("/proc/self/fd")))


async def leaves(port, times):
    """How many files are open for good after so many tries, and how the last one ended."""
    before = open_files()
    clock = Clock(time.ticks_ms)
    address = await Names(None).address("127.0.0.1", port)
    for _ in range(times):
        try:
            stream = await streams.connect(address, None, clock, 10)
        except Exception as exc:
            end = type(exc).__name__
        else:
            end = "success"  # as far as anybody can tell before the first read
            stream.close()
    return open_files() - before, end


async def main(closed, mute):
    print(await leaves(closed, 20))
    kept = [await asyncio.open_connection("127.0.0.1", mute)]  # fills the queue of one that accepts nobody
    while (await leaves(mute, 1))[1] == "success":
        kept.append(await asyncio.open_connection("127.0.0.1", mute))
    print(await leaves(mute, 5))


asyncio.run(main(int(sys.argv[1]), int(sys.argv[2])))
