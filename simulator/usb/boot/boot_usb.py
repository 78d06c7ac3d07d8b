"""The first thing that a virtual board on a serial port runs, under the MicroPython unix port: the image of the stand-ins becomes /sim.

The environment: BOARD, settings as JSON (see usb_start.py); ROMFS, where the image lies in memory (see simulator/inplace.py).
"""

import json
import os
import sys

import uctypes
import vfs

settings = json.loads(os.getenv("BOARD"))
flash = open(settings["flash"], "r+b")
places = [int(word) for word in os.getenv("ROMFS").split()]
vfs.umount("/")
vfs.mount(vfs.VfsRom(uctypes.bytearray_at(places[0], places[1])), "/sim")
sys.path[:] = ["/sim", "", ".frozen", "/lib"]
start = __import__("usb_start").Start(flash, settings)
del settings, flash, places, json, os, sys, uctypes, vfs
start.run(globals(), globals().pop("start"))
