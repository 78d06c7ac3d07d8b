"""People told over Apprise: the real package, in its own process, and a local HTTP server."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable, Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from commune import START_MS, with_people
from engines import Receiver

from gateway.delivery.queue import Backoff
from gateway.delivery.targets import HUNG_MAX, Courier, TargetLoop
from gateway.domain.rows import DeliveryRow
from gateway.plans import strangers
from gateway.settings import Settings, Target
from gateway.store.journal import Outgoing
from protocol.incident import Delivery
from protocol.tomlfile import FileMistakes

RETRY = Backoff(first_s=0.05, longest_s=0.1, tries_max=3)


@pytest.fixture
def receiver():
    receiver = Receiver()
    yield receiver
    receiver.close()


def target(folder: Path, url: str, name: str = "telegram", timeout_s: float = 30.0) -> Target:
    file = folder / f"{name}.url"
    file.write_text(url + "\n", encoding="utf-8")
    return Target(name=name, url_file=file, timeout_s=timeout_s)


def message(ident: int, channel: str = "apprise:telegram", person: str = "p") -> Outgoing:
    told = Delivery(id=ident, channel=channel, what="opened", person=person, state="waiting", tries=0, at_ms=START_MS)
    return Outgoing(DeliveryRow("i", told, "telegram"), json.dumps({"title": "CHÁY! Hộ 07", "body": "Ngõ 5, thôn Ba"}))


class Told:
    """What loops have said: rows and faults."""

    def __init__(self) -> None:
        self.rows: list[DeliveryRow] = []
        self.faults: list[tuple[str, str | None]] = []
        self.marked: list[str] = []

    def fault(self, key: str, words: str | None) -> None:
        self.faults.append((key, words))

    async def mark(self, row: DeliveryRow) -> None:
        self.marked.append(row.reference)

    @property
    def states(self) -> list[tuple[int, str]]:
        return [(row.delivery.id, row.delivery.state) for row in self.rows]


def run(work: Callable[[Told, Callable[[Target], TargetLoop], Courier], Coroutine[Any, Any, None]]) -> Told:
    """Do `work` beside a courier; it makes the loops that it wants."""
    told = Told()

    async def start() -> None:
        courier = Courier()
        async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
            running = [tasks.create_task(courier.run())]

            def loop(one: Target) -> TargetLoop:
                found = TargetLoop(one, courier, told.rows.append, told.fault, told.mark, retry=RETRY)
                running.append(tasks.create_task(found.run()))
                return found

            await work(told, loop, courier)
            for task in running:
                task.cancel()

    asyncio.run(start())
    return told


async def until(condition: Callable[[], object]) -> None:
    while not condition():  # noqa: ASYNC110 - polls what has no event to await
        await asyncio.sleep(0.02)


def test_a_message_reaches_the_service_and_is_handed_over(tmp_path, receiver):
    async def work(told: Told, loop: Callable[[Target], TargetLoop], courier: Courier) -> None:
        loop(target(tmp_path, receiver.url.replace("http://", "json://"))).queue.put([message(1)])
        await until(lambda: told.rows)

    told = run(work)
    assert told.states == [(1, "handed")]
    ((_, posted),) = receiver.posted
    assert (posted["title"], posted["message"]) == ("CHÁY! Hộ 07", "Ngõ 5, thôn Ba")


def test_a_service_that_refuses_is_tried_again_given_up_and_shown_as_a_fault(tmp_path, receiver):
    receiver.status = 500

    async def work(told: Told, loop: Callable[[Target], TargetLoop], courier: Courier) -> None:
        loop(target(tmp_path, receiver.url.replace("http://", "json://"))).queue.put([message(1)])
        await until(lambda: len(told.rows) == RETRY.tries_max)

    told = run(work)
    assert told.states == [(1, "waiting"), (1, "waiting"), (1, "failed")]
    assert set(told.faults) == {("apprise:telegram", "the service did not take it")}
    assert {posted["title"] for _, posted in receiver.posted} == {"CHÁY! Hộ 07"}, "what was refused has surely not gone out"


def test_a_service_that_hangs_delays_no_other(tmp_path, receiver):
    other = Receiver()
    receiver.gate.clear()

    async def work(told: Told, loop: Callable[[Target], TargetLoop], courier: Courier) -> None:
        loop(target(tmp_path, receiver.url.replace("http://", "json://"), timeout_s=0.5)).queue.put([message(1)])
        loop(target(tmp_path, other.url.replace("http://", "json://"), "mail")).queue.put([message(2, "apprise:mail")])
        await until(lambda: {ident for ident, _ in told.states} == {1, 2})

    told = run(work)
    other.close()
    hung = next(row.delivery for row in told.rows if row.delivery.id == 1)
    assert (hung.state, hung.error) == ("waiting", "no answer within 0.5 s")


def test_services_that_never_answer_leave_threads_for_the_others(tmp_path, receiver):
    other = Receiver()
    receiver.gate.clear()

    async def hang(courier: Courier) -> None:
        with suppress(TimeoutError, OSError):
            async with asyncio.timeout(0.5):
                await courier.hand_over(receiver.url.replace("http://", "json://"), "CHÁY!", "Ngõ 5")

    async def work(_told: Told, _loop: Callable[[Target], TargetLoop], courier: Courier) -> None:
        url = other.url.replace("http://", "json://")
        assert await courier.hand_over(url, "CHÁY!", "Ngõ 5") == ""
        first = courier.process
        await asyncio.gather(*(hang(courier) for _ in range(HUNG_MAX)))
        await until(lambda: courier.process is not first)
        assert await courier.hand_over(url, "CHÁY!", "Ngõ 5") == ""

    run(work)
    other.close()


def test_a_message_that_is_withdrawn_while_it_is_written_down_is_not_handed_over(tmp_path, receiver):
    async def work(told: Told, loop: Callable[[Target], TargetLoop], courier: Courier) -> None:
        found = loop(target(tmp_path, receiver.url.replace("http://", "json://")))

        async def mark(row: DeliveryRow) -> None:
            found.queue.withdraw([row.delivery.id] if row.delivery.id == 1 else [])

        found._mark = mark
        found.queue.put([message(1), message(2)])
        await until(lambda: told.rows)

    assert run(work).states == [(2, "handed")]
    assert len(receiver.posted) == 1


def test_an_alarm_waits_for_no_canary_of_its_own_service(tmp_path, receiver):
    """Nor for canaries of others that take every thread of the process."""
    others = [f"other-{number}" for number in range(12)]
    receiver.gate.clear()

    async def work(told: Told, loop: Callable[[Target], TargetLoop], courier: Courier) -> None:
        address = receiver.url.replace("http://", "json://") + "?rto=60"  # Apprise itself waits longer than the server is silent
        loops = {name: loop(target(tmp_path, address, name, timeout_s=60)) for name in ("telegram", *others)}
        for number, (name, found) in enumerate(loops.items(), 10):
            canary = message(number, f"apprise:{name}")
            found.queue.put([canary._replace(row=canary.row._replace(incident=""))])
        await until(lambda: len(receiver.posted) >= 2)
        loops["telegram"].queue.put([message(1)._replace(body='{"title": "thật", "body": "cháy"}')])
        await until(lambda: "thật" in [posted["title"] for _, posted in receiver.posted])
        assert told.rows == [], "no canary has come back"
        receiver.gate.set()
        await until(lambda: (1, "handed") in told.states)

    run(work)


def test_an_address_that_apprise_does_not_know_says_so_and_not_what_it_is(tmp_path):
    async def work(told: Told, loop: Callable[[Target], TargetLoop], courier: Courier) -> None:
        loop(target(tmp_path, "nonsense://secret-token")).queue.put([message(1)])
        await until(lambda: told.rows)

    told = run(work)
    assert told.rows[0].delivery.error == "expected an address that Apprise knows, got another"


def test_a_plugin_that_prints_breaks_no_answer():
    noisy = "import os; from gateway.delivery import courier; courier.hand_over = lambda *_: print('sent!') or os.write(1, b'{') and ''"
    request = json.dumps({"id": 7, "url": "json://localhost", "title": "CHÁY!", "body": ""})
    done = subprocess.run(
        [sys.executable, "-c", f"{noisy}; courier.main()"], input=request, capture_output=True, text=True, timeout=60, check=True
    )
    assert json.loads(done.stdout) == {"id": 7, "error": ""}
    assert "sent!" in done.stderr


def test_a_killed_courier_is_started_again_and_the_message_goes_out_and_says_that_it_may_be_the_second(tmp_path, receiver):
    receiver.gate.clear()

    async def work(told: Told, loop: Callable[[Target], TargetLoop], courier: Courier) -> None:
        loop(target(tmp_path, receiver.url.replace("http://", "json://"))).queue.put([message(1)])
        await until(lambda: receiver.posted)
        assert courier.process is not None
        courier.process.kill()
        await until(lambda: told.rows)
        receiver.gate.set()
        await until(lambda: told.states[-1] == (1, "handed"))

    told = run(work)
    assert told.rows[0].delivery.error == "the process for Apprise is gone"
    assert [posted["title"] for _, posted in receiver.posted] == ["CHÁY! Hộ 07", "CHÁY! Hộ 07 (gửi lại)"]
    assert told.marked == ["?", "?"], "before each is handed over"


def test_a_person_can_only_be_told_by_a_target_of_the_settings(tmp_path):
    site = with_people({"id": "p", "name": "P", "role": "duty", "channels": ["apprise:telegram"]})
    assert strangers(Settings(), site) == [
        "site: people p: channels: expected a target of the settings' [[apprise]], got 'apprise:telegram'"
    ]
    assert strangers(Settings(apprise=[target(tmp_path, "json://localhost")]), site) == []


@pytest.mark.parametrize("content", [b"", b"one\ntwo\n", b"\xff\xfe"])
def test_a_file_without_an_address_is_a_mistake_of_the_settings_that_does_not_tell_it(tmp_path, content):
    file = tmp_path / "telegram.url"
    file.write_bytes(content)
    with pytest.raises(FileMistakes, match="apprise telegram: url_file: expected") as caught:
        Target(name="telegram", url_file=file).address()
    assert "one" not in str(caught.value).replace("expected one line", "")
