"""The AT dialogue: what is an answer, what is noise, and that no bytes, however torn, break it."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.delivery.sms import refusals
from gateway.delivery.sms.at import Answer, Command, Dialogue, Happening, Notice, Prompt, Refusal

PDU = "0006000B910221815716F2709021510121807090215101718000"
SIGNAL = Command("AT+CSQ", "+CSQ:")
SEND = Command("AT+CMGS=25", "+CMGS:", data=PDU)
LIST = Command("AT+CMGL=4", "+CMGL:", pdus=True)
REGISTRATION = Command("AT+CREG?", "+CREG:")

FRAGMENTS = (
    b"OK",
    b"ERROR",
    b"+CMGS: 1",
    b"+CSQ: 1,1",
    b"> ",
    b"+CDS: 25",
    b"+CMGL: 1,1,,25",
    PDU.encode(),
    b"\r\n",
    b"\r",
    b"RING",
    b"\xff",
)
rubbish = st.binary(max_size=200) | st.lists(st.sampled_from(FRAGMENTS), max_size=12).map(b"".join)


def heard(command: Command | None, *chunks: bytes) -> list[Happening]:
    dialogue = Dialogue()
    if command:
        dialogue.ask(command)
    return [happening for chunk in chunks for happening in dialogue.receive(chunk)]


def test_an_answer_with_echo_and_notices_in_between() -> None:
    data = b'AT+CSQ\r\r\n^RSSI:20\r\n\r\n+CSQ: 20,99\r\n\r\n+CMTI: "SM",3\r\n\r\nOK\r\n'
    assert heard(SIGNAL, data) == [Notice("+CMTI", '"SM",3'), Answer(("+CSQ: 20,99",), None)]


@pytest.mark.parametrize(
    ("line", "refusal"),
    [
        (b"ERROR", Refusal("error", None, "ERROR")),
        (b"+CMS ERROR: 331", Refusal("cms", 331, "CMS 331")),
        (b"+CME ERROR: 10", Refusal("cme", 10, "CME 10")),
        (b"+CMS ERROR: network timeout", Refusal("cms", None, "CMS network timeout")),
        (b"COMMAND NOT SUPPORT", Refusal("error", None, "COMMAND NOT SUPPORT")),
    ],
)
def test_refusals(line: bytes, refusal: Refusal) -> None:
    assert heard(SIGNAL, b"\r\n" + line + b"\r\n") == [Answer((), refusal)]


@pytest.mark.parametrize("prompt", [b"\r\n> ", b"\r\n>", b"AT+CMGS=25\r\r\n> ", b">\r\n"])
def test_the_prompt_has_no_end_of_line(prompt: bytes) -> None:
    assert heard(SEND, prompt, PDU.encode() + b"\r\n+CMGS: 12\r\n\r\nOK\r\n") == [Prompt(), Answer(("+CMGS: 12",), None)]


def test_only_who_has_something_to_enter_is_prompted() -> None:
    assert heard(SIGNAL, b"\r\n> \r\nOK\r\n") == [Answer((), None)]


def test_stored_messages_come_with_their_pdus_and_a_report_in_between_is_none_of_them() -> None:
    data = f"\r\n+CMGL: 1,1,,25\r\n{PDU}\r\n\r\n+CDS: 25\r\n{PDU}\r\n+CMGL: 2,0,,25\r\n{PDU}\r\n\r\nOK\r\n".encode()
    report, answer = heard(LIST, data)
    assert report == Notice("+CDS", "25", PDU)
    assert answer == Answer(("+CMGL: 1,1,,25", PDU, "+CMGL: 2,0,,25", PDU), None)


def test_a_notice_whose_pdu_is_missing_takes_no_answer_with_it() -> None:
    assert heard(SIGNAL, b"\r\n+CDS: 25\r\n\r\nOK\r\n") == [Answer((), None)]


def test_a_state_asked_for_and_the_same_state_unasked() -> None:
    data = b'\r\n+CREG: 5\r\n\r\n+CREG: 1,"00C3","1A2B"\r\n\r\n+CREG: 0,1\r\n\r\nOK\r\n'
    assert heard(REGISTRATION, data)[-1] == Answer(("+CREG: 0,1",), None)


def test_the_end_of_a_call_is_a_notice_unless_it_is_being_dialled() -> None:
    assert heard(SIGNAL, b"\r\nNO CARRIER\r\n\r\nOK\r\n") == [Notice("NO CARRIER"), Answer((), None)]
    assert heard(Command("ATD+84901234567;"), b"\r\nBUSY\r\n") == [Answer((), Refusal("call", None, "BUSY"))]


def test_who_calls_is_told() -> None:
    assert heard(None, b'\r\nRING\r\n\r\n+CLIP: "+84901234567",145\r\n') == [Notice("RING"), Notice("+CLIP", '"+84901234567",145')]


def test_rubbish_before_a_line_does_not_hide_it() -> None:
    assert heard(SIGNAL, b"\xff\x00\r\n\x00\xfe+CSQ: 20,99\r\n\x80\r\nOK\r\n") == [Answer(("+CSQ: 20,99",), None)]


def test_an_answer_after_giving_up_is_dropped() -> None:
    dialogue = Dialogue()
    dialogue.ask(SIGNAL)
    assert dialogue.give_up() == b"\x1b"
    assert dialogue.receive(b"\r\n+CSQ: 20,99\r\n\r\nOK\r\n") == []


def test_one_command_at_a_time() -> None:
    dialogue = Dialogue()
    dialogue.ask(SIGNAL)
    with pytest.raises(RuntimeError):
        dialogue.ask(SIGNAL)


@given(rubbish, st.sampled_from([SIGNAL, SEND, LIST, REGISTRATION, None]), st.lists(st.integers(0, 400), max_size=8))
def test_no_bytes_break_it_and_a_later_answer_is_never_lost(data: bytes, before: Command | None, cuts: list[int]) -> None:
    """Whatever came, in whatever pieces: after giving up, the next command gets its own answer."""
    dialogue = Dialogue()
    if before:
        dialogue.ask(before)
    for piece in pieces(data, cuts):
        dialogue.receive(piece)
    dialogue.give_up()
    dialogue.ask(SIGNAL)
    found = [happening for piece in pieces(b"\r\n+CSQ: 17,99\r\n\r\nOK\r\n", cuts) for happening in dialogue.receive(piece)]
    assert Answer(("+CSQ: 17,99",), None) in found


@given(st.lists(st.integers(0, 400), max_size=12))
def test_where_the_bytes_are_torn_makes_no_difference(cuts: list[int]) -> None:
    data = f'AT+CMGL=4\r\r\n+CMGL: 1,1,,25\r\n{PDU}\r\n+CMTI: "SM",2\r\n\r\n+CDS: 25\r\n{PDU}\r\n\r\nOK\r\n'.encode()
    assert heard(LIST, *pieces(data, cuts)) == heard(LIST, data)


@given(st.binary(min_size=1, max_size=4).filter(lambda noise: b"\r" not in noise and b"\n" not in noise))
def test_a_flood_without_an_end_of_line_does_not_fill_the_memory(noise: bytes) -> None:
    dialogue = Dialogue()
    for _ in range(3000):
        dialogue.receive(noise)
    dialogue.ask(SIGNAL)
    assert dialogue.receive(b"\r\nOK\r\n") == [Answer((), None)]


@pytest.mark.parametrize(
    ("refusal", "blame"),
    [
        (Refusal("cms", 1), "number"),
        (Refusal("cms", 331), "network"),
        (Refusal("cms", 310), "card"),
        (Refusal("cme", 10), "card"),
        (Refusal("cms", 9999), "modem"),
        (Refusal("error"), "modem"),
    ],
)
def test_who_is_to_blame(refusal: Refusal, blame: str) -> None:
    assert refusals.blame(refusal) == blame


def test_a_refusal_in_plain_words() -> None:
    assert refusals.words(Refusal("cms", 21, "CMS 21")) == "the network refused the message: often no credit (CMS 21)"


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    return [data[start:end] for start, end in itertools.pairwise(places)]
