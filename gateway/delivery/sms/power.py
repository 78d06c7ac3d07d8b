"""Cutting a modem's power: the last remedy for one that says nothing, or that no network takes back."""

import asyncio
import logging

from gateway.delivery.sms.line import open_line
from gateway.delivery.sms.port import PortLost
from gateway.settings import Sms

logger = logging.getLogger(__name__)

OFF_S = 3.0  # capacitors must empty
COMMAND_S = 30.0


async def cycle(settings: Sms) -> None:
    """Switch it off and on, by a control line of its port or by a command of the settings. That it does not work is logged, no more."""
    logger.warning("modem: its power is cut and given back (%s)", settings.power)
    if settings.power == "command":
        await _run(settings.power_command)
    elif settings.power != "none":
        try:
            async with open_line(settings.path, settings.baud) as line:
                line.set_line(settings.power, False)
                await asyncio.sleep(OFF_S)
                line.set_line(settings.power, True)
        except PortLost as exc:
            logger.warning("modem: its power could not be cut: %s", exc)


async def _run(command: list[str]) -> None:
    try:
        process = await asyncio.create_subprocess_exec(
            *command, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
        )
    except OSError as exc:
        logger.warning("modem: its power could not be cut: %s: %s", command[0], exc.strerror)
        return
    try:
        async with asyncio.timeout(COMMAND_S):
            code = await process.wait()
    except TimeoutError:
        process.kill()
        code = await process.wait()
    if code:
        logger.warning("modem: its power could not be cut: %s ended with exit code %d", command[0], code)
