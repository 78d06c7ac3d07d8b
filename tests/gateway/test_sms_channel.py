"""The channels sms and voice on the virtual modem: what is told of each message, who goes first, and every way in which a modem dies."""

import asyncio
import sys
from collections.abc import Callable, Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from commune import START_MS

from gateway.delivery.queue import Backoff
from gateway.delivery.sms import calls, station
from gateway.delivery.sms.channel import SmsLoop, Ties, VoiceLoop
from gateway.domain.replies import Reply
from gateway.domain.rows import DeliveryRow
from gateway.settings import Sms
from gateway.store.journal import Outgoing
from protocol import site as site_files
from protocol.incident import Delivery
from simulator.modem.device import VirtualModem
from simulator.modem.faults import Faults

DEMO = site_files.load(Path(__file__).parents[2] / "simulator/communes/ngo-thu-5.toml")
FIRE = "CHÁY! Tổ liên gia 03, hộ 07, ngõ 5 thôn 3. Gọi 114. 14:03"
HOUSEHOLD = "+840000000038"  # of the demo site
PATIENCE_S = 30.0
QUICK = Backoff(first_s=0.05, longest_s=0.1, tries_max=4)


def phone(number: int) -> str:
    return f"+8490000{number:04d}"


def message(ident: int, to: str, *, channel: str = "sms", reference: str = "", **fields: Any) -> Outgoing:
    known = {"id": ident, "channel": channel, "what": "opened", "person": f"p-{ident}", "state": "waiting", "tries": 0, "at_ms": START_MS}
    delivery = Delivery.model_validate(known | {"decided_ms": START_MS} | fields)
    return Outgoing(DeliveryRow("2026-000001", delivery, to, START_MS, reference), '{"text": "' + FIRE + '"}')


class House:
    """Both loops on a virtual modem, with everything that they tell."""

    def __init__(self, folder: Path, faults: Faults | None, handed: list[Outgoing], **settings: Any) -> None:
        self.told: list[DeliveryRow] = []
        self.answers: list[Reply] = []
        self.faults: list[str | None] = []
        self.is_writable = True
        self.modem = VirtualModem(folder / "modem", faults=faults)
        self.now_s = START_MS / 1000
        ties = Ties(self.told.append, self.answers.append, lambda _key, words: self.faults.append(words), self._settled)
        options = Sms.model_validate({"port": str(self.modem.path), "ring_s": 5, "send_s": 5} | settings)
        self.sms = SmsLoop(options, DEMO, ties, handed, retry=QUICK, clock=lambda: self.now_s)
        self.voice = VoiceLoop(self.sms.station, self.told.append, retry=QUICK, clock=lambda: self.now_s)

    async def _settled(self) -> bool:
        while not self.is_writable:  # noqa: ASYNC110 - a disk has no event
            await asyncio.sleep(0.01)
        return True

    def put(self, *messages: Outgoing) -> None:
        self.sms.queue.put(list(messages))
        self.voice.queue.put(list(messages))

    def states(self, ident: int) -> list[str]:
        """Every state that was told of a message, without repeats."""
        found = [row.delivery.state for row in self.told if row.delivery.id == ident]
        return [state for place, state in enumerate(found) if place == 0 or found[place - 1] != state]

    def last(self, ident: int) -> Delivery:
        return [row.delivery for row in self.told if row.delivery.id == ident][-1]

    async def until(self, test: Callable[[], object]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not test():  # noqa: ASYNC110 - what is waited for has no event
                await asyncio.sleep(0.01)


def played(
    folder: Path,
    play: Callable[[House], Coroutine[Any, Any, None]],
    faults: Faults | None = None,
    *,
    handed: list[Outgoing] | None = None,
    **settings: Any,
) -> None:
    """Run a scene to its end."""

    async def run() -> None:
        house = House(folder, faults, handed or [], **settings)
        async with house.modem:
            loops = [asyncio.create_task(house.sms.run()), asyncio.create_task(house.voice.run())]
            try:
                await play(house)
            finally:
                for loop in loops:
                    loop.cancel()
                for loop in loops:
                    with suppress(asyncio.CancelledError):
                        await loop

    asyncio.run(run())


@pytest.fixture(autouse=True)
def _no_long_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(station, "PAUSES_S", (0.05,))
    monkeypatch.setattr(station, "SEARCH_S", 0.05)


def test_a_message_is_handed_over_and_delivered_with_the_network_s_word(tmp_path: Path) -> None:
    async def play(house: House) -> None:
        house.put(message(1, phone(1)))
        await house.until(lambda: "delivered" in house.states(1))
        assert house.modem.messages == [(phone(1), FIRE)]
        assert house.states(1) == ["waiting", "handed", "delivered"]
        assert [row.reference for row in house.told] == ["?", "0", "0"]
        assert house.last(1).tries == 1

    played(tmp_path, play)


def test_a_report_that_comes_in_one_breath_with_the_answer_counts(tmp_path: Path) -> None:
    async def play(house: House) -> None:
        house.put(*(message(number, phone(number)) for number in range(1, 9)))
        await house.until(lambda: all("delivered" in house.states(number) for number in range(1, 9)))

    played(tmp_path, play, Faults(report_s=0.0))


def test_what_comes_while_a_report_is_written_down_is_not_slept_through(tmp_path: Path) -> None:
    async def play(house: House) -> None:
        house.put(message(1, phone(1)))
        await house.until(lambda: "handed" in house.states(1))
        house.is_writable = False
        await house.until(lambda: "delivered" in house.states(1))
        house.modem.receive(HOUSEHOLD, "1")
        await house.until(house.sms.station._wake.is_set)
        house.is_writable = True
        await house.until(lambda: house.answers)

    played(tmp_path, play, Faults(report_s=0.5))


def test_a_report_of_failure_is_the_end_of_it(tmp_path: Path) -> None:
    async def play(house: House) -> None:
        house.put(message(1, phone(1)))
        await house.until(lambda: "failed" in house.states(1))
        assert house.last(1).error == "the network could not deliver it (status 0x46)"

    played(tmp_path, play, Faults(report_status=0x46))


def test_d41_that_no_report_came_is_said_and_a_late_one_still_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.delivery.sms.channel.OVERDUE_S", 0.02)

    async def play(house: House) -> None:
        house.put(message(1, phone(1)))
        await house.until(lambda: "handed" in house.states(1))
        assert house.last(1).error == ""
        house.now_s += 301
        await house.until(lambda: house.last(1).error)
        assert (house.last(1).state, house.last(1).error) == ("handed", "no delivery report in 300 s")
        await house.modem.radio.report(house.modem.sent[0])
        await house.until(lambda: "delivered" in house.states(1))

    played(tmp_path, play, Faults(reports=False))


def test_a_report_that_comes_after_a_restart_finds_its_message(tmp_path: Path) -> None:
    earlier = message(7, phone(7), state="handed", tries=1, handed_ms=START_MS, reference="0")

    async def play(house: House) -> None:
        await house.until(lambda: house.modem.radio.indications[3] == 1)
        house.put(message(8, phone(7)))  # the modem has started anew too, and counts from 0: to this number the newer one is meant
        await house.until(lambda: "delivered" in house.states(8))
        assert house.states(7) == []

    played(tmp_path, play, handed=[earlier])

    async def alone(house: House) -> None:
        await house.until(house.sms.station.up.is_set)
        house.modem.faults.reports = False
        house.put(message(8, phone(8)))
        await house.until(lambda: house.modem.sent)
        await house.modem.radio.report(house.modem.sent[0]._replace(number=phone(7)))
        await house.until(lambda: house.states(7) == ["delivered"])

    played(tmp_path, alone, handed=[earlier])


def test_a_bad_number_blocks_nobody(tmp_path: Path) -> None:
    async def play(house: House) -> None:
        house.modem.manners[phone(1)] = "nobody"
        house.put(message(1, phone(1)), message(2, "not a number"), message(3, phone(3)))
        await house.until(lambda: "delivered" in house.states(3) and "failed" in house.states(1) and "failed" in house.states(2))
        assert house.last(1).error == "nobody has this number (CMS 1)"
        assert "number: expected" in house.last(2).error
        assert house.modem.messages == [(phone(3), FIRE)]

    played(tmp_path, play)


def test_what_the_network_refuses_is_tried_again_and_given_up_in_the_end(tmp_path: Path) -> None:
    async def play(house: House) -> None:
        house.put(message(1, phone(1)))
        await house.until(lambda: "delivered" in house.states(1))
        assert house.last(1).tries == 3
        house.modem.faults.refuse_numbers[phone(2)] = 21
        house.put(message(2, phone(2)))
        await house.until(lambda: "failed" in house.states(2))
        assert (house.last(2).tries, house.last(2).error) == (4, "the network refused the message: often no credit (CMS 21)")

    played(tmp_path, play, Faults(refuse_sends=[42, 41]))


def test_a_message_that_may_have_gone_out_goes_again_and_says_so(tmp_path: Path) -> None:
    async def play(house: House) -> None:
        house.put(message(1, phone(1)))
        await house.until(lambda: "delivered" in house.states(1))
        assert house.modem.messages == [(phone(1), FIRE), (phone(1), f"{FIRE} (gửi lại)")]
        assert house.last(1).tries == 2

    played(tmp_path, play, Faults(swallow_ok=1), send_s=1)


def test_a_message_that_was_under_way_at_the_kill_goes_again_and_says_so(tmp_path: Path) -> None:
    async def play(house: House) -> None:
        house.put(message(1, phone(1), reference="?"))
        await house.until(lambda: house.modem.messages)
        assert house.modem.messages == [(phone(1), f"{FIRE} (gửi lại)")]

    played(tmp_path, play)


def test_that_it_is_about_to_be_sent_is_on_the_disk_before_but_a_full_disk_does_not_stop_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.delivery.sms.channel.SETTLE_S", 0.3)

    async def play(house: House) -> None:
        house.is_writable = False
        await house.until(house.sms.station.up.is_set)
        house.put(message(1, phone(1)))
        await house.until(lambda: house.told)
        assert house.modem.sent == []
        await house.until(lambda: house.modem.sent)
        house.modem.receive(HOUSEHOLD, "1")
        await house.until(lambda: house.answers)
        assert house.modem.memory  # not on the disk: the modem keeps it
        house.is_writable = True
        await house.until(lambda: "delivered" in house.states(1))

    played(tmp_path, play)


def test_answers_of_known_people_come_through_and_others_are_dropped(tmp_path: Path) -> None:
    async def play(house: House) -> None:
        await house.until(house.sms.station.up.is_set)
        for number, words in ((HOUSEHOLD, "1"), (HOUSEHOLD, "An toàn"), (phone(9), "GIUP"), (HOUSEHOLD, "GIÚP"), (HOUSEHOLD, "?!")):
            house.modem.receive(number, words)
        await house.until(lambda: len(house.answers) == 3 and not house.modem.memory)
        assert [answer.says for answer in house.answers] == ["acknowledge", "safe", "need_help"]
        assert {(answer.person, answer.channel) for answer in house.answers} == {("chu-ho-03-08", "sms")}

    played(tmp_path, play)


def test_answers_that_came_while_we_were_away_are_read_at_the_start(tmp_path: Path) -> None:
    async def play(house: House) -> None:
        await house.until(lambda: house.answers and not house.modem.memory)

    faults = Faults()

    async def before() -> None:
        async with VirtualModem(tmp_path / "modem", faults=faults) as modem:
            modem.receive(HOUSEHOLD, "1")
            stored.update(modem.memory)

    stored: dict[int, str] = {}
    asyncio.run(before())

    async def filled(house: House) -> None:
        house.modem.memory.update(stored)
        await play(house)

    played(tmp_path, filled, faults)


def test_alarms_go_before_calls_and_a_call_gives_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls, "POLL_S", 0.05)

    async def play(house: House) -> None:
        house.put(message(1, phone(1), channel="voice"))
        await house.until(lambda: house.modem.calls and house.modem.calls[0].state == 3)
        house.put(message(2, phone(2)), message(3, phone(3), channel="voice"))
        await house.until(lambda: house.modem.sent)
        assert house.modem.calls[0].end == "hung up"
        rang_s = house.modem.calls[0].rang_s
        assert rang_s is not None
        assert 2.5 <= rang_s < 4.5
        await house.until(lambda: len(house.modem.calls) == 2)
        assert house.modem.sent[0].at < house.modem.calls[1].at
        assert house.states(1) == ["handed"]

    played(tmp_path, play)


def test_a_call_that_waits_behind_messages_is_not_made_once_nobody_wants_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls, "POLL_S", 0.05)

    async def play(house: House) -> None:
        house.put(message(1, phone(1)), message(2, phone(2), channel="voice"))
        await house.until(lambda: house.states(1))  # the modem has it, and the call waits
        house.voice.queue.withdraw([2])
        house.put(message(3, phone(3), channel="voice"))
        await house.until(lambda: house.modem.calls)
        assert house.modem.calls[0].number == phone(3)
        assert house.states(2) == []

    played(tmp_path, play, Faults(slow_s=0.2))


def canary(ident: int, to: str, channel: str = "sms") -> Outgoing:
    sent = message(ident, to, channel=channel, what="canary")
    return sent._replace(row=sent.row._replace(incident=""))


@pytest.mark.parametrize("alarm", ["sms", "voice"])
def test_an_alarm_waits_for_no_canary_that_the_network_keeps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, alarm: str) -> None:
    """The modem takes the canary and says nothing more of it; without an alarm it would be waited for two minutes."""
    monkeypatch.setattr(station, "CUT_S", 0.2)

    async def play(house: House) -> None:
        house.put(canary(1, phone(1)))
        await house.until(lambda: house.modem.sent)
        house.put(message(2, phone(2), channel=alarm))
        await house.until(lambda: "handed" in house.states(2))
        await house.until(lambda: "handed" in house.states(1))

    played(tmp_path, play, Faults(swallow_ok=1), send_s=120)


def test_an_alarm_waits_for_no_phone_that_a_canary_rings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls, "POLL_S", 0.05)

    async def play(house: House) -> None:
        house.put(canary(1, phone(1), "voice"))
        await house.until(lambda: house.modem.calls and house.modem.calls[0].state == 3)
        house.put(message(2, phone(2), channel="voice"))
        await house.until(lambda: len(house.modem.calls) == 2)
        assert house.modem.calls[0].end == "hung up"
        rang_s = house.modem.calls[0].rang_s
        assert rang_s is not None
        assert rang_s < 30, "of sixty"
        assert house.modem.calls[1].number == phone(2)

    played(tmp_path, play, ring_s=60)


def test_a_call_of_a_canary_that_is_only_being_dialled_is_hung_up_for_an_alarm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(station, "CUT_S", 0.2)

    async def play(house: House) -> None:
        await house.until(house.sms.station.up.is_set)
        house.modem.faults.slow_s = 3.0
        house.put(canary(1, phone(1), "voice"))
        await house.until(lambda: house.modem.calls)
        house.put(message(2, phone(2), channel="voice"))
        house.modem.faults.slow_s = 0.0
        await house.until(lambda: len(house.modem.calls) == 2)
        assert house.modem.calls[0].end == "hung up"
        assert house.modem.calls[1].number == phone(2)

    played(tmp_path, play, ring_s=60)


def test_a_flood_of_strangers_messages_does_not_delay_alarms(tmp_path: Path) -> None:
    """Between two alarms one stored message is read, no more."""

    async def play(house: House) -> None:
        for number in range(25):
            house.modem.receive(phone(500 + number), "quảng cáo")
        house.put(*(message(number, phone(number)) for number in range(1, 11)))
        await house.until(lambda: len(house.modem.sent) == 10)
        read = sum(typed.startswith("AT+CMGD") for typed in house.modem.typed)
        assert read <= 10
        await house.until(lambda: not house.modem.memory)

    played(tmp_path, play, Faults(slow_s=0.02))


@pytest.mark.parametrize(
    ("manner", "states"),
    [("answers", ["delivered"]), ("rings", ["handed"]), ("busy", ["waiting", "failed"]), ("off", ["waiting", "failed"])],
)
def test_what_is_told_of_a_call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, manner: Any, states: list[str]) -> None:
    monkeypatch.setattr(calls, "POLL_S", 0.05)
    monkeypatch.setattr(calls, "ANSWERED_S", 0.1)

    async def play(house: House) -> None:
        house.modem.manners[phone(1)] = manner
        house.put(message(1, phone(1), channel="voice"))
        await house.until(lambda: house.states(1)[-1:] == states[-1:])
        assert house.states(1) == states

    played(tmp_path, play)


def test_whoever_calls_back_is_hung_up_on(tmp_path: Path) -> None:
    async def play(house: House) -> None:
        await house.until(house.sms.station.up.is_set)
        house.modem.rung_by(HOUSEHOLD)
        await house.until(lambda: "AT+CHUP" in house.modem.typed)

    played(tmp_path, play)


def test_an_unplugged_modem_is_a_fault_and_its_messages_wait(tmp_path: Path) -> None:
    async def play(house: House) -> None:
        await house.until(house.sms.station.up.is_set)
        assert house.faults == [None]
        house.modem.unplug()
        await house.until(lambda: house.faults[-1])
        house.put(message(1, phone(1)))
        await house.until(lambda: "is it plugged in" in (house.faults[-1] or ""))
        assert house.states(1) == []
        house.modem.plug()
        await house.until(lambda: "delivered" in house.states(1))
        assert house.faults[-1] is None
        assert house.last(1).tries == 1

    played(tmp_path, play)


def test_d42_a_mute_modem_loses_its_power_and_comes_back(tmp_path: Path) -> None:
    """The command of the settings is run after three failures in a row; here it is what lets the virtual modem speak again."""
    cut = tmp_path / "cut"
    command = [sys.executable, "-c", f"open({str(cut)!r}, 'a').write('x')"]

    async def play(house: House) -> None:
        house.put(message(1, phone(1)))
        await house.until(cut.exists)
        assert house.faults[0] == "no answer to AT in 4 tries"
        house.modem.faults.mute = False
        await house.until(lambda: "delivered" in house.states(1))

    played(tmp_path, play, Faults(mute=True), power="command", power_command=command)


def test_a_modem_that_hangs_amid_a_message_sends_it_when_it_is_back(tmp_path: Path) -> None:
    async def play(house: House) -> None:
        house.put(message(1, phone(1)))
        await house.until(lambda: house.modem.sent)
        house.modem.faults.mute = True
        await house.until(lambda: house.faults)
        house.modem.faults.mute = False
        await house.until(lambda: "delivered" in house.states(1))

    played(tmp_path, play, Faults(swallow_ok=1), send_s=1)


def test_a_modem_that_reboots_is_set_up_again(tmp_path: Path) -> None:
    async def play(house: House) -> None:
        await house.until(house.sms.station.up.is_set)
        house.modem.reboot()
        await house.until(lambda: house.modem.radio.indications[1] == 1)
        house.modem.faults.reboots = 1
        house.put(message(1, phone(1)))
        await house.until(lambda: "delivered" in house.states(1))
        assert house.modem.boots == 3

    played(tmp_path, play, send_s=1)


def test_without_network_messages_wait_and_are_not_used_up(tmp_path: Path) -> None:
    async def play(house: House) -> None:
        house.put(message(1, phone(1)))
        await house.until(lambda: house.faults)
        assert house.faults[0] == "the modem finds no network: is the antenna on, is the SIM card paid for?"
        house.modem.faults.registered = 5
        await house.until(lambda: "delivered" in house.states(1))
        assert house.last(1).tries == 1

    played(tmp_path, play, Faults(registered=0))


@pytest.mark.parametrize(
    ("faults", "words"),
    [
        (Faults(signal=2), "the signal is weak, -109 dBm: move the antenna"),
        (Faults(sim=False), "there is no SIM card (CME 10)"),
        (Faults(pin="4711"), "the SIM card wants its PIN"),
    ],
)
def test_what_is_wrong_is_told_in_words(tmp_path: Path, faults: Faults, words: str) -> None:
    async def play(house: House) -> None:
        await house.until(lambda: house.faults)
        assert (house.faults[0] or "").startswith(words)

    played(tmp_path, play, faults)


def test_a_wrong_pin_is_tried_once(tmp_path: Path) -> None:
    (tmp_path / "pin").write_text("1234\n")
    faults = Faults(pin="4711")

    async def play(house: House) -> None:
        await house.until(lambda: "wants its PIN" in (house.faults or [""])[-1])

    played(tmp_path, play, faults, pin_file=tmp_path / "pin")
    assert faults.pin_tries == 2
