"""How long somebody stays logged in, and the secrets that say who it is. Pure but for chance; milliseconds."""

import base64
import hashlib
import secrets
from typing import NamedTuple

from protocol.people import Role

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
TOKEN_BYTES = 32
CODE_BYTES = 15  # 120 bits in 24 letters
DURING_ALARM_MS = 12 * HOUR_MS  # an open alarm puts the end off by so much: nobody is thrown out of it


class Session(NamedTuple):
    """One browser in which somebody is logged in. `key`: the SHA-256 of its token; `seen_ms`: last use, not more exact than needed."""

    key: bytes
    account: str
    made_ms: int
    seen_ms: int
    address: str
    agent: str

    @property
    def browser(self) -> str:
        """The browser and its machine as people call them; what it calls itself if it is none that we know."""
        known = [next((name for sign, name in signs if sign in self.agent), "") for signs in (_BROWSERS, _MACHINES)]
        return " · ".join(known) if all(known) else self.agent


# In this order: most browsers call themselves Safari and Chrome as well, and every Android a Linux.
_BROWSERS = (
    ("Zalo", "Zalo"),
    ("coc_coc", "Cốc Cốc"),
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser", "Samsung Internet"),
    ("Firefox", "Firefox"),
    ("FxiOS", "Firefox"),
    ("CriOS", "Chrome"),
    ("Chrome", "Chrome"),
    ("Safari", "Safari"),
)
_MACHINES = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("CrOS", "ChromeOS"),
    ("Macintosh", "Mac"),
    ("Linux", "Linux"),
)


class Lasts(NamedTuple):
    """A session ends when it was not used for `idle_ms`, and `whole_ms` after its beginning whatever was done. An open page uses it."""

    idle_ms: int
    whole_ms: int


# A phone at home stays logged in: nobody types a password while it burns. A desk changes hands; administration is short.
_DESK = Lasts(12 * HOUR_MS, 7 * DAY_MS)
_PHONE = Lasts(90 * DAY_MS, 365 * DAY_MS)
LASTS: dict[Role, Lasts] = {
    "duty": _DESK,
    "chief": _DESK,
    "technician": _DESK,
    "viewer": _DESK,
    "leader": _PHONE,
    "team": _PHONE,
    "household": _PHONE,
    "administrator": Lasts(HOUR_MS // 2, 12 * HOUR_MS),
}


def is_over(session: Session, role: Role, *, now_ms: int, alarm: bool) -> bool:
    """True for a session that has ended. `alarm`: something is open now. A clock that was set back ends none."""
    lasts = LASTS[role]
    return now_ms - session.seen_ms > lasts.idle_ms or now_ms - session.made_ms > lasts.whole_ms + (DURING_ALARM_MS if alarm else 0)


def is_stale(session: Session, role: Role, *, now_ms: int) -> bool:
    """True when its use must be noted again: seldom, since each note is written to the SD card."""
    return abs(now_ms - session.seen_ms) > min(HOUR_MS, LASTS[role].idle_ms // 12)


def token() -> str:
    """A new secret for a cookie."""
    return secrets.token_urlsafe(TOKEN_BYTES)


def code() -> str:
    """A new secret for an invitation, fit to be read from a terminal and typed: ABCDE-... of A-Z and 2-7."""
    letters = base64.b32encode(secrets.token_bytes(CODE_BYTES)).decode()
    return "-".join(letters[start : start + 6] for start in range(0, len(letters), 6))


def key(secret: str) -> bytes:
    """What the database keeps of a secret. Secrets are random and long, so that no slow hash is needed."""
    return hashlib.sha256(secret.encode()).digest()


def code_key(typed: str) -> bytes:
    """The same of an invitation's code, however it was typed."""
    return key("".join(letter for letter in typed.upper() if letter.isalnum()))
