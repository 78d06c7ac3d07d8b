"""A state that counts once it was judged without a break for long enough: noise and dips make no facts."""


class Hold:
    """`state` is the settled one; `hold_ms` a time for every change."""

    def __init__(self, state, hold_ms):
        self.state = state
        self._hold_ms = hold_ms
        self._candidate = state
        self._since = 0

    def take(self, judged, now):
        """What this reading says, at `now` ms. The settled state."""
        return self.take_for(judged, now, self._hold_ms)

    def take_for(self, judged, now, hold_ms):
        """The same with a time that depends on the judgement."""
        if judged != self._candidate:
            self._candidate = judged
            self._since = now
        if judged != self.state and now - self._since >= hold_ms:
            self.state = judged
        return self.state
