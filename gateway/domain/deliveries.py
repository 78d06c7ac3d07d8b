"""How far a message has come, put together from what is said by whom: its channel, the network's report, the person's answer. Pure."""

import itertools

from gateway.domain.incidents import TIMELINE_MAX, Incident, What, changed, noted
from protocol.incident import Delivery, DeliveryState

# A later word about an earlier state changes nothing: a report may come after the answer. "failed" is the channel's last word, unless
# the message has arrived all the same.
RANK: dict[DeliveryState, int] = {"waiting": 0, "handed": 1, "failed": 2, "delivered": 3, "acknowledged": 4}


# What of a message's life stands in the timeline; the rest is in the list of messages.
_NEWS: dict[DeliveryState, What] = {"delivered": "delivered", "failed": "delivery_failed"}


def merged(before: Delivery, after: Delivery) -> Delivery:
    """What is known of a message after a further word about it: the furthest state, and of each time the first that was said."""
    if RANK[after.state] < RANK[before.state]:
        before, after = after, before
    earlier, later = (before, after)
    return later.model_copy(
        update={
            "tries": max(earlier.tries, later.tries),
            "at_ms": max(earlier.at_ms, later.at_ms),
            "handed_ms": _first(earlier.handed_ms, later.handed_ms),
            "delivered_ms": _first(earlier.delivered_ms, later.delivered_ms),
            "acknowledged_ms": _first(earlier.acknowledged_ms, later.acknowledged_ms),
        }
    )


def acknowledged(delivery: Delivery, *, now_ms: int) -> Delivery:
    """The person has answered: the message has arrived, whatever its channel says of it."""
    return merged(delivery, delivery.model_copy(update={"state": "acknowledged", "acknowledged_ms": now_ms, "at_ms": now_ms}))


def delivered(incident: Incident, delivery: Delivery, *, now_ms: int, quietly: bool = False) -> Incident:
    """A message has come this far. It takes the place of the same one before; of one that is over, by the same channel to the same
    receiver about the same, only the newest is shown. `quietly`: without a line in the timeline.
    """
    others = tuple(before for before in incident.deliveries if not _takes_place_of(delivery, before))
    was = next((before for before in incident.deliveries if before.id == delivery.id), None)
    incident = changed(incident, deliveries=_room((*others, delivery)), revision=incident.revision + 1)
    what = _NEWS.get(delivery.state)
    if what is None or quietly or (was and was.state == delivery.state):
        return incident
    return noted(incident, now_ms, what, delivery.person or delivery.channel, delivery.channel if delivery.person else delivery.what)


def _takes_place_of(new: Delivery, old: Delivery) -> bool:
    same = (old.channel, old.person, old.what) == (new.channel, new.person, new.what)
    return old.id == new.id or (bool(new.person) and same and old.state != "waiting")


def _room(deliveries: tuple[Delivery, ...]) -> tuple[Delivery, ...]:
    """Those that are over make room first, then those to programs. One that waits for a person is never forgotten: it would be sent when
    all is over.
    """
    if len(deliveries) <= TIMELINE_MAX:
        return deliveries
    over = (index for index, one in enumerate(deliveries) if one.state != "waiting")
    to_programs = (index for index, one in enumerate(deliveries) if not one.person)
    oldest = next(itertools.chain(over, to_programs), None)
    return deliveries if oldest is None else (*deliveries[:oldest], *deliveries[oldest + 1 :])


def _first(one: int | None, other: int | None) -> int | None:
    return min((at_ms for at_ms in (one, other) if at_ms is not None), default=None)
