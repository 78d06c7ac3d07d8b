"""Inputs that mean something: a contact that has settled is a fact."""

DEBOUNCE_MS = 30  # contacts of buttons and relays bounce for 1 to 10 ms, worn ones for 20
# Readings come every 10 ms, but a flash erase stops the board for 60 to 400 ms. Between readings that are closer than this no press of
# 100 ms, the shortest of a human hand, can hide: 2 * BLIND_MS + DEBOUNCE_MS = 100.
BLIND_MS = 35
MOMENTARY = ("button", "sos")  # types that a hand holds for a moment: their inputs latch edges

# What a point does with the group's bells, a kind's choice for each point.
AT_ONCE = "at_once"
VERIFY = "verify"
NEVER = "never"


class Contact:
    """A debounced contact: a level counts when it has lasted DEBOUNCE_MS. `active` is the settled state.

    While the board reads, a spike of noise (1 to 2 ms) is shorter than two readings and counts for nothing. While it is blind, nobody
    can measure: then a latched edge counts as a press, for a false alarm costs less than a lost one, and a board is blind only for
    the few hundred ms of a flash write. What was latched before the first reading is the noise of the power coming back.
    """

    def __init__(self, active=False):
        self.active = active
        self._since = None
        self._read = None  # when the reading before was taken
        self._pressed = False  # an edge was latched and no inactive reading has followed

    def sample(self, level, now, edge=False):
        """Take a reading (True: active) at `now` ms. True if the settled state has changed with it.

        `edge`: the input has latched that it became active since the reading before.
        """
        blind = self._read is not None and now - self._read >= BLIND_MS
        self._read = now
        self._pressed = not self.active and (edge or self._pressed)
        if blind and self._pressed:
            return self._settle(True)
        if not level:
            self._pressed = False
        if level == self.active:
            self._since = None
            return False
        if self._since is None:
            self._since = now
            return False
        if now - self._since < DEBOUNCE_MS:
            return False
        return self._settle(level)

    def _settle(self, level):
        self.active = level
        self._since = None
        self._pressed = False
        return True


class Point:
    """A named input of the board: `state` and `event_id` are its last fact (id None: never one).

    `read()` gives True for active; `latched()`, or None, gives True if the input has become active since it was asked last.
    """

    def __init__(self, name, kind, policy, read, latched=None):
        self.name = name
        self.type = kind
        self.policy = policy
        self._read = read
        self._latched = latched
        self.state = "clear"
        self.event_id = None
        self.contact = Contact()

    def restore(self, state, event_id):
        """Go on from what the journal has kept."""
        self.state = state
        self.event_id = event_id
        self.contact = Contact(state == "active")

    def sense(self, now):
        """Take a reading of the contact. The state that has settled, which may be another than `state`."""
        level = self._read()
        self.contact.sample(level, now, self._latched() if self._latched else False)
        return "active" if self.contact.active else "clear"


class Panel:
    """All points of the board: `contacts`, polled, and `others`, whose drivers decide on their state."""

    def __init__(self, contacts, others=()):
        self.contacts = contacts
        self._all = list(contacts) + list(others)

    def __iter__(self):
        return iter(self._all)

    def state_of(self, name):
        """The present state of a point, None if there is none of that name."""
        for point in self._all:
            if point.name == name:
                return point.state
        return None

    def uncleared(self):
        """{name: event id} of the points that are not clear, as the birth lists them."""
        return {point.name: point.event_id for point in self._all if point.state != "clear"}

    def active(self):
        """The names of the contacts that are active."""
        return [point.name for point in self.contacts if point.state == "active"]
