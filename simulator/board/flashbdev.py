"""`flashbdev` as the ESP32 port has it, with the flash of a simulated board.

A file of blocks that takes its time as NOR flash does, and that can lose power in an operation.

Times: 4 kB sector erase 60 ms typical, 400 ms now and then, page program 1 ms (W25Q32JV datasheet, AC characteristics: tSE 45 to
400 ms, tPP 0.4 to 3 ms). The whole chip waits meanwhile, and with it the program that runs from it.
"""

import utime
import wires

BLOCK = 4096
ERASE_MS = 60
SLOW_ERASE_MS = 400
SLOW_ERASE_EVERY = 50
PROGRAM_MS = 1

bdev = None  # the Flash of this start

_SYNC, _COUNT, _SIZE, _ERASE = 3, 4, 5, 6


class Flash:
    """A block device for VfsLfs2. `erased`: erases of earlier starts, so that every 50th is slow over the board's whole life."""

    def __init__(self, image, blocks, erased):
        self._image = image
        self._blocks = blocks
        self._erased_before = erased
        self._blank = b"\xff" * BLOCK
        self.erases = 0
        self.programs = 0
        self.slow = False
        self.waited_ms = 0  # for the chip

    def readblocks(self, block, buffer, offset=0):
        self._image.seek(block * BLOCK + offset)
        self._image.readinto(buffer)

    def writeblocks(self, block, data, offset=None):
        if offset is None:
            self._erase(block)
            offset = 0
        self._image.seek(block * BLOCK + offset)
        self._operate(data)
        self.programs += 1
        self._wait(PROGRAM_MS)

    def ioctl(self, operation, argument):
        if operation == _COUNT:
            return self._blocks
        if operation == _SIZE:
            return BLOCK
        if operation == _ERASE:
            self._erase(argument)
        elif operation == _SYNC:
            wires.tell("f %d %d" % (self.erases, self.programs))
        return 0

    def _erase(self, block):
        self._image.seek(block * BLOCK)
        self._operate(self._blank)
        self.erases += 1
        slow = (self._erased_before + self.erases) % SLOW_ERASE_EVERY == 0
        self._wait(SLOW_ERASE_MS if slow else ERASE_MS)

    def _operate(self, data):
        """Write, unless this is the operation in which the power goes: then only the first part arrives."""
        wires.refresh()
        if wires.cut_in:
            wires.cut_in -= 1
            if wires.cut_in == 0:
                self._image.write(memoryview(data)[: len(data) // 2])
                self._image.flush()
                self.ioctl(_SYNC, 0)
                wires.stop("c")
        self._image.write(data)
        self._image.flush()

    def _wait(self, ms):
        if self.slow:
            self.waited_ms += ms
            utime.sleep_ms(ms)
