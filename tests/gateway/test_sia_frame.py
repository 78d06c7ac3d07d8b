"""SIA DC-09 frames: against bytes written by hand, against an independent codec, and whatever may come over a line."""

from datetime import UTC, datetime

import pytest
import siadc09
from hypothesis import given
from hypothesis import strategies as st
from siadc09 import message as independent

from gateway.delivery.sia.codes import MEANING, Event, data, extended
from gateway.delivery.sia.frame import Frame, FrameError, crc, decode, encode

KEY = bytes(range(16))
KEYS = [bytes(range(size)) for size in (16, 24, 32)]
AT = datetime(2026, 11, 22, 7, 3, 7, tzinfo=UTC)
FIRE = Frame("SIA-DCS", 1, "1", "1", "1001", "#1001|Nri3/FA007", at=AT)
BY_HAND = {
    b'\nDCDC003C"SIA-DCS"0001R1L1#1001[#1001|Nri3/FA007]_07:03:07,11-22-2026\r': FIRE,
    b'\nA4CA0015"NULL"0000R1L1#1001[]\r': Frame("NULL", 0, "1", "1", "1001"),
    b'\n571E0014"ACK"0001R1L1#1001[]\r': Frame("ACK", 1, "1", "1", "1001"),
    b'\n27C60014"DUH"0001R1L1#1001[]\r': Frame("DUH", 1, "1", "1", "1001"),
}
ENCRYPTED = (
    b'\n8ABA0098"*SIA-DCS"0003R1L1#1001[34AA4A156D4930D99A622FED6A5D4A0C3383496693B2750FDFFACD501145378553FC2ED4C401ED99D6B655568526DFC1'
    b"7115B0A19BA95AB7887019C8E80D7DA9\r"
)

hexadecimal = st.text("0123456789ABCDEF", min_size=1, max_size=6)
clear = st.text(st.characters(min_codepoint=32, max_codepoint=126, exclude_characters="[]"), max_size=60)
frames = st.builds(
    Frame,
    token=st.sampled_from(["SIA-DCS", "NULL", "ACK", "ADM-CID"]),
    seq=st.integers(0, 9999),
    receiver=hexadecimal,
    line=hexadecimal,
    account=st.text("0123456789ABCDEF", min_size=3, max_size=16),
    data=clear,
    extra=st.lists(clear.filter(bool), max_size=4).map(tuple),
    at=st.none() | st.datetimes(datetime(2000, 1, 1), datetime(2099, 1, 1)).map(lambda at: at.replace(microsecond=0, tzinfo=UTC)),
)


def test_the_check_value_of_the_crc():
    assert crc(b"123456789") == 0xBB3D


@pytest.mark.parametrize("raw", BY_HAND)
def test_frames_written_by_hand_are_read_and_made(raw):
    assert decode(raw) == BY_HAND[raw]
    assert encode(BY_HAND[raw]) == raw


def test_an_encrypted_frame_written_by_hand_is_read():
    assert decode(ENCRYPTED, KEY) == FIRE._replace(seq=3, encrypted=True)


def test_a_nak_is_read_in_the_forms_that_receivers_send():
    assert decode(b'\nEE910025"NAK"0000R0L0A0[]_07:03:07,11-22-2026\r')[:2] == ("NAK", 0)
    assert decode(b'\nEE910025"NAK"0000R0L0A0[]_07:03:07,11-22-2026\r').at == AT
    bare = b'"NAK"'
    assert decode(b"\n%04X%04X%s\r" % (crc(bare), len(bare), bare)).token == "NAK"


@given(frames, st.sampled_from([None, *KEYS]))
def test_what_is_encoded_is_decoded(frame, key):
    raw = encode(frame, key)
    assert decode(raw, key) == frame._replace(encrypted=key is not None)
    assert int(raw[5:9], 16) == len(raw) - 10


@given(st.binary(max_size=300), st.sampled_from([None, KEY]))
def test_bytes_that_are_no_frame_are_refused_and_nothing_else(raw, key):
    with pytest.raises(FrameError):
        decode(raw, key)


@given(frames, st.sampled_from([None, KEY]), st.data())
def test_a_frame_with_one_wrong_byte_is_refused(frame, key, data):
    raw = bytearray(encode(frame, key))
    index = data.draw(st.integers(9, len(raw) - 2))
    raw[index] ^= data.draw(st.integers(1, 255))
    with pytest.raises(FrameError):
        decode(bytes(raw), key)


@given(st.binary(max_size=200), st.sampled_from([None, KEY]))
def test_any_body_with_a_right_crc_is_read_or_refused(body, key):
    raw = b"\n%04X%04X%s\r" % (crc(body), len(body), body)
    try:
        found = decode(raw, key)
    except FrameError:
        return
    assert found.token in body.decode("ascii", "replace")


@pytest.mark.parametrize("size", [16, 24, 32])
def test_the_pad_is_random_and_as_long_as_the_standard_wants(size):
    key = bytes(range(size))
    first, second = encode(FIRE, key), encode(FIRE, key)
    assert first != second
    cipher = bytes.fromhex(first.split(b"[")[1][:-1].decode())
    clear_text = siadc09.util.decrypt(key, cipher)
    assert len(cipher) % 16 == 0
    assert 16 <= clear_text.index(b"|") <= 31


def test_another_key_is_refused_with_words_that_help():
    with pytest.raises(FrameError, match="is the key the same"):
        decode(encode(FIRE, KEY), bytes(16))


@pytest.mark.parametrize("frame", [FIRE._replace(data="a]b"), FIRE._replace(extra=("Iđ",)), FIRE._replace(data="x" * 4096)])
def test_what_no_frame_can_carry_is_refused(frame):
    with pytest.raises(ValueError, match=r"expected|ascii"):
        encode(frame)


@pytest.mark.parametrize("key", [None, *KEYS], ids=["clear", "AES-128", "AES-192", "AES-256"])
@pytest.mark.parametrize("code", MEANING)
def test_an_independent_codec_reads_every_code(code, key):
    event = Event(code, 3, 7, "CHAY: Ho mau 03-07", 1_795_330_987_000, "M", "So 13, ngo Thu 5", 20.978, 105.912)
    raw = encode(Frame("SIA-DCS", 42, "1", "0", "1001", data(event, "1001"), extended(event), AT), key)
    found = independent.parse_frame(raw, key)
    assert (found.idtoken, found.seq, found.encrypted, found.timestamp) == ("SIA-DCS", 42, key is not None, AT)
    assert (found.account.acct, found.account.rcvr) == (0x1001, 1)
    assert found.data.pack(brackets=False) == data(event, "1001").encode()
    assert "".join(item.prefix for item in found.xdata) == "TILXYH"
    assert str(found.xdata[0]) == "Alarm Trigger: Manual Trigger (M)"
    assert [item.value for item in found.xdata[1:5]] == ["CHAY: Ho mau 03-07", "So 13, ngo Thu 5", "105E54.720", "20N58.680"]


@pytest.mark.parametrize("key", [None, KEY])
def test_an_independent_codec_reads_the_link_test(key):
    found = independent.parse_frame(encode(Frame("NULL", 0, "1", "0", "1001", at=AT), key), key)
    assert isinstance(found, independent.NullMessage)


@pytest.mark.parametrize("key", [None, *KEYS])
def test_the_answers_of_an_independent_codec_are_read(key):
    account = siadc09.account.Account(acct=0x1001, pref=1, rcvr=1, key=key)
    raw = independent.AckMessage(account, 7, timestamp=AT, encrypted=key is not None).encode()
    assert decode(raw, key) == Frame("ACK", 7, "1", "1", "1001", at=AT, encrypted=key is not None)
    assert decode(independent.DuhMessage(account, 7).encode(encrypt=False), key)[:2] == ("DUH", 7)
