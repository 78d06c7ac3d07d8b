"""Boards on their way from one fire group to another. Pure.

A board has the rights of both groups until a birth shows that it knows the new one. Nothing is taken from it while one of the two has an
incident: rights that are written anew must not be what a bell misses an alarm for.
"""

from gateway.domain import incidents, supervision
from gateway.domain.situation import Turn
from gateway.domain.supervision import Device


def settle_all(turn: Turn) -> None:
    """Every board that has arrived."""
    for device in turn.situation.devices.values():
        settle(turn, device)


def settle(turn: Turn, device: Device) -> None:
    """This board, if it has arrived and nothing happens in either group."""
    if not supervision.is_moving(device):
        return
    groups = {device.settled, device.group} - {None}
    if any(incidents.unresolved(turn.situation.of_group(group)) for group in groups):
        return
    turn.effects.devices.add(device.id)
    if supervision.settle(device) is not None:
        turn.effects.moved.append(device.id)
