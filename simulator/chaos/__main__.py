"""Python -m simulator.chaos [--presses N] [--seed N] [--lossy]: one round of chaos; the last line is its result as JSON.

Exit code 0 if nothing was lost and nothing doubled; 1 if something was, or if the chaos could not be played; 2 for wrong options. What
this machine cannot give (a disk and a network of its own) is replaced or left out, and said.
"""

import argparse
import json
import os
import secrets
import sys
import tempfile
import time
from collections import Counter
from contextlib import closing
from dataclasses import asdict
from pathlib import Path

from simulator.chaos import surroundings
from simulator.chaos.deeds import Chaos, Tally, resolve_all
from simulator.chaos.scene import Scene
from simulator.chaos.surroundings import Disk, LimitedFiles, SmallDisk
from simulator.chaos.verdict import Button, Found, Verdict, judge
from simulator.parts import PartFailed
from simulator.running import run

PRESSES = 2000
PER_S = 9.0
SETTLED_S = 120.0
LOSSY_TIMES = 3  # everything lasts longer where packets are lost
LOSS_PERCENT = 30
DISK_MIB, DISK_MIB_PER_PRESS = 96, 0.08
ALIVE_S = 40.0
PATIENCE_S = 30.0
INSIDE = "KENG_CHAOS_INSIDE"


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m simulator.chaos", description="Press buttons while everything fails.")
    parser.add_argument("--presses", type=int, default=PRESSES, help=f"how many (default {PRESSES})")
    parser.add_argument("--per-s", type=float, default=PER_S, help=f"how many a second on average (default {PER_S:g})")
    parser.add_argument(
        "--seed", type=int, default=secrets.randbelow(1_000_000), help="as a run before has printed it: the same deeds again"
    )
    parser.add_argument(
        "--lossy", action="store_true", help=f"lose {LOSS_PERCENT} %% of the boards' packets; needs network namespaces and nftables"
    )
    parser.add_argument("--light", action="store_true", help="light boards alone, even where the real firmware runs")
    parser.add_argument("--directory", type=Path, help="where logs and, without a disk of its own, the data lie (default: thrown away)")
    options = parser.parse_args()
    if options.presses < 1 or options.per_s <= 0:
        parser.error(f"expected at least one press, more than 0 a second, got {options.presses} and {options.per_s:g}")
    if INSIDE not in os.environ:
        prefix, why = surroundings.prefix()
        if prefix:
            os.execve(  # noqa: S606  # no shell is wanted
                prefix[0],
                [*prefix, sys.executable, "-m", "simulator.chaos", *sys.argv[1:], f"--seed={options.seed}"],
                os.environ | {INSIDE: "1"},
            )
        print(f"Left out: a disk of its own (the engine's files are limited instead), lost packets. {why}", flush=True)
        if options.lossy:
            return 1
    print(f"{options.presses} presses, seed {options.seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="keng-chaos-") as thrown_away:
        try:
            result = run(_play(options, options.directory or Path(thrown_away)))
        except (PartFailed, OSError) as exc:
            print(f"chaos: {exc}", file=sys.stderr)
            return 1
    print(json.dumps(result, ensure_ascii=False))
    return 1 if result["events_lost_n"] or result["incidents_doubled_n"] or result["mute_groups"] else 0


async def _play(options: argparse.Namespace, directory: Path) -> dict[str, object]:
    data = directory / "data"
    data.mkdir(parents=True, exist_ok=True)
    disk: Disk = LimitedFiles()
    if INSIDE in os.environ:
        surroundings.raise_network()
        disk = SmallDisk(data, mib=DISK_MIB + round(DISK_MIB_PER_PRESS * options.presses))
    with closing(disk):
        return await _round(options, directory, data, disk)


async def _round(options: argparse.Namespace, directory: Path, data: Path, disk: Disk) -> dict[str, object]:
    patience = LOSSY_TIMES if options.lossy else 1
    start = time.monotonic()

    def tell(line: str) -> None:
        print(f"{time.monotonic() - start:5.0f} s  {line}", flush=True)

    async with Scene(directory, data, disk, light=options.light) as scene:
        await scene.ready()
        tell(f"{len(scene.devices)} boards have met the engine, {len(scene.real)} of them with the real firmware")
        if options.lossy:
            surroundings.lose(LOSS_PERCENT, scene.ports[0])
            tell(f"{LOSS_PERCENT} % of the boards' packets are lost from now on")
        chaos = Chaos(scene, options.seed, presses=options.presses, per_s=options.per_s)
        await chaos.run()
        tell(f"{chaos.tally.presses.total()} presses; {', '.join(f'{what} {count}' for what, count in sorted(chaos.tally.deeds.items()))}")
        settled = await scene.watch.until(lambda: _stored(scene) >= chaos.tally.presses, SETTLED_S * patience)
        tell("every press is on the disk" if settled else "not every press is on the disk")
        mute = await _mute_groups(scene, chaos.tally, ALIVE_S * patience)
        verdict = await _judged(scene, chaos.tally)
        for words in verdict.words:
            tell(f"wrong: {words}")
        return _result(options, scene, chaos.tally, verdict, mute)


def _stored(scene: Scene) -> Counter[Button]:
    return Counter(row.button for row in scene.rows())


async def _mute_groups(scene: Scene, tally: Tally, within_s: float) -> list[str]:
    """Press once in every group, now that all is well: the groups where not every bell is proved to ring for it."""
    pressed = {}
    for device, group in scene.groups.items():
        if group not in pressed:
            pressed[group] = device
            tally.presses[Button(device, "button-1")] += 1
            scene.press(Button(device, "button-1"))

    def mute() -> list[str]:
        ringing = {
            incident.group
            for incident in scene.desk.open.values()
            if incident.count("measured", "commanded") == len(incident.bells) > 0
            and any(activation.device == pressed.get(incident.group or "") for activation in incident.activations)
        }
        return [group for group in pressed if group not in ringing]

    await scene.watch.until(lambda: not mute(), within_s)
    found = mute()
    for device in pressed.values():
        scene.release(Button(device, "button-1"))
    return found


async def _judged(scene: Scene, tally: Tally) -> Verdict:
    """Let the desk end everything and the webhook hear of it, stop the engine, and look."""
    await scene.watch.until(lambda: _stored(scene) >= tally.presses, PATIENCE_S)
    await resolve_all(scene, PATIENCE_S)
    await scene.watch.until(lambda: {row.id for row in scene.rows()} <= scene.told.events(), PATIENCE_S)
    with scene.down(scene.engine):
        await scene.engine.stop()
        return judge(tally.presses, _found(scene, tally), scene.groups)


def _found(scene: Scene, tally: Tally) -> Found:
    kept = scene.kept() - tally.unbacked  # a row that came later was not there when its receipt went out
    return Found(scene.rows(), scene.incidents(), kept, scene.ear.receipts, scene.desk.ended, scene.told.events(), scene.told.counts)


def _result(options: argparse.Namespace, scene: Scene, tally: Tally, verdict: Verdict, mute: list[str]) -> dict[str, object]:
    return {
        "seed": options.seed,
        "presses_n": verdict.presses,
        "events_lost_n": verdict.lost,
        "incidents_doubled_n": verdict.doubled,
        "receipts_n": len(scene.ear.receipts),
        "mute_groups": mute,
        "boards_crashed": sorted(scene.crashed),
        "disk": type(scene.disk).__name__,
        "lost_packets_n": surroundings.lost_packets() if options.lossy else 0,
        "real_boards_n": len(scene.real),
        "engine_starts_n": scene.engine.starts,
        "broker_starts_n": scene.broker.starts,
        "deeds": dict(sorted(tally.deeds.items())),
        "verdict": asdict(verdict),
    }


if __name__ == "__main__":
    sys.exit(main())
