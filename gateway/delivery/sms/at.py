"""The AT dialogue with a modem: commands in, bytes out; bytes in, answers, prompts and notices out. Pure.

What a line means follows from what was asked, so that nothing a modem throws in between (echo, notices, greetings, rubbish) is taken for
an answer: an information line begins with the prefix that the command expects, and everything else up to the final result is noise.
Framing and results: 3GPP TS 27.007 and ITU-T V.250; messages: 3GPP TS 27.005.
"""

import re
from typing import NamedTuple

LINE_MAX = 1024  # the longest true line is a PDU of 2 x 189 digits
ESCAPE = b"\x1b"  # leaves the prompt without sending, 27.005, 4.3
_SEND = "\x1a"
_FINALS = ("ERROR", "COMMAND NOT SUPPORT", "TOO MANY PARAMETERS")  # the last two are Huawei's
_CALL_ENDS = ("NO CARRIER", "BUSY", "NO ANSWER", "NO DIALTONE", "NO DIAL TONE")  # V.250, 6.3.1
_NOTICES = ("+CMTI:", "+CMT:", "+CDSI:", "+CDS:", "+CBM:", "+CLIP:", "+CRING:", "RING", "VOICE CALL:", "RDY", "NORMAL POWER DOWN")
_WITH_PDU = ("+CMT:", "+CDS:", "+CBM:")
_STATES = ("+CREG:", "+CGREG:", "+CEREG:")  # answers and notices look alike
_NOT_WORDS = re.compile(r"AT|[+^*$%#]", re.IGNORECASE)  # an echo, or a maker's own notice
_HEX = re.compile(r"(?:[0-9A-Fa-f]{2})+")


class Command(NamedTuple):
    """A command line without its end. `prefix`: what its information lines begin with ("*": any words, "": none).

    `pdus`: each of these is followed by a line with a PDU. `insists`: an OK without any is another command's. `data`: what to enter at
    the prompt, if it asks for some. `timeout_s`: the longest that an answer may take.
    """

    line: str
    prefix: str = ""
    pdus: bool = False
    insists: bool = False
    data: str = ""
    timeout_s: float = 5.0


class Refusal(NamedTuple):
    """A final result other than OK. `kind` is cms, cme, call or error; `code` is the number, if there is one."""

    kind: str
    code: int | None = None
    words: str = ""

    def __str__(self) -> str:
        return self.words


class Answer(NamedTuple):
    """The final result of the command that is under way; None as `refusal` means OK. PDUs stand behind their information line."""

    lines: tuple[str, ...]
    refusal: Refusal | None


class Prompt(NamedTuple):
    """The modem waits for the data of the command."""


class Notice(NamedTuple):
    """What the modem says unasked: its `name` without colon, the rest of the line, and the PDU if one belongs to it."""

    name: str
    value: str = ""
    pdu: str = ""


Happening = Answer | Prompt | Notice


class Dialogue:
    """One modem's line. One command is under way at a time; an answer that comes after `give_up` is dropped, as far as it can be known."""

    def __init__(self) -> None:
        self._tail = b""
        self._command: Command | None = None
        self._has_prompted = False
        self._lines: list[str] = []
        self._wants_pdu = False
        self._notice: Notice | None = None

    def ask(self, command: Command) -> bytes:
        """Begin a command; the bytes to send. Raises RuntimeError if another is under way."""
        if self._command is not None:
            raise RuntimeError(f"expected no command under way, got {self._command.line.partition('=')[0]}")
        self._command, self._has_prompted, self._lines, self._wants_pdu = command, False, [], False
        return f"{command.line}\r".encode("ascii")

    def enter(self) -> bytes:
        """The data of the command under way, for its prompt. Raises RuntimeError if it has none."""
        if self._command is None or not self._command.data:
            raise RuntimeError("expected a command with data under way")
        return f"{self._command.data}{_SEND}".encode("ascii")

    def give_up(self) -> bytes:
        """Nobody waits for the answer any more. The bytes to send: out of the prompt, should the modem wait there."""
        self._command = None
        self._notice = None
        self._tail = b""  # half an answer must not become the beginning of the next one's
        return ESCAPE

    def receive(self, data: bytes) -> list[Happening]:
        """What these bytes, wherever they were torn apart, complete. Never raises."""
        *lines, self._tail = re.split(rb"[\r\n]", self._tail + data)
        found: list[Happening] = []
        for raw in lines:
            # What follows a prompt on its line is the echo of the data.
            if self._takes_prompt(raw):
                found.append(Prompt())
            elif len(raw) <= LINE_MAX and (line := _printable(raw)):
                happening = self._line(line)
                if happening is not None:
                    found.append(happening)
        if self._takes_prompt(self._tail):
            self._tail = b""
            found.append(Prompt())
        self._tail = self._tail if len(self._tail) <= LINE_MAX else b""
        return found

    def _takes_prompt(self, raw: bytes) -> bool:
        waits = self._command is not None and bool(self._command.data) and not self._has_prompted
        if waits and _printable(raw[:LINE_MAX]).startswith(">"):
            self._has_prompted = True
            return True
        return False

    def _line(self, line: str) -> Happening | None:
        if self._notice is not None:
            notice, self._notice = self._notice, None
            if _HEX.fullmatch(line):
                return notice._replace(pdu=line)
        if self._wants_pdu:
            self._wants_pdu = False
            if _HEX.fullmatch(line):
                self._lines.append(line)
                return None
        if self._is_notice(line):
            return self._noticed(line)
        return self._answered(line)

    def _is_notice(self, line: str) -> bool:
        asked = self._command.prefix if self._command else ""
        if line.startswith(_STATES):
            # The answer has two numbers or more, the notice one, or a place in quotes behind it (27.007, 7.2).
            return not (asked and asked != "*" and line.startswith(asked) and re.match(r"\S+ *\d+ *, *\d+", line))
        if line in _CALL_ENDS:
            return not (self._command and self._command.line.startswith("ATD"))
        return line.startswith(_NOTICES) and not (asked and asked != "*" and line.startswith(asked))

    def _noticed(self, line: str) -> Notice | None:
        name, _, value = line.partition(":")
        notice = Notice(name, value.strip())
        if line.startswith(_WITH_PDU):
            self._notice = notice
            return None
        return notice

    def _answered(self, line: str) -> Answer | None:
        if self._command is None:
            return None
        refusal = _refusal(line)
        if line == "OK" or refusal:
            if self._command.insists and not self._lines and not refusal:
                return None
            self._command = None
            return Answer(tuple(self._lines), refusal)
        prefix = self._command.prefix
        if prefix and (line.startswith(prefix) or (prefix == "*" and not _NOT_WORDS.match(line))):
            self._lines.append(line)
            self._wants_pdu = self._command.pdus
        return None


def fields(line: str) -> list[str]:
    """The values of an information line: +CPMS: "SM",3,30 -> SM, 3, 30."""
    return [value.strip().strip('"') for value in line.partition(":")[2].split(",")]


def number(text: str) -> int | None:
    """A field as a number; None if it is none."""
    return int(text) if re.fullmatch(r"\d{1,9}", text) else None


def _printable(raw: bytes) -> str:
    return "".join(chr(byte) for byte in raw if 0x20 <= byte < 0x7F).strip()


def _refusal(line: str) -> Refusal | None:
    for kind, start in (("cms", "+CMS ERROR:"), ("cme", "+CME ERROR:")):
        if line.startswith(start):
            said = line.removeprefix(start).strip()
            code = number(said)
            return Refusal(kind, code, f"{start[1:4]} {said}" if code is None else f"{start[1:4]} {code}")
    if line in _CALL_ENDS:
        return Refusal("call", None, line)
    return Refusal("error", None, line) if line in _FINALS else None
