"""`keng up`: real children, killed for real."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from gateway import supervisor, together
from gateway.identity import accounts
from gateway.supervisor import CannotStart, Part, pause_s
from tests.gateway.brokers import DEMO, ROOT, WAIT_S, free_ports, running, wait_until
from tests.gateway.ups import Up, up


def test_a_part_is_started_again_at_once_the_first_time_then_ever_slower_but_always() -> None:
    deaths = [float(now) for now in range(10)]
    assert [pause_s(deaths[: n + 1], deaths[n]) for n in range(10)] == [0, 0.5, 1, 2, 4, 8, 15, 15, 15, 15]


def test_old_deaths_are_forgotten() -> None:
    assert pause_s([0.0, 1.0, 2.0, 100.0], 100.0) == 0
    assert pause_s([0.0, 50.0, 100.0], 100.0) == 0.5


@pytest.fixture(scope="module")
def commune(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    with up(tmp_path_factory.mktemp("up")) as found:
        yield found


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"


def test_it_runs_the_three_parts_and_says_where_the_console_is(commune: Up) -> None:
    assert set(commune.children()) == {"broker", "engine", "console"}
    assert f"keng    | console: {commune.page}" in commune.lines()
    assert commune.online()


def test_every_line_has_the_name_of_its_part(commune: Up) -> None:
    assert {line.split("|")[0].strip() for line in commune.lines()} == {"keng", "broker", "engine", "console"}


@pytest.mark.parametrize("part", ["engine", "console", "broker"])
def test_a_killed_part_is_back_and_the_others_go_on(commune: Up, part: str) -> None:
    before = commune.children()
    started = time.monotonic()
    os.kill(before[part], signal.SIGKILL)
    wait_until(lambda: commune.children().get(part, before[part]) != before[part], f"a new {part}")
    wait_until(commune.online, "the engine is online")
    print(f"{part} killed; everything back after {time.monotonic() - started:.2f} s")
    after = commune.children()
    assert {name for name in before if before[name] != after[name]} == {part}
    assert any(line.startswith(part) and "was killed by signal 9; starting it again at once" in line for line in commune.lines())


def test_sigterm_stops_all_in_order_with_exit_code_0(tmp_path: Path) -> None:
    with up(tmp_path) as found:
        children = found.children()
        found.process.terminate()
        assert found.process.wait(WAIT_S) == 0
        assert [name for name, pid in children.items() if not gone(pid)] == []
        # mosquitto tells who left it, and so in which order: the console, then the engine, then it stops itself.
        left = [line for line in found.lines() if line.startswith("broker") and line.endswith("disconnected.")]
        assert [line.split("Client ")[1].split("-")[0] for line in left[-2:]] == ["console", "engine"]


def test_no_part_outlives_a_killed_supervisor(tmp_path: Path) -> None:
    with up(tmp_path) as found:
        children = found.children()
        found.process.kill()
        found.process.wait(WAIT_S)
        for name, pid in children.items():
            wait_until(partial(gone, pid), f"{name} ends")


def test_a_part_that_keeps_dying_is_started_ever_slower_and_that_is_said(tmp_path: Path) -> None:
    with running(tmp_path, "mosquitto") as other:
        account = other.accounts.account("console")
    told: list[str] = []
    part = Part("broker", broker_options(tmp_path), partial(together.broker_answers, account))

    deaths = [
        "was killed by signal 9; starting it again at once",
        "was killed by signal 9, 2 times within a minute; starting it again in 0.5 s",
    ]

    async def kill_it_twice() -> None:
        for death in deaths:
            await until(lambda: together.broker_answers(account), "")
            os.kill(broker_in(tmp_path), signal.SIGKILL)
            await until(partial(said, death), True)
        os.kill(os.getpid(), signal.SIGTERM)

    async def said(line: str) -> bool:
        return line in told

    async def run() -> None:
        tasks = []
        await supervisor.run([part], lambda _, line: told.append(line), lambda: tasks.append(asyncio.create_task(kill_it_twice())))
        await tasks[0]

    asyncio.run(run())


def test_a_part_that_ends_by_itself_before_all_are_ready_ends_the_start(tmp_path: Path) -> None:
    told: list[str] = []
    part = Part("broker", ["broker", "--site", str(tmp_path / "none.toml")], never_ready)
    with pytest.raises(CannotStart, match="broker ended with exit code 2 before everything was ready"):
        asyncio.run(supervisor.run([part], lambda _, line: told.append(line), told.clear))
    assert told == [f"{tmp_path / 'none.toml'}: expected a file that can be read, got: No such file or directory"]


def test_a_refused_account_at_an_external_broker_ends_the_start_with_the_reason(tmp_path: Path) -> None:
    with running(tmp_path, "mosquitto") as theirs:
        settings = tmp_path / "external.toml"
        settings.write_text(f'[broker]\nkind = "external"\nport = {theirs.ports[1]}\n[console]\nport = {free_ports(1)[0]}\n')
        data = tmp_path / "ours"
        word = theirs.accounts.account("engine").password
        users = {"engine": {"password": word}, "console": {"password": "wrong"}}
        (accounts.directory(data) / "accounts.json").write_text(json.dumps({"users": users}))
        done = keng("up", "--site", str(DEMO), "--settings", str(settings), "--data", str(data))
    assert done.returncode == 1
    assert done.stderr.splitlines() == [f"keng up: external broker: 127.0.0.1:{theirs.ports[1]} refuses console: wrong user or password"]


def test_ports_that_are_taken_are_all_named_and_nothing_is_started(tmp_path: Path) -> None:
    with running(tmp_path, "mosquitto") as other:
        settings = tmp_path / "taken.toml"
        settings.write_text(f"[broker]\nport = {other.ports[0]}\nprograms_port = {free_ports(1)[0]}\n[console]\nport = {other.ports[1]}\n")
        done = keng("up", "--site", str(DEMO), "--settings", str(settings), "--data", str(tmp_path / "ours"))
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.splitlines() == [
        f"keng up: 127.0.0.1:{other.ports[0]}: another program listens there; another port: [broker] port in the settings file",
        f"keng up: 127.0.0.1:{other.ports[1]}: another program listens there; another port: [console] port in the settings file",
    ]


def keng(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "keng", *words], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


def broker_options(folder: Path) -> list[str]:
    return ["broker", "--site", str(DEMO), "--settings", str(folder / "keng.toml"), "--data", str(folder / "data")]


def broker_in(folder: Path) -> int:
    """The child of this process that is the mosquitto of that folder; the stage of other tests may have one too."""
    for child in Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split():
        program, *arguments = Path(f"/proc/{child}/cmdline").read_text().split("\0")
        if "mosquitto" in program and any(each.startswith(str(folder)) for each in arguments):
            return int(child)
    raise AssertionError(f"no mosquitto of {folder}")


async def until(condition: Callable[[], Awaitable[object]], wanted: object) -> None:
    async with asyncio.timeout(WAIT_S):
        while await condition() != wanted:  # noqa: ASYNC110  # another process's doing: no event tells of it
            await asyncio.sleep(0.02)


async def never_ready() -> str:
    return "it never is"
