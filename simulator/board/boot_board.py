"""The first thing that a simulated board runs: host folders become /sim and /rom, then start.py goes on as the board.

Run by the MicroPython unix port with the settings of this start in the environment variable BOARD: see start.py.
"""

import json
import os
import sys

import vfs

settings = json.loads(os.getenv("BOARD"))
image = open(settings["image"], "r+b")
vfs.umount("/")
for folder, point in ((settings["sim"], "/sim"), (settings["rom"], "/rom")):
    vfs.mount(vfs.VfsPosix(folder), point)
sys.path[:] = ["/sim", "/rom", ".frozen"]

import start  # noqa: E402  found only now

start.run(settings, image)
