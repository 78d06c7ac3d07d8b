# NOR flash in RAM whose power fails at a chosen block operation. MicroPython only.
import vfs

BLOCK = 4096


class Flash:
    """NOR flash in RAM. At the operation number `cut_at` the power fails: of a program only the first `torn` of 4 quarters happens,
    and nothing after it reaches the flash."""

    def __init__(self, blocks):
        self.data = bytearray(b"\xff" * BLOCK * blocks)
        self.operations = 0
        self.cut_at = None
        self.torn = 0

    def readblocks(self, block, buffer, offset=0):
        start = block * BLOCK + offset
        buffer[:] = self.data[start : start + len(buffer)]

    def writeblocks(self, block, buffer, offset=0):
        start = block * BLOCK + offset
        length = self._length(len(buffer))
        self.data[start : start + length] = buffer[:length]
        return self._fail()

    def ioctl(self, op, argument):
        if op == 4:
            return len(self.data) // BLOCK
        if op == 5:
            return BLOCK
        if op == 6:
            length = self._length(BLOCK)
            self.data[argument * BLOCK : argument * BLOCK + length] = b"\xff" * length
            return self._fail()
        return 0

    def _length(self, whole):
        self.operations += 1
        if self.cut_at is None or self.operations < self.cut_at:
            return whole
        return whole * self.torn // 4 if self.operations == self.cut_at else 0

    def _fail(self):
        return -5 if self.operations == self.cut_at else 0  # EIO: the board notices nothing more, for it is gone

    def has_power(self):
        return self.cut_at is None or self.operations < self.cut_at


def every_cut(live, check, blocks=16):
    """Play live(flash, done) to its end, then once more with the power cut at each block operation of it, torn in every way; then
    check(flash, done) as a start after it. `done` collects what was promised. Returns how many positions there were.
    """
    cuts = 1
    while not [True for torn in range(5) if _play(live, check, blocks, cuts, torn)]:
        cuts += 1
    return cuts - 1


def _play(live, check, blocks, cut_at, torn):
    """True if the second time was over before the cut."""
    flash = Flash(blocks)
    vfs.VfsLfs2.mkfs(flash)
    done = []
    live(flash, done)  # a board that has lived before
    vfs.umount("/flash")
    flash.operations = 0
    flash.cut_at = cut_at
    flash.torn = torn
    try:
        live(flash, done)
    except OSError:
        assert not flash.has_power()
    over = flash.has_power()
    try:
        vfs.umount("/flash")
    except OSError:
        assert not over  # it was cut before it was mounted
    flash.cut_at = None
    check(flash, done)
    vfs.umount("/flash")
    return over
