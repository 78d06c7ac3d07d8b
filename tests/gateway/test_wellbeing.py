"""What cannot be read of the machine ends no engine."""

import asyncio
import io
from contextlib import suppress
from pathlib import Path

import pytest

from gateway import machine, wellbeing
from gateway.delivery import courier
from gateway.domain.health import Limits, Power, Reading
from gateway.domain.situation import Act
from gateway.store import damage


def test_a_reading_that_raises_is_followed_by_the_next() -> None:
    answers = iter([UnicodeDecodeError("utf-8", b"\xff", 0, 1, "no text"), OSError(5, "input/output error")])
    acts: list[Act] = []

    def read() -> Reading:
        if (answer := next(answers, None)) is not None:
            raise answer
        return Reading()

    async def watch() -> None:
        task = asyncio.create_task(wellbeing.watch(read, Limits(), acts.append, every_s=0.01))
        async with asyncio.timeout(10):
            while not acts:  # noqa: ASYNC110  # another task's doing
                await asyncio.sleep(0.01)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    asyncio.run(watch())
    assert acts


def test_a_supply_whose_name_is_no_utf_8_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "upsc"
    program.write_bytes(b"#!/bin/sh\nprintf 'ups.mfr: Sch\\374tz\\nups.status: OB\\nbattery.charge: 42\\n'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert machine.power("nut:ups") == Power(on_mains=False, charge_pct=42)


def test_a_folder_on_a_dead_disk_has_nothing_set_aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def dead(*_: object) -> None:
        raise OSError(5, "input/output error")

    (tmp_path / "keng.db.damaged-20261128-030405").write_bytes(b"")
    assert damage.put_aside(tmp_path / "keng.db") == ["keng.db.damaged-20261128-030405"]
    monkeypatch.setattr(Path, "glob", dead)
    assert damage.put_aside(tmp_path / "keng.db") == []


def test_the_courier_works_where_it_may_not_step_back(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(_: int) -> int:
        raise PermissionError

    worked: list[str] = []
    monkeypatch.setattr(courier.os, "nice", forbidden)
    monkeypatch.setattr(courier.sys, "stdin", iter(()))
    monkeypatch.setattr(courier.logging, "disable", lambda: worked.append("began"))
    courier.work_off(io.StringIO())
    assert worked == ["began"]
