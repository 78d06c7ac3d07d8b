"""What boards, engine and channels remark in English, for technicians, as keys of the catalogue that say it to everybody else. Pure.

The remark itself stays beside the words: it has what a technician needs.
"""

import re
from typing import NamedTuple

_POINT = r"(?P<point>[a-z][a-z0-9-]{0,31})"
_KINDS = "household|fire_point|street_light|sos_post"

# What a board says of itself in its birth: firmware/device, wherever it sets or appends a fault.
_BOARD = (
    (rf"{_POINT}: chatters", "chatters"),
    (rf"{_POINT}: weak, sags by (?P<n>\d+) mV under the bell", "weak_cell"),
    (rf"{_POINT}: drifts, (?P<n>[+-]\d+) % from its calibration", "drifts"),
    (r"bell: current seen while it is off", "stray_current"),
    (r"no ring of group (?P<group>\S+) heard", "no_ring"),
    (r"group (?P<group>\S+) expected, configured for (?P<other>\S+)", "group"),
    (r"subscription refused: .*", "rights"),
    (r"link: taken away again and again.*", "twin"),
    (r"link: (/tls/|TLS without verification).*", "certificate"),
    (r"link: broker not trusted.*", "not_trusted"),
    (r"link: (refused|closed|TLS broken off).*", "turned_away"),
    (r"link: .*", "link"),
    (r"change of the configuration: .*", "change"),
    (r"update: .*", "update"),
    (r"/\S*\.der: .*", "authority"),
    (r"/\S+: .*", "configuration"),
    (r"journal: \d+ damaged files", "journal_damaged"),
    (r"journal: .*", "journal"),
    (rf"(points\.|({_KINDS}): ).*", "wiring"),
)
# Why a message did not get through: gateway/delivery, the modem (sms/refusals.py), Python's own words for what the network said.
_DELIVERY = (
    (r".*: it may have gone out", "maybe_sent"),
    (r".*(out of credit|often no credit).*", "no_credit"),
    (r"(nobody has this number|the receiver cannot be reached|unreachable).*", "not_reached"),
    (r"the receiver's memory is full.*", "phone_full"),
    (r"rang.*", "rang"),
    (r"busy.*", "busy"),
    (r"(cut|refused)\b.*", "call_failed"),
    (r".*(SIM card|PIN is|number of the message centre).*", "sim"),
    (r".*network.* (\(.*\)|within .*)|there is no network.*|only emergency calls.*", "no_network"),
    (r".*\bmodem\b.*|no answer to AT.*|the port has no line.*", "modem"),
    (r".*(CERTIFICATE_VERIFY_FAILED|\[SSL).*", "tls"),
    (r".*(Name or service not known|name resolution|No address associated).*", "no_name"),
    (r".*(No route to host|Network is unreachable|Host is down).*", "no_way"),
    (r".*(Connection refused|Connect call failed).*", "nobody_there"),
    (r"(.* )?(TimeoutError|timed out|no answer within .*)", "late"),
    (r".*\[Errno \d+\].*", "broken_off"),
    (r"status (?P<n>40[13])", "no_right"),
    (r"status (?P<n>5\d\d)", "receiver_fails"),
    (r"status (?P<n>\d+)", "not_taken"),
    (r".*(\(DUH\)|refuses \(NAK\)).*", "receiver_refuses"),
    (r"the service did not take it", "service_refuses"),
    (r"the service's plugin failed.*|expected an address that Apprise knows.*|the process for Apprise is gone", "service_fails"),
    (r"this channel is no longer set up", "channel_gone"),
    (r"nothing has arrived within (?P<n>\d+) min", "not_arrived"),
    (r"there is nobody to send a canary to", "no_canary"),
    (r"it has not worked for a day", "idle"),
    (r"it was given up", "given_up"),
)
_DATE = r"\d\d/\d\d/\d{4}"
# What is wrong with the gateway: gateway/domain, and why a channel is not well.
_GATEWAY = (
    (r"no clock of its own, and not synchronised", "no_clock"),
    (r"not synchronised", "not_synchronised"),
    (r"set by (?P<n>[+-]?\d+) s", "clock_set"),
    (r"(?P<n>\d+) MB free", "room"),
    (r"mounted read-only", "read_only"),
    (r"(?P<n>\d+) errors", "errors"),
    (r"not connected", "not_connected"),
    (r"connected again within (?P<n>\d+) s", "again"),
    (r"(?P<times>\d+) times in (?P<n>\d+) min", "times"),
    (r"on battery", "on_battery"),
    (r"on battery, battery (?P<n>\d+) %", "on_battery_with"),
    (r"battery (?P<n>\d+) %", "charge"),
    (r"nothing can be read from it", "unreadable"),
    (rf"ended on (?P<date>{_DATE})(?P<boards>: .+)?", "ended"),
    (rf"good until (?P<date>{_DATE})(?P<boards>: .+)?", "good_until"),
    (r"nobody is on duty", "nobody"),
    (r"nobody to tell of (?P<name>\S+)", "nobody_told"),
    (r"a page is open, but its sound is off", "page_silent"),
    (r"no page is open", "page_closed"),
    (r"the console is not heard", "page_unheard"),
    (r"(?P<why>.+); last proof: never", "unproved"),
    (rf"(?P<why>.+); last proof: (?P<date>{_DATE} \d\d:\d\d)", "proved"),
)
_STATES = ((r"open", "open"), (r"short", "short"), (r"stuck", "stuck"), (r"silent", "silent"))
_ROWS: dict[str, tuple[tuple[str, str], ...]] = {
    "board_fault": _BOARD,
    "delivery": _DELIVERY,
    "gateway_fault": _GATEWAY + _DELIVERY,
    "gateway_ok": _GATEWAY + _DELIVERY,
    "board_lost": (
        (r"last will", "will"),
        (r"(?P<n>\d+) s without a message", "no_message"),
        (r"not back with (?P<name>.+)", "not_back"),
    ),
    **dict.fromkeys(("point_fault", "point_ok", "bell_fault", "bell_ok"), _STATES),
    "bell_test": (
        (r"measured", "measured"),
        (r"commanded", "commanded"),
        (r"no_answer", "no_answer"),
        (r"no current seen on .*", "no_current"),
        (r"no \S+ here", "no_bell"),
        (r"the bell sounds", "sounds"),
        (r"a test goes on", "tested_now"),
        (r"journal: .*", "journal"),
    ),
    "self_test": ((r"active", "answered"),),
    "safe_mode": ((r"button, bell and network only, after three crashes", "safe_mode"),),
    "config_failed": (
        (r"(.*: )?rolled back: .*", "rolled_back"),
        (r".*: the order did not reach the board", "order_missed"),
        (r"[a-z_, ]+, by \S+: .*", "change_refused"),
    ),
    "group_fault": ((r"configured for group (?P<other>\S+), belongs to (?P<group>\S+)", "group"),),
    "clock_fault": (
        (r"its clock was never set", "clock_unset"),
        (r"its clock is (?P<n>\d+) s ahead", "clock_ahead"),
        (r"its clock and its age differ by (?P<n>\d+) s", "clock_apart"),
    ),
    "doubled_id": ((r"event (?P<name>\S+) was something else before", "doubled"),),
    "odd_event": ((r"unknown type (?P<name>\S+)", "odd_type"),),
}
_PATTERNS = {what: [(re.compile(pattern, re.DOTALL), key) for pattern, key in rows] for what, rows in _ROWS.items()}
# Said whole by the words: the remark beside them would only repeat it.
WHOLE = frozenset(
    {"open", "short", "stuck", "silent", "measured", "commanded", "no_answer", "answered", "will", "no_message", "not_back"}
    | {"rang", "busy", "channel_gone", "not_arrived", "no_canary", "idle", "given_up"}
    | {key for _, key in _GATEWAY if key not in ("unproved", "proved")}
)


class Remark(NamedTuple):
    """Key below `remark.` of the catalogue, and the fields of its text; `point` is a point's id, `why` a remark about a delivery."""

    key: str
    fields: dict[str, str]


def of(what: str, remark: str) -> Remark | None:
    """What a remark says beside an entry or fault `what` (gateway.domain.maintenance.What), or of a "delivery" why it failed; None for one
    that we do not know."""
    for pattern, key in _PATTERNS.get(what, ()):
        if found := pattern.fullmatch(remark):
            return Remark(key, found.groupdict(default=""))
    return None


def keys() -> set[str]:
    """Every key there is."""
    return {key for rows in _ROWS.values() for _, key in rows}
