"""PDUs: against smspdudecoder, which we did not write, against bytes from elsewhere, and against rubbish."""

import contextlib
from datetime import UTC, datetime
from io import StringIO
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from smspdudecoder.fields import SMSSubmit

from gateway.delivery.sms import alphabet, pdu
from gateway.delivery.sms.pdu import Deliver, PduError, Segment, StatusReport
from simulator.modem import network

VIETNAMESE = "aàảãáạăằẳẵắặâầẩẫấậeèẻẽéẹêềểễếệiìỉĩíịoòỏõóọôồổỗốộơờởỡớợuùủũúụưừửữứựyỳỷỹýỵđĐÁỆƯ BCDGHKLMNPQRSTVX0123456789,.!:-/"
EMOJI = "🔥🚒👨‍👩‍👧🇻🇳"
# The peer counts letters where the standard counts septets, so a letter of two septets shifts its end: those have golden bytes instead.
BASIC = "".join(letter for letter in map(chr, range(0x20, 0x250)) if len(alphabet.letter_septets(letter) or b"") == 1)
WHOLE_HEX = "0011000B914809214365F70000AA05E8329BFD06"  # "hello" to +84901234567, by hand
REPORT = "06000B910221815716F2709021510121807090215101718000"  # amro.blogspot.com, 2007/09: a report that a real modem gave


def peer(segment: Segment) -> dict[str, Any]:
    """As the independent decoder reads it."""
    return SMSSubmit.decode(StringIO(segment.hex))


def text_of(segments: list[Segment]) -> str:
    return "".join(peer(segment)["user_data"]["data"] for segment in segments)


@given(st.text(alphabet=VIETNAMESE + EMOJI, min_size=1, max_size=500))
def test_the_peer_reads_every_vietnamese_text_and_emoji(text: str) -> None:
    segments = pdu.submit("+84901234567", text, reference=3)
    assert text_of(segments) == text
    assert network.joined([network.submitted(segment.hex, at=0, reference=0) for segment in segments]) == [("+84901234567", text)]


@given(st.text(alphabet=BASIC, min_size=1, max_size=700))
def test_the_peer_reads_every_text_of_the_small_alphabet(text: str) -> None:
    segments = pdu.submit("+84901234567", text, reference=3)
    assert text_of(segments) == text
    assert {peer(segment)["dcs"]["encoding"] for segment in segments} == {"gsm"}


@given(st.text(min_size=1, max_size=200))
def test_any_text_makes_segments_that_fit(text: str) -> None:
    for segment in pdu.submit("+84901234567", text, reference=3):
        assert len(bytes.fromhex(segment.hex)) == segment.length + 1
        assert segment.length <= 1 + 1 + 2 + 6 + 2 + 1 + 140


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("x" * 160, 1),
        ("x" * 161, 2),
        ("x" * 306, 2),
        ("x" * 307, 3),
        ("x" * 158 + "€", 1),  # a letter of two septets
        ("x" * 159 + "€", 2),
        ("ạ" * 70, 1),
        ("ạ" * 71, 2),
        ("ạ" * 134, 2),
        ("ạ" * 135, 3),
        ("🔥" * 35, 1),
        ("🔥" * 36, 2),
        ("CHÁY! Tổ liên gia 03, hộ 07, ngõ 5 thôn 3. Gọi 114. 14:03", 1),
    ],
)
def test_how_many_segments_a_text_takes(text: str, count: int) -> None:
    assert pdu.segments_of(text) == count == len(pdu.submit("+84901234567", text, reference=0))


@pytest.mark.parametrize(("text", "first"), [("ạ" * 66 + "🔥🔥" + "ạ" * 10, "ạ" * 66), ("x" * 152 + "€" + "x" * 20, "x" * 152)])
def test_neither_a_surrogate_pair_nor_an_escaped_letter_is_torn(text: str, first: str) -> None:
    segments = pdu.submit("+84901234567", text, reference=9)
    assert peer(segments[0])["user_data"]["data"].rstrip("@") == first  # the peer shows the seven unused bits as a letter


def test_golden_bytes_of_a_plain_message() -> None:
    (segment,) = pdu.submit("+84901234567", "hello", reference=0, report=False, valid_min=4 * 1440)
    assert segment == Segment(WHOLE_HEX, 19)


def test_golden_bytes_of_letters_of_two_septets() -> None:
    (segment,) = pdu.submit("+84901234567", "2 € par mois", reference=0, report=False)
    # The packed text is the example in smspdudecoder's own documentation.
    assert segment.hex.endswith("0D32D0A60C8287E5A0F63B3D07")


def test_segments_of_one_message_name_their_place_and_ask_for_reports() -> None:
    found = [peer(segment) for segment in pdu.submit("+84901234567", "ạ" * 150, reference=200)]
    places = [part["user_data"]["header"]["elements"][0]["data"] for part in found]
    assert places == [{"reference": 200, "parts_count": 3, "part_number": number} for number in (1, 2, 3)]
    assert all(part["header"]["srr"] and part["header"]["udhi"] for part in found)


@pytest.mark.parametrize(
    ("minutes", "key", "value"),
    [(5, "vp", 0), (6, "vp", 1), (240, "vp", 47), (720, "vp", 143), (721, "vp", 144), (1440, "vp", 167), (1441, "validity-days", 2)],
)
def test_the_centre_is_told_how_long_a_message_is_worth_something(minutes: int, key: str, value: int) -> None:
    assert peer(pdu.submit("+84901234567", "x", reference=0, valid_min=minutes)[0])[key] == value


def test_a_centre_of_its_own_and_a_short_number() -> None:
    found = peer(pdu.submit("9119", "x", reference=0, centre="+84980200030")[0])
    assert found["smsc"]["number"] == "84980200030"
    assert (found["recipient"]["number"], found["recipient"]["toa"]["ton"]) == ("9119", "unknown")


@pytest.mark.parametrize("number", ["", "+", "12", "+84 901", "abc", "+84901234567890123", "٣٤٥٦", "+8490;AT"])
def test_a_number_that_is_none_is_refused(number: str) -> None:
    with pytest.raises(ValueError, match="number: expected"):
        pdu.submit(number, "x", reference=0)


@pytest.mark.parametrize("text", ["", "ạ" * 671])
def test_an_empty_and_an_endless_text_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="text: expected"):
        pdu.submit("+84901234567", text, reference=0)


@given(st.text(alphabet=VIETNAMESE + BASIC + "€[]{}~|^\\", max_size=60))
def test_what_the_peer_writes_is_read(text: str) -> None:
    written = network.delivered_pdu("+84901234567", text, datetime(2026, 11, 22, 7, 3, tzinfo=UTC))
    assert pdu.decode(written, network.octets(written)) == Deliver("+84901234567", text, datetime(2026, 11, 22, 7, 3, tzinfo=UTC))


def test_what_the_peers_documents_show_is_read() -> None:
    # smspdudecoder's documentation: a sender with a name, and a part of a longer message.
    named = "07916407970900F0040BD0CDE6DB5DCE030000128072314180000AD4F29C0E6A97E7F3F0B90C"
    found = pdu.decode(named)
    assert isinstance(found, Deliver)
    assert found.sender == "MMoney"


@pytest.mark.parametrize(("centre", "length"), [("", 25), ("00", 25), ("00", None), ("0791947122721023", 25)])
def test_a_status_report_from_elsewhere_is_read(centre: str, length: int | None) -> None:
    """As some modems show it, the first is without the centre's address."""
    assert pdu.decode(centre + REPORT, length) == StatusReport(0, "+20121875612", 0)


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (0x00, "delivered"),
        (0x02, "delivered"),
        (0x20, "trying"),
        (0x30, "trying"),
        (0x41, "failed"),
        (0x46, "failed"),
        (0x60, "failed"),
        (0xFF, "failed"),
    ],
)
def test_what_a_status_means(status: int, outcome: str) -> None:
    report = pdu.decode(network.report_pdu(7, "+84901234567", status, datetime(2026, 11, 22, tzinfo=UTC)))
    assert isinstance(report, StatusReport)
    assert (report.reference, report.outcome) == (7, outcome)


@given(st.text(max_size=60) | st.binary(max_size=220).map(bytes.hex), st.none() | st.integers(0, 300))
def test_rubbish_is_refused_and_never_worse(hex: str, length: int | None) -> None:
    with contextlib.suppress(PduError):
        assert isinstance(pdu.decode(hex, length), Deliver | StatusReport)


@pytest.mark.parametrize("end", range(0, 50, 2))
def test_a_report_that_is_cut_off_is_refused(end: int) -> None:
    with pytest.raises(PduError):
        pdu.decode(f"00{REPORT}"[:end])


@pytest.mark.parametrize("coding", ["04", "F5", "20"])
def test_data_that_are_no_text_are_refused(coding: str) -> None:
    with pytest.raises(PduError, match="expected a text"):
        pdu.decode(f"00040B914809214365F700{coding}6211227003002802C834")
