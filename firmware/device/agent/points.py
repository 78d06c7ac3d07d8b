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

# A contact that chatters must not wear out the flash, which is good for 100,000 erases of a sector (W25Q32JV datasheet, features), nor
# fill the air. The first FREE changes are told and kept at once, and one more each REFILL_MS: 72 on the first day, 48 on any other.
FREE = 24
REFILL_MS = 30 * 60_000
# Beyond that the point is faulty and its changes stay in RAM; a change to anything but active waits until the one before it is so old.
CALM_MS = 60_000
KEY_CALM_MS = 2_000  # the next press of a key must not wait

SILENCE = "silence"  # the key of this name silences the house; other keys only tell the engine


class Contact:
    """A debounced contact: a level counts when it has lasted `hold_ms`; one active for `stuck_ms` (None: never) counts as stuck.

    `active` is the settled level. A stuck contact is stuck until it lets go: then it is clear.

    While the board reads, a spike of noise (1 to 2 ms) is shorter than two readings and counts for nothing. While it is blind, nobody
    can measure: then a latched edge counts as a press, for a false alarm costs less than a lost one, and a board is blind only for
    the few hundred ms of a flash write. What was latched before the first reading is the noise of the power coming back.
    """

    fault = None  # a contact has no fault but its state
    # What a contact at rest has lies in the class: a board has up to twenty contacts.
    _hold_ms = DEBOUNCE_MS
    _stuck_ms = None
    _stuck = False
    _since = None  # of a level that has not lasted yet
    _active_since = None
    _read = None  # when the reading before was taken
    _pressed = False  # an edge was latched and no inactive reading has followed

    def __init__(self, active=False, *, hold_ms=DEBOUNCE_MS, stuck_ms=None):
        self.active = active
        if hold_ms != DEBOUNCE_MS:
            self._hold_ms = hold_ms
        if stuck_ms is not None:
            self._stuck_ms = stuck_ms

    @property
    def state(self):
        """clear, active or stuck."""
        if self._stuck:
            return "stuck"
        return "active" if self.active else "clear"

    def restore(self, state):
        """Go on from a state of an earlier start."""
        self.active = state in ("active", "stuck")
        self._stuck = state == "stuck"

    def sample(self, level, now, edge=False):
        """Take a reading (True: active) at `now` ms. True if the state has changed with it.

        `edge`: the input has latched that it became active since the reading before.
        """
        blind = self._read is not None and now - self._read >= BLIND_MS
        self._read = now
        if edge or self._pressed:
            self._pressed = not self.active
        if blind and self._pressed:
            return self._settle(True, now)
        if self._pressed and not level:
            self._pressed = False
        if self._has_lasted(level, now):
            return self._settle(level, now)
        return self._sticks(now)

    def _has_lasted(self, level, now):
        if level == self.active:
            if self._since is not None:
                self._since = None
            return False
        if self._since is None:
            self._since = now
            return False
        return now - self._since >= self._hold_ms

    def _settle(self, level, now):
        self.active = level
        self._active_since = now
        self._stuck = False
        self._since = None
        self._pressed = False
        return True

    def _sticks(self, now):
        if not self.active or self._stuck or self._stuck_ms is None:
            return False
        if self._active_since is None:  # active since before this start
            self._active_since = now
        self._stuck = now - self._active_since >= self._stuck_ms
        return self._stuck


class Point:
    """A named input of the board: `state` and `event_id` are its last fact (id None: never one).

    `read()` gives what `contact` samples: True for active, or the µV of a supervised loop. `latched()`, or None, gives True if the input
    has become active since it was asked last.
    """

    state = "clear"
    event_id = None
    _latched = None
    _changed = 0  # the last change, in clock.now()
    _paid_until = 0  # each change is paid with REFILL_MS

    def __init__(self, name, kind, policy, read, latched=None, *, contact=None):
        self.name = name
        self.type = kind
        self.policy = policy
        self._read = read
        if latched:
            self._latched = latched
        self.contact = contact or Contact()

    def restore(self, state, event_id):
        """Go on from what the journal has kept."""
        self.state = state
        self.event_id = event_id
        self.contact.restore(state)

    def sense(self, now):
        """Take a reading of the contact. The state that has settled, which may be another than `state`."""
        level = self._read()
        self.contact.sample(level, now, self._latched() if self._latched else False)
        return self.contact.state

    def chatters(self, now):
        """True while this point changes so often that it must be faulty."""
        return self._paid_until - now > FREE * REFILL_MS

    def waits(self, state, now):
        """True if a chattering point's change to `state` is not to be told yet. To active it is told at once, always."""
        return state != "active" and self.chatters(now) and now - self._changed < (KEY_CALM_MS if self.type == "key" else CALM_MS)

    def count(self, now):
        """A change is told. True if it may be kept in flash."""
        self._changed = now
        self._paid_until = max(self._paid_until, now) + REFILL_MS
        return not self.chatters(now)


class Panel:
    """All points of the board: `contacts`, polled every 10 ms, and those of `gauges`, whose drivers decide on their state.

    A gauge has `point`, `value` (None: nothing to report), `fault` (words, or None) and sample(now), which gives the point's state.
    """

    def __init__(self, contacts, gauges=()):
        self.contacts = contacts
        self.gauges = gauges
        self._all = list(contacts) + [gauge.point for gauge in gauges]

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

    def values(self):
        """{name: value} of the gauges, as a report carries them."""
        return {gauge.point.name: gauge.value for gauge in self.gauges if gauge.value is not None}
