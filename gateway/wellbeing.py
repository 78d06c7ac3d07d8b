"""The loop that looks after the gateway itself: it reads, the domain judges."""

import asyncio
import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path

from gateway import machine
from gateway.certificates import Certificates
from gateway.domain import health
from gateway.domain.health import Limits, Reading
from gateway.domain.situation import Act
from gateway.mqtt import Link
from gateway.settings import Health
from gateway.threads import apart

logger = logging.getLogger(__name__)

EVERY_S = 10.0


def read(settings: Health, folder: Path, link: Link, certificates: Certificates) -> Reading:
    """What this machine says now; `folder` is the database's. Takes milliseconds, and blocks: a dead disk may hang for long."""
    free, total, readonly = machine.disk(folder)
    return Reading(
        disk_free=free,
        disk_total=total,
        disk_readonly=readonly,
        disk_errors=machine.disk_errors(folder),
        temperature_c=machine.temperature_c(),
        synchronised=machine.synchronised(),
        has_rtc=machine.has_rtc(),
        broker_up=link.up.is_set(),
        connections=link.connections,
        broker_bytes=machine.mosquitto_bytes(),
        power=machine.power(settings.ups),
        certificates=certificates.read(),
    )


async def watch(reader: Callable[[], Reading], limits: Limits, put: Callable[[Act], None], *, every_s: float = EVERY_S) -> None:
    """Never returns; cancel it. An alarm never waits for a reading: it is taken in a thread."""
    while True:
        try:
            put(partial(health.judge, reading=await apart(reader), limits=limits))
        except Exception:
            logger.exception("the machine cannot be read")  # what cannot be measured ends no engine
        await asyncio.sleep(every_s)
