"""Calls: "alarm here" from a board to its group. Our own, said again until a ring covers it, and those of others."""

from collections import namedtuple

from agent.bell import Cause
from protocol import wire
from protocol.wire import COUNT_MAX

CALL_SOUND_MS = 180_000
ACTIVE_MS = 1_000  # the own bell sounds on for so long after a look at a point that is active
TRIES = 12
FIRST_TRIES_MS = (0, 2_000, 5_000, 15_000, 30_000)  # after the press
LATER_TRIES_MS = 150_000
YOUNG_MS = 30 * 60_000  # a press older than this, of a point that is clear, is not called again on a reconnect
SENDER_IDS = 3  # ids of one sender obeyed
SENDER_MS = 10 * 60_000  # within this time without a ring
REMEMBERED = 48  # ids: three of each board of the largest group (15)
SILENCED = COUNT_MAX  # no call's k is higher


class OwnCall:
    """The call of an own event. `k`: how often it was sent; `tries`: how often it was due since `since`, the link up or not."""

    def __init__(self, event_id, point, kind, now):
        self.id = event_id
        self.point = point
        self.type = kind
        self.born = now
        self.since = now
        self.k = 0
        self.tries = 0
        self.due = now
        self.until = now + CALL_SOUND_MS
        self.pattern = "sos" if kind == "sos" else "fire"
        self.audible = True

    def tried(self, now):
        """It was due: it sounds on, and is due again at the next of its times that is still to come."""
        self.until = now + CALL_SOUND_MS
        while self.due <= now and self.tries < TRIES:
            self.tries += 1
            later = self.tries - len(FIRST_TRIES_MS) + 1
            self.due = self.since + (FIRST_TRIES_MS[self.tries] if later <= 0 else FIRST_TRIES_MS[-1] + later * LATER_TRIES_MS)

    def begin_again(self, now):
        """A new connection: whoever was away hears it as often as a new call."""
        self.since = self.due = now
        self.tries = 0
        self.tried(now)


class OwnCalls:
    """One call for each point: a newer event of a point takes the place of the older."""

    def __init__(self):
        self._calls = []

    def start(self, event_id, point, kind, now):
        """Begin to call, from now on."""
        self._calls = [call for call in self._calls if call.point != point]
        self._calls.append(OwnCall(event_id, point, kind, now))

    def take(self, now, up):
        """The wire.Call of each call due now; none is due over a link that is down, but its time passes."""
        due = []
        for call in self._calls:
            if now < call.due or call.tries >= TRIES:
                continue
            call.tried(now)
            if up and call.k < TRIES:
                due.append(self._sent(call))
        return due

    def reconnected(self, now, active_points):
        """The calls to send first on a new connection: of points that are active, and of young presses."""
        again = []
        for call in self._calls:
            if call.k < TRIES and (call.point in active_points or now - call.born < YOUNG_MS):
                call.begin_again(now)
                again.append(self._sent(call))
        return again

    def settle(self, covers):
        """End the calls that a ring covers: `covers(event_id)`."""
        self._calls = [call for call in self._calls if not covers(call.id)]

    def expire(self, now, active_points):
        """Forget calls that no reconnect would send any more. An active point is a cause of its own: its bell sounds on."""
        for call in self._calls:
            if call.point in active_points:
                call.until = max(call.until, now + ACTIVE_MS)
        self._calls = [call for call in self._calls if now < call.until or call.point in active_points or now - call.born < YOUNG_MS]

    def mute(self):
        """The silence key: the own bell is silent for these calls; the group is still called."""
        for call in self._calls:
            call.audible = False

    def is_calling(self, event_id, now):
        """True while the call of this event goes on."""
        return any(call.id == event_id and now < call.until for call in self._calls)

    def causes(self, now):
        """Why the own bell sounds."""
        return [Cause(call.pattern, (call.id, max(call.k, 1), None)) for call in self._calls if call.audible and now < call.until]

    def _sent(self, call):
        call.k += 1
        return wire.Call(call.id, call.k, call.type, call.pattern)


# A call of another board that this bell obeys till clock.now() is `until`. `key`: see HeardCalls.
Heard = namedtuple("Heard", ("key", "pattern", "k", "until"))


class HeardCalls:
    """The calls of the group's other boards."""

    def __init__(self):
        self._calls = []
        # A key is "<sender> <id>": no board may use up the ids of another. One string takes the least of the heap.
        self._highest = {}  # key -> highest k had, SILENCED for one that must not sound again
        self._order = []  # of the keys of _highest, oldest first
        self._obeyed = []  # (key, since)

    def hear(self, sender, call, now):
        """Obey a call, or not: had before, silenced here, or one id too many of this sender. True if it sounds."""
        key = _key(sender, call.id)
        if call.k <= self._highest.get(key, 0):
            return False
        self._remember(key, call.k)
        self._obeyed = [known for known in self._obeyed if now - known[1] < SENDER_MS]
        if key not in [known[0] for known in self._obeyed]:
            own = [known for known in self._obeyed if known[0].split()[0] == sender]
            if len(own) >= SENDER_IDS or len(self._obeyed) >= REMEMBERED:
                return False
            self._obeyed.append((key, now))
        self._calls = [heard for heard in self._calls if heard.key != key]
        self._calls.append(Heard(key, call.pattern, call.k, now + CALL_SOUND_MS))
        return True

    def settle(self, covers, mutes, quiet):
        """A ring has come that covers(sender, event_id) and mutes(sender): these calls end. If it is `quiet`, what it covers never
        sounds again."""
        for heard in self._calls:
            if quiet and covers(*heard.key.split()):
                self._remember(heard.key, SILENCED)
        self._calls = [heard for heard in self._calls if not covers(*heard.key.split()) and not mutes(heard.key.split()[0])]
        self._obeyed = [known for known in self._obeyed if not covers(*known[0].split())]

    def expire(self, now):
        """End the calls that have sounded for long enough."""
        self._calls = [heard for heard in self._calls if now < heard.until]

    def mute(self):
        """The silence key: these ids never sound again."""
        for heard in self._calls:
            self._remember(heard.key, SILENCED)
        self._calls = []

    def causes(self, now):
        """Why the bell sounds."""
        return [Cause(heard.pattern, (heard.key.split()[1], heard.k, None)) for heard in self._calls if now < heard.until]

    def silence(self, sender, ident):
        """This id of this sender never sounds again."""
        self._remember(_key(sender, ident), SILENCED)

    def _remember(self, key, k):
        if key not in self._highest:
            self._order.append(key)
            if len(self._order) > REMEMBERED:
                del self._highest[self._order.pop(0)]
        self._highest[key] = k


def _key(sender, ident):
    return "%s %s" % (sender, ident)
