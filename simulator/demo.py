"""The demonstration: a fire in a lane of twelve homes, told as it happens. `python -m simulator.demo`, or `make demo`."""

import asyncio
import json
import signal
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from simulator.control import Control, default_path
from simulator.fire import Outcome, play
from simulator.parts import PartFailed, is_free
from simulator.processes import available
from simulator.running import run
from simulator.stage import COMMUNES, Stage

SITE = COMMUNES / "ngo-thu-5.toml"
CONSOLE_PORT = 8480  # the console's own default, so that the address is easy to remember
OTHERS = ("to-truong-03", "chu-ho-03-08")  # who may look on beside the duty officer: a leader, a household
EXIT_FAILED = 1

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


@app.command()
def main(
    once: Annotated[bool, typer.Option("--once", help="End after the fire; the last line is a summary in JSON.")] = False,
    light: Annotated[bool, typer.Option("--light", help="Light boards instead of the real firmware.")] = False,
) -> None:
    """A fire in a lane of twelve homes: real firmware, broker, engine and console on this machine.

    Exit code 0 only if everything was as it should be.
    """
    try:
        outcome = run(_run(once=once, light=light))
    except PartFailed as exc:
        print(f"demo: {exc}", file=sys.stderr)
        sys.exit(EXIT_FAILED)
    if once:
        print(json.dumps(outcome.summary()))
    sys.exit(0 if outcome.as_it_should_be else EXIT_FAILED)


async def _run(*, once: bool, light: bool) -> Outcome:
    began = time.monotonic()
    port = CONSOLE_PORT if is_free(CONSOLE_PORT) else None
    with tempfile.TemporaryDirectory(prefix="keng-demo-") as folder:
        stage = Stage(SITE, Path(folder), light=light, together=True, console_port=port)
        print(_opening(stage), flush=True)
        async with stage, Control(stage, default_path()) as control:
            await stage.ready()
            print(f"\nSẵn sàng sau · ready after {time.monotonic() - began:.1f} s\n")
            print(f"  Bàn trực · the duty desk:  {stage.desk.address}")
            print(f"  tài khoản · account:       {stage.desk.person}, mật khẩu · password: {stage.desk.password}\n", flush=True)
            outcome = await play(stage, lambda line: print(line, flush=True))
            print("\n" + _closing(outcome), flush=True)
            if not once:
                for person in OTHERS:
                    await stage.desk.join(await stage.invite(person))
                print(_hints(control, stage), flush=True)
                await _stay_open(stage)
    return outcome


def _opening(stage: Stage) -> str:
    homes = sum(board.kind == "household" for board in stage.site.boards)
    points = len(stage.site.boards) - homes
    boards = "phần mềm thật trên MicroPython · the real firmware on MicroPython"
    if stage.light:
        why = "" if available() else " (máy này không có MicroPython · no MicroPython for this machine)"
        boards = f"bo mạch nhẹ bằng CPython · LIGHT BOARDS in CPython, not the real firmware{why}"
    return (
        f"Kẻng: {stage.site.site.name}, {homes} hộ và {points} điểm chữa cháy · {homes} homes and {points} fire points\n"
        f"  {boards}\n"
        f"  MQTT: {stage.broker_kind}\n"
        "  Thiết bị hỗ trợ cộng đồng: có cháy, gọi 114 · a community warning aid: in a fire, call 114"
    )


def _closing(outcome: Outcome) -> str:
    if outcome.as_it_should_be:
        return "Mọi việc đúng như mong đợi · everything was as it should be."
    return "KHÔNG như mong đợi · NOT as it should be:\n" + "\n".join(f"  ✕ {failure}" for failure in outcome.failures)


def _hints(control: Control, stage: Stage) -> str:
    if not control.listening:
        return f"""
Một mô phỏng khác đang nhận lệnh ở {default_path()} · another simulation has the control socket.
Ctrl-C để kết thúc · to end."""
    return f"""
Mở bàn trực · open the duty desk: {stage.desk.address}
  tài khoản · accounts: {", ".join((stage.desk.person, *OTHERS))}
  mật khẩu của lần chạy này · password of this run: {stage.desk.password}
  (tổ trưởng và hộ gia đình thấy trang của tổ trên điện thoại · a leader and a household see their group's page)
Ở cửa sổ khác, hãy thử · in another terminal, try:
  .venv/bin/keng sim press H03-07 button-1              nhà khác báo cháy · another home's button
  .venv/bin/keng sim do take device=DCC-018             lấy bình chữa cháy · take an extinguisher
  .venv/bin/keng sim do cut_wire device=H03-04          đứt dây chuông · cut a bell's wire
  .venv/bin/keng sim do power device=H03-09             có điện lại · the dead board's power comes back
Ctrl-C để kết thúc · to end."""


async def _stay_open(stage: Stage) -> None:
    """Until Ctrl-C: tell what becomes of the incidents."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    story = asyncio.get_running_loop().create_task(_tell_incidents(stage), name="story")
    await stop.wait()
    story.cancel()
    with suppress(asyncio.CancelledError):
        await story
    print("\nKết thúc · ending", flush=True)


async def _tell_incidents(stage: Stage) -> None:
    told: dict[str, str] = {}
    while True:
        for ident, incident in stage.observer.incidents.items():
            confirmed = incident.count("measured", "commanded")
            line = f"{incident.place.name}: {incident.state}, n = {incident.n}, chuông · bells {confirmed}/{len(incident.bells)}"
            if told.setdefault(ident, line) != line:
                print(f"  {time.strftime('%H:%M:%S')}  {ident}  {line}", flush=True)
            told[ident] = line
        await stage.watch.next_change()


if __name__ == "__main__":
    app()
