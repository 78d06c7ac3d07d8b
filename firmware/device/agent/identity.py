"""Who this start of the board is: <life>-<boot>. A life is made with the journal, a boot counts the starts of one life.

The file holds them and the kind: this is written at each start anyway, and a board whose configuration is lost has to know what it is.
"""

NAME = "start"
HEX = "0123456789abcdef"


class Identity:
    """`life`: 8 hex digits. `boot`: from 1. `fault`: in words, why a life was not continued, else None."""

    def __init__(self, life, boot, fault=None):
        self.life = life
        self.boot = boot
        self.fault = fault
        self._seq = 0

    @property
    def start(self):
        """<life>-<boot>, as a hello names it."""
        return "%s-%d" % (self.life, self.boot)

    def is_own(self, event_id):
        """True for an event of this start."""
        return event_id.startswith(self.start + "-")

    def next_id(self):
        """The id of a new event of this start, <life>-<boot>-<seq>."""
        self._seq += 1
        return "%s-%d" % (self.start, self._seq)


def begin(files, random_bytes, kind):
    """Count this start and return its Identity. `random_bytes` is os.urandom. `kind`: for the next start to know (agent.candidate).

    A boot that cannot be read or written would let a press look like a repeat of an older one: then a new life begins.
    """
    fault = None
    try:
        life, boot = _last(files)
        if life is None:
            life, boot = _new_life(random_bytes), 0
    except (OSError, ValueError) as exc:
        life, boot = _new_life(random_bytes), 0
        fault = "journal: start not readable (%s)" % exc
    try:
        files.write(NAME, b"%s %d %s" % (life.encode(), boot + 1, kind.encode()))
    except OSError as exc:
        return Identity(_new_life(random_bytes), 1, "journal: start not writable (%s)" % exc)
    return Identity(life, boot + 1, fault)


def _last(files):
    """(life, boot) of the start before; (None, 0) in a new journal. Raises OSError or ValueError."""
    names = files.names()
    if NAME not in names:
        if names:
            raise ValueError("missing")
        return None, 0
    words = str(files.read(NAME), "utf-8").split()
    if not 2 <= len(words) <= 3 or len(words[0]) != 8 or not all(digit in HEX for digit in words[0]):
        raise ValueError("expected <life> <boot> <kind>")
    boot = int(words[1])
    if not 0 < boot < 0x7FFFFFFF:
        raise ValueError("boot out of range")
    return words[0], boot


def _new_life(random_bytes):
    return "".join(["%02x" % byte for byte in random_bytes(4)])
