"""A lone contact that is verified before it calls: the own bell sounds `pre` and the engine decides; without it, the board calls."""

from agent.bell import Cause

PRE = Cause("pre", None, None)
GRACE_MS = 15_000  # after verify_s, in which the engine's ring should have come
CANCEL_MS = 10 * 60_000  # a cancel holds until the contact clears, at most so long
RESUMED_MS = 180_000  # `pre` of a contact that was active before a restart


class PreAlarm:
    """One active contact. `cancelled`: clock.now() of the key, or None. `calls` is False after a restart: no new call."""

    def __init__(self, event_id, point, kind, now, calls):
        self.id = event_id
        self.point = point
        self.type = kind
        self.since = now
        self.cancelled = None
        self.calls = calls


class PreAlarms:
    """Contacts that wait for verification. `verify_ms`: the time that the engine has."""

    def __init__(self, verify_ms):
        self._wait_ms = verify_ms + GRACE_MS
        self._waiting = []

    def start(self, event_id, point, kind, now):
        """A contact has become active."""
        self.clear(point)
        self._waiting.append(PreAlarm(event_id, point, kind, now, calls=True))

    def resume(self, event_id, point, kind, now):
        """A point was active before this start and still is: heard in this house, but no call."""
        self._waiting.append(PreAlarm(event_id, point, kind, now, calls=False))

    def clear(self, point):
        """The contact is clear again."""
        self._waiting = [pre for pre in self._waiting if pre.point != point]

    def settle(self, covers):
        """A ring has decided on the events that it covers: `covers(event_id)`."""
        self._waiting = [pre for pre in self._waiting if not covers(pre.id)]

    def cancel(self, now):
        """The silence key."""
        for pre in self._waiting:
            pre.cancelled = now

    def take(self, now):
        """The pre-alarms that nobody has decided in time: to be called now, and no longer waiting."""
        for pre in self._waiting:
            if pre.cancelled is not None and now - pre.cancelled >= CANCEL_MS:
                pre.cancelled = None
                pre.since = now
        overdue = [pre for pre in self._waiting if self._is_overdue(pre, now)]
        self._waiting = [pre for pre in self._waiting if pre not in overdue]
        return [pre for pre in overdue if pre.calls]

    def causes(self):
        """Why the own bell sounds."""
        return [PRE for pre in self._waiting if pre.cancelled is None]

    def _is_overdue(self, pre, now):
        return pre.cancelled is None and now - pre.since >= (self._wait_ms if pre.calls else RESUMED_MS)
