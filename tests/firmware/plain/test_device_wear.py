from agent.wear import Wear


class Flash:
    def __init__(self):
        self.asked = []

    def readblocks(self, block, buffer, offset=0):
        self.asked.append(("read", block, offset))

    def writeblocks(self, block, buffer, offset=0):
        self.asked.append(("write", block, offset))

    def ioctl(self, operation, argument):
        self.asked.append((operation, argument))
        return 7


def test_erases_are_counted_and_everything_reaches_the_flash():
    flash = Flash()
    wear = Wear(flash)
    wear.readblocks(1, b"", 2)
    wear.writeblocks(3, b"", 4)
    assert [wear.ioctl(6, 8), wear.ioctl(4, 0), wear.ioctl(6, 9)] == [7, 7, 7]
    assert flash.asked == [("read", 1, 2), ("write", 3, 4), (6, 8), (4, 0), (6, 9)]
    assert wear.erases == 2
