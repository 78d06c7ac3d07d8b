"""The modem at work: one task that opens it, keeps it well, and does one job after the other, messages before calls.

What the modem does takes seconds, so who goes first matters: an alarm's message before everything; between two of those at most one
stored message is read, since an answer may end the alarm and a flood of strangers' messages must not delay it; then calls; then checks.
"""

import asyncio
import heapq
import itertools
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple, NoReturn, TypeVar

from gateway.delivery.sms import calls, power
from gateway.delivery.sms.calls import Call
from gateway.delivery.sms.line import Line, Mute, NoAnswer, Refused, open_line
from gateway.delivery.sms.modem import Health, Modem, PinProblem, Stored, message, reads_memory
from gateway.delivery.sms.pdu import Deliver, Segment, StatusReport
from gateway.delivery.sms.port import PortLost
from gateway.settings import Sms

logger = logging.getLogger(__name__)

T = TypeVar("T")

CHECK_S = 60.0
SEARCH_S = 2.0  # between two looks for the network
SEARCHES = 30  # then it is set up anew: a modem that has fallen off the network often comes back no other way
PAUSES_S = (1.0, 2.0, 5.0, 10.0, 30.0, 60.0)
POWER_EVERY = 3  # failures in a row between two power cuts
WEAK_DBM = -107  # +CSQ 3: messages go through now and then
FULL = 0.8  # of the memory: at its end no answer comes in any more
CUT_S = 3.0  # so long an alarm waits for a canary that is on its way already: a network takes one in two or three seconds
_SEND, _RING, _ROUTINE = 0, 1, 2
_ILL = (PortLost, Mute, NoAnswer, Refused, PinProblem)


class NoNetwork(Exception):
    """The modem finds no network."""


class _GivenUp(NoAnswer):
    """We have not waited for the answer: the modem is well, and in step again."""


class Job(NamedTuple):
    """Something to be done with the modem, the lowest rank first, if it is still wanted when its turn has come."""

    rank: int
    number: int
    is_wanted: Callable[[], bool]
    work: Callable[[Modem], Awaitable[Any]]
    done: asyncio.Future[Any]


class Station:
    """`came` gets what the network brings: it is deleted from the modem if `came` says so. `fault` gets in words what is wrong with
    the modem, None when it is well; `well` is called whenever it is found in the network. `up` is set while it takes jobs; those given
    before wait.
    """

    def __init__(
        self,
        settings: Sms,
        pin: str,
        came: Callable[[Deliver | StatusReport], Awaitable[bool]],
        fault: Callable[[str | None], None],
        well: Callable[[], None] = lambda: None,
    ) -> None:
        self.up = asyncio.Event()
        self._settings = settings
        self._pin = pin
        self._came = came
        self._fault = fault
        self._well = well
        self._jobs: list[Job] = []
        self._numbers = itertools.count()
        self._wake = asyncio.Event()
        self._urgent = asyncio.Event()  # an alarm's message waits
        self._pressing = asyncio.Event()  # an alarm's message or call does
        self._stored: deque[Stored] = deque()
        self._has_memory = True
        self._check_s = 0.0
        self._ill_since_s: float | None = None
        self._words: str | None = ""  # neither well nor ill: an earlier start may have told a fault that is over

    async def send(
        self,
        segments: list[Segment],
        before: Callable[[], Awaitable[None]],
        *,
        routine: bool = False,
        is_wanted: Callable[[], bool] = lambda: True,
    ) -> list[int]:
        """Hand a message to the network, before everything else; the reference of each segment. Raises Refused, NoAnswer: that, too, if
        it is not wanted any more. A `routine` one comes after all others, and is given up when one of them waits for it.

        `before` is awaited when its turn has come: from then on, and not earlier, it may have gone out.
        """

        async def work(modem: Modem) -> list[int]:
            await before()
            return [await modem.send(segment) for segment in segments]

        if routine:
            return await self._do(_ROUTINE, is_wanted, work)
        self._urgent.set()
        return await self._do(_SEND, is_wanted, work)

    async def ring(self, number: str, *, routine: bool = False, is_wanted: Callable[[], bool] = lambda: True) -> Call:
        """Let a phone ring, unless a message is more urgent; a `routine` one, unless anything is. Raises NoAnswer: that, too, if it is
        not wanted any more.
        """
        urgent = self._pressing if routine else self._urgent
        ring_s = self._settings.ring_s
        return await self._do(
            _ROUTINE if routine else _RING,
            is_wanted,
            lambda modem: calls.ring(modem, number, ring_s=ring_s, urgent=urgent, routine=routine),
        )

    async def run(self) -> None:
        """Never returns; cancel it."""
        failures = 0
        while True:
            try:
                async with open_line(self._settings.path, self._settings.baud, self._wake) as line:
                    modem = await self._ready(line)
                    failures = 0
                    await self._serve(modem)
            except (*_ILL, NoNetwork) as exc:
                failures += 1
                self._ill(exc)
            finally:
                self.up.clear()
            if failures % POWER_EVERY == 0 and self._settings.power != "none":
                await power.cycle(self._settings)
            await asyncio.sleep(PAUSES_S[min(failures, len(PAUSES_S)) - 1])

    async def _do(self, rank: int, is_wanted: Callable[[], bool], work: Callable[[Modem], Awaitable[T]]) -> T:
        done: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._jobs, Job(rank, next(self._numbers), is_wanted, work, done))
        if rank < _ROUTINE:
            self._pressing.set()
        self._wake.set()
        return await done

    async def _ready(self, line: Line) -> Modem:
        """The modem, set up and in the network. Raises _ILL, NoNetwork."""
        modem = Modem(line, send_s=self._settings.send_s)
        try:
            await modem.set_up(self._pin)
        except PinProblem:
            self._pin = ""  # a PIN that was refused once is refused again, and the third time locks the card
            raise
        for _ in range(SEARCHES):
            health = await modem.health()
            if health.registered:
                self._judge(health)
                self._has_memory = True
                self._stored.clear()
                self._check_s = _now_s() + CHECK_S
                self.up.set()
                return modem
            self._ill(NoNetwork("the modem finds no network: is the antenna on, is the SIM card paid for?"))
            await asyncio.sleep(SEARCH_S)
        raise NoNetwork(f"the modem found no network in {SEARCHES * SEARCH_S:.0f} s")

    async def _serve(self, modem: Modem) -> NoReturn:
        has_sent = False
        while True:
            if modem.line.lost is not None:
                raise modem.line.lost
            self._wake.clear()  # before what is looked at below: what comes meanwhile is not slept through
            await self._heed(modem)
            job = self._jobs[0] if self._jobs else None
            if job and job.rank == _SEND and not (has_sent and self._stored):
                await self._carry_out(heapq.heappop(self._jobs), modem)
                has_sent = True
            elif self._stored:
                has_sent = False
                await self._read(self._stored.popleft(), modem)
            elif self._has_memory:
                self._has_memory = False
                self._stored.extend(await modem.stored())
            elif job:
                await self._carry_out(heapq.heappop(self._jobs), modem)
            elif _now_s() >= self._check_s:
                await self._check(modem)
            else:
                await self._rest()

    async def _carry_out(self, job: Job, modem: Modem) -> None:
        """Do a job. What goes wrong is told to whoever gave it; what it says of the modem is acted upon here."""
        if not any(each.rank == _SEND for each in self._jobs):
            self._urgent.clear()
        if not any(each.rank < _ROUTINE for each in self._jobs):
            self._pressing.clear()
        if job.done.cancelled():
            return
        try:
            result = await self._result(job, modem)
        except Refused as exc:
            job.done.set_exception(exc)
            if exc.blame != "number":
                await self._again(modem)
        except NoAnswer as exc:
            job.done.set_exception(exc)
            await self._again(modem, exc)
        except (Mute, PortLost) as exc:
            job.done.set_exception(NoAnswer(str(exc)))
            raise
        else:
            if not job.done.done():
                job.done.set_result(result)

    async def _result(self, job: Job, modem: Modem) -> Any:
        if not job.is_wanted():
            raise _GivenUp("nobody wants it any more")
        return await (self._unless_pressed(job, modem) if job.rank == _ROUTINE else job.work(modem))

    async def _unless_pressed(self, job: Job, modem: Modem) -> Any:
        """The job's work, given up soon once an alarm waits for it. Raises _GivenUp then: it may have gone out."""
        work = asyncio.ensure_future(job.work(modem))
        pressed = asyncio.ensure_future(self._pressing.wait())
        try:
            await asyncio.wait((work, pressed), return_when=asyncio.FIRST_COMPLETED)
            if not work.done():
                await asyncio.wait((work,), timeout=CUT_S)
            if work.done():
                return work.result()
        finally:
            for one in (work, pressed):
                one.cancel()
            await asyncio.wait((work, pressed))
        await modem.line.synchronize()
        await modem.hang_up()  # a call that was being dialled would keep the modem from the next
        raise _GivenUp("an alarm was more urgent")

    async def _again(self, modem: Modem, why: NoAnswer | None = None) -> None:
        """It may have started anew, or lost its network, by itself."""
        if isinstance(why, _GivenUp):
            return
        await modem.set_up(self._pin)
        await self._check(modem)

    async def _check(self, modem: Modem) -> None:
        """Raises NoNetwork."""
        self._check_s = _now_s() + CHECK_S
        self._has_memory = True
        health = await modem.health()
        if not health.registered:
            raise NoNetwork("the modem has lost its network")
        self._judge(health)

    async def _heed(self, modem: Modem) -> None:
        """What the modem has said by itself."""
        notices = list(modem.line.notices)
        modem.line.notices.clear()
        self._has_memory = self._has_memory or reads_memory(notices)
        if any(notice.name in ("RING", "+CRING") for notice in notices):
            await modem.hang_up()  # whoever calls back keeps the modem from calling others
        if any(notice.name == "RDY" for notice in notices):
            await self._again(modem)
        for notice in notices:
            if (found := message(notice)) is not None:
                await self._came(found)

    async def _read(self, stored: Stored, modem: Modem) -> None:
        if stored.message is None or await self._came(stored.message):
            await modem.delete(stored.slot)

    async def _rest(self) -> None:
        try:
            async with asyncio.timeout(max(0.0, self._check_s - _now_s())):
                await self._wake.wait()
        except TimeoutError:
            return

    def _judge(self, health: Health) -> None:
        self._well()
        if health.signal_dbm is not None and health.signal_dbm <= WEAK_DBM:
            self._tell(f"the signal is weak, {health.signal_dbm} dBm: move the antenna")
        elif health.room and health.used >= FULL * health.room:
            self._tell(f"the modem's memory is nearly full: {health.used} of {health.room} messages")
        else:
            self._tell(None)
        if self._ill_since_s is not None:
            logger.info("modem: works again after %.0f s", _now_s() - self._ill_since_s)
            self._ill_since_s = None

    def _ill(self, exc: Exception) -> None:
        words = str(exc)
        logger.log(logging.WARNING if self._ill_since_s is None else logging.DEBUG, "modem: %s", words)
        self._ill_since_s = _now_s() if self._ill_since_s is None else self._ill_since_s
        self._tell(words)

    def _tell(self, words: str | None) -> None:
        if words != self._words:
            self._words = words
            self._fault(words)


def _now_s() -> float:
    return asyncio.get_running_loop().time()
