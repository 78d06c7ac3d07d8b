"""Rows of console.db: accounts, invitations, sessions, known browsers, wrong tries. Each function is one step of a transaction."""

import sqlite3
from typing import NamedTuple

from gateway.console.people import sessions
from gateway.console.people.brake import FORGOTTEN_MS, Failures, Kind
from gateway.console.people.sessions import Session

BROWSERS_MAX = 20  # of one account; the oldest are forgotten


class Account(NamedTuple):
    """Somebody who may log in. `id`: of the person in the site file."""

    id: str
    password: str
    made_ms: int
    changed_ms: int


class Invitation(NamedTuple):
    """A code for one account, good until `ends_ms`."""

    account: str
    made_by: str
    made_ms: int
    ends_ms: int


def account(db: sqlite3.Connection, ident: str) -> Account | None:
    """The account with this id."""
    row = db.execute("SELECT id, password, made_ms, changed_ms FROM account WHERE id = ?", (ident,)).fetchone()
    return Account(*row) if row else None


def accounts(db: sqlite3.Connection) -> dict[str, Account]:
    """All, by id."""
    rows = db.execute("SELECT id, password, made_ms, changed_ms FROM account ORDER BY id").fetchall()
    return {row[0]: Account(*row) for row in rows}


def invitations(db: sqlite3.Connection, *, now_ms: int) -> dict[str, Invitation]:
    """Those that are still good, by account."""
    rows = db.execute("SELECT account, made_by, made_ms, ends_ms FROM invitation WHERE ends_ms > ?", (now_ms,)).fetchall()
    return {row[0]: Invitation(*row) for row in rows}


def invite(db: sqlite3.Connection, ident: str, *, by: str, now_ms: int, lasts_ms: int) -> str:
    """A code for the account, which replaces the one before. Nobody sees it again."""
    code = sessions.code()
    db.execute(
        "INSERT OR REPLACE INTO invitation (account, code, made_by, made_ms, ends_ms) VALUES (?, ?, ?, ?, ?)",
        (ident, sessions.code_key(code), by, now_ms, now_ms + lasts_ms),
    )
    return code


def invited(db: sqlite3.Connection, code: str, *, now_ms: int) -> Invitation | None:
    """Whom this code invites, if it is good."""
    row = db.execute(
        "SELECT account, made_by, made_ms, ends_ms FROM invitation WHERE code = ? AND ends_ms > ?", (sessions.code_key(code), now_ms)
    ).fetchone()
    return Invitation(*row) if row else None


def accept(db: sqlite3.Connection, code: str, password: str, *, now_ms: int) -> str | None:
    """Use up the code: its account has this password (hashed) from now on, and is logged in nowhere. None if the code is not good."""
    found = invited(db, code, now_ms=now_ms)
    if found is None:
        return None
    db.execute("DELETE FROM invitation WHERE account = ?", (found.account,))
    set_password(db, found.account, password, now_ms=now_ms)
    end_sessions(db, found.account)
    db.execute("DELETE FROM browser WHERE account = ?", (found.account,))
    return found.account


def set_password(db: sqlite3.Connection, ident: str, password: str, *, now_ms: int) -> None:
    """Another password (hashed) for the account, which is made if it is not there."""
    db.execute(
        "INSERT INTO account (id, password, made_ms, changed_ms) VALUES (?1, ?2, ?3, ?3)"
        " ON CONFLICT (id) DO UPDATE SET password = ?2, changed_ms = ?3",
        (ident, password, now_ms),
    )


def close(db: sqlite3.Connection, ident: str) -> bool:
    """No account, no invitation, no session of this person any more. False if there was none."""
    found = sum(db.execute(f"DELETE FROM {table} WHERE {column} = ?", (ident,)).rowcount for table, column in _OF_ACCOUNT)  # noqa: S608
    return found > 0


_OF_ACCOUNT = (("account", "id"), ("invitation", "account"), ("session", "account"), ("browser", "account"))


def begin_session(db: sqlite3.Connection, ident: str, *, address: str, agent: str, now_ms: int) -> str:
    """A new session; returns its token."""
    token = sessions.token()
    row = (sessions.key(token), ident, now_ms, now_ms, address, agent[:200])
    db.execute("INSERT INTO session (token, account, made_ms, seen_ms, address, agent) VALUES (?, ?, ?, ?, ?, ?)", row)
    return token


def session(db: sqlite3.Connection, token: str) -> Session | None:
    """The session with this token, over or not."""
    row = db.execute(
        "SELECT token, account, made_ms, seen_ms, address, agent FROM session WHERE token = ?", (sessions.key(token),)
    ).fetchone()
    return Session(*row) if row else None


def sessions_of(db: sqlite3.Connection, ident: str) -> list[Session]:
    """Where this account is logged in, the newest first."""
    rows = db.execute(
        "SELECT token, account, made_ms, seen_ms, address, agent FROM session WHERE account = ? ORDER BY seen_ms DESC", (ident,)
    )
    return [Session(*row) for row in rows.fetchall()]


def last_seen(db: sqlite3.Connection) -> dict[str, tuple[int, int]]:
    """By account: in how many browsers it is logged in, and when it was used last."""
    rows = db.execute("SELECT account, count(*), max(seen_ms) FROM session GROUP BY account").fetchall()
    return {account: (count, seen_ms) for account, count, seen_ms in rows}


def seen(db: sqlite3.Connection, key: bytes, *, now_ms: int) -> None:
    """This session is used now."""
    db.execute("UPDATE session SET seen_ms = ? WHERE token = ?", (now_ms, key))


def end_session(db: sqlite3.Connection, key: bytes) -> None:
    """This session is over."""
    db.execute("DELETE FROM session WHERE token = ?", (key,))


def end_sessions(db: sqlite3.Connection, ident: str) -> int:
    """All sessions of an account are over; returns how many that were."""
    return db.execute("DELETE FROM session WHERE account = ?", (ident,)).rowcount


def remember_browser(db: sqlite3.Connection, ident: str, *, now_ms: int) -> str:
    """A browser in which this person has logged in; returns its token."""
    token = sessions.token()
    db.execute("INSERT INTO browser (token, account, made_ms) VALUES (?, ?, ?)", (sessions.key(token), ident, now_ms))
    db.execute(
        "DELETE FROM browser WHERE account = ?1 AND token NOT IN"
        " (SELECT token FROM browser WHERE account = ?1 ORDER BY made_ms DESC LIMIT ?2)",
        (ident, BROWSERS_MAX),
    )
    return token


def is_known_browser(db: sqlite3.Connection, token: str, ident: str) -> bool:
    """True if this person has logged in there before."""
    return db.execute("SELECT 1 FROM browser WHERE token = ? AND account = ?", (sessions.key(token), ident)).fetchone() is not None


def failures(db: sqlite3.Connection, kind: Kind, what: str) -> Failures:
    """Wrong tries on or from this."""
    row = db.execute("SELECT count, last_ms FROM failure WHERE key = ?", (f"{kind}:{what}",)).fetchone()
    return Failures(kind, *(row or (0, 0)))


def count_failure(db: sqlite3.Connection, kind: Kind, what: str, count: int, *, now_ms: int) -> None:
    """There are `count` wrong tries now, the last of them at this moment."""
    db.execute("INSERT OR REPLACE INTO failure (key, count, last_ms) VALUES (?, ?, ?)", (f"{kind}:{what}", count, now_ms))


def forget_failures(db: sqlite3.Connection, kind: Kind, what: str) -> None:
    """It was the right person after all."""
    db.execute("DELETE FROM failure WHERE key = ?", (f"{kind}:{what}",))


def prune(db: sqlite3.Connection, *, now_ms: int, longest_ms: int) -> None:
    """Delete what counts no more: codes and wrong tries of long ago, sessions older than any may become."""
    db.execute("DELETE FROM invitation WHERE ends_ms <= ?", (now_ms,))
    db.execute("DELETE FROM session WHERE made_ms < ?", (now_ms - longest_ms,))
    db.execute("DELETE FROM failure WHERE last_ms < ?", (now_ms - max(FORGOTTEN_MS.values()),))
