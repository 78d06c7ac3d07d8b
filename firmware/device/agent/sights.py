"""The strobe of a fire point and the beacon of an SOS post: they flash with the bell's alarm."""

from agent.outputs import Output

# One flash a second: EN 54-23 asks for 0.5 to 2 a second.
FLASH = {"flash": ((1, 100), (0, 900))}
FLASHING = ("fire", "sos")  # the bell's sounds that a flash goes with


class Flash:
    """`drive(on)` switches a strobe or a beacon; `bell`: bell.Bell."""

    def __init__(self, drive, bell):
        self._output = Output(drive, FLASH)
        self._bell = bell

    def poll(self, now):
        """Call every 10 ms."""
        self._output.play("flash" if self._bell.sound in FLASHING else None, now)
