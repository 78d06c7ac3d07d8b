"""Counts what wears the flash out: the erases of the file system's blocks (100,000 each: W25Q32JV datasheet, features)."""

ERASE = 6  # the operation of a block device (MicroPython's vfs.AbstractBlockDev.ioctl)


class Wear:
    """Stands between the file system and its block device. Reads and writes go past it."""

    def __init__(self, device):
        self.readblocks = device.readblocks
        self.writeblocks = device.writeblocks
        self._ioctl = device.ioctl
        self.erases = 0

    def ioctl(self, operation, argument):
        """As vfs.AbstractBlockDev."""
        if operation == ERASE:
            self.erases += 1
        return self._ioctl(operation, argument)
