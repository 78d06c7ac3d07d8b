"""Four hundred boards that lose their broker in one instant, in virtual time: how they spread over the seconds after it."""

import asyncio
import gc
import random
from collections import Counter

import pytest
from agent.link import Account, Closed
from agent.session import BACK_OFF_MS, Listener, Session

pytestmark = pytest.mark.long  # fifteen minutes of 400 boards: 50 s of computing. Fewer, with real connections: test_pitfall_12

BOARDS = 400
STEADY_S = 120.0
AWAY_S = 600.0
LONGEST_S = BACK_OFF_MS[1] / 1000


class VirtualLoop(asyncio.SelectorEventLoop):
    """Whoever waits has waited already: time goes on by exactly what the next of all waits for."""

    def __init__(self) -> None:
        super().__init__()
        self._now_s = 0.0
        poll = self._selector.select  # type: ignore[attr-defined]

        def select(timeout: float | None) -> list[object]:
            self._now_s += timeout or 0.0
            found: list[object] = poll(0)
            return found

        self._selector.select = select  # type: ignore[attr-defined]

    def time(self) -> float:
        return self._now_s


class Fleet(Listener):
    """The boards' sessions and their broker. `tries`: (s, board) of every connect, `ups` of those that worked."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self.tries: list[tuple[float, int]] = []
        self.ups: list[tuple[float, int]] = []
        self.gone = asyncio.Event()
        self.is_up = True

    def now(self) -> int:
        return round(asyncio.get_running_loop().time() * 1000)

    def session(self, number: int) -> Session:
        async def ready() -> None:
            self.tries.append((self.now() / 1000, number))

        session = Session(Account("B", "", "w", b""), [("h", 1)], list, self, clock=self, random=self.dice.random, ready=ready)

        async def connection(_: object) -> None:
            if not self.is_up:
                raise ConnectionRefusedError
            session._link = Worked()
            self.ups.append((self.now() / 1000, number))
            await self.gone.wait()
            raise Closed("closed by the broker")

        session._connection = connection
        return session

    def link_down(self, why: str, turned_away: bool) -> None:
        pass

    def alive(self, within_s: int) -> None:
        assert 0 < within_s < 120


class Worked:
    """A link as the session sees it after its end."""

    accepted = worked = True
    subscribed = False


async def outage(seed: int) -> Fleet:
    """All connected for two minutes, then no broker for ten, then one again for one."""
    fleet = Fleet(seed)
    tasks = [asyncio.create_task(fleet.session(number).run()) for number in range(BOARDS)]
    await asyncio.sleep(STEADY_S)
    fleet.tries.clear()
    fleet.ups.clear()
    fleet.is_up = False
    fleet.gone.set()
    await asyncio.sleep(AWAY_S)
    fleet.gone.clear()
    fleet.is_up = True
    await asyncio.sleep(60.0)
    for task in tasks:
        task.cancel()
    return fleet


@pytest.fixture(scope="module")
def fleet() -> Fleet:
    seed = random.randrange(2**32)
    print("seed", seed)
    collect, gc.collect = gc.collect, lambda generation=2: 0  # the board's, for its small heap: 60,000 of this program's would last an hour
    try:
        with asyncio.Runner(loop_factory=VirtualLoop) as runner:
            return runner.run(outage(seed))
    finally:
        gc.collect = collect


def busiest(times: list[float], window_s: float) -> int:
    return max(Counter(int(at / window_s) for at in times).values())


def test_first_tries_after_the_loss_fill_half_a_second_evenly(fleet: Fleet) -> None:
    first: dict[int, float] = {}
    for at, number in fleet.tries:
        first.setdefault(number, at - STEADY_S)
    assert len(first) == BOARDS
    assert max(first.values()) <= BACK_OFF_MS[0] / 1000 + 0.01
    tenths = Counter(min(int(at / 0.05), 9) for at in first.values())
    assert min(tenths[tenth] for tenth in range(10)) > BOARDS / 10 * 0.4, tenths  # 40 expected, standard deviation 6
    assert max(tenths.values()) < BOARDS / 10 * 1.8, tenths


def test_tries_of_an_outage_keep_to_the_back_off_and_never_bunch(fleet: Fleet) -> None:
    times = [at for at, _ in fleet.tries if STEADY_S + 30 < at < STEADY_S + AWAY_S]
    per_second = len(times) / (AWAY_S - 30)
    assert 0.8 < per_second / (BOARDS / (LONGEST_S / 2)) < 1.2, "each tries every 4 s on average"
    assert busiest(times, 0.1) < 4 * per_second * 0.1  # 10 expected, standard deviation 3; the busiest of 5,700 windows
    gaps: dict[int, float] = {}
    longest = 0.0
    for at, number in fleet.tries:
        longest = max(longest, at - gaps.get(number, at))
        gaps[number] = at
    assert longest <= LONGEST_S + 0.1


def test_boards_come_back_within_eight_seconds_and_in_no_instant_together(fleet: Fleet) -> None:
    back = {number: at - STEADY_S - AWAY_S for at, number in reversed(fleet.ups)}
    assert len(back) == BOARDS
    assert max(back.values()) <= LONGEST_S + 0.1
    # What is left of a wait that is even over 0 to 8 s falls off evenly: 23 % of the boards in the first second, 2 % in the last.
    assert busiest(list(back.values()), 1.0) < 0.33 * BOARDS
    assert busiest(list(back.values()), 0.1) < 0.07 * BOARDS
    assert len(fleet.ups) == BOARDS, "whoever is back stays"
