"""The file system of a new board, made on this machine: program, configuration, certificates. MicroPython's LittleFS reads it."""

from littlefs import LittleFS

from firmware.bench.points import Jumper

BLOCK = 4096
SMALL = 32  # program, read and look-ahead: what VfsLfs2 of the ESP32 port uses
NAME_MAX = 255
APP = "app/a"  # the folder of the program; another stands beside it while it is replaced
PROVISIONED = "provisioned"  # without this file a board waits for the bench and runs no program

BOOT = f"""\
# Written by keng device flash. The program is in /{APP}.
import sys
sys.path.insert(0, "/{APP}")
if "{PROVISIONED}" in __import__("os").listdir("/"):
    import boot
"""
MAIN = f"""\
# Written by keng device flash. A board that has passed its self-test runs the program, and Ctrl-C at the console ends it no more, unless
# the jumper is in.
if "{PROVISIONED}" in __import__("os").listdir("/"):
    import machine, micropython
    if OPENED:
        print("keng: the jumper is in, this console is open")
    else:
        micropython.kbd_intr(-1)
    import main
else:
    print("keng: this board waits for the bench")
"""


def main(jumper: Jumper | None) -> bytes:
    """main.py of a board type with this jumper. It stays as it is for the life of the board, so it asks the pin and no program."""
    opened = f"machine.Pin({jumper.gpio}, machine.Pin.IN, machine.Pin.PULL_UP).value() == {jumper.level}" if jumper else "False"
    return MAIN.replace("OPENED", opened).encode()


def image(size: int, files: dict[str, bytes]) -> bytes:
    """A LittleFS of `size` bytes that holds files: path -> content. Raises OSError if they do not fit."""
    try:
        system = LittleFS(
            block_size=BLOCK,
            block_count=size // BLOCK,
            prog_size=SMALL,
            read_size=SMALL,
            lookahead_size=SMALL,
            name_max=NAME_MAX,
        )
        for path, content in sorted(files.items()):
            folder = path.rpartition("/")[0]
            if folder:
                system.makedirs(folder, exist_ok=True)
            with system.open(path, "wb") as file:
                file.write(content)
    except OSError as exc:
        raise OSError(f"file system: expected {sum(map(len, files.values()))} bytes to fit into {size}, got: {exc}") from None
    return bytes(system.context.buffer)


def files(program: dict[str, bytes], config: bytes, tls: dict[str, bytes], jumper: Jumper | None = None) -> dict[str, bytes]:
    """Everything that lies on a new board: path -> content. `tls`: ca.der, board.der, key.der. `jumper`: of its type."""
    found = {"boot.py": BOOT.encode(), "main.py": main(jumper), "config.json": config}
    found |= {f"{APP}/{path}": content for path, content in program.items()}
    return found | {f"tls/{name}": content for name, content in tls.items()}
