"""What the board finds wrong with itself, in words; the birth says it."""


class Faults:
    """`changed` is True from a change until take_change()."""

    def __init__(self, texts=()):
        self._texts = {text: text for text in texts}
        self._changed = False

    def set(self, key, text):
        """There is this fault, or with None there is none of that key (any more)."""
        if text != self._texts.get(key):
            self._changed = True
            if text is None:
                del self._texts[key]
            else:
                self._texts[key] = text

    def take_change(self):
        """True if something has changed since the last call."""
        changed = self._changed
        self._changed = False
        return changed

    def texts(self):
        """All faults."""
        return list(self._texts.values())
