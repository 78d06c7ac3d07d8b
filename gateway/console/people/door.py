"""The console's door: who comes in with which password or code, who stays, and who must go."""

import asyncio
import hashlib
import ipaddress
import logging
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Literal, NamedTuple

from gateway.console.people import accounts, audit, brake, passwords, rights, sessions
from gateway.console.people.audit import What
from gateway.console.people.book import Book
from gateway.console.people.brake import Failures, Kind
from gateway.console.people.rights import Who
from gateway.console.people.sessions import Session
from protocol.people import FIRST_ADMINISTRATOR, phone_number
from protocol.site import Site

logger = logging.getLogger(__name__)

INVITATION_MS = 3 * sessions.DAY_MS
FIRST_INVITATION_MS = sessions.DAY_MS
QUEUE = 16  # who waits for a password to be compared; more are sent away
PRUNE_S = 3600.0
LONGEST_MS = max(lasts.whole_ms for lasts in sessions.LASTS.values()) + sessions.DAY_MS


class Visitor(NamedTuple):
    """Who asks, as far as the connection tells: `browser` is the cookie of a browser in which somebody has logged in before."""

    address: str
    agent: str
    browser: str | None = None


class Entered(NamedTuple):
    """Somebody is in: the tokens for the cookies. `browser` is None where the browser has its own already."""

    who: Who
    token: str
    browser: str | None


class Refused(NamedTuple):
    """Nobody is in. wrong: name or password. wait: too many wrong tries, again in `wait_s`. busy: too many at a time. spent: the code is
    used or over. Anything else is what is wrong with a new password (passwords.mistake)."""

    why: Literal["wrong", "wait", "busy", "spent", "short", "long", "guessed", "differs"] | str
    wait_s: int = 0


class Door:
    """Accounts of the people of `site`. `now_ms`: Unix time; `alarm()`: is something open now?"""

    def __init__(self, book: Book, site: Site, now_ms: Callable[[], int], alarm: Callable[[], bool]) -> None:
        self.book = book
        self.site = site
        self._now_ms = now_ms
        self._alarm = alarm
        # Those who are known in their browser do not queue with those who guess.
        self._lanes = {True: _Lane(), False: _Lane()}

    async def run(self) -> None:
        """Never returns. Deletes what is too old."""
        while True:
            await self.book.write(partial(accounts.prune, now_ms=self._now_ms(), longest_ms=LONGEST_MS))
            await self.book.write(partial(audit.prune, now_ms=self._now_ms()))
            await asyncio.sleep(PRUNE_S)

    # Who is there

    def session(self, token: str | None) -> tuple[Who, Session] | None:
        """Whose session this is; None for one that is over, or of somebody who is no longer in the site file."""
        found = accounts.session(self.book.reading, token) if token else None
        known = rights.who(self.site, found.account) if found else None
        if found is None or known is None or self._is_over(found, known):
            return None
        return known, found

    async def use(self, who: Who, session: Session) -> None:
        """The session is used now. A disk that takes nothing shuts nobody out."""
        if not sessions.is_stale(session, who.role, now_ms=self._now_ms()):
            return
        try:
            await self.book.write(partial(accounts.seen, key=session.key, now_ms=self._now_ms()))
        except sqlite3.Error as exc:
            logger.error("use of a session of %s not noted: %s", who.id, exc)  # noqa: TRY400  # the reason says it all

    def sessions_of(self, who: Who) -> list[Session]:
        """Where somebody is logged in, the newest first."""
        return [one for one in accounts.sessions_of(self.book.reading, who.id) if not self._is_over(one, who)]

    def _is_over(self, session: Session, who: Who) -> bool:
        return sessions.is_over(session, who.role, now_ms=self._now_ms(), alarm=self._alarm())

    # Coming and going

    async def login(self, name: str, password: str, visitor: Visitor) -> Entered | Refused:
        """Let somebody in. Each wrong try is on the disk before the next is looked at."""
        ident = self._account_of(name)
        known = bool(visitor.browser) and accounts.is_known_browser(self.book.reading, visitor.browser or "", ident)
        lane = self._lanes[known]
        async with lane.turn() as free:
            if not free:
                return Refused("busy")
            before = self._failures(ident, visitor, known=known)
            if wait_ms := max(brake.wait_ms(one, now_ms=self._now_ms()) for _, one in before):
                return Refused("wait", -(-wait_ms // 1000))
            await self.book.write(partial(_count, before=before, now_ms=self._now_ms()))
            who = rights.who(self.site, ident)
            account = accounts.account(self.book.reading, ident)
            fits = await asyncio.to_thread(passwords.fits, password, account.password if account else passwords.NOBODYS)
            if not fits or account is None or who is None:
                await self.note("login_failed", who="", about=ident, address=visitor.address)
                logger.warning("wrong password for %s from %s", ident, visitor.address)
                return Refused("wrong")

            def enter(db: sqlite3.Connection) -> tuple[str, str | None]:
                for what, one in before:
                    if one.kind == "address":  # a good password of one's own makes no room for guessing at others'
                        accounts.count_failure(db, one.kind, what, brake.counted(one, now_ms=self._now_ms()), now_ms=one.last_ms)
                    else:
                        accounts.forget_failures(db, one.kind, what)
                return self._enter(db, who, visitor, "login", remember=not known)

            token, browser = await self.book.write(enter)
            return Entered(who, token, browser)

    def invited(self, code: str) -> Who | None:
        """Whom a code invites, None if it is not good."""
        found = accounts.invited(self.book.reading, code, now_ms=self._now_ms())
        return rights.who(self.site, found.account) if found else None

    async def accept(self, code: str, password: str, again: str, visitor: Visitor) -> Entered | Refused:
        """Somebody takes up an invitation and chooses a password."""
        who = self.invited(code)
        if who is None:
            return Refused("spent")
        if mistake := self._mistake(who, password, again):
            return Refused(mistake)
        async with self._lanes[False].turn() as free:
            if not free:
                return Refused("busy")
            hashed = await asyncio.to_thread(passwords.hashed, password)

        def join(db: sqlite3.Connection) -> tuple[str, str | None] | None:
            if accounts.accept(db, code, hashed, now_ms=self._now_ms()) is None:
                return None
            for kind in _OF_ACCOUNT:
                accounts.forget_failures(db, kind, who.id)
            return self._enter(db, who, visitor, "joined", remember=True)

        entered = await self.book.write(join)
        return Entered(who, *entered) if entered else Refused("spent")

    async def change_password(self, who: Who, old: str, new: str, again: str, visitor: Visitor) -> Entered | Refused:
        """Another password, for whoever knows the old one; every session ends, and a new one begins here."""
        entered = await self.login(who.id, old, visitor)
        if isinstance(entered, Refused):
            return entered
        mistake = self._mistake(who, new, again)
        hashed = "" if mistake else await asyncio.to_thread(passwords.hashed, new)

        def change(db: sqlite3.Connection) -> str:
            if mistake:
                accounts.end_session(db, sessions.key(entered.token))
                return ""
            accounts.set_password(db, who.id, hashed, now_ms=self._now_ms())
            accounts.end_sessions(db, who.id)
            audit.note(db, "password_changed", who=who.id, at_ms=self._now_ms(), about=who.id, address=visitor.address)
            return accounts.begin_session(db, who.id, address=visitor.address, agent=visitor.agent, now_ms=self._now_ms())

        token = await self.book.write(change)
        return Entered(who, token, entered.browser) if token else Refused(mistake)

    async def logout(self, who: Who, session: Session, *, everywhere: bool, address: str) -> None:
        """This session, or every one of the account, is over."""

        def leave(db: sqlite3.Connection) -> None:
            if everywhere:
                accounts.end_sessions(db, who.id)
            else:
                accounts.end_session(db, session.key)
            what: What = "logout_everywhere" if everywhere else "logout"
            audit.note(db, what, who=who.id, at_ms=self._now_ms(), about=who.id, address=address)

        await self.book.write(leave)

    # Administration

    async def invite(self, ident: str, *, by: str, address: str) -> str | None:
        """A code for this person; None for somebody who is not in the site file."""
        if rights.who(self.site, ident) is None:
            return None
        return await self.book.write(partial(invitation, ident=ident, by=by, now_ms=self._now_ms(), address=address))

    async def close(self, ident: str, *, by: str, address: str) -> bool:
        """Take a person's account, invitation and sessions away. False if there was none, or if it is one's own."""
        if ident == by:
            return False
        return await self.book.write(partial(closed, ident=ident, by=by, now_ms=self._now_ms(), address=address))

    async def first_code(self) -> str | None:
        """While nobody administers accounts, a code for the first administrator; each call makes a new one. None afterwards."""
        named = [person.id for person in self.site.people if person.role == "administrator"]
        known = accounts.accounts(self.book.reading)
        if any(ident in known for ident in (*named, FIRST_ADMINISTRATOR)):
            return None
        ident = named[0] if named else FIRST_ADMINISTRATOR
        lasts_ms = FIRST_INVITATION_MS
        return await self.book.write(partial(accounts.invite, ident=ident, by="", now_ms=self._now_ms(), lasts_ms=lasts_ms))

    async def note(self, what: What, *, who: str, about: str = "", detail: str = "", address: str = "") -> None:
        """Record that somebody did something. A disk that takes nothing undoes nothing that was done."""
        entry = partial(audit.note, what=what, who=who, at_ms=self._now_ms(), about=about, detail=detail, address=address)
        try:
            await self.book.write(entry)
        except sqlite3.Error as exc:
            logger.error("not in the record: %s %s %s: %s", who, what, about, exc)  # noqa: TRY400  # the reason says it all

    async def looked(self, *, who: str, about: str, detail: str, address: str) -> None:
        """Record that somebody has taken away what names people; the same again within a minute is the same look."""
        look = {"who": who, "about": about, "detail": detail, "address": address}
        if not audit.has_looked(self.book.reading, at_ms=self._now_ms(), **look):
            await self.note("looked", **look)

    def _account_of(self, name: str) -> str:
        """The account that somebody means: by its name, or by the person's phone number. "" for none, so that all of them are alike."""
        typed = name.strip()
        if rights.who(self.site, typed):
            return typed
        try:
            person = self.site.person_with_phone(phone_number(typed))
        except ValueError:
            person = None
        return person.id if person else f"?{hashlib.sha256(typed.encode()).hexdigest()[:4]}"

    def _failures(self, ident: str, visitor: Visitor, *, known: bool) -> list[tuple[str, Failures]]:
        """What wrong tries are counted under. A name that nobody has is braked as any other, in one of 65,536 rows."""
        if known:
            keys: list[tuple[Kind, str]] = [("browser", sessions.key(visitor.browser or "").hex())]
        else:
            keys = [("account", ident), ("address", network(visitor.address))]
        return [(what, accounts.failures(self.book.reading, kind, what)) for kind, what in keys]

    def _mistake(self, who: Who, password: str, again: str) -> str:
        if password != again:
            return "differs"
        person = self.site.person(who.id)
        return passwords.mistake(password, own=(who.id, (person.phone or "")[-9:] if person else ""))

    def _enter(self, db: sqlite3.Connection, who: Who, visitor: Visitor, what: What, *, remember: bool) -> tuple[str, str | None]:
        now_ms = self._now_ms()
        token = accounts.begin_session(db, who.id, address=visitor.address, agent=visitor.agent, now_ms=now_ms)
        browser = accounts.remember_browser(db, who.id, now_ms=now_ms) if remember else None
        audit.note(db, what, who=who.id, at_ms=now_ms, about=who.id, detail=visitor.agent[:200], address=visitor.address)
        return token, browser


_OF_ACCOUNT: tuple[Kind, ...] = ("account",)


class _Lane:
    """One password at a time is compared, and only so many wait for it: the engine needs the machine more."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._waiting = 0

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[bool]:
        """False, at once, where too many wait already."""
        if self._waiting >= QUEUE:
            yield False
            return
        self._waiting += 1
        try:
            async with self._lock:
                yield True
        finally:
            self._waiting -= 1


def invitation(db: sqlite3.Connection, *, ident: str, by: str, now_ms: int, address: str = "") -> str:
    """Invite somebody, and record it; returns the code. A step of a transaction."""
    audit.note(db, "invited", who=by, at_ms=now_ms, about=ident, address=address)
    return accounts.invite(db, ident, by=by, now_ms=now_ms, lasts_ms=INVITATION_MS)


def closed(db: sqlite3.Connection, *, ident: str, by: str, now_ms: int, address: str = "") -> bool:
    """Close an account, and record it; False if there was none. A step of a transaction."""
    if not accounts.close(db, ident):
        return False
    audit.note(db, "closed", who=by, at_ms=now_ms, about=ident, address=address)
    return True


def network(address: str) -> str:
    """What one visitor can choose addresses from: of IPv6 a whole /64, else the address itself."""
    try:
        known = ipaddress.ip_address(address)
    except ValueError:
        return address[:45]
    return str(ipaddress.ip_network((known, 64), strict=False)) if known.version == 6 else address


def _count(db: sqlite3.Connection, *, before: list[tuple[str, Failures]], now_ms: int) -> None:
    for what, one in before:
        accounts.count_failure(db, one.kind, what, brake.counted(one, now_ms=now_ms) + 1, now_ms=now_ms)
