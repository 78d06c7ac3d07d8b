"""The first thing that a simulated board runs: the images of the firmware and of these stand-ins become /rom and /sim.

Run by the MicroPython unix port with the settings of this start in the environment variable BOARD (see start.py), and the places of the
two images in ROMFS (see simulator/inplace.py).
"""

import json
import os
import sys

import uctypes
import vfs

settings = json.loads(os.getenv("BOARD"))
image = open(settings["image"], "r+b")
places = [int(word) for word in os.getenv("ROMFS").split()]
vfs.umount("/")
for place, point in ((0, "/rom"), (2, "/sim")):
    vfs.mount(vfs.VfsRom(uctypes.bytearray_at(places[place], places[place + 1])), point)
sys.path[:] = ["/sim", "/rom", ".frozen"]
__import__("start").prepare(image, settings)
del image, places, settings
for name in ("boot", "main"):
    if name + ".mpy" in os.listdir("/rom"):
        __import__(name)
