"""Starts the firmware as a board does: LittleFS in the file FLASH is mounted at "/", code runs in place from ROMFS, boot and main run.

BEFORE: statements to run when the flash is mounted, for tests that spoil something; `flash.stall_ms` makes every write stop the
board for so long, as a slow erase does. The images of the firmware and of the stand-ins: see simulator/inplace.py.
"""

import os
import sys

import uctypes
import vfs

image = open(os.getenv("FLASH"), "r+b")  # noqa: PTH123, SIM115 - MicroPython has no pathlib, and the flash stays
places = [int(word) for word in os.getenv("ROMFS").split()]
vfs.umount("/")
for place, point in ((0, "/rom"), (2, "/fakes")):
    vfs.mount(vfs.VfsRom(uctypes.bytearray_at(places[place], places[place + 1])), point)
sys.path[:] = ["/fakes", "/rom", ".frozen"]
flashbdev = __import__("flashbdev")
flash = flashbdev.bdev = flashbdev.mount(image)
exec(os.getenv("BEFORE"))


def clear(count):
    """Overwrite what a module has left on the C stack: the collector takes it for references. An ESP32 starts main below no import."""
    return count and clear(count - 1)


__import__("boot")
clear(40)
__import__("main")
