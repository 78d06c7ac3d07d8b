"""Tables and rules of the console's people: the brake, how long sessions last, passwords, who may what. Pure."""

from typing import get_args

import pytest
from stage import SITE

from gateway.console.people import brake, passwords, rights, sessions
from gateway.console.people.brake import Failures
from gateway.console.people.sessions import DAY_MS, HOUR_MS, Session
from protocol.people import Role

ROLES: tuple[Role, ...] = get_args(Role)
NOW_MS = 1_793_600_000_000


def session(*, made_ms: int, seen_ms: int) -> Session:
    return Session(b"", "x", made_ms, seen_ms, "", "")


@pytest.mark.parametrize(("tries", "wait_s"), [(0, 0), (4, 0), (5, 1), (6, 2), (7, 4), (10, 32), (11, 60), (1000, 60)], ids=str)
def test_wrong_tries_on_an_account_cost_more_and_more_but_never_more_than_a_minute(tries: int, wait_s: int) -> None:
    assert brake.wait_ms(Failures("account", tries, NOW_MS), now_ms=NOW_MS) == wait_s * 1000


def test_a_wait_passes_and_wrong_tries_are_forgotten() -> None:
    tried = Failures("account", 11, NOW_MS)
    assert brake.wait_ms(tried, now_ms=NOW_MS + 59_999) == 1
    assert brake.wait_ms(tried, now_ms=NOW_MS + 60_000) == 0
    assert brake.counted(tried, now_ms=NOW_MS + DAY_MS) == 11
    assert brake.counted(tried, now_ms=NOW_MS + DAY_MS + 1) == 0


def test_a_clock_that_was_set_back_makes_nobody_wait_longer_than_the_rule() -> None:
    assert brake.wait_ms(Failures("account", 1000, NOW_MS + 365 * DAY_MS), now_ms=NOW_MS) == 60_000


@pytest.mark.parametrize("role", ROLES)
def test_every_session_ends_idle_and_whole(role: Role) -> None:
    lasts = sessions.LASTS[role]
    fresh = session(made_ms=NOW_MS, seen_ms=NOW_MS)
    assert not sessions.is_over(fresh, role, now_ms=NOW_MS + lasts.idle_ms, alarm=False)
    assert sessions.is_over(fresh, role, now_ms=NOW_MS + lasts.idle_ms + 1, alarm=False)
    used = session(made_ms=NOW_MS, seen_ms=NOW_MS + lasts.whole_ms)
    assert not sessions.is_over(used, role, now_ms=NOW_MS + lasts.whole_ms, alarm=False)
    assert sessions.is_over(used, role, now_ms=NOW_MS + lasts.whole_ms + 1, alarm=False)


def test_nobody_is_thrown_out_of_an_open_alarm_by_the_end_of_a_session() -> None:
    used = session(made_ms=NOW_MS - 7 * DAY_MS - HOUR_MS, seen_ms=NOW_MS)
    assert sessions.is_over(used, "duty", now_ms=NOW_MS, alarm=False)
    assert not sessions.is_over(used, "duty", now_ms=NOW_MS, alarm=True)
    assert sessions.is_over(used, "duty", now_ms=NOW_MS + 12 * HOUR_MS, alarm=True)


def test_a_use_is_written_seldom() -> None:
    used = session(made_ms=NOW_MS, seen_ms=NOW_MS)
    assert not sessions.is_stale(used, "household", now_ms=NOW_MS + HOUR_MS)
    assert sessions.is_stale(used, "household", now_ms=NOW_MS + HOUR_MS + 1)
    assert sessions.is_stale(used, "administrator", now_ms=NOW_MS + HOUR_MS // 24 + 1)


@pytest.mark.parametrize(
    ("password", "mistake"),
    [
        ("", "short"),
        ("ngõ 5!", "short"),
        ("x" * 201, "long"),
        ("aaaaaaaaaaaa", "guessed"),
        ("12345678", "guessed"),
        ("Matkhau123", "guessed"),
        ("toi la Truc-Ban-1", "guessed"),
        ("so 912345678", "guessed"),
        ("gốc đa giếng nước", ""),
        ("kẻngkẻng", ""),
    ],
)
def test_a_new_password_is_judged(password: str, mistake: str) -> None:
    assert passwords.mistake(password, own=("truc-ban-1", "912345678")) == mistake


def test_a_password_fits_however_the_keyboard_composes_its_letters() -> None:
    known = passwords.hashed("gốc đa giếng nước")
    assert known.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert passwords.fits("go\u0302\u0301c \u0111a gie\u0302\u0301ng nu\u031bo\u031b\u0301c", known)
    assert not passwords.fits("gốc đa giếng nước ", known)
    assert not passwords.fits("gốc đa giếng nước", "no hash at all")
    assert not passwords.fits("x" * 100_000, known)


def test_a_code_can_be_typed_in_any_way() -> None:
    code = sessions.code()
    assert len(code.replace("-", "")) == 24
    assert sessions.code_key(code) == sessions.code_key(code.replace("-", " ").lower())
    assert sessions.code_key(code) != sessions.code_key(sessions.code())


def test_every_role_has_its_parts_and_only_people_for_the_site_see_every_group() -> None:
    assert set(rights.AREAS) == set(ROLES) == set(sessions.LASTS)
    assert [role for role in ROLES if "orders" in rights.AREAS[role]] == ["duty", "chief"]
    assert [role for role in ROLES if "people" in rights.AREAS[role]] == ["administrator"]
    leader, household, duty = (rights.who(SITE, ident) for ident in ("to-truong-03", "chu-ho-03-08", "truc-ban-1"))
    assert leader
    assert household
    assert duty
    assert leader.may_see_group("TLG-03")
    assert household.may_see_group("TLG-03")
    assert duty.may_see_group("DCC")
    assert not leader.may_see_group("DCC")
    assert not household.may_see_group("DCC")
    assert (duty.sees_phones, leader.sees_phones, household.sees_phones) == (True, True, False)


def test_an_account_without_a_person_opens_nothing() -> None:
    assert rights.who(SITE, "nobody") is None
    first = rights.who(SITE, "quan-tri")
    assert first is not None
    assert (first.role, first.may("desk"), first.may("people")) == ("administrator", False, True)
