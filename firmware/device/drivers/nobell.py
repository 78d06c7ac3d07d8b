"""What stands in a bell's place on a board without one: it never sounds and answers nobody."""


class NoBell:
    """See agent.bell.Bell."""

    name = ""  # no order means it
    sound = None
    state = "clear"
    is_driven = False

    def is_alarming(self):
        """Never."""
        return False

    def update(self, _causes, _by, _now):
        """No facts."""
        return []

    def poll(self, _now):
        """No facts."""
        return []

    def strays(self, _now):
        """Never."""
        return False
