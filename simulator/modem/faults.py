"""What a modem can suffer from. Each may be changed while it runs."""

from dataclasses import dataclass, field


@dataclass
class Faults:
    """The defaults are a good modem that has just been switched on."""

    echo: bool = True  # after power-on; ATE0 ends it
    chatter: bool = False  # notices amid answers
    garbage: bool = False  # bytes that are no text, before each line
    halves: bool = False  # two bytes at a time
    mute: bool = False  # takes everything, says nothing
    deaf_prompt: bool = False  # never says "> "
    slow_s: float = 0.0  # before each final result
    registered: int = 1  # <stat> of +CREG; 0: searching, 3: denied
    signal: int = 20  # <rssi> of +CSQ; 99: unknown
    pin: str = ""  # what the SIM card wants
    pin_tries: int = 3
    sim: bool = True
    room: int = 30  # messages that the memory holds
    refuse_sends: list[int] = field(default_factory=list)  # +CMS ERROR of the next sends, in turn
    refuse_numbers: dict[str, int] = field(default_factory=dict)  # +CMS ERROR of every send to a number
    swallow_ok: int = 0  # the next sends go out, but their answer does not come back
    reboots: int = 0  # the next sends make it start anew before it answers
    reports: bool = True
    reports_in_memory: bool = False  # +CDSI instead of +CDS
    report_status: int = 0  # TP-ST
    report_s: float = 0.05
    refuses: tuple[str, ...] = ()  # commands that it does not know
