"""From the press to a phone and back, with the real engine and the virtual modem: and what is left of it after kill -9."""

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from brokers import wait_until
from engines import Town

from gateway.delivery.sms import alphabet
from simulator.modem.device import VirtualModem
from simulator.modem.faults import Faults

LEADER = "+840000000003"  # of the demo site, as the others below
DUTY = "+840000000001"
AGAIN = "(gửi lại)"


@contextmanager
def modem_in_a_thread(folder: Path) -> Iterator[VirtualModem]:
    """A modem with a loop of its own."""
    begun = threading.Event()
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()
    modem = VirtualModem(folder / "modem", faults=Faults())

    async def live() -> None:
        async with modem:
            begun.set()
            await stop.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(live(),))
    thread.start()
    try:
        assert begun.wait(10)
        modem.own_loop = loop  # type: ignore[attr-defined]
        yield modem
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)
        loop.close()


@pytest.fixture
def modem(tmp_path: Path) -> Iterator[VirtualModem]:
    with modem_in_a_thread(tmp_path) as modem:
        yield modem


@pytest.fixture
def town(town: Town, modem: VirtualModem) -> Town:
    town.settings = {"sms": {"port": str(modem.path), "send_s": 10, "ring_s": 5}}
    return town


def say(modem: VirtualModem, number: str, words: str) -> None:
    modem.own_loop.call_soon_threadsafe(modem.receive, number, words)  # type: ignore[attr-defined]


def told(town: Town, person: str, channel: str = "sms") -> list[dict[str, Any]]:
    """What the newest incident says of the messages to a person."""
    return [one for one in town.incident().get("deliveries", []) if (one["person"], one["channel"]) == (person, channel)]


def texts(modem: VirtualModem, number: str) -> list[str]:
    return [text for to, text in modem.messages if to == number]


def test_a_press_reaches_the_phones_of_those_who_are_to_be_told_and_the_record_says_when(town, modem):
    town.start()
    town.press("H03-07", 1)
    wait_until(
        lambda: {one["state"] for person in ("truc-ban-1", "to-truong-03") for one in told(town, person)} == {"delivered"}, "reports"
    )
    (words,) = texts(modem, LEADER)
    assert words.startswith("CHÁY! Hộ mẫu 03-07, ")
    assert "Gọi 114." in words
    (one,) = told(town, "to-truong-03")
    assert one["decided_ms"] <= one["handed_ms"] <= one["delivered_ms"]
    assert modem.nonsense == []


def test_an_answer_by_sms_acknowledges_and_one_of_a_stranger_does_not(town, modem):
    town.start()
    town.press("H03-07", 1)
    wait_until(lambda: texts(modem, DUTY), "a message")
    say(modem, "+840000000099", "1")
    wait_until(lambda: not modem.memory and any(typed.startswith("AT+CMGD") for typed in modem.typed), "the stranger's message read")
    assert town.incident()["state"] == "open"
    say(modem, DUTY, " 1. ")
    wait_until(lambda: town.incident()["state"] == "acknowledged", "acknowledged")
    assert town.incident()["acknowledged_by"] == "truc-ban-1"


def test_an_answer_that_came_while_the_engine_was_away_counts(town, modem):
    town.start()
    town.press("H03-07", 1)
    wait_until(lambda: [one["state"] for one in told(town, "truc-ban-1")] == ["delivered"], "a report")
    town.kill()
    say(modem, DUTY, "1")
    wait_until(lambda: modem.memory, "the answer in the modem")
    town.start()
    wait_until(lambda: town.incident()["state"] == "acknowledged", "acknowledged")
    wait_until(lambda: not modem.memory, "the answer deleted")


def test_killed_before_the_modem_has_it_a_message_goes_out_after_the_start(town, modem):
    modem.faults.deaf_prompt = True
    town.start()
    town.press("H03-07", 1)
    wait_until(lambda: any(typed.startswith("AT+CMGS") for typed in modem.typed), "a message begun")
    town.kill()
    assert modem.sent == []
    modem.faults.deaf_prompt = False
    town.start()
    wait_until(lambda: texts(modem, LEADER) and texts(modem, DUTY), "the messages")
    assert all(len(texts(modem, number)) == 1 for number in (LEADER, DUTY))
    assert modem.nonsense == []


def test_killed_between_hand_over_and_record_a_message_goes_twice_and_the_second_says_so(town, modem):
    modem.faults.slow_s = 0.05
    town.start()
    wait_until(lambda: any(typed.startswith("AT+CMGL") for typed in modem.typed), "a modem that is set up")
    modem.faults.slow_s = 3.0
    town.press("H03-07", 1)
    wait_until(lambda: modem.sent, "a message handed over")
    town.kill()
    number = modem.sent[0].number
    modem.faults.slow_s = 0.0
    town.start()
    wait_until(lambda: len(texts(modem, number)) == 2, "the message once more")
    first, second = texts(modem, number)
    assert alphabet.plain(second) == alphabet.plain(f"{first} {AGAIN}")
    other = next(each for each in (DUTY, LEADER) if each != number)
    wait_until(lambda: texts(modem, other), "the other's message")
    assert AGAIN not in texts(modem, other)[0]


def test_killed_after_the_record_a_message_does_not_go_again_and_its_report_is_still_taken(town, modem):
    modem.faults.reports = False
    town.start()
    town.press("H03-07", 1)
    wait_until(lambda: [one["state"] for one in told(town, "to-truong-03")] == ["handed"], "handed over")
    town.kill()
    town.start()
    wait_until(lambda: sum(typed == "AT+CMGF=0" for typed in modem.typed) >= 2, "the modem set up anew")
    segment = next(segment for segment in modem.sent if segment.number == LEADER)
    wait_until(lambda: modem.radio.indications[3] == 1, "reports wanted")
    asyncio.run_coroutine_threadsafe(modem.radio.report(segment), modem.own_loop).result(10)  # type: ignore[attr-defined]
    wait_until(lambda: [one["state"] for one in told(town, "to-truong-03")][:1] == ["delivered"], "the report")
    assert len(texts(modem, LEADER)) == 1


def test_d42_a_dead_modem_is_a_fault_at_the_desk_and_delays_no_bell(town, modem):
    modem.faults.mute = True
    town.start()
    wait_until(lambda: any("no answer to AT" in fault for fault in town.of("gateway")[-1]["faults"]), "the fault")
    pressed_s = time.monotonic()
    town.press("H03-07", 1)
    wait_until(lambda: town.ring().get("pattern") == "fire", "a ring")
    assert time.monotonic() - pressed_s < 1.0
    modem.faults.mute = False
    wait_until(lambda: texts(modem, DUTY), "the message")
    wait_until(lambda: not town.of("gateway")[-1].get("faults"), "no fault any more")
