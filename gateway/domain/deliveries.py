"""How far a message has come, put together from what is said by whom: its channel, the network's report, the person's answer. Pure."""

from protocol.messages import Delivery, DeliveryState

# A later word about an earlier state changes nothing: a report may come after the answer. "failed" is the channel's last word, unless
# the message has arrived all the same.
RANK: dict[DeliveryState, int] = {"waiting": 0, "handed": 1, "failed": 2, "delivered": 3, "acknowledged": 4}


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


def _first(one: int | None, other: int | None) -> int | None:
    return min((at_ms for at_ms in (one, other) if at_ms is not None), default=None)
