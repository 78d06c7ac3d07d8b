"""What this board knows of alarms, its own and its group's: whom it calls, and why its bell sounds."""

from agent.calls import HeardCalls, OwnCalls
from agent.points import AT_ONCE, VERIFY
from agent.rings import GroupRing
from agent.verify import PreAlarms


class Alarms:
    """Pure: `now` is clock.now(). After each change ask causes() and, of calls to send, take_calls()."""

    def __init__(self, device, verify_ms):
        self._device = device
        self._own = OwnCalls()
        self._heard = HeardCalls()
        self._ring = GroupRing()
        self._pre = PreAlarms(verify_ms)

    def raised(self, point, event_id, now):
        """An own point has become active."""
        if point.policy == AT_ONCE:
            self._own.start(event_id, point.name, point.type, now)
        elif point.policy == VERIFY:
            self._pre.start(event_id, point.name, point.type, now)

    def resumed(self, point, now):
        """An own alarm point was active before this start and still is."""
        if point.policy in (AT_ONCE, VERIFY):
            self._pre.resume(point.event_id, point.name, point.type, now)

    def cleared(self, point):
        """An own point is clear."""
        self._pre.clear(point.name)

    def key(self, sound, now):
        """The silence key, while the bell plays `sound`: cancels a pre-alarm if that is what is heard, and silences this house."""
        if sound == "pre":
            self._pre.cancel(now)
        self._own.mute()
        self._heard.mute(now)
        self._ring.silence()

    def call_heard(self, sender, call, now, *, ticking):
        """A live call. `ticking`: a tick of an engine was heard in the last 25 s."""
        if sender == self._device:
            return
        covered = self._ring.covers(sender, call.id)
        if covered and self._ring.is_quiet():
            self._heard.silence(sender, call.id)
        elif covered and self._ring.is_sounding():
            pass  # what the call wants is done
        elif not (ticking and self._ring.mutes(sender, now)):
            self._heard.hear(sender, call, now)

    def ring_heard(self, ring, now, *, in_hello=False):
        """A live ring, alone or in a hello."""
        if self._ring.hear(ring, now, in_hello=in_hello):
            own = self._is_own_covered
            self._own.settle(own)
            self._pre.settle(own)
            self._heard.settle(self._ring.covers, lambda sender: self._ring.mutes(sender, now), self._ring.is_quiet())

    def no_ring(self):
        """A hello without a ring."""
        self._ring.hear_none()

    def reconnected(self, now, active_points):
        """The calls to send first on a new connection."""
        return self._own.reconnected(now, active_points)

    def take_calls(self, now, up):
        """The calls due now; `up`: the link is."""
        for pre in self._pre.take(now):
            self._own.start(pre.id, pre.point, pre.type, now)
        return self._own.take(now, up)

    def expire(self, now, active_points):
        """End what has lasted long enough."""
        self._own.expire(now, active_points)
        self._ring.expire(now)

    def is_calling(self, event_id, now):
        """True while the group is being called for this event."""
        return self._own.is_calling(event_id, now)

    def is_open(self):
        """True while the group has an incident: its bells may sound again at any time."""
        return self._ring.has_incident()

    def is_sounding(self):
        """True while the group's bells sound, this one too unless it is silenced here."""
        return self._ring.is_sounding()

    def answer_to(self, event_id):
        """What the group's ring says of an own event, in a word of standing.INDICATOR; None while none covers it."""
        return self._ring.word() if self._is_own_covered(event_id) else None

    def causes(self, now):
        """Why the bell shall sound, none for silence."""
        causes = self._own.causes(now)
        causes += self._ring.causes()
        causes += self._heard.causes(now)
        causes += self._pre.causes()
        return causes

    def _is_own_covered(self, event_id):
        return self._ring.covers(self._device, event_id)
