"""Lights: the strobe of a fire point and the beacon of an SOS post flash with the bell's alarm."""

from agent.outputs import Output

# One flash a second: EN 54-23 allows 0.5 to 2 a second (as quoted in Electrical Contracting News, July 2017).
FLASH = {"flash": (100, 900), "test": (100, 900)}
FLASHING = ("fire", "sos")  # the bell's sounds that a flash goes with


class Light:
    """An output that one sees and whose current nothing measures. `drive(on)` switches it; `table`: its patterns, `test` among them."""

    is_bell = False
    least_test_s = 0
    _until = 0  # of a test

    def __init__(self, name, drive, table):
        self.name = name
        self._output = Output(drive, table)

    def word(self, now):
        """The pattern to show at `now` ms, None for darkness."""
        raise NotImplementedError

    def poll(self, now):
        """Call every 10 ms."""
        self._output.play("test" if now < self._until else self.word(now), now)

    def try_until(self, until):
        """A test."""
        self._until = until

    def proof(self, _since):
        """Of a test: somebody must look."""
        return "commanded"


class Flash(Light):
    """`bell`: bell.Bell."""

    def __init__(self, name, drive, bell):
        super().__init__(name, drive, FLASH)
        self._bell = bell

    def word(self, _now):
        """See Light."""
        return "flash" if self._bell.sound in FLASHING else None
