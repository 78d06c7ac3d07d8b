"""Two engines in one commune: one of them must keep still. See docs/wire.md, Two engines."""

import asyncio
import logging
from collections.abc import Collection

from protocol.messages import Gateway, Tick

logger = logging.getLogger(__name__)

LISTEN_S = 12.0  # a tick comes every 10 s
FORGET_S = 25.0  # nothing for so long: nobody is there


class AnotherEngine(OSError):
    """Another engine serves this commune."""


class Rivals:
    """What is heard of other engines. `engine` is our own start, <life>-<boot>; `former`: lives that were ours before this one."""

    def __init__(self, engine: str, former: Collection[str] = ()) -> None:
        self._engine = engine
        self._ours = {_life(engine), *former}
        self._online: str | None = None
        self._ticked = asyncio.Event()
        self._rival = ""
        self._heard_s: float | None = None

    def gateway(self, message: Gateway) -> None:
        """A retained or live word of an engine."""
        if _life(message.engine) not in self._ours:
            self._online = message.engine if message.online else None

    def denies(self, message: Gateway) -> bool:
        """True if it says of the engine that it is offline, or is of an older start of ours: last wills of lost connections come late."""
        life, boot = _order(message.engine)
        is_older = life == _life(self._engine) and boot < _order(self._engine)[1]
        return not message.online or is_older or (life in self._ours and life != _life(self._engine))

    def tick(self, message: Tick, now_s: float) -> None:
        """A tick, our own among them."""
        if message.engine == self._engine:
            return
        if self._heard_s is None:
            logger.error("another engine, %s, serves this commune beside %s", message.engine, self._engine)
        self._rival, self._heard_s = message.engine, now_s
        self._ticked.set()

    async def make_sure(self) -> None:
        """To be called when what is retained has come. Raises AnotherEngine if one that is said to be online ticks."""
        if self._online is None:
            return
        logger.warning("engine %s is said to be online: listening %d s for it", self._online, LISTEN_S)
        try:
            await asyncio.wait_for(self._ticked.wait(), LISTEN_S)
        except TimeoutError:
            return
        raise AnotherEngine(f"expected no other engine in this commune, got a tick of {self._rival}: stop one of the two")

    def keep_still(self, now_s: float) -> bool:
        """True while another engine ticks that has the smaller id: this one must send no receipts, rings or ticks."""
        if self._heard_s is not None and now_s - self._heard_s > FORGET_S:
            logger.warning("engine %s has fallen silent", self._rival)
            self._heard_s = None
        return self._heard_s is not None and _order(self._engine) > _order(self._rival)


def _life(engine: str) -> str:
    return engine.partition("-")[0]


def _order(engine: str) -> tuple[str, int]:
    life, _, boot = engine.partition("-")
    return life, int(boot)
