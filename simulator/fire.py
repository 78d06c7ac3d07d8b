"""The fire of the demonstration, and what is measured and checked in it."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from simulator.hands import Hands
from simulator.script import Step
from simulator.stage import Stage
from simulator.terminals import BELL

PRESSED = ("H03-02", "button-1")
FIRE_POINT = ("DCC-017", "extinguisher-1")
DEAD = "H03-09"
# What the promises of the product allow.
OWN_BELL_MS = 150
ALL_BELLS_MS = 1000
CONSOLE_MS = 1000
# How long the story waits for each thing before it goes on without it.
PATIENCE_S = 5.0
LOST_SHOWN_S = 20.0
# The console's own words.
TAKEN = "Bình chữa cháy bị lấy đi"
ONLINE = "Trực tuyến"
LOST = "MẤT KẾT NỐI"


@dataclass
class Outcome:
    """What was measured; None for what did not happen. Milliseconds from the press."""

    bells_expected: int
    firmware: str
    broker: str
    own_bell_ms: float | None = None
    all_bells_ms: float | None = None
    console_ms: float | None = None
    webhook_ms: float | None = None
    bells_confirmed: int = 0
    bells_measured: int = 0
    incidents: int = 0
    events_lost: int = 0
    extinguisher_logged: bool = False
    lost_board_shown_s: float | None = None
    failures: list[str] = field(default_factory=list)

    @property
    def as_it_should_be(self) -> bool:
        """Whether every promise was kept."""
        return not self.failures

    def judge(self) -> None:
        """Fill `failures` from what was measured."""
        self._must("press to own bell", self.own_bell_ms, OWN_BELL_MS)
        self._must("press to all bells", self.all_bells_ms, ALL_BELLS_MS)
        self._must("press to console", self.console_ms, CONSOLE_MS)
        checks = (
            (self.bells_confirmed == self.bells_expected, f"bells confirmed: expected {self.bells_expected}, got {self.bells_confirmed}"),
            (self.incidents == 1, f"incidents: expected 1, got {self.incidents}"),
            (self.events_lost == 0, f"events lost: expected 0, got {self.events_lost}"),
            (self.webhook_ms is not None, "webhook: expected one, got none"),
            (self.extinguisher_logged, "extinguisher: expected an entry in the maintenance log, got none"),
            (self.lost_board_shown_s is not None, f"{DEAD}: expected the console to show it as lost, got nothing"),
        )
        self.failures += [text for met, text in checks if not met]

    def summary(self) -> dict[str, object]:
        """What `make demo ONCE=1` prints on its last line."""
        return {
            "press_to_own_bell_ms": _rounded(self.own_bell_ms),
            "press_to_all_bells_ms": _rounded(self.all_bells_ms),
            "press_to_console_ms": _rounded(self.console_ms),
            "press_to_webhook_ms": _rounded(self.webhook_ms),
            "bells_expected": self.bells_expected,
            "bells_confirmed": self.bells_confirmed,
            "bells_measured": self.bells_measured,
            "incidents": self.incidents,
            "events_lost": self.events_lost,
            "extinguisher_logged": self.extinguisher_logged,
            "lost_board_shown_s": _rounded(self.lost_board_shown_s),
            "firmware": self.firmware,
            "broker": self.broker,
            "ok": self.as_it_should_be,
            "failures": self.failures,
        }

    def _must(self, what: str, value_ms: float | None, limit_ms: float) -> None:
        if value_ms is None:
            self.failures.append(f"{what}: expected at most {limit_ms} ms, got nothing")
        elif value_ms > limit_ms:
            self.failures.append(f"{what}: expected at most {limit_ms} ms, got {value_ms:.0f} ms")


async def play(stage: Stage, tell: Callable[[str], None]) -> Outcome:
    """Press, bells, console, webhook; an extinguisher is taken; a board's power is cut. The stage is ready and calm."""
    story = _Story(stage, tell)
    try:
        await story.alarm()
        await story.extinguisher()
        await story.power_cut()
    finally:
        await story.hands.rest()
    story.outcome.judge()
    return story.outcome


class _Story:
    def __init__(self, stage: Stage, tell: Callable[[str], None]) -> None:
        device = PRESSED[0]
        self.hands = Hands(stage)
        self.bells = stage.site.bells_of(stage.site.group_of(device) or "")
        self.outcome = Outcome(len(self.bells), "light" if stage.light else "micropython", stage.broker_kind)
        self._stage = stage
        self._tell_line = tell
        self._began = time.monotonic()

    async def alarm(self) -> None:
        stage, outcome, (device, point) = self._stage, self.outcome, PRESSED
        name = stage.site.place_of(device).name
        self._began = at = time.monotonic()
        await self.hands.do(Step(at_s=0, do="press", device=device, point=point))
        self._tell(at, f"{name} nhấn nút báo cháy · a home presses its fire button")
        await asyncio.gather(self._own_bell(at), self._all_bells(at), self._console(at, name), self._webhook(at))
        await stage.watch.until(lambda: not stage.observer.lost_events(), PATIENCE_S)
        outcome.events_lost = len(stage.observer.lost_events())
        outcome.incidents = len(stage.observer.incidents)

    async def extinguisher(self) -> None:
        (device, point), began = FIRE_POINT, time.monotonic()
        name = self._stage.site.place_of(device).name
        await self.hands.do(Step(at_s=0, do="take", device=device, point=point))
        self._tell(began, f"{name}: bình chữa cháy được lấy đi · an extinguisher is taken")
        self.outcome.extinguisher_logged = await self._stage.desk.lists([TAKEN, device], PATIENCE_S)
        if self.outcome.extinguisher_logged:
            self._tell(time.monotonic(), "nhật ký bảo dưỡng đã ghi · it stands in the maintenance log")

    async def power_cut(self) -> None:
        row = f'id="device-{DEAD}"'
        if not await self._stage.desk.lists([row, ONLINE], PATIENCE_S):
            self.outcome.failures.append(f"{DEAD}: expected the console to show it as online before its power is cut")
        began = time.monotonic()
        await self.hands.do(Step(at_s=0, do="cut_power", device=DEAD))
        self._tell(began, f"{self._stage.site.place_of(DEAD).name}: mất điện · the board's power is cut")
        if await self._stage.desk.lists([row, LOST], LOST_SHOWN_S):
            now = time.monotonic()
            self.outcome.lost_board_shown_s = now - began
            self._tell(now, "bàn trực báo mất kết nối · the desk shows it as lost")

    async def _own_bell(self, at: float) -> None:
        world, device = self._stage.world, PRESSED[0]
        await self._stage.watch.until(lambda: world.first_on(device, BELL, at), PATIENCE_S)
        rang = world.first_on(device, BELL, at)
        self.outcome.own_bell_ms = self._note(at, rang, "chuông tại chỗ kêu · its own bell rings")

    async def _all_bells(self, at: float) -> None:
        observer, expected = self._stage.observer, len(self.bells)

        def complete() -> float | None:
            return next(
                (seen.at for seen in observer.snapshots if seen.at >= at and seen.incident.count("measured", "commanded") >= expected), None
            )

        await self._stage.watch.until(complete, PATIENCE_S)
        incident = observer.newest()
        self.outcome.bells_confirmed = incident.count("measured", "commanded") if incident else 0
        self.outcome.bells_measured = incident.count("measured") if incident else 0
        text = f"{self.outcome.bells_confirmed}/{expected} chuông xác nhận đang kêu · bells confirmed"
        self.outcome.all_bells_ms = self._note(at, complete(), text)

    async def _console(self, at: float, name: str) -> None:
        desk, card = self._stage.desk, ['id="title-', name]
        await self._stage.watch.until(lambda: desk.first(card, at), PATIENCE_S)
        self.outcome.console_ms = self._note(at, desk.first(card, at), "bàn trực hiện báo cháy · the duty desk shows it")

    async def _webhook(self, at: float) -> None:
        posts = self._stage.webhook.posts
        await self._stage.watch.until(lambda: posts, PATIENCE_S)
        came = posts[0].at if posts else None
        self.outcome.webhook_ms = self._note(at, came, "webhook đã nhận · the webhook has it")

    def _note(self, since: float, at: float | None, text: str) -> float | None:
        """Tell what happened at `at`, and return how many ms after `since` that was."""
        if at is None:
            return None
        self._tell(at, text)
        return (at - since) * 1000

    def _tell(self, at: float, text: str) -> None:
        self._tell_line(f"{at - self._began:9.3f} s  {text}")


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 1)
