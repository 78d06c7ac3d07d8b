"""Ring orders on their way to the groups: at once when they change, and again for whoever missed them."""

import asyncio
from collections.abc import Callable

from gateway.domain import ringing
from gateway.domain.ringing import Order
from gateway.mqtt import Link
from protocol import topics
from protocol.messages import Ring

CHECK_S = 0.5


class Rings:
    """Each group's newest order that is on the disk, and when it was last sent."""

    def __init__(self, link: Link, site: str, engine: str, groups: list[str], *, monotonic: Callable[[], float]) -> None:
        self._link = link
        self._site = site
        self._engine = engine
        self._monotonic = monotonic
        self._orders: dict[str, Order] = dict.fromkeys(groups, Order())
        self._sent_s: dict[str, float] = dict.fromkeys(groups, float("-inf"))

    def keep(self, orders: dict[str, Order]) -> None:
        """Orders that are on the disk take the place of those before; one of a group that the site no longer has is dropped."""
        self._orders.update((group, order) for group, order in orders.items() if group in self._orders)

    def message(self, group: str | None) -> Ring | None:
        """The group's order as it goes out; None for no group."""
        return ringing.message(self._orders[group], self._engine) if group in self._orders else None

    def send(self, group: str) -> None:
        """Send the group's order now; its next repeat counts from here."""
        ring = self.message(group)
        if ring is not None:
            self._sent_s[group] = self._monotonic()
            self._link.publish(topics.ring(self._site, group), ring.payload())

    def send_all(self) -> None:
        """Send every group's order: the link is new."""
        for group in self._orders:
            self.send(group)

    async def run(self, may_send: Callable[[], bool]) -> None:
        """Repeat the orders. Never returns; cancel it."""
        while True:
            await asyncio.sleep(CHECK_S)
            now_s = self._monotonic()
            due = [group for group, order in self._orders.items() if now_s - self._sent_s[group] >= order.every_s]
            for group in due if may_send() else ():
                self.send(group)
