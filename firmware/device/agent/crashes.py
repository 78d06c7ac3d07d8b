"""What this start says and keeps of its own code's failures: the birth tells the newest until an engine has answered it.

The record in flash is agent.blackbox, loaded only while something of it changes.
"""

import sys

from agent.once import once

AGAIN_MS = (
    3_600_000  # what loops have caught is told and written at most so often: a flash lives for years, a loop turns 100 times a second
)
CALM_MS = 600_000  # of running without a crash: those of earlier starts count no more
# Safe mode ends by itself after so long without a crash, with a new start: what made the board crash may have been a wet wire or a full
# memory. If it is there still, three more crashes cost some 10 s of bell four times a day.
SAFE_MS = 6 * 3_600_000


class Crashes:
    """`files`: where the record lies. `text`: what the birth has to tell, or None. `safe`: the board runs in safe mode. `counted`: there
    are crashes in the record that count.
    """

    def __init__(self, files, text=None, safe=False, counted=False):
        self._files = files
        self._counted = counted
        self._newest = None
        self._due = 0
        self._sent = False
        self.text = text
        self.safe = safe

    def caught(self, exc):
        """A loop has caught this and goes on."""
        sys.print_exception(exc)
        self._newest = exc

    def poll(self, now):
        """(job for the keeper or None, whether the birth has something new to tell)."""
        if self._newest and now >= self._due:
            self._due = now + AGAIN_MS
            self.text = _box("words", self._newest)
            self._newest = None
            self._sent = False
            return self._keep_text, True
        if self._counted and not self.safe and now >= CALM_MS:
            self._counted = False
            return self.forget, False
        return None, False

    def is_over(self, now):
        """True if it is time to leave safe mode."""
        return self.safe and now >= SAFE_MS

    def sent(self):
        """A birth has told it."""
        self._sent = True

    def answered(self):
        """An engine has answered a birth: the job for the keeper, or None."""
        if not (self.text and self._sent):
            return None
        self.text = None
        return self._keep_told

    def forget(self):
        """The crashes so far count no more: the next start is a normal one. Raises OSError."""
        _box("change", self._files, None, None, [])

    def _keep_text(self):
        _box("change", self._files, self.text, False)

    def _keep_told(self):
        _box("change", self._files, None, True)


def _box(function, *arguments):
    return once("agent.blackbox", function, "agent.blackbox", *arguments)
