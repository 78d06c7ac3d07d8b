"""Our side of the serial port against the virtual modem, with everything that a modem does to people."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gateway.delivery.sms import calls, modem, pdu
from gateway.delivery.sms.at import Command
from gateway.delivery.sms.line import Mute, NoAnswer, Refused, open_line
from gateway.delivery.sms.modem import Modem, PinProblem, message
from gateway.delivery.sms.pdu import Deliver, StatusReport
from gateway.delivery.sms.port import PortLost
from simulator.modem.device import VirtualModem
from simulator.modem.faults import Faults

PHONE = "+84901234567"
FIRE = "CHÁY! Tổ liên gia 03, hộ 07, ngõ 5 thôn 3. Gọi 114. 14:03"
PATIENCE_S = 20.0


@asynccontextmanager
async def pair(
    folder: Path, faults: Faults | None = None, *, pin: str = "", send_s: float = 10
) -> AsyncIterator[tuple[Modem, VirtualModem]]:
    """Our modem, set up, and the virtual one that it is."""
    async with VirtualModem(folder / "modem", faults=faults) as virtual, open_line(virtual.path, 115200) as line:
        ours = Modem(line, send_s=send_s)
        await ours.set_up(pin)
        yield ours, virtual


async def until(test: Callable[[], object]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not test():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.005)


async def send(ours: Modem, text: str = FIRE, to: str = PHONE) -> list[int]:
    return [await ours.send(segment) for segment in pdu.submit(to, text, reference=1)]


def played(folder: Path, play: Callable[[Modem, VirtualModem], Awaitable[None]], faults: Faults | None = None, **options: float) -> None:
    """Run a scene to its end."""

    async def run() -> None:
        async with asyncio.timeout(60), pair(folder, faults, **options) as (ours, virtual):  # type: ignore[arg-type]
            await play(ours, virtual)

    asyncio.run(run())


TROUBLES = {
    "good": Faults(),
    "chatter": Faults(chatter=True),
    "garbage": Faults(garbage=True),
    "halves": Faults(halves=True),
    "slow": Faults(slow_s=0.3),
    "all at once": Faults(chatter=True, garbage=True, halves=True, slow_s=0.1),
    "knows little": Faults(refuses=("V", "+GCAP", "+CMEE", "+CRC", "+COLP", "+CLIP", "+CSMS", "+CLCC", "+CPMS")),
}


@pytest.mark.parametrize("trouble", TROUBLES)
def test_a_message_gets_through_and_its_report_comes_back(tmp_path: Path, trouble: str) -> None:
    async def play(ours: Modem, virtual: VirtualModem) -> None:
        assert await send(ours) == [0]
        assert virtual.messages == [(PHONE, FIRE)]
        await until(lambda: any(notice.name == "+CDS" for notice in ours.line.notices))
        (report,) = [found for notice in ours.line.notices if (found := message(notice))]
        assert report == StatusReport(0, PHONE, 0)
        assert virtual.nonsense == []

    played(tmp_path, play, TROUBLES[trouble])


def test_a_long_message_arrives_whole(tmp_path: Path) -> None:
    async def play(ours: Modem, virtual: VirtualModem) -> None:
        assert await send(ours, "Ấp " * 60) == [0, 1, 2]
        assert virtual.messages == [(PHONE, "Ấp " * 60)]

    played(tmp_path, play)


def test_a_modem_that_can_only_store_reports_says_where_they_are(tmp_path: Path) -> None:
    async def play(ours: Modem, virtual: VirtualModem) -> None:
        await send(ours)
        await until(lambda: modem.reads_memory(ours.line.notices))
        (stored,) = await ours.stored()
        assert stored.message == StatusReport(0, PHONE, 0)

    played(tmp_path, play, Faults(reports_in_memory=True))


@pytest.mark.parametrize("trouble", TROUBLES)
def test_replies_stay_in_the_memory_until_they_are_deleted(tmp_path: Path, trouble: str) -> None:
    async def play(ours: Modem, virtual: VirtualModem) -> None:
        virtual.receive(PHONE, "1")
        virtual.receive("+84901234568", "giúp")
        await until(lambda: sum(notice.name == "+CMTI" for notice in ours.line.notices) == 2)
        found = [stored.message for stored in await ours.stored()]
        assert [(each.sender, each.text) for each in found if isinstance(each, Deliver)] == [(PHONE, "1"), ("+84901234568", "giúp")]
        await ours.delete(1)
        assert [stored.slot for stored in await ours.stored()] == [2]

    played(tmp_path, play, TROUBLES[trouble])


def test_rubbish_in_the_memory_can_be_seen_and_deleted(tmp_path: Path) -> None:
    async def play(ours: Modem, virtual: VirtualModem) -> None:
        virtual.memory[4] = "00FFFF"
        assert await ours.stored() == [modem.Stored(4, None)]
        await ours.delete(4)
        assert virtual.memory == {}

    played(tmp_path, play)


@pytest.mark.parametrize(("code", "blame"), [(1, "number"), (21, "card"), (331, "network"), (500, "modem")])
def test_a_refused_message_says_who_is_to_blame_and_the_next_gets_through(tmp_path: Path, code: int, blame: str) -> None:
    async def play(ours: Modem, virtual: VirtualModem) -> None:
        virtual.faults.refuse_sends = [code]
        with pytest.raises(Refused) as refused:
            await send(ours)
        assert refused.value.blame == blame
        await send(ours)
        assert virtual.messages == [(PHONE, FIRE)]

    played(tmp_path, play)


def test_a_message_without_an_answer_may_have_gone_out_and_the_next_is_no_part_of_it(tmp_path: Path) -> None:
    async def play(ours: Modem, virtual: VirtualModem) -> None:
        virtual.faults.swallow_ok = 1
        with pytest.raises(NoAnswer):
            await send(ours)
        assert virtual.messages == [(PHONE, FIRE)]
        await send(ours, "hai")
        assert virtual.messages[-1] == (PHONE, "hai")
        assert virtual.nonsense == []

    played(tmp_path, play, send_s=0.5)


def test_a_modem_that_does_not_prompt_is_left_with_escape(tmp_path: Path) -> None:
    async def play(ours: Modem, virtual: VirtualModem) -> None:
        virtual.faults.deaf_prompt = True
        with pytest.raises(NoAnswer):
            await send(ours)
        virtual.faults.deaf_prompt = False
        await send(ours)
        assert virtual.messages == [(PHONE, FIRE)]

    played(tmp_path, play, send_s=0.5)


def test_what_comes_too_late_is_not_the_answer_to_the_next_command(tmp_path: Path) -> None:
    async def play(ours: Modem, virtual: VirtualModem) -> None:
        virtual.faults.slow_s = 1.2
        with pytest.raises(NoAnswer):
            await ours.line.ask(Command("AT+CSQ", "+CSQ:", timeout_s=0.2))
        virtual.faults.slow_s = 0.0
        assert await ours.line.ask(Command("AT+CREG?", "+CREG:")) == ("+CREG: 0,1",)

    played(tmp_path, play)


def test_a_mute_modem_is_found_out(tmp_path: Path) -> None:
    async def play(ours: Modem, virtual: VirtualModem) -> None:
        virtual.faults.mute = True
        with pytest.raises(Mute):
            await send(ours)

    played(tmp_path, play, send_s=0.2)


def test_a_modem_that_reboots_amid_a_message_must_be_set_up_again(tmp_path: Path) -> None:
    async def play(ours: Modem, virtual: VirtualModem) -> None:
        virtual.faults.reboots = 1
        with pytest.raises(NoAnswer):
            await send(ours)
        assert virtual.boots == 2
        assert virtual.messages == []
        with pytest.raises(Refused):
            await send(ours)  # it is in text mode now
        await ours.set_up("")
        await send(ours)
        assert virtual.messages == [(PHONE, FIRE)]

    played(tmp_path, play, send_s=0.5)


def test_an_unplugged_modem_is_lost_at_once(tmp_path: Path) -> None:
    async def play(ours: Modem, virtual: VirtualModem) -> None:
        asyncio.get_running_loop().call_later(0.05, virtual.unplug)
        virtual.faults.mute = True
        with pytest.raises(PortLost, match="gone"):
            await ours.line.ask(Command("AT", timeout_s=30))
        with pytest.raises(PortLost):
            await send(ours)

    played(tmp_path, play)


def test_who_is_killed_amid_a_message_finds_the_modem_usable_again(tmp_path: Path) -> None:
    """The prompt is left first: else the set-up would become the text of a message."""

    async def run() -> None:
        async with VirtualModem(tmp_path / "modem") as virtual:
            async with open_line(virtual.path, 115200) as line:
                await Modem(line, send_s=5).set_up("")
                line._port.write(b"AT+CMGS=25\r")
                await until(lambda: virtual.typed[-1] == "AT+CMGS=25")
            async with open_line(virtual.path, 115200) as line:
                ours = Modem(line, send_s=5)
                await ours.set_up("")
                await send(ours)
            assert virtual.messages == [(PHONE, FIRE)]

    asyncio.run(run())


def test_the_pin_is_given(tmp_path: Path) -> None:
    async def play(ours: Modem, virtual: VirtualModem) -> None:
        await send(ours)
        assert virtual.messages == [(PHONE, FIRE)]

    played(tmp_path, play, Faults(pin="4711"), pin="4711")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("faults", "pin", "words", "tries"),
    [
        (Faults(pin="4711"), "", "wants its PIN", 3),
        (Faults(pin="4711"), "1234", "the PIN is refused", 2),
        (Faults(pin="4711", pin_tries=1), "1234", "one try for the PIN is left", 1),
        (Faults(pin="4711", pin_tries=0), "4711", "got SIM PUK", 0),
    ],
)
def test_a_card_that_stays_locked_says_why_and_its_last_try_is_not_risked(
    tmp_path: Path, faults: Faults, pin: str, words: str, tries: int
) -> None:
    async def run() -> None:
        with pytest.raises(PinProblem, match=words):
            async with pair(tmp_path, faults, pin=pin):
                pass

    asyncio.run(run())
    assert faults.pin_tries == tries


def test_no_card_is_told(tmp_path: Path) -> None:
    async def run() -> None:
        with pytest.raises(Refused, match="there is no SIM card"):
            async with pair(tmp_path, Faults(sim=False)):
                pass

    asyncio.run(run())


@pytest.mark.parametrize(
    ("faults", "health"),
    [
        (Faults(), modem.Health(True, -73, 0, 30)),
        (Faults(registered=0), modem.Health(False, -73, 0, 30)),
        (Faults(registered=5, signal=99, room=0), modem.Health(True, None, 0, 0)),
        (Faults(chatter=True, signal=2), modem.Health(True, -109, 0, 30)),
    ],
)
def test_how_the_modem_is(tmp_path: Path, faults: Faults, health: modem.Health) -> None:
    async def play(ours: Modem, virtual: VirtualModem) -> None:
        assert await ours.health() == health
        assert await ours.name() == "KENG VIRTUAL-1"

    played(tmp_path, play, faults)


@pytest.mark.parametrize(
    ("manner", "end"), [("rings", "rang"), ("answers", "answered"), ("busy", "busy"), ("rejects", "busy"), ("off", "unreachable")]
)
def test_how_a_call_ends(tmp_path: Path, manner: str, end: str) -> None:
    async def play(ours: Modem, virtual: VirtualModem) -> None:
        virtual.manners[PHONE] = manner  # type: ignore[assignment]
        call = await calls.ring(ours, PHONE, ring_s=1.0, urgent=asyncio.Event())
        assert call.end == end
        (made,) = virtual.calls
        assert made.rang_s is not None
        if end == "rang":
            assert made.end == "hung up"
            assert made.rang_s >= 1.0
        await send(ours)
        assert virtual.messages == [(PHONE, FIRE)]

    played(tmp_path, play)


def test_a_modem_that_does_not_know_the_state_of_a_call_rings_as_long(tmp_path: Path) -> None:
    async def play(ours: Modem, virtual: VirtualModem) -> None:
        assert (await calls.ring(ours, PHONE, ring_s=0.5, urgent=asyncio.Event())).end == "rang"

    played(tmp_path, play, Faults(refuses=("+CLCC",)))


def test_a_call_gives_way_to_what_is_urgent_but_rings_first(tmp_path: Path) -> None:
    async def play(ours: Modem, virtual: VirtualModem) -> None:
        urgent = asyncio.Event()
        urgent.set()
        call = await calls.ring(ours, PHONE, ring_s=2.0, urgent=urgent)
        assert call.end == "cut"
        assert 1.0 <= call.rang_s < 2.0

    played(tmp_path, play)


def test_without_network_nobody_is_called(tmp_path: Path) -> None:
    async def play(ours: Modem, virtual: VirtualModem) -> None:
        assert (await calls.ring(ours, PHONE, ring_s=1.0, urgent=asyncio.Event())).end == "unreachable"

    played(tmp_path, play, Faults(registered=0))


def test_the_port_is_ours_alone(tmp_path: Path) -> None:
    async def play(ours: Modem, virtual: VirtualModem) -> None:
        with pytest.raises(PortLost, match="another program uses"):
            async with open_line(virtual.path, 115200):
                pass

    played(tmp_path, play)


@pytest.mark.parametrize(("name", "words"), [("nothing", "is it plugged in"), ("file", "expected a serial port")])
def test_what_is_no_modem_is_told(tmp_path: Path, name: str, words: str) -> None:
    (tmp_path / "file").write_text("")

    async def run() -> None:
        async with open_line(tmp_path / name, 115200):
            pass

    with pytest.raises(PortLost, match=words):
        asyncio.run(run())
