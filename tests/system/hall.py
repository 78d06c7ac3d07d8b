"""Where the stage of the system tests stands from test to test."""

import asyncio
from pathlib import Path

from simulator.stage import Stage
from tests.system.scene import HAMLET, Scene, calm


class Hall:
    """Keeps one stage, and the event loop in which it lives."""

    def __init__(self, directory: Path) -> None:
        self.runner = asyncio.Runner()
        self.stage: Stage | None = None
        self._directory = directory
        self._built = 0

    def scene(self, broker: str) -> Scene:
        """A calm stage with this broker."""
        if self.stage and self.stage.broker_kind != broker:
            self.clear()
        if self.stage is None:
            self._built += 1
            self.stage = self.runner.run(Stage(HAMLET, self._directory / str(self._built), broker=broker).__aenter__())  # type: ignore[arg-type]
        self.runner.run(calm(self.stage))
        return Scene(self.stage)

    def clear(self) -> None:
        """End everything."""
        if self.stage:
            stage, self.stage = self.stage, None
            self.runner.run(stage.__aexit__(None, None, None))
