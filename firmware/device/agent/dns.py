"""What is asked of a name server, and what it answers: RFC 1035, section 4. Loaded for each question and thrown away."""

import os

HEADER = b"\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00"  # section 4.1.1: recursion desired, one question
QUESTION = b"\x00\x01\x00\x01"  # type A, class IN
LABEL_MAX = 63
NO_SUCH_NAME = 3


def query(host):
    """The bytes that ask for the IPv4 address of a host. Raises OSError for what is no name."""
    question = b""
    for label in host.rstrip(".").split("."):
        if not 1 <= len(label) <= LABEL_MAX:
            raise OSError("%s: expected labels of 1 to %d letters" % (host, LABEL_MAX))
        question += bytes([len(label)]) + label.encode()
    return os.urandom(2) + HEADER + question + b"\x00" + QUESTION


def answer(query, reply):
    """The address, "192.0.2.1"; None for bytes that do not answer the query. Raises OSError if there is none."""
    end = len(query)
    if len(reply) < end or reply[:2] != query[:2] or not reply[2] & 0x80 or reply[12:end].lower() != query[12:].lower():
        return None
    code = reply[3] & 0x0F
    if code:
        raise OSError("name server: %s" % ("no such name" if code == NO_SUCH_NAME else "error %d" % code))
    try:
        found = _address(reply, end, reply[6] << 8 | reply[7])
    except IndexError:  # cut off
        return None
    if found is None:
        raise OSError("name server: no IPv4 address")
    return found


def _address(reply, place, count):
    """The first of so many records that is an address; the aliases on the way to it come before it."""
    for _ in range(count):
        place = _after_name(reply, place)
        kind, family = reply[place] << 8 | reply[place + 1], reply[place + 2] << 8 | reply[place + 3]
        length = reply[place + 8] << 8 | reply[place + 9]
        place += 10
        if kind == 1 and family & 0x7FFF == 1 and length == 4:  # RFC 6762, section 10.2: the upmost bit says something else
            return "%d.%d.%d.%d" % (reply[place], reply[place + 1], reply[place + 2], reply[place + 3])
        place += length
    return None


def _after_name(reply, place):
    """Where a name ends: section 4.1.4, a pointer is its end."""
    while reply[place]:
        if reply[place] & 0xC0:
            return place + 2
        place += 1 + reply[place]
    return place + 1
