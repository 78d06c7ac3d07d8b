"""An output that plays a pattern: a sound, or a light that one sees."""

from agent import patterns


class Output:
    """`drive(on)` sets the pin. It is called only when the level changes. `table`: the patterns, by name.

    A step lasts its whole time from the moment it began: one that a flash erase has made late takes nothing from the next, since a beat
    of 0.1 s between two of a second is no temporal-3 (ISO 8201: each within 10 %).
    """

    def __init__(self, drive, table=patterns.SOUNDS):
        self._table = table
        self._drive = drive
        self._step = 0
        self._since = 0  # when the step began
        self.sound = None
        self.on = False
        drive(False)

    def play(self, sound, now):
        """Start a pattern of the table from its beginning, or fall silent with None; the same one goes on unbroken."""
        if sound != self.sound:
            self.sound = sound
            self._step = 0
            self._since = now
        self.poll(now)

    def poll(self, now):
        """Drive the pin as the sound demands at `now` ms."""
        on = self.sound is not None and self._is_on(now)
        if on != self.on:
            self.on = on
            self._drive(on)

    def _is_on(self, now):
        steps = self._table[self.sound]
        if now - self._since >= steps[self._step]:
            self._step = (self._step + 1) % len(steps)
            self._since = now
        return self._step % 2 == 0
