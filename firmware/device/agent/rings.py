"""The group's ring, as this board knows it: the engine's word on what the bells shall do now."""

from agent.bell import Cause
from protocol import wire

ENGINE_SILENT_MS = 300_000  # bells ring on for so long after the last ring


def life_of(engine):
    """The life in <life>-<boot>."""
    return engine.split("-")[0]


def is_covered(event_id, newest):
    """True if an order that takes `newest` of a board into account, takes `event_id` of it into account."""
    life, boot, seq = wire.parse_event_id(event_id)
    other, newest_boot, newest_seq = wire.parse_event_id(newest)
    return life == other and (boot, seq) <= (newest_boot, newest_seq)


class GroupRing:
    """The last ring order heard, and what a key has silenced of it."""

    def __init__(self):
        self._ring = None
        self._heard = 0
        self._silenced = None  # (engine's life, incident, n)
        self._over = True

    def hear(self, ring, now, *, in_hello=False):
        """Take an order. False if it is an older one of the same life."""
        old = self._ring
        if old and not in_hello and life_of(ring.engine) == life_of(old.engine) and ring.rev < old.rev:
            return False
        self._ring = ring
        self._heard = now
        self._over = ring.pattern is None
        return True

    def hear_none(self):
        """A hello without a ring: what a ring started, stops."""
        self._over = True

    def expire(self, now):
        """End the sounding when the engine has been silent for too long."""
        if now - self._heard >= ENGINE_SILENT_MS:
            self._over = True

    def silence(self):
        """The silence key: quiet for this n of this incident."""
        if not self._over:
            self._silenced = self._activation()

    def covers(self, sender, event_id):
        """True if the last order takes this event of this board into account."""
        line = "\n%s " % sender
        for text in self._ring.covers if self._ring else ():
            place = text.find(line)
            if place >= 0:
                start = place + len(line)
                return is_covered(event_id, text[start : text.find("\n", start)])
        return False

    def is_quiet(self):
        """True if the last order was to be quiet, or was silenced here by the key."""
        return self._ring is not None and (self._ring.pattern is None or self._is_silenced())

    def is_sounding(self):
        """True while the last order makes this bell sound."""
        return not self._over

    def has_incident(self):
        """True while the last order is of an incident, sounding or quiet."""
        return self._ring is not None and self._ring.incident is not None

    def word(self):
        """How far it has come: stored, ringing, heard or acknowledged. A ring of no incident is the end of all that it covers."""
        ring = self._ring
        if ring.acknowledged or ring.incident is None:
            return "acknowledged"
        if self._over:
            return "stored"
        return "heard" if ring.heard else "ringing"

    def mutes(self, sender, now):
        """True if calls of this board are to be ignored. The caller knows whether a tick is live; without one nothing is muted."""
        return self._ring is not None and sender in self._ring.mute and now - self._heard < self._ring.for_s * 1000

    def causes(self):
        """Why the bell sounds."""
        if self._over or self._is_silenced():
            return []
        ring = self._ring
        return [Cause(ring.pattern, ring.incident, ring.n)]

    def _activation(self):
        return (life_of(self._ring.engine), self._ring.incident, self._ring.n)

    def _is_silenced(self):
        if self._silenced is None:
            return False
        life, incident, n = self._activation()
        return (life, incident) == self._silenced[:2] and n <= self._silenced[2]
