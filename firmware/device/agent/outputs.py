"""An output that plays a pattern: a sound, or a light that one sees."""

from agent import patterns


class Output:
    """`drive(on)` sets the pin. It is called only when the level changes. `table`: the patterns, by name."""

    def __init__(self, drive, table=patterns.SOUNDS):
        self._table = table
        self._drive = drive
        self._since = 0
        self.sound = None
        self.on = False
        drive(False)

    def play(self, sound, now):
        """Start a pattern of the table from its beginning, or fall silent with None; the same one goes on unbroken."""
        if sound != self.sound:
            self.sound = sound
            self._since = now
        self.poll(now)

    def poll(self, now):
        """Drive the pin as the sound demands at `now` ms."""
        on = self.sound is not None and patterns.is_on(self.sound, now - self._since, self._table)
        if on != self.on:
            self.on = on
            self._drive(on)
