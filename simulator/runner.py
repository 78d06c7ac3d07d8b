"""Plays a scenario on a stage and tells it as it happens."""

import asyncio
import time
from collections.abc import Callable
from typing import NamedTuple

from simulator import expectations, words
from simulator.desk import DeskFailed
from simulator.hands import CannotDo, Hands
from simulator.parts import PartFailed
from simulator.script import Scenario, Step
from simulator.stage import Stage


class Line(NamedTuple):
    """One line of the timeline, `at_s` after the scenario's start. mark: · a deed, ✓ as expected, ✕ not."""

    at_s: float
    mark: str
    text: str

    def __str__(self) -> str:
        return f"{self.at_s:9.3f} s  {self.mark} {self.text}"


async def play(stage: Stage, scenario: Scenario, tell: Callable[[Line], None]) -> list[Line]:
    """Carry out the steps at their times and check what is expected. Returns the lines of what failed: none if all is well.

    The stage is ready. A deed that cannot be carried out is a failure and ends nothing; so is a board whose program died.
    """
    start = time.monotonic()
    failures: list[Line] = []
    hands = Hands(stage)

    def note(mark: str, text: str) -> None:
        line = Line(time.monotonic() - start, mark, text)
        if mark == "✕":
            failures.append(line)
        tell(line)

    async def expect(step: Step) -> None:
        differences = await expectations.unmet(stage, step)
        note("✕" if differences else "✓", "; ".join(differences) or words.told(step))

    try:
        async with asyncio.TaskGroup() as checks:
            for step in sorted(scenario.steps, key=lambda step: step.at_s):
                await asyncio.sleep(max(0.0, start + step.at_s - time.monotonic()))
                if step.do == "expect":
                    checks.create_task(expect(step), name=f"expect at {step.at_s:g} s")
                    continue
                try:
                    await hands.do(step)
                except (CannotDo, DeskFailed, PartFailed) as exc:
                    note("✕", str(exc))
                else:
                    note("·", words.told(step))
        for device in sorted(stage.world.crashed):
            note("✕", f"{device}: chương trình của bo mạch bị sập · the board's program crashed")
    finally:
        await hands.rest()
    return failures
