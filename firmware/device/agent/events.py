"""An event: one fact about one point, and what of it is kept in flash."""

import json

from protocol import wire

ALARM_TYPES = ("button", "smoke", "heat", "gas", "sos")

# Importance, the gravest first: what a full queue gives up last.
ALARM, FAULT, CLEAR = 0, 1, 2


class Event:
    """`at`: clock.now() of the fact, None if an earlier start saw it. `t`: its Unix ms as known then, or None.

    `cause`, `k`, `n`, `proof` and `by` are a bell's. `stored` says whether the journal holds it.
    """

    def __init__(self, ident, point, kind, state, *, at, t=None, cause=None, k=None, n=None, proof=None, by=None):
        self.id = ident
        self.point = point
        self.type = kind
        self.state = state
        self.at = at
        self.t = t
        self.cause = cause
        self.k = k
        self.n = n
        self.proof = proof
        self.by = by
        self.stored = False
        self.rank = rank(kind, state)

    def payload(self, *, age, t, now, calling):
        """The bytes to send: `age` ms since the fact or None, `now` the point's present state."""
        return wire.encode_event(
            id=self.id,
            t=t,
            age=age,
            point=self.point,
            type=self.type,
            state=self.state,
            now=now,
            calling=calling,
            cause=self.cause,
            k=self.k,
            n=self.n,
            proof=self.proof,
            by=self.by,
        )


def rank(kind, state):
    """ALARM, FAULT or CLEAR."""
    if state == "clear":
        return CLEAR
    return ALARM if state == "active" and kind in ALARM_TYPES else FAULT


def to_bytes(event):
    """What the journal keeps of an event besides its id."""
    return json.dumps([event.point, event.type, event.state, event.t]).encode()


def from_bytes(ident, data):
    """The event kept in `data`. Raises ValueError."""
    if not wire.is_event_id(ident):
        raise ValueError("expected an event id")
    fields = json.loads(str(data, "utf-8"))
    if type(fields) is not list or len(fields) != 4:
        raise ValueError("expected four fields")
    point, kind, state, t = fields
    if type(point) is not str or type(kind) is not str or type(state) is not str or type(t) not in (int, type(None)):
        raise ValueError("expected point, type, state, t")
    event = Event(ident, point, kind, state, at=None, t=t)
    event.stored = True
    return event


def order(ident, life):
    """Sort key of event ids, oldest first; ids of other lives come before those of `life`."""
    other, boot, seq = wire.parse_event_id(ident)
    return (other == life, boot, seq)
