"""Inputs that mean something: a contact that has settled is a fact."""

DEBOUNCE_MS = 30  # contacts of buttons and relays bounce for 1 to 10 ms, worn ones for 20

# What a point does with the group's bells, a kind's choice for each point.
AT_ONCE = "at_once"
VERIFY = "verify"
NEVER = "never"


class Contact:
    """A debounced contact: a level counts when it has lasted DEBOUNCE_MS. `active` is the settled state."""

    def __init__(self, active=False):
        self.active = active
        self._since = None

    def sample(self, level, now):
        """Take a reading (True: active) at `now` ms. True if the settled state has changed with it."""
        if level == self.active:
            self._since = None
            return False
        if self._since is None:
            self._since = now
            return False
        if now - self._since < DEBOUNCE_MS:
            return False
        self.active = level
        self._since = None
        return True


class Point:
    """A named input of the board. `read()` gives True for active; `state` and `event_id` are its last fact (id None: never one)."""

    def __init__(self, name, kind, policy, read):
        self.name = name
        self.type = kind
        self.policy = policy
        self.read = read
        self.state = "clear"
        self.event_id = None
        self.contact = Contact()

    def restore(self, state, event_id):
        """Go on from what the journal has kept."""
        self.state = state
        self.event_id = event_id
        self.contact = Contact(state == "active")


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
