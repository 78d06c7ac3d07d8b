"""What a run of the bench collects: figures, those that could not be measured, and how much of everything is measured."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from simulator.bench.figures import Figure, NotMeasured
from simulator.desk import DeskFailed
from simulator.parts import PartFailed


@dataclass(frozen=True)
class Scale:
    """How much is measured. Lengths in s."""

    alarms: int = 500
    storms: int = 5
    starts: int = 10
    flood_s: float = 30
    full_speed_s: float = 15
    steady_s: float = 300
    steady_50_s: float = 180
    presses: int = 100
    silent: int = 10
    lost: int = 3
    chaos_presses: int = 2000  # in a round
    chaos_rounds: int = 1
    chaos_per_s: float = 9
    boots: int = 10
    presses_a_boot: int = 4
    days: int = 3


QUICK = Scale(
    alarms=100,
    storms=1,
    starts=3,
    flood_s=6,
    full_speed_s=4,
    steady_s=20,
    steady_50_s=15,
    presses=20,
    silent=2,
    lost=1,
    chaos_presses=300,
    boots=2,
    presses_a_boot=2,
    days=1,
)
LONG = Scale(chaos_presses=5000, chaos_rounds=20, chaos_per_s=20)


@dataclass
class Book:
    """`tell` takes each line of progress; `directory`, on the disk that is measured, is for files of this run; `seed` is for the chaos."""

    scale: Scale
    directory: Path
    tell: Callable[[str], None]
    only: frozenset[str] = frozenset()
    seed: int = 0
    figures: list[Figure] = field(default_factory=list)
    failures: dict[str, str] = field(default_factory=dict)

    def wants(self, *names: str) -> bool:
        """Whether any of these figures is asked for."""
        return not self.only or not self.only.isdisjoint(names)

    def add(self, figure: Figure) -> None:
        """A figure is measured. One that nobody asked for, a by-product, is dropped."""
        if self.wants(figure.name):
            self.figures.append(figure)

    @contextmanager
    def measuring(self, *names: str) -> Iterator[None]:
        """If this fails, these figures, as far as they are asked for and not yet there, are entered as not measured; the run goes on."""
        try:
            yield
        except* (NotMeasured, PartFailed, DeskFailed, OSError, TimeoutError) as failed:
            why = "; ".join(_words(failed))
            there = {figure.name for figure in self.figures}
            for name in names:
                if self.wants(name) and name not in there:
                    self.failures.setdefault(name, why)


def _words(failed: BaseException) -> list[str]:
    if isinstance(failed, BaseExceptionGroup):
        return [word for inner in failed.exceptions for word in _words(inner)]
    return [f"{failed}" or type(failed).__name__]
