"""Starts the firmware as a board does: LittleFS in the file FLASH is mounted at "/", code is found in ROM, then boot and main run.

BEFORE: statements to run when the flash is mounted, for tests that spoil something; `flash.stall_ms` makes every write stop the
board for so long, as a slow erase does.
"""

import os
import sys
import time

import vfs

BLOCK, BLOCKS = 4096, 64


class Flash:
    def __init__(self, image):
        self._image = image
        self.stall_ms = 0

    def readblocks(self, block, buffer, offset=0):
        self._image.seek(block * BLOCK + offset)
        self._image.readinto(buffer)

    def writeblocks(self, block, buffer, offset=0):
        if self.stall_ms:
            print("stalls")
            time.sleep_ms(self.stall_ms)
        self._image.seek(block * BLOCK + offset)
        self._image.write(buffer)
        self._image.flush()

    def ioctl(self, op, argument):
        return {4: BLOCKS, 5: BLOCK}.get(op, 0)


def mount(path):
    """As the ESP32 port does: a flash that holds no file system gets one."""
    flash = Flash(open(path, "r+b"))  # noqa: PTH123, SIM115 - MicroPython has no pathlib, and the flash stays
    vfs.umount("/")
    try:
        vfs.mount(vfs.VfsLfs2(flash), "/")
    except OSError:
        vfs.VfsLfs2.mkfs(flash)
        vfs.mount(vfs.VfsLfs2(flash), "/")
    return flash


rom, fakes, before = os.getenv("ROM"), os.getenv("FAKES"), os.getenv("BEFORE")
flash = mount(os.getenv("FLASH"))
vfs.mount(vfs.VfsPosix(fakes), "/fakes")
vfs.mount(vfs.VfsPosix(rom), "/rom")
sys.path[:] = ["/fakes", "/rom", ".frozen"]
exec(before)
__import__("boot")
__import__("main")
