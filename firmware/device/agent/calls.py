"""Calls: "alarm here" from a board to its group. Our own, said again until a ring covers it, and those of others."""

from collections import namedtuple

from agent.bell import Cause
from agent.rings import is_covered
from protocol import wire
from protocol.wire import COUNT_MAX, parse_event_id

CALL_SOUND_MS = 180_000
ACTIVE_MS = 1_000  # the own bell sounds on for so long after a look at a point that is active
TRIES = 12
FIRST_TRIES_MS = (0, 2_000, 5_000, 15_000, 30_000)  # after the press
LATER_TRIES_MS = 150_000
YOUNG_MS = 30 * 60_000  # a press older than this, of a point that is clear, is not called again on a reconnect
SENDER_IDS = 3  # ids of one sender obeyed
SENDER_MS = 10 * 60_000  # within this time without a ring
REMEMBERED = 16  # boards: the largest group has 15
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
        return [Cause(call.pattern, call.id, max(call.k, 1)) for call in self._calls if call.audible and now < call.until]

    def _sent(self, call):
        call.k += 1
        return wire.Call(call.id, call.k, call.type, call.pattern)


# The call of another board that counts. It is a bell.Cause until clock.now() is `until`, 0 once it is over; `ids`: so many of that board
# were obeyed since `since`, 0 once a ring covers it; `had`: the seq of those of the same start that were obeyed before it.
Heard = namedtuple("Heard", ("sound", "id", "count", "sender", "until", "since", "ids", "had"))


class HeardCalls:
    """The calls of the group's other boards. Of each one alone counts, the newest: another asks for nothing else, and takes of the heap.

    But a house that has silenced the newest has not heard of an older one that comes only now, of smoke that has waited to be believed.
    """

    def __init__(self):
        self._newest = []  # one of each board, the one said last at the end

    def hear(self, sender, call, now):
        """Obey a call, or not: had before or older, silenced here, or one id too many of this sender."""
        known = self._of(sender)
        since, ids, had = now, 0, ()
        if known and now - known.since < SENDER_MS:
            since, ids = known.since, known.ids
        if known and call.id == known.id:
            if call.k <= known.count:
                return
            ids, had = max(ids, min(known.ids, 1)), known.had
        else:
            if known:
                start, newest = _parts(known.id)
                begun, seq = _parts(call.id)
                if start == begun:
                    if seq in known.had or (seq < newest and not known.ids):
                        return
                    silent = now >= known.until
                    had = (known.had + (newest if silent or seq > newest else seq,))[-SENDER_IDS:]
                    if seq < newest and not silent:
                        self._put(Heard(*(known[:-1] + (had,))))
                        return
                elif is_covered(call.id, known.id):  # of an earlier start
                    return
            if ids >= SENDER_IDS:
                return
            ids += 1
        self._put(Heard(call.pattern, call.id, call.k, known.sender if known else sender, now + CALL_SOUND_MS, since, ids, had))

    def settle(self, covers, mutes, quiet):
        """A ring has come that covers(sender, event_id) and mutes(sender): these calls end. If it is `quiet`, what it covers never
        sounds again."""
        for place, heard in enumerate(self._newest):
            if covers(heard.sender, heard.id):
                self._newest[place] = _over(heard, SILENCED if quiet else heard.count, 0)
            elif mutes(heard.sender):
                self._newest[place] = _over(heard, heard.count, heard.ids)

    def mute(self, now):
        """The silence key: the ids that sound never sound again."""
        for place, heard in enumerate(self._newest):
            if now < heard.until:
                self._newest[place] = _over(heard, SILENCED, heard.ids)

    def causes(self, now):
        """Why the bell sounds."""
        return [heard for heard in self._newest if now < heard.until]

    def silence(self, sender, ident):
        """This id of this sender never sounds again."""
        known = self._of(sender)
        if known is None or not is_covered(ident, known.id):
            self._put(Heard(None, ident, SILENCED, sender, 0, 0, 0, ()))
        elif ident == known.id:
            self._put(_over(known, SILENCED, known.ids))

    def _of(self, sender):
        for heard in self._newest:
            if heard.sender == sender:
                return heard
        return None

    def _put(self, heard):
        known = self._of(heard.sender)
        if known:
            self._newest.remove(known)
        elif len(self._newest) >= REMEMBERED:
            self._newest.pop(0)
        self._newest.append(heard)


def _over(heard, count, ids):
    """`heard`, at its end; the same if nothing changes, since rings come often."""
    if heard.until == 0 and heard.count == count and heard.ids == ids:
        return heard
    return Heard(heard.sound, heard.id, count, heard.sender, 0, heard.since, ids, heard.had)


def _parts(event_id):
    """(the start, the seq in it) of an event id."""
    life, boot, seq = parse_event_id(event_id)
    return (life, boot), seq
