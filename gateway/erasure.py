"""Erasing a person from what the gateway has stored: the engine's records and the console's accounts. The site file is its owner's."""

import re
import secrets
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from gateway.console.people import book, door
from gateway.store import damage, erasing
from gateway.store.erasing import Found, Traces
from gateway.supervisor import CannotStart
from protocol.site import Site
from protocol.tomlfile import FileMistakes
from protocol.topics import is_id

SHORTEST = 4  # letters of a name: a shorter one stands in too many other words


class Places(NamedTuple):
    """Where traces may be: the engine's database, and the console's."""

    engine: Path
    console: Path


class Done(NamedTuple):
    """`rows`: how many of each table have changed, or would."""

    pseudonym: str
    rows: dict[str, int]
    left: list[str]  # files that may still hold what was erased


def traces(site: Site, who: str, also: list[str]) -> Traces:
    """What a person is known by; `who` is an id or a name. Raises FileMistakes if that cannot be told from other things."""
    named = [person for person in site.people if person.name == who]
    known = site.person(who) or (named[0] if len(named) == 1 else None)
    if len(named) > 1:
        raise FileMistakes([f"PERSON: expected the id of one of {', '.join(person.id for person in named)}, got the name of several"])
    ident = known.id if known else who if is_id(who) else ""
    ids = [{one.id for one in some} for some in (site.groups, site.homes, site.fire_points, site.boards)]
    if any(ident in some for some in ids):
        raise FileMistakes([f"PERSON: expected the id or the name of a person, got that of a place or board: {ident!r}"])
    words = [*([known.name] if known else [] if ident else [who]), *also]
    phones = [known.phone] if known and known.phone else []
    if short := [word for word in words if len(word.strip()) < SHORTEST]:
        raise FileMistakes([f"PERSON: expected names of {SHORTEST} letters and more, got {short[0]!r}"])
    numbers = [word for word in also if re.fullmatch(r"\+?\d{8,15}", word)]
    return Traces(ident, tuple(dict.fromkeys([*words, *(form for phone in (*phones, *numbers) for form in _forms(phone))])))


def erase(places: Places, known: Traces, *, now_ms: int, is_meant: bool) -> Done:
    """Replace the traces by a pseudonym; unless `is_meant`, only count them. Works beside a running engine.

    Raises FileMistakes if there is no trace; CannotStart if somebody still works with an incident that has one, or a database cannot be
    written; OSError.
    """
    pseudonym = f"erased-{secrets.token_hex(3)}"
    left: list[str] = []
    try:
        engine = _found(places.engine, known, pseudonym)
        console = _found(places.console, known, pseudonym)
        rows = _counts([*engine, *console])
        if not rows:
            raise FileMistakes([f"PERSON: expected somebody of whom there is a record, got {known.ident or known.words[0]!r}"])
        if is_meant:
            left += _erase_from_engine(places.engine, engine, now_ms=now_ms)
            left += _erase_from_console(places.console, known, pseudonym, now_ms=now_ms)
    except sqlite3.Error as exc:
        raise CannotStart(f"{places.engine.parent}: expected databases that can be written, got: {exc}") from None
    return Done(pseudonym, rows, left)


def left_in(site: Site, file: Path, known: Traces, data: Path) -> list[str]:
    """Where the person still is and this program changes nothing: in words, with what to do."""
    found = []
    text = file.read_text(encoding="utf-8")
    if site.person(known.ident) or any(word in text for word in known.words):
        found.append(f"{file}: take the person out and restart engine and console, or they write the name again")
    before = sorted(one.name for one in data.glob("keng.db.before-*") if not one.name.endswith(("-wal", "-shm")))
    found += [f"{data / name}: delete it, if nobody needs it" for name in (*damage.put_aside(data / "keng.db"), *before)]
    return [*found, "backups that were made before: delete them, or erase again after a restore"]


def _erase_from_engine(path: Path, found: list[Found], *, now_ms: int) -> list[str]:
    if not path.exists():
        return []
    with closing(erasing.connect(path)) as db:
        if busy := erasing.busy_incidents(db, found, now_ms=now_ms):
            expected = "expected no incident with this person that is open or whose messages are on their way"
            raise CannotStart(f"{expected}, got {', '.join(busy)}: resolve it first")
        erasing.apply(db, found)
        return _scrubbed(db, path)


def _erase_from_console(path: Path, known: Traces, pseudonym: str, *, now_ms: int) -> list[str]:
    if not path.exists():
        return []
    with closing(book.connect(path)) as db:
        book.transaction(db, lambda db: door.closed(db, ident=known.ident, by="", now_ms=now_ms))
        erasing.apply(db, list(erasing.find(db, known, pseudonym)))
        return _scrubbed(db, path)


def _scrubbed(db: sqlite3.Connection, path: Path) -> list[str]:
    return [] if erasing.scrub(db) else [f"{path}-wal: somebody reads the database for long; restart engine and console, which empties it"]


def _found(path: Path, known: Traces, pseudonym: str) -> list[Found]:
    if not path.exists():
        return []
    with closing(erasing.connect(path)) as db:
        return list(erasing.find(db, known, pseudonym))


def _counts(found: list[Found]) -> dict[str, int]:
    tables = [one.table for one in found]
    return {table: tables.count(table) for table in sorted(set(tables))}


def _forms(phone: str) -> list[str]:
    """The ways in which a Vietnamese number is written."""
    digits = re.sub(r"^(\+?84|0)", "", phone)
    return [f"+84{digits}", f"84{digits}", f"0{digits}"]
