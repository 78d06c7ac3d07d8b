"""The hands that carry out the steps of a scenario, and those of `keng sim press`."""

import asyncio
from collections.abc import Awaitable, Callable

from simulator.script import REAL_FIRMWARE_ONLY, Step
from simulator.stage import Stage
from simulator.world import PULSE_S

Deed = Callable[[Step], Awaitable[object] | object]


class CannotDo(RuntimeError):
    """A step that this simulation cannot carry out: the message says why."""


class Hands:
    """Carries out steps on a stage. Steps are checked before: see script.check."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._errands: set[asyncio.Task[None]] = set()
        world = stage.world
        self._deeds: dict[str, Deed] = {
            "press": self._press,
            "turn": lambda step: world.turn(_device(step), step.point or "", step.value or 0),
            "activate": lambda step: world.press(_device(step), step.point or ""),
            "clear": lambda step: world.release(_device(step), step.point or ""),
            "take": lambda step: world.press(_device(step), step.point or "extinguisher-1"),
            "put_back": lambda step: world.release(_device(step), step.point or "extinguisher-1"),
            "open": lambda step: world.press(_device(step), "door"),
            "close": lambda step: world.release(_device(step), "door"),
            "smoke": lambda step: world.press(_device(step), "smoke-1"),
            "smoke_clear": lambda step: world.release(_device(step), "smoke-1"),
            "cut_power": lambda step: world.power(_device(step), False),
            "power": lambda step: world.power(_device(step), True),
            "cut_power_at": lambda step: world.cut_power_at(_device(step), step.operation or 1),
            "reimage": lambda step: world.reimage(_device(step)),
            "advance": lambda step: world.clock_advance(_device(step), step.seconds or 0),
            "cut_wire": lambda step: world.cut_wire(_device(step)),
            "mend_wire": lambda step: world.mend_wire(_device(step)),
            "freeze": lambda step: world.link(_device(step)).freeze(),
            "thaw": lambda step: world.link(_device(step)).thaw(),
            "cut_link": lambda step: world.link(_device(step)).cut(),
            "unplug": lambda step: world.link(_device(step)).unplug(),
            "plug": lambda step: world.link(_device(step)).plug(),
            "swallow": lambda step: world.link(_device(step)).swallow(True),
            "pass": lambda step: world.link(_device(step)).swallow(False),
            "delay": self._delay,
            "kill": self._kill,
            "stop": lambda step: stage.part(step.part or "").stop(),
            "start": lambda step: stage.part(step.part or "").start(),
            "acknowledge": self._order,
            "silence": self._order,
            "resolve": self._order,
            "webhook": self._webhook,
            "set": self._set,
            "say": lambda _: None,
        }

    async def do(self, step: Step) -> None:
        """Carry out a step. Raises CannotDo, DeskFailed or PartFailed."""
        if self._stage.light and step.do in REAL_FIRMWARE_ONLY:
            raise CannotDo(f"{step.do} needs the real firmware, and this machine runs light boards")
        result = self._deeds[step.do](step)
        if isinstance(result, Awaitable):
            await result

    async def rest(self) -> None:
        """Give up what was still to be done later."""
        for errand in self._errands:
            errand.cancel()
        await asyncio.gather(*self._errands, return_exceptions=True)

    async def _press(self, step: Step) -> None:
        device, point = _device(step), step.point or ""
        self._stage.world.press(device, point)
        self._later(PULSE_S if step.hold_s is None else step.hold_s, lambda: self._stage.world.release(device, point))

    async def _kill(self, step: Step) -> None:
        part = self._stage.part(step.part or "")
        await part.kill()
        if step.back_after_s is not None:
            self._later(step.back_after_s, part.start)

    async def _order(self, step: Step) -> None:
        incident = self._stage.observer.newest()
        if incident is None:
            raise CannotDo(f"{step.do}: expected an incident, there has been none")
        assert step.do in ("acknowledge", "silence", "resolve")  # noqa: S101  for the type checker
        await self._stage.desk.order(step.do, incident.id, incident.version, step.outcome or "")

    async def _set(self, step: Step) -> None:
        try:
            await self._stage.reconfigure(_device(step), step.config or {})
        except ValueError as exc:
            raise CannotDo(f"set: {exc}") from None
        except OSError as exc:
            raise CannotDo(f"set: the broker does not take the order ({exc})") from None

    def _delay(self, step: Step) -> None:
        self._stage.world.link(_device(step)).delay_s = step.seconds or 0

    def _webhook(self, step: Step) -> None:
        self._stage.webhook.status = step.status or 204
        self._stage.webhook.delay_s = step.seconds or 0

    def _later(self, seconds: float, deed: Callable[[], Awaitable[object] | object]) -> None:
        async def run() -> None:
            await asyncio.sleep(seconds)
            result = deed()
            if isinstance(result, Awaitable):
                await result

        errand = asyncio.get_running_loop().create_task(run())
        self._errands.add(errand)
        errand.add_done_callback(self._errands.discard)


def _device(step: Step) -> str:
    return step.device or ""
