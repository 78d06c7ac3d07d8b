"""An event: one fact about one point, and what of it is kept in flash."""

import json

from protocol import wire

ALARM_TYPES = ("button", "smoke", "heat", "gas", "sos")

# Importance, the gravest first: what a full queue gives up last.
ALARM, FAULT, CLEAR = 0, 1, 2


NO_BELL = (None, None, None, None, None)


class Event:
    """`at`: clock.now() of the fact, None if an earlier start saw it. `t`: its Unix ms as known then, or None.

    `bell`: (for, k, n, proof, by) of a bell's event. `stored` says whether the journal holds it.
    """

    def __init__(self, ident, point, kind, state, *, at, t=None, bell=NO_BELL):
        self.id = ident
        self.point = point
        self.type = kind
        self.state = state
        self.at = at
        self.t = t
        self.bell = bell
        self.stored = False

    @property
    def rank(self):
        """ALARM, FAULT or CLEAR."""
        return rank(self.type, self.state)

    def payload(self, *, age, t, now, calling):
        """The bytes to send: `age` ms since the fact or None, `now` the point's present state."""
        cause, k, n, proof, by = self.bell
        return wire.encode_event(
            id=self.id,
            t=t,
            age=age,
            point=self.point,
            type=self.type,
            state=self.state,
            now=now,
            calling=calling,
            cause=cause,
            k=k,
            n=n,
            proof=proof,
            by=by,
        )


def rank(kind, state):
    """ALARM, FAULT or CLEAR."""
    if state == "clear":
        return CLEAR
    return ALARM if state == "active" and kind in ALARM_TYPES else FAULT


def to_bytes(event):
    """What the journal keeps of an event besides its id."""
    return json.dumps([event.point, event.type, event.state, event.t, event.at]).encode()


def from_bytes(ident, data):
    """The event kept in `data`; its `at` means nothing after another start. Raises ValueError."""
    if not wire.is_event_id(ident):
        raise ValueError("expected an event id")
    fields = json.loads(str(data, "utf-8"))
    if type(fields) is not list or len(fields) != 5:
        raise ValueError("expected five fields")
    point, kind, state, t, at = fields
    texts = type(point) is str and type(kind) is str and type(state) is str
    if not texts or type(t) not in (int, type(None)) or type(at) not in (int, type(None)):
        raise ValueError("expected point, type, state, t, at")
    event = Event(ident, point, kind, state, at=at, t=t)
    event.stored = True
    return event


def order(ident, life):
    """Sort key of event ids, oldest first; ids of other lives come before those of `life`."""
    other, boot, seq = wire.parse_event_id(ident)
    return (other == life, boot, seq)
