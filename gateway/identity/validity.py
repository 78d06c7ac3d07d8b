"""How long certificates are good. Read here, byte by byte: the library for it takes 6 MiB, and the engine looks all the time.

Holders of the commune's own (its broker, its boards) have theirs for 20 years, and never beyond the authority's own end.
"""

import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

YEAR = timedelta(days=365)
HOLDER_YEARS = 20
END = "-----END CERTIFICATE-----"
# X.690 8.1.2 and RFC 5280 4.1: TBSCertificate { [0] version, serialNumber, signature, issuer, validity, ...
VERSION, UTC_TIME, GENERALIZED_TIME = 0xA0, 0x17, 0x18


class Validity(NamedTuple):
    """From when until when."""

    since: datetime
    until: datetime


def holder_end(made: datetime, authority_until: datetime) -> datetime:
    """Until when a certificate is good that the authority made then."""
    return min(made + HOLDER_YEARS * YEAR, authority_until)


def read(pem: bytes) -> Validity:
    """Of the first certificate of a PEM file. Raises ValueError."""
    text = pem.decode("ascii", "replace")
    try:
        der = ssl.PEM_cert_to_DER_cert(text[text.index(ssl.PEM_HEADER) : text.index(END) + len(END)])
        _, certificate = next(_items(der))
        _, content = next(_items(certificate))
        fields = [item for item in _items(content) if item[0] != VERSION]
        since, until = (_time(*item) for item in _items(fields[3][1]))
    except (IndexError, StopIteration, ValueError):
        raise ValueError(f"expected a certificate in PEM, got {len(pem)} bytes of something else") from None
    return Validity(since, until)


def _items(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The elements that follow each other: tag and content."""
    at = 0
    while at < len(data):
        tag, length = data[at], data[at + 1]
        at += 2
        if length & 0x80:
            octets = length & 0x7F
            length = int.from_bytes(data[at : at + octets])
            at += octets
        if at + length > len(data):
            raise ValueError("cut")
        yield tag, data[at : at + length]
        at += length


def _time(tag: int, content: bytes) -> datetime:
    """RFC 5280, 4.1.2.5: of years in two digits 50 and more are of the last century."""
    if tag not in (UTC_TIME, GENERALIZED_TIME):
        raise ValueError("no time")
    text = content.decode("ascii")
    if tag == UTC_TIME:
        text = ("19" if text[:2] >= "50" else "20") + text
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)
