"""Coming in with a password or a code: the real database and the real hash, a clock of ours."""

import asyncio
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest
from stage import HASHED, PASSWORD, ROOT, SITE

from gateway.console.people import accounts, audit, book, passwords
from gateway.console.people.book import Book
from gateway.console.people.door import INVITATION_MS, LONGEST_MS, QUEUE, Door, Entered, Refused, Visitor, network
from gateway.console.people.sessions import DAY_MS, HOUR_MS, Session
from gateway.settings import Console
from protocol.site import Site

NOW_MS = 1_793_600_000_000
HERE = Visitor("192.0.2.7", "Firefox")
DUTY = "truc-ban-1"


class Hall:
    """A door, its clock and its database; `again()` is the same after a restart."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.now_ms = NOW_MS
        self.alarm = False
        self.book = Book(path)
        self.door = self._door()

    def again(self) -> None:
        self.book.close()
        self.book = Book(self.path)
        self.door = self._door()

    def _door(self) -> Door:
        return Door(self.book, SITE, lambda: self.now_ms, lambda: self.alarm)

    def login(self, name: str, password: str = PASSWORD, visitor: Visitor = HERE) -> Entered | Refused:
        return asyncio.run(self.door.login(name, password, visitor))

    def account(self, ident: str) -> None:
        asyncio.run(self.book.write(lambda db: accounts.set_password(db, ident, HASHED, now_ms=NOW_MS)))

    def told(self) -> list[tuple[str, str, str]]:
        return [(one.who, one.what, one.about) for one in reversed(audit.entries(self.book.reading))]


@pytest.fixture
def hall(tmp_path: Path) -> Iterator[Hall]:
    made = Hall(tmp_path / "console.db")
    made.account(DUTY)
    yield made
    made.book.close()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hundreds of wrong tries without 40 ms each: what is counted does not depend on how it is compared."""
    monkeypatch.setattr(passwords, "fits", lambda password, _known: password == PASSWORD)


def entered(found: Entered | Refused) -> Entered:
    assert isinstance(found, Entered), found
    return found


@pytest.mark.parametrize("name", [DUTY, "  truc-ban-1 ", "00000000001", "+84 0000 000.001", "840000000001"])
def test_the_right_password_opens_a_session_by_name_or_phone(hall: Hall, name: str) -> None:
    found = entered(hall.login(name))
    known = hall.door.session(found.token)
    assert known
    assert known[0].id == DUTY
    assert known[1].address == "192.0.2.7"
    assert hall.told() == [(DUTY, "login", DUTY)]


@pytest.mark.parametrize(("name", "password"), [(DUTY, "wrong password"), ("to-truong-03", PASSWORD), ("nobody", PASSWORD), ("", "")])
def test_everything_else_is_answered_alike(hall: Hall, name: str, password: str) -> None:
    assert hall.login(name, password) == Refused("wrong")
    assert hall.told()[0][1] == "login_failed"


def test_the_database_holds_no_token_and_no_code(hall: Hall, tmp_path: Path) -> None:
    found = entered(hall.login(DUTY))
    code = asyncio.run(hall.door.invite("to-truong-03", by="quan-tri", address=""))
    hall.book.close()
    everything = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    for secret in (found.token, str(found.browser), str(code), str(code).replace("-", ""), PASSWORD):
        assert secret.encode() not in everything
    hall.book = Book(hall.path)


@pytest.mark.parametrize(
    ("agent", "shown"),
    [
        (
            "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.0.0 Mobile Safari/537.36",
            "Chrome · Android",
        ),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Safari/604.1",
            "Safari · iPhone",
        ),
        (
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.0.0 Safari/537.36 Edg/138.0.0.0",
            "Edge · Windows",
        ),
        ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox · Linux"),
        ("python-httpx/0.28.1", "python-httpx/0.28.1"),
        ("", ""),
    ],
)
def test_a_browser_is_named_as_people_call_it(agent: str, shown: str) -> None:
    assert Session(b"", DUTY, 0, 0, "", agent).browser == shown


def test_nobody_but_its_owner_reads_the_file(hall: Hall, tmp_path: Path) -> None:
    hall.login(DUTY)
    assert {path.name: oct(path.stat().st_mode & 0o777) for path in tmp_path.iterdir()} == {
        "console.db": "0o600",
        "console.db-wal": "0o600",
        "console.db-shm": "0o600",
    }


def test_wrong_tries_are_braked_over_a_restart_and_the_wait_ends(hall: Hall, quick: None) -> None:
    for _ in range(11):
        hall.login(DUTY, "wrong")
        hall.now_ms += 60_000
    hall.login(DUTY, "wrong")
    assert hall.login(DUTY) == Refused("wait", 60)
    hall.again()
    assert hall.login(DUTY) == Refused("wait", 60)
    hall.now_ms += 60_000
    entered(hall.login(DUTY))
    assert hall.login(DUTY, "wrong") == Refused("wrong"), "what was right once begins anew"


def test_a_try_during_the_wait_is_not_looked_at_and_costs_nothing(hall: Hall, quick: None) -> None:
    for _ in range(6):
        hall.login(DUTY, "wrong")
        hall.now_ms += 1000
    for _ in range(100):
        assert hall.login(DUTY) == Refused("wait", 1)
    hall.now_ms += 1000
    entered(hall.login(DUTY))


def test_who_guesses_elsewhere_does_not_lock_the_officer_out(hall: Hall, quick: None) -> None:
    browser = entered(hall.login(DUTY)).browser
    attacker = Visitor("192.0.2.66", "curl")
    for _ in range(40):
        hall.login(DUTY, "guess", attacker)
    assert isinstance(hall.login(DUTY, PASSWORD, attacker), Refused)
    assert isinstance(hall.login(DUTY, PASSWORD, HERE), Refused), "an unknown browser waits"
    assert entered(hall.login(DUTY, PASSWORD, HERE._replace(browser=browser))).browser is None
    attacker_too = attacker._replace(browser=browser)
    assert entered(hall.login(DUTY, PASSWORD, attacker_too)), "also from the same address, as through a tunnel"


def test_a_known_browser_that_guesses_is_braked_itself(hall: Hall, quick: None) -> None:
    known = HERE._replace(browser=entered(hall.login(DUTY)).browser)
    for _ in range(20):
        hall.login(DUTY, "wrong", known)
    assert isinstance(hall.login(DUTY, PASSWORD, known), Refused)
    entered(hall.login(DUTY))


def test_a_known_browser_is_known_for_its_own_person_alone(hall: Hall, quick: None) -> None:
    hall.account("to-truong-03")
    leader = HERE._replace(browser=entered(hall.login("to-truong-03")).browser)
    for _ in range(6):
        hall.login(DUTY, "guess", leader)
    assert hall.login(DUTY, PASSWORD, leader) == Refused("wait", 2) or hall.login(DUTY, PASSWORD, leader) == Refused("wait", 1)
    entered(hall.login("to-truong-03", PASSWORD, leader))


def test_one_address_that_tries_many_names_is_braked(hall: Hall, quick: None) -> None:
    for number in range(30):
        hall.login(f"name-{number}", "guess")
    assert hall.login(DUTY) == Refused("wait", 1)
    entered(hall.login(DUTY, PASSWORD, Visitor("192.0.2.8", "")))
    for number in range(40):
        hall.now_ms += 600_000
        hall.login(f"name-{number}", "guess")
    assert hall.login(DUTY) == Refused("wait", 600)


def test_a_good_password_of_ones_own_makes_no_room_for_guessing_at_others(hall: Hall, quick: None) -> None:
    hall.account("to-truong-03")
    for number in range(20):
        hall.login(f"name-{number}", "guess")
        if number == 10:
            entered(hall.login("to-truong-03"))
    assert isinstance(hall.login("to-truong-03"), Refused)


def test_many_good_logins_from_one_address_are_no_guessing(hall: Hall, quick: None) -> None:
    for _ in range(50):
        entered(hall.login(DUTY))


def test_names_that_nobody_has_fill_no_disk(hall: Hall, quick: None) -> None:
    for number in range(200):
        hall.login(f"name-{number}" * 50, "guess", Visitor(f"2001:db8::{number:x}", ""))
    rows = hall.book.reading.execute("SELECT count(*), max(length(key)) FROM failure").fetchone()
    assert rows[1] < 80
    assert hall.login(DUTY, "x", Visitor("2001:db8::ffff", "")).wait_s > 0, "one network is one visitor"  # type: ignore[union-attr]


def test_a_crowd_at_the_door_is_sent_away_and_the_known_have_a_door_of_their_own(hall: Hall) -> None:
    browser = entered(hall.login(DUTY)).browser

    async def crowd() -> tuple[list[Entered | Refused], Entered | Refused]:
        guesses = [hall.door.login("x", "y", Visitor(f"198.51.100.{number}", "")) for number in range(3 * QUEUE)]
        all_of_them = asyncio.gather(*guesses)
        await asyncio.sleep(0)
        officer = await hall.door.login(DUTY, PASSWORD, HERE._replace(browser=browser))
        return await all_of_them, officer

    found, officer = asyncio.run(crowd())
    assert [one.why for one in found if isinstance(one, Refused)].count("busy") == 2 * QUEUE
    entered(officer)


def test_a_code_works_once(hall: Hall) -> None:
    code = str(asyncio.run(hall.door.invite("to-truong-03", by="quan-tri", address="")))
    who = hall.door.invited(code)
    assert who
    assert who.id == "to-truong-03"
    found = entered(asyncio.run(hall.door.accept(code, PASSWORD, PASSWORD, HERE)))
    assert found.who.id == "to-truong-03"
    assert asyncio.run(hall.door.accept(code, PASSWORD, PASSWORD, HERE)) == Refused("spent")
    entered(hall.login("to-truong-03"))
    assert hall.told()[:2] == [("quan-tri", "invited", "to-truong-03"), ("to-truong-03", "joined", "to-truong-03")]


def test_two_who_take_up_one_code_at_once_are_not_both_let_in(hall: Hall) -> None:
    code = str(asyncio.run(hall.door.invite("to-truong-03", by="", address="")))

    async def both() -> list[Entered | Refused]:
        return await asyncio.gather(*(hall.door.accept(code, PASSWORD, PASSWORD, HERE) for _ in range(2)))

    assert sorted(type(one).__name__ for one in asyncio.run(both())) == ["Entered", "Refused"]


def test_a_code_ends_and_a_new_one_replaces_it(hall: Hall) -> None:
    first = str(asyncio.run(hall.door.invite("to-truong-03", by="", address="")))
    second = str(asyncio.run(hall.door.invite("to-truong-03", by="", address="")))
    assert hall.door.invited(first) is None
    hall.now_ms += INVITATION_MS - 1
    assert hall.door.invited(second) is not None
    hall.now_ms += 1
    assert hall.door.invited(second) is None
    assert asyncio.run(hall.door.accept(second, PASSWORD, PASSWORD, HERE)) == Refused("spent")


@pytest.mark.parametrize(("password", "again", "why"), [("short", "short", "short"), (PASSWORD, PASSWORD + "x", "differs")])
def test_a_bad_choice_of_password_uses_no_code_up(hall: Hall, password: str, again: str, why: str) -> None:
    code = str(asyncio.run(hall.door.invite("to-truong-03", by="", address="")))
    assert asyncio.run(hall.door.accept(code, password, again, HERE)) == Refused(why)
    assert hall.door.invited(code) is not None


def test_a_new_invitation_throws_out_whoever_was_in_with_the_old_password(hall: Hall) -> None:
    thief = entered(hall.login(DUTY))
    code = str(asyncio.run(hall.door.invite(DUTY, by="quan-tri", address="")))
    assert hall.door.session(thief.token), "until it is taken up nothing changes: an invitation locks nobody out"
    entered(asyncio.run(hall.door.accept(code, "cây đa bến nước", "cây đa bến nước", HERE)))
    assert hall.door.session(thief.token) is None
    assert hall.login(DUTY, PASSWORD, HERE._replace(browser=thief.browser)) == Refused("wrong")


def test_an_invitation_is_the_way_out_of_the_brake(hall: Hall, quick: None) -> None:
    for _ in range(30):
        hall.login(DUTY, "guess")
    code = str(asyncio.run(hall.door.invite(DUTY, by="", address="")))
    entered(asyncio.run(hall.door.accept(code, PASSWORD, PASSWORD, Visitor("192.0.2.9", ""))))
    entered(hall.login(DUTY, PASSWORD, Visitor("192.0.2.9", "")))


def test_changing_the_password_needs_the_old_one_and_ends_every_session(hall: Hall) -> None:
    other, own = entered(hall.login(DUTY)), entered(hall.login(DUTY))
    change: Callable[..., Coroutine[Any, Any, Entered | Refused]] = hall.door.change_password
    assert asyncio.run(change(own.who, "wrong", "cây đa bến nước", "cây đa bến nước", HERE)) == Refused("wrong")
    assert asyncio.run(change(own.who, PASSWORD, "short", "short", HERE)) == Refused("short")
    before = len(hall.door.sessions_of(own.who))
    found = entered(asyncio.run(change(own.who, PASSWORD, "cây đa bến nước", "cây đa bến nước", HERE)))
    assert (before, len(hall.door.sessions_of(own.who))) == (2, 1)
    assert hall.door.session(other.token) is None
    assert hall.door.session(own.token) is None
    assert hall.door.session(found.token)
    assert hall.login(DUTY) == Refused("wrong")


def test_logging_out_ends_one_session_and_everywhere_all(hall: Hall) -> None:
    first, second, third = (entered(hall.login(DUTY)) for _ in range(3))
    known = hall.door.session(first.token)
    assert known
    asyncio.run(hall.door.logout(*known, everywhere=False, address=""))
    assert [bool(hall.door.session(one.token)) for one in (first, second, third)] == [False, True, True]
    known = hall.door.session(second.token)
    assert known
    asyncio.run(hall.door.logout(*known, everywhere=True, address=""))
    assert [bool(hall.door.session(one.token)) for one in (first, second, third)] == [False, False, False]


def test_a_session_ends_by_itself_and_use_keeps_it(hall: Hall) -> None:
    left, used = entered(hall.login(DUTY)), entered(hall.login(DUTY))
    for _ in range(13):
        hall.now_ms += HOUR_MS
        known = hall.door.session(used.token)
        assert known
        asyncio.run(hall.door.use(*known))
    assert hall.door.session(left.token) is None
    assert len(hall.door.sessions_of(used.who)) == 1
    hall.again()
    assert hall.door.session(used.token), "also over a restart"


def test_a_closed_account_is_out_at_once(hall: Hall) -> None:
    found = entered(hall.login(DUTY))
    assert not asyncio.run(hall.door.close(DUTY, by=DUTY, address="")), "nobody closes the own one"
    assert asyncio.run(hall.door.close(DUTY, by="quan-tri", address=""))
    assert hall.door.session(found.token) is None
    assert hall.login(DUTY) == Refused("wrong")
    assert not asyncio.run(hall.door.close(DUTY, by="quan-tri", address=""))
    assert hall.told()[-2:] == [("quan-tri", "closed", DUTY), ("", "login_failed", DUTY)]


def test_somebody_who_left_the_site_file_is_out(hall: Hall) -> None:
    found = entered(hall.login(DUTY))
    others = [person for person in SITE.people if person.id != DUTY]
    door = Door(hall.book, Site(**(dict(SITE) | {"people": others})), lambda: hall.now_ms, lambda: False)
    assert door.session(found.token) is None
    assert asyncio.run(door.login(DUTY, PASSWORD, HERE)) == Refused("wrong")
    assert asyncio.run(door.invite(DUTY, by="", address="")) is None


def test_the_first_start_makes_one_administrator(hall: Hall) -> None:
    first = asyncio.run(hall.door.first_code())
    code = asyncio.run(hall.door.first_code())
    assert first
    assert code
    assert hall.door.invited(first) is None, "each start makes a new one"
    found = entered(asyncio.run(hall.door.accept(code, PASSWORD, PASSWORD, HERE)))
    assert (found.who.id, found.who.role) == ("quan-tri", "administrator")
    assert asyncio.run(hall.door.first_code()) is None
    hall.again()
    assert asyncio.run(hall.door.first_code()) is None


def test_what_is_old_is_deleted(hall: Hall) -> None:
    token = entered(hall.login(DUTY)).token
    asyncio.run(hall.door.invite("to-truong-03", by="", address=""))
    hall.login(DUTY, "wrong")
    hall.now_ms += LONGEST_MS + DAY_MS

    async def prune() -> None:
        running = asyncio.create_task(hall.door.run())
        await asyncio.sleep(0)
        async with asyncio.timeout(10):
            while hall.book.reading.execute("SELECT count(*) FROM audit").fetchone()[0]:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    asyncio.run(prune())
    counts = [hall.book.reading.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in ("session", "invitation", "failure")]
    assert counts == [0, 0, 0]
    assert hall.door.session(token) is None


def test_the_record_keeps_the_newest_of_too_many(hall: Hall, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "KEPT_ROWS", 5)
    for number in range(9):
        asyncio.run(hall.door.note("ordered", who=DUTY, about=str(number)))
    asyncio.run(hall.book.write(lambda db: audit.prune(db, now_ms=NOW_MS)))
    assert [one.about for one in audit.entries(hall.book.reading)] == ["8", "7", "6", "5", "4"]
    assert [one.about for one in audit.entries(hall.book.reading, before=audit.entries(hall.book.reading)[2].id)] == ["5", "4"]


def test_a_disk_that_takes_nothing_undoes_nothing_that_was_done(hall: Hall, caplog: pytest.LogCaptureFixture) -> None:
    def full(_db: sqlite3.Connection, _work: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(book, "transaction", full)
        asyncio.run(hall.door.note("ordered", who=DUTY, about="2026-000123"))
    assert "not in the record: truc-ban-1 ordered 2026-000123" in caplog.text


def test_a_disk_that_takes_nothing_shuts_nobody_out(hall: Hall, monkeypatch: pytest.MonkeyPatch) -> None:
    found = entered(hall.login(DUTY))

    def full(_db: sqlite3.Connection, _work: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(book, "transaction", full)
    hall.now_ms += 11 * HOUR_MS
    known = hall.door.session(found.token)
    assert known
    asyncio.run(hall.door.use(*known))
    assert hall.door.session(found.token)


def test_the_terminal_invites_beside_a_console_that_runs(hall: Hall, tmp_path: Path) -> None:
    """Another process opens and closes the same database. (To open the file once more in this process, and close it, would take away the
    locks of its connections: the other process would then delete the log that they write.)"""
    site = str(ROOT / "simulator/communes/ngo-thu-5.toml")
    base = [sys.executable, "-m", "keng", "people"]
    options = ["--site", site, "--data", str(tmp_path)]

    def keng(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([*base, *words, *options], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)

    for _ in range(2):
        said = keng("invite", "to-truong-03")
        assert said.returncode == 0, said.stderr
        code = said.stdout.split("/invitation/")[1].split()[0]
        assert hall.door.invited(code), "seen by the console"
        entered(asyncio.run(hall.door.accept(code, PASSWORD, PASSWORD, HERE)))
        with sqlite3.connect(tmp_path / "console.db") as db:
            assert db.execute("SELECT count(*) FROM invitation").fetchone() == (0,), "written for everybody"
        db.close()
    assert "to-truong-03             leader                 account" in keng("list").stdout
    assert keng("close", "to-truong-03").stdout == "to-truong-03: closed\n"
    assert hall.login("to-truong-03") == Refused("wrong")
    again = keng("close", "to-truong-03")
    assert (again.returncode, again.stderr) == (2, "keng people close: expected somebody with an account, got 'to-truong-03'\n")
    stranger = keng("invite", "nobody")
    assert stranger.returncode == 2
    assert stranger.stderr.startswith("PERSON: expected truc-ban-1, to-truong-03")


def test_the_database_lies_where_the_console_may_write(tmp_path: Path) -> None:
    data = tmp_path / "keng"
    data.mkdir()
    assert book.own_database(Console(), data) == data / "console.db"
    (tmp_path / "keng-console").mkdir()
    assert book.own_database(Console(), data) == tmp_path / "keng-console" / "console.db"
    assert book.own_database(Console(database=tmp_path / "x.db"), data) == tmp_path / "x.db"


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to give a folder to another user")
def test_what_a_technician_makes_as_root_is_the_console_users(tmp_path: Path) -> None:
    os.chown(tmp_path, 65534, 65534)
    with book.opened(tmp_path / "console.db"):
        assert {(path.stat().st_uid, path.stat().st_gid) for path in tmp_path.iterdir()} == {(65534, 65534)}
        assert len(list(tmp_path.iterdir())) == 3


def test_a_damaged_database_is_set_aside_and_who_can_be_read_keeps_the_account(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The desk must open after a bad night of the SD card."""
    path = tmp_path / "console.db"
    with book.opened(path) as made:
        asyncio.run(made.write(lambda db: accounts.set_password(db, DUTY, HASHED, now_ms=NOW_MS)))
        asyncio.run(made.write(lambda db: [audit.note(db, "ordered", who="x" * 100, at_ms=NOW_MS) for _ in range(500)]))
    page = 4096
    content = bytearray(path.read_bytes())
    assert len(content) > 20 * page
    for number in range(len(content) // page - 8, len(content) // page):
        content[number * page : (number + 1) * page] = b"\xa5" * page
    path.write_bytes(content)
    with book.opened(path) as found:
        assert list(accounts.accounts(found.reading)) == [DUTY]
        assert audit.entries(found.reading) == []
    assert "accounts taken over: 1" in caplog.text
    assert len(list(tmp_path.glob("console.db.damaged-*"))) == 1
    path.write_bytes(b"no database at all" * 1000)
    with book.opened(path) as found:
        assert accounts.accounts(found.reading) == {}


def test_a_newer_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "console.db"
    book.connect(path).close()
    db = sqlite3.connect(path)
    db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(OSError, match="expected a database of version 1 or older, got version 99"):
        book.connect(path)


@pytest.mark.parametrize(
    ("address", "counted"), [("192.0.2.7", "192.0.2.7"), ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"), ("testclient", "testclient"), ("", "")]
)
def test_what_one_visitor_can_choose_addresses_from(address: str, counted: str) -> None:
    assert network(address) == counted
