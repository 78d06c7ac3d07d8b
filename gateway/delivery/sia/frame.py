"""Frames of SIA DC-09, as bytes and back. Pure but for the random padding.

Clauses are numbered as in ANSI/SIA DC-09-2013; the later editions put "optional extended data" in as 5.5.1.8, which makes the time
stamp 5.5.1.9. What we send is what every edition since 2007 understands; what we read may be as loose as receivers in the field are.
"""

import re
import secrets
import string
from datetime import UTC, datetime
from typing import NamedTuple

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC

KEY_BYTES = (16, 24, 32)  # 5.4.2: AES of 128, 192 or 256 bits
BODY_MAX = 0xFFF  # 5.5.1.3: "0" and three hexadecimal digits
FRAME_MAX = BODY_MAX + 10  # LF, CRC, length and CR

_BLOCK = 16
_ZERO_IV = bytes(_BLOCK)  # 5.4.6
_PAD = string.ascii_letters + string.digits  # never [ ] or |, and legible for receivers that take the clear text for ASCII
_TIME = "%H:%M:%S,%m-%d-%Y"
# A receiver's answer may lack what we do not need: 'NAK' comes bare, or with A0 in place of #..., in the field.
_BODY = re.compile(
    rb'"(?P<star>\*?)(?P<token>[A-Z0-9-]{2,20})"(?P<seq>\d{4})?(?:R(?P<receiver>[0-9A-Fa-f]{1,6}))?(?:L(?P<line>[0-9A-Fa-f]{1,6}))?'
    rb"(?:#(?P<account>[0-9A-Fa-f]{1,16}))?[^\[]*(?:\[(?P<rest>.*))?",
    re.DOTALL,
)
_CONTENT = re.compile(r"(?P<data>[^\[\]]*)\](?P<extra>(?:\[[^\[\]]*\])*)(?:_(?P<time>[0-9:,-]+))?\s*", re.DOTALL)


class FrameError(ValueError):
    """Bytes that are no frame of DC-09, or not for us: the sentence says why."""


class Frame(NamedTuple):
    """One message. `receiver`, `line`, `account`: hexadecimal digits. `extra`: extended data, each a letter and its text (Annex I).
    `at`: the time stamp, UTC; None without one.
    """

    token: str
    seq: int
    receiver: str = ""
    line: str = "0"
    account: str = ""
    data: str = ""
    extra: tuple[str, ...] = ()
    at: datetime | None = None
    encrypted: bool = False


def encode(frame: Frame, key: bytes | None = None) -> bytes:
    """The frame as it goes over the line, encrypted if there is a key; `frame.encrypted` is not asked.

    Raises ValueError for what no frame can carry: other letters than ASCII, brackets in data, more than BODY_MAX bytes.
    """
    if any(mark in part for part in (frame.data, *frame.extra) for mark in "[]\r\n"):
        raise ValueError(f"expected data without brackets and line ends, got {frame.data!r} {frame.extra!r}")
    receiver = f"R{frame.receiver}" if frame.receiver else ""
    head = f'"{"*" if key else ""}{frame.token}"{frame.seq:04d}{receiver}L{frame.line}#{frame.account}['
    content = f"{frame.data}]{''.join(f'[{item}]' for item in frame.extra)}{_stamp(frame.at)}"
    if key:
        content = _encrypted(content, key)
    body = (head + content).encode("ascii")
    if len(body) > BODY_MAX:
        raise ValueError(f"expected at most {BODY_MAX} bytes, got {len(body)}")
    return b"\n%04X0%03X%s\r" % (crc(body), len(body), body)


def decode(raw: bytes, key: bytes | None = None) -> Frame:
    """The frame in `raw`, from its LF to its CR. Content that is encrypted is read only with a key. Raises FrameError.

    The CRC decides whether it arrived whole. Its length is not held against it: alarms have been lost to pedantry about an ACK.
    """
    body = raw.removeprefix(b"\n").removesuffix(b"\r")
    check, body = body[:4], body[8:]
    if not re.fullmatch(rb"[0-9A-Fa-f]{4}", check) or int(check, 16) != crc(body):
        raise FrameError("expected a frame with the right CRC (5.5.1.2), got another")
    match = _BODY.fullmatch(body)
    if match is None:
        raise FrameError('expected "ID" and a sequence number (5.5.1.4), got something else')
    rest, is_encrypted = match["rest"] or b"]", bool(match["star"])
    if is_encrypted:
        if key is None:
            raise FrameError("expected clear text, got an encrypted frame and have no key")
        rest = _decrypted(rest, key)
    data, extra, at = _content(rest.decode("ascii", "replace"))
    return Frame(
        token=match["token"].decode(),
        seq=int(match["seq"] or 0),
        receiver=_text(match["receiver"]),
        line=_text(match["line"]),
        account=_text(match["account"]),
        data=data,
        extra=extra,
        at=at,
        encrypted=is_encrypted,
    )


def split(received: bytes) -> tuple[list[bytes], bytes]:
    """The frames in what came over a line, each from its LF to its CR, and the beginning of one that has not come whole."""
    *whole, rest = received.split(b"\r")
    return [b"\n%s\r" % part.rpartition(b"\n")[2] for part in whole], rest[-FRAME_MAX:]


def crc(body: bytes) -> int:
    """CRC-16/ARC: polynomial 0x8005 reflected, start 0 (5.5.1.2 and DC-07, Annex B). That of b"123456789" is 0xBB3D."""
    value = 0
    for byte in body:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (0xA001 if value & 1 else 0)
    return value


def _stamp(at: datetime | None) -> str:
    """5.5.1.8: Greenwich time."""
    return f"_{at.astimezone(UTC).strftime(_TIME)}" if at else ""


def _content(text: str) -> tuple[str, tuple[str, ...], datetime | None]:
    match = _CONTENT.fullmatch(text)
    if match is None:
        raise FrameError("expected data] and what may follow it (5.5.1.7), got something else; if it is encrypted, is the key the same?")
    extra = tuple(match["extra"][1:-1].split("][")) if match["extra"] else ()
    return match["data"], extra, _time(match["time"])


def _time(text: str | None) -> datetime | None:
    try:
        return datetime.strptime(text, _TIME).replace(tzinfo=UTC) if text else None
    except ValueError:
        return None


def _encrypted(content: str, key: bytes) -> str:
    """5.4.4: 16 to 31 random letters, `|` and the content, a multiple of 16 together. The vector is zero, so these are all that makes two
    frames with one content differ. Without data there is no `|` before the `]`.
    """
    separator = "" if content.startswith("]") else "|"
    length = _BLOCK + -(len(separator) + len(content)) % _BLOCK
    pad = "".join(secrets.choice(_PAD) for _ in range(length))
    encryptor = Cipher(AES(key), CBC(_ZERO_IV)).encryptor()
    return (encryptor.update((pad + separator + content).encode("ascii")) + encryptor.finalize()).hex().upper()


def _decrypted(rest: bytes, key: bytes) -> bytes:
    """The content without its pad. Some receivers pad with less than 16 bytes, and leave no `|`."""
    try:
        cipher = bytes.fromhex(rest.decode("ascii"))
        decryptor = Cipher(AES(key), CBC(_ZERO_IV)).decryptor()
        clear = decryptor.update(cipher) + decryptor.finalize()
    except ValueError:
        raise FrameError("expected blocks of 16 bytes in hexadecimal digits, got something else") from None
    before, bar, after = clear.partition(b"|")
    if bar and b"]" not in before:
        return after
    return clear[clear.find(b"]") :] if b"]" in clear else clear


def _text(found: bytes | None) -> str:
    return (found or b"").decode("ascii")
