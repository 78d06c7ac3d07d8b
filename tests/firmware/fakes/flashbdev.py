"""`flashbdev` as the ESP32 port has it, for a board under test: its flash is a file of blocks."""

import time

import vfs

BLOCK, BLOCKS = 4096, 128

bdev = None  # set by start.py


class Flash:
    """`stall_ms`: for so long every write stops the board, and every erase for 60 ms at least. No name more: see docs/structure.md."""

    def __init__(self, image):
        self.image = image
        self.stall_ms = 0

    def readblocks(self, block, buffer, offset=0):
        self.image.seek(block * BLOCK + offset)
        self.image.readinto(buffer)

    def writeblocks(self, block, buffer, offset=0):
        if self.stall_ms:
            print("stalls")
            time.sleep_ms(self.stall_ms)
        self.image.seek(block * BLOCK + offset)
        self.image.write(buffer)
        self.image.flush()

    def ioctl(self, op, argument):
        if op == 6 and self.stall_ms:  # an erase
            time.sleep_ms(max(60, self.stall_ms))
        return {4: BLOCKS, 5: BLOCK}.get(op, 0)


def mount(image):
    """As the ESP32 port does: a flash that holds no file system gets one."""
    flash = Flash(image)
    try:
        vfs.mount(vfs.VfsLfs2(flash), "/")
    except OSError:
        vfs.VfsLfs2.mkfs(flash)
        vfs.mount(vfs.VfsLfs2(flash), "/")
    return flash
