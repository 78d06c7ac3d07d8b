"""The technician's bench: eight new boards at once by one command, from blank to a receipted test event.

Virtual boards with real esptool, mpremote and MicroPython. Its floor is esptool alone: the same bytes written and verified, at once too.
"""

import asyncio
import json
import sys
import time
from contextlib import AsyncExitStack
from pathlib import Path

from simulator.bench.book import Book
from simulator.bench.figures import NotMeasured, of_value
from simulator.parts import Part, PartFailed, answer, free_ports, listening
from simulator.processes import available
from simulator.usb import image
from simulator.usb.boards import Boards, environment

FLASH = "flash_8_boards_s"
NAMES = (FLASH,)
COUNT = 8
SITE = Path(__file__).parents[1] / "communes/ngo-thu-5.toml"
HOST = "127.0.0.1"
STARTED_S = 30.0
FILES_OFFSET, FILES_SIZE = 0x200000, 0x200000  # of simulator.usb.image


async def measure(book: Book) -> None:
    """Raises NotMeasured, PartFailed, OSError."""
    if not available():
        raise NotMeasured(f"{FLASH}: expected the real MicroPython, got a machine without it")
    book.tell("the technician's bench: eight boards")
    folder = book.directory / "workshop"
    folder.mkdir()
    image.make(folder / "micropython.bin")
    (folder / "files.bin").write_bytes(b"\xff" * FILES_SIZE)
    async with AsyncExitStack() as stack:
        bench = await _gateway(folder, stack)
        boards = stack.enter_context(Boards(folder / "boards", COUNT, technician=True))
        floor_s = await _floor(folder, boards)
        seconds, slowest = await _flash(folder, bench, boards)
    book.add(of_value(FLASH, seconds, floor=floor_s, slowest_board_s=slowest, boards=COUNT))


async def _gateway(folder: Path, stack: AsyncExitStack) -> Path:
    """Broker and engine with an identity; the bench's file."""
    port, programs = free_ports(2)
    settings, data = folder / "keng.toml", folder / "data"
    settings.write_text(f'[broker]\nkind = "mosquitto"\nport = {port}\nprograms_port = {programs}\n', encoding="utf-8")
    files = ["--site", str(SITE), "--settings", str(settings), "--data", str(data)]
    await answer("keng", "identity", "init", "--site", str(SITE), "--data", str(data))
    access = await answer("keng", "broker", "accounts", *files, "--user", "bench", "--json")
    (folder / "bench.json").write_text(access, encoding="utf-8")
    bench = folder / "bench.toml"
    words = ['gateway = "bench.json"', 'user = "ky-thuat-1"', f'brokers = ["{HOST}:{port}"]']
    bench.write_text("\n".join([*words, '[[wifi]]\nssid = "ngo-thu"\nkey = "mot-hai-ba-bon"\n']), encoding="utf-8")
    for name in ("broker", "engine"):
        part = Part(name, [name, *files], folder / f"{name}.log")
        stack.push_async_callback(part.stop)
        await part.start()
        if name == "broker" and not await listening(HOST, programs, STARTED_S):
            raise PartFailed(f"the broker does not listen on port {programs}{part.last_lines()}")
    return bench


async def _floor(folder: Path, boards: Boards) -> float:
    """Seconds in which esptool writes the same bytes to all boards at once."""
    words = ["--chip", "esp32", "-b", "460800", "write-flash", "--erase-all", "0x1000", str(folder / "micropython.bin")]
    words += [hex(FILES_OFFSET), str(folder / "files.bin")]
    began = time.monotonic()
    await asyncio.gather(*(_tool("esptool", "--port", port, *words) for port in boards.ports))
    return time.monotonic() - began


async def _flash(folder: Path, bench: Path, boards: Boards) -> tuple[float, float]:
    """Seconds of the command, and of its slowest board."""
    jobs = [f"H03-{number + 1:02d}={port}" for number, port in enumerate(boards.ports)]
    files = ["--site", str(SITE), "--bench", str(bench), "--firmware", str(folder / "micropython.bin")]
    began = time.monotonic()
    told = json.loads(await _tool("keng", "device", "flash", *files, "--json", *jobs))
    return time.monotonic() - began, max(one["took_s"] for one in told["done"])


async def _tool(module: str, *words: str) -> str:
    """What a program says where ptys have modem lines. Raises NotMeasured unless it works."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", module, *words), env=environment(), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    out, _ = await process.communicate()
    if process.returncode:
        raise NotMeasured(f"{FLASH}: {module} {words[0]}: exit code {process.returncode}: {out.decode(errors='replace')[-500:]}")
    return out.decode(errors="replace")
