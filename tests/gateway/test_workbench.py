"""The engine's half of the bench: no command ends it, and no answer is longer than its connection bears. Without a broker."""

import asyncio
import json
from dataclasses import astuple
from pathlib import Path
from types import SimpleNamespace
from typing import Any, get_args

import pytest
from pydantic import TypeAdapter

from gateway.domain.campaigns import Campaign, Progress, Release
from gateway.domain.deadlines import Limits
from gateway.domain.situation import Act, Situation
from gateway.settings import Settings
from gateway.store import journal, queries
from gateway.store.store import open_store
from gateway.workbench import KEPT, Ties, Workbench
from protocol import site as site_files
from protocol.boards import BoardAnswer, BoardCommand, Flashed, decode_command
from protocol.desk import Command
from protocol.messages import decode
from protocol.people import Role
from protocol.topics import LIMITS
from protocol.wire import DecodeError
from tests.gateway.brokers import DEMO

SITE = site_files.load(DEMO)
SITUATION = Situation(SITE, Limits(ring_max_ms=1_800_000, verify_ms=60_000))
NOW_S = 1_795_300_000.0
USER = "ky-thuat-1"


def asked(do: str, ident: str = "c-1", **fields: Any) -> BoardCommand:
    return BoardCommand.model_validate({"id": ident, "t": int(NOW_S * 1000), "do": do, **fields})


ROW = "INSERT INTO device (id, kind, place, state, watch_s, firmware, refused, faults) VALUES (?, 'household', ?, 'online', 80, '', 0, ?)"
Rows = list[tuple[str, str, str]]


def answers(folder: Path, commands: list[BoardCommand], rows: Rows | None = None, user: str = USER) -> list[BoardAnswer]:
    """What is answered to these, one after the other. `rows`: boards that the database is to know."""

    async def settled() -> bool:
        return True

    async def run() -> list[BoardAnswer]:
        found: asyncio.Queue[BoardAnswer] = asyncio.Queue()
        acts: list[Act] = []
        async with open_store(folder / "keng.db") as store, asyncio.timeout(60):
            await store.write(lambda db: db.executemany(ROW, rows or []))
            ties = Ties(store, SITUATION, acts.append, lambda _user, answer: found.put_nowait(answer), lambda: NOW_S, settled)
            bench = Workbench(Settings(), SITE, folder, ties)
            work = asyncio.create_task(bench.run())
            told = []
            for command in commands:
                bench.take(user, command)
                told.append(await found.get())
            assert not work.done()
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)
            return told

    return asyncio.run(run())


def test_a_long_list_comes_in_pages_that_fit(tmp_path: Path) -> None:
    faults = json.dumps({str(number): "f" * 200 for number in range(10)})
    rows: Rows | None = [(f"B{number:03d}", "Nhà " * 40, faults) for number in range(100)]
    seen: list[str] = []
    more = True
    while more:
        (answer,) = answers(tmp_path, [asked("boards", **({"after": seen[-1]} if seen else {}))], rows)
        assert answer.boards
        assert len(answer.payload()) < LIMITS["bench_answer"]
        seen += [one.id for one in answer.boards]
        more, rows = answer.more, None
    assert seen == [f"B{number:03d}" for number in range(100)]


def test_a_campaign_of_a_city_comes_in_pages_that_fit(tmp_path: Path) -> None:
    release = Release("0" * 16, 1000, "2.0.0", "esp32_wroom")
    campaigns = [Campaign(n, release, USER, f"c-{n}", 1, (1,), state="ended", ended_ms=2, why="ư" * 200) for n in range(1, 31)]
    words = "không nghe được nữa " * 10
    boards = [Progress(f"B{n:03d}", "lost", 1, "u-1", "9c41f2aa-1", 1, "1.0.0", "0" * 16, 1, 1, words) for n in range(250)]

    async def fill() -> None:
        async with open_store(tmp_path / "keng.db") as store:
            rows = [(one.number, one.state, 1, 2, TypeAdapter(Campaign).dump_json(one).decode()) for one in campaigns]
            await store.write(lambda db: journal.insert(db, "campaign", rows))
            for number in (29, 30):
                of_boards = [(number, *astuple(one)) for one in boards]
                await store.write(lambda db, of_boards=of_boards: journal.insert(db, "board_update", of_boards))

    asyncio.run(fill())
    seen: list[str] = []
    more = True
    while more:
        fields = {"after": seen[-1], "campaign": 29} if seen else {"campaign": 29}
        (answer,) = answers(tmp_path, [asked("updates", **fields)])
        assert answer.updates
        assert answer.campaigns
        assert len(answer.payload()) < LIMITS["bench_answer"]
        assert (answer.campaign, [one.number for one in answer.campaigns]) == (29, list(range(30, 10, -1)))
        assert answer.campaigns[0].counts == answer.campaigns[1].counts == {"lost": 250}
        seen += [one.device for one in answer.updates]
        more = answer.more
    assert seen == [one.device for one in boards]


def test_what_was_flashed_is_kept_and_told(tmp_path: Path) -> None:
    flashed = Flashed(board="esp32_wroom", image="1.29.0", program="0" * 16, version="0.1.0", port="/dev/ttyUSB0", tested={"bell": "heard"})
    commands = [asked("flashed", device="H03-01", mac="240ac4000001", flashed=flashed), asked("boards", "c-2", device="H03-01")]
    kept, told = answers(tmp_path, commands, [("H03-01", "", "{}")])
    assert kept.ok
    assert told.boards is not None
    assert (told.boards[0].flashed, told.boards[0].flashed_by, told.boards[0].flashed_ms) == (flashed, USER, int(NOW_S * 1000))


def test_the_same_command_again_is_answered_again_and_not_done_again(tmp_path: Path) -> None:
    first, second = answers(tmp_path, [asked("boards"), asked("boards")])
    assert first == second


@pytest.mark.parametrize(
    ("user", "command", "words"),
    [
        ("truc-ban-1", asked("boards"), "expected somebody with the role technician or chief, got duty"),
        ("nobody", asked("boards"), "expected somebody with the role technician or chief, got nobody"),
        (USER, asked("boards", device="H99"), "expected a board of the commune's description, got H99"),
        (USER, asked("revoke", device="H99"), "expected a board with a certificate, got H99"),
        (USER, asked("revoke", device="H03-01"), "expected a board with a certificate, got H03-01"),
        (
            USER,
            asked("register", device="H03-01", mac="0" * 12, request="AAAA"),
            "expected an identity, got none; remedy: keng identity init",
        ),
        (USER, asked("boards").model_copy(update={"t": 0}), "look at both clocks"),
        (USER, asked("configure", device="H99", config={"verify_s": 60}), "expected a board of the commune's description, got H99"),
        (USER, asked("configure", device="H03-01", config={}), "expected at least one key to set, got none"),
        (
            USER,
            asked("configure", device="H03-01", config={"verfy_s": 60}),
            "verfy_s: expected one of kind, group, brokers, password, wifi",
        ),
        (USER, asked("configure", device="H03-01", config={"server_name": ""}), "server_name: expected one of kind, group, brokers"),
        (USER, asked("configure", device="H03-01", config={"verify_s": "60"}), "verify_s: Input should be a valid integer"),
        (
            USER,
            asked("configure", device="H03-01", config={"verify_s": 30}),
            "verify_s: expected 60, as keng.toml of the gateway says, got 30",
        ),
        (
            USER,
            asked("configure", device="H03-01", config={"kind": "sos_post"}),
            "kind: expected 'household', as the site file of the gateway",
        ),
        (
            USER,
            asked("configure", device="H03-01", config={"group": "DCC-N5"}),
            "group: expected 'TLG-03', as the site file of the gateway",
        ),
    ],
)
def test_what_cannot_be_is_refused_in_words(tmp_path: Path, user: str, command: BoardCommand, words: str) -> None:
    (answer,) = answers(tmp_path, [command], user=user)
    assert not answer.ok
    assert words in (answer.error or "")


@pytest.mark.parametrize("role", get_args(Role))
def test_who_may_change_a_boards_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, role: str) -> None:
    monkeypatch.setattr(type(SITE), "person", lambda _site, _user: SimpleNamespace(role=role))
    (answer,) = answers(tmp_path, [asked("configure", device="H03-01", config={"verfy_s": 60})])
    assert ("expected somebody with the role" in (answer.error or "")) == (role not in ("technician", "chief"))


def test_a_wrong_change_tells_no_secret(tmp_path: Path) -> None:
    wifi = [{"ssid": "lane", "key": "hush" * 16}]
    (answer,) = answers(tmp_path, [asked("configure", device="H03-01", config={"wifi": wifi, "password": "hush\n"})])
    assert not answer.ok
    assert "wifi.0.key" in (answer.error or "")
    assert "hush" not in (answer.error or "")


def test_a_bug_is_answered_and_ends_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queries, "devices", lambda _db: 1 / 0)
    failed, well = answers(tmp_path, [asked("boards"), asked("revoke", "c-2", device="H99")])
    assert (failed.ok, failed.error) == (False, "engine error: ZeroDivisionError: division by zero")
    assert not well.ok


def test_no_more_answers_are_kept_than_needed(tmp_path: Path) -> None:
    commands = [asked("revoke", f"c-{number}", device="H99") for number in range(KEPT + 5)]
    assert len(answers(tmp_path, commands)) == KEPT + 5


def test_what_the_bench_may_ask_is_no_command_of_a_desk_and_the_other_way_round() -> None:
    """The broker gives each of them its own topics; the engine understands nothing else there."""
    with pytest.raises(DecodeError):
        decode(Command, asked("revoke", device="H03-01").payload())
    acknowledge = Command(id="c-1", t=int(NOW_S * 1000), do="acknowledge", incident="2026-000001", version=1)
    with pytest.raises(DecodeError):
        decode_command(acknowledge.payload())
