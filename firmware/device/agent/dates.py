"""From which floor the board's clock starts: the file's, the bundle's or the CA's date. Thrown away after the start."""

from agent import floor

# How long before the CA's end the clock stands still: longer than a board runs between two looks at it (floor.EVERY_MS).
MARGIN_S = 2 * floor.DAY_S
DIGITS = 10  # till the year 2286
_SEQUENCE, _INTEGER, _VERSION, _UTC_TIME, _GENERALIZED_TIME = 0x30, 0x02, 0xA0, 0x17, 0x18
_DAYS_BEFORE = (0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334)


def begin(files, ca_path, built_s):
    """(start_s, end_s, problem): Unix s at which the clock starts, and which it shall not pass (None without a CA); words, or None.

    `built_s`: when the bundle was made. Never earlier than the CA itself, which the technician has laid there; if those dates contradict
    each other, its end counts: a bell that talks to nobody because of a date is worse than an old certificate.
    """
    start_s = max(built_s, _kept(files))
    try:
        with open(ca_path, "rb") as file:
            since_s, end_s = validity(file.read())
    except OSError:  # no TLS
        return start_s, None, None
    except (ValueError, IndexError) as exc:
        return start_s, None, "%s: %s" % (ca_path, exc)
    end_s -= MARGIN_S
    return min(max(start_s, since_s), end_s), end_s, None


def validity(der):
    """(not before, not after) of a certificate in DER, Unix s. Raises ValueError, IndexError.

    RFC 5280, section 4.1: Certificate { tbsCertificate { [0] version, serialNumber, signature, issuer, validity { time, time }, ...
    """
    at, _ = _enter(der, 0, _SEQUENCE)
    at, _ = _enter(der, at, _SEQUENCE)
    if der[at] == _VERSION:
        at = _after(der, at)
    for tag in (_INTEGER, _SEQUENCE, _SEQUENCE):
        _enter(der, at, tag)
        at = _after(der, at)
    at, _ = _enter(der, at, _SEQUENCE)
    return _time(der, at), _time(der, _after(der, at))


def _kept(files):
    """The floor in flash, 0 if there is none or a broken one."""
    try:
        first, second = str(files.read(floor.NAME), "utf-8").split()
        return int(first) if first == second and len(first) <= DIGITS else 0
    except (OSError, ValueError):
        return 0


def _enter(der, at, tag):
    """(start, length) of the contents of the element at `at`."""
    if der[at] != tag:
        raise ValueError("expected tag 0x%02x at byte %d of a certificate, got 0x%02x" % (tag, at, der[at]))
    length = der[at + 1]
    start = at + 2
    if length & 0x80:
        octets = length & 0x7F
        if not 1 <= octets <= 2:
            raise ValueError("expected a length of at most 64 kB at byte %d of a certificate" % at)
        length = int.from_bytes(der[start : start + octets], "big")
        start += octets
    if start + length > len(der):
        raise ValueError("expected %d bytes at byte %d of a certificate, got %d" % (length, start, len(der) - start))
    return start, length


def _after(der, at):
    start, length = _enter(der, at, der[at])
    return start + length


def _time(der, at):
    """UTCTime YYMMDDHHMMSSZ or GeneralizedTime YYYYMMDDHHMMSSZ (RFC 5280, section 4.1.2.5)."""
    tag = der[at]
    if tag not in (_UTC_TIME, _GENERALIZED_TIME):
        raise ValueError("expected a time at byte %d of a certificate, got 0x%02x" % (at, tag))
    start, length = _enter(der, at, tag)
    text = str(bytes(der[start : start + length]), "utf-8")
    if tag == _UTC_TIME:
        text = ("19" if text[:2] >= "50" else "20") + text
    if len(text) != 15 or text[14] != "Z":
        raise ValueError("expected YYYYMMDDHHMMSSZ at byte %d of a certificate" % at)
    year, month, day = int(text[:4]), int(text[4:6]), int(text[6:8])
    if not (1970 <= year and 1 <= month <= 12 and 1 <= day <= 31):
        raise ValueError("expected a date since 1970 at byte %d of a certificate" % at)
    leap = month > 2 and year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    before = year - 1
    days = 365 * (year - 1970) + before // 4 - before // 100 + before // 400 - 477 + _DAYS_BEFORE[month - 1] + leap + day - 1
    return days * 86_400 + int(text[8:10]) * 3600 + int(text[10:12]) * 60 + int(text[12:14])
