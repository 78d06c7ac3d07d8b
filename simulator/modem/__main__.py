"""Python -m simulator.modem: a modem to play with. Prints the path of its port; then one line for each thing that happens.

Commands on standard input: `reply NUMBER TEXT`, `call NUMBER`, `phone NUMBER rings|answers|busy|rejects|off|nobody`,
`fault NAME VALUE` (a field of simulator.modem.faults.Faults), `unplug`, `plug`, `reboot`.
"""

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

from simulator.modem.console import obey, story
from simulator.modem.device import VirtualModem


async def main(path: Path) -> None:
    """Until the end of the input, or Ctrl-C."""
    told = 0

    def tell() -> None:
        nonlocal told
        lines = story(modem)
        for line in lines[told:]:
            print(line, flush=True)
        told = len(lines)

    async with (modem := VirtualModem(path, changed=tell)):
        print(path, flush=True)
        while line := await asyncio.to_thread(sys.stdin.readline):
            if mistake := obey(modem, line):
                print(mistake, file=sys.stderr, flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m simulator.modem", description=__doc__.partition(":")[2])
    parser.add_argument("--port", type=Path, metavar="PATH", help="where to put the port; without it a new place")
    with tempfile.TemporaryDirectory(prefix="keng-modem-") as folder:
        asyncio.run(main(parser.parse_args().port or Path(folder) / "modem"))
