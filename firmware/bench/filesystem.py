"""The file system of a new board, made on this machine: program, configuration, certificates. MicroPython's LittleFS reads it."""

from collections.abc import Iterable

from littlefs import LittleFS

from firmware.bench.points import Jumper
from protocol.package import SIGNATURE_BYTES, Package, PublicKey

BLOCK = 4096
SMALL = 32  # program, read and look-ahead: what VfsLfs2 of the ESP32 port uses
NAME_MAX = 255
APP = "app/a"  # the folder of the program; another, app/b, stands beside it while it is replaced
USE = "app/use"  # which of the two runs: firmware/device/agent/release.py
MARKER = "verified"  # in a folder that is whole: which program it is
TRUSTED = "trusted"  # the folder of the keys that updates over the air are checked with, raw moduli
PROVISIONED = "provisioned"  # without this file a board waits for the bench and runs no program
EXPONENT = 65537  # of their keys: agent/signature.py
# A Ctrl-C before the second line takes effect at the next jump of the program: at the loop.
CLOSED = """\
import micropython
micropython.kbd_intr(-1)
try:
    for _ in (0,):
        pass
except KeyboardInterrupt:
    pass
"""
STARTS = 3  # of a version on trial
WATCHDOG_MS = 60_000  # as agent/watch.py has it: a version on trial may hang before it has come to its own

# It stays as it is for the life of the board: it asks no more of a version than that it has a boot and a main.
BOOT = f"""\
# Written by keng device flash. The program is in /app/a or /app/b, and the first word of /{USE} says in which.
# A version on trial has {STARTS} starts. Each is counted here, before any of its code runs, and has a watchdog from its first line on;
# after them the other one runs. A kept one has no watchdog before its own: the console of a technician would not outlive it.
# Ctrl-C does nothing here: it would end this file, and MicroPython leaves main.py out then.
{CLOSED}import os
import sys


def count(words):
    import machine
    machine.WDT(timeout={WATCHDOG_MS})
    other = "b" if words[0] == "a" else "a"
    if int(words[2]) < {STARTS}:
        words[2] = str(int(words[2]) + 1)
    else:
        words[0], words[1] = other, "failed"
    try:
        with open("/app/tmp", "w") as file:
            file.write(" ".join(words))
        os.rename("/app/tmp", "/{USE}")
    except OSError:
        return other  # what cannot be counted could be repeated for ever
    return words[0]


def folder():
    try:
        with open("/{USE}") as file:
            words = file.read().split(" ")
        if words[1] == "trial":
            words[0] = count(words)
        if words[0] in ("a", "b"):
            return words[0]
    except (OSError, ValueError, IndexError):
        pass
    for name in "ab":
        try:
            os.stat("/app/%s/{MARKER}" % name)
            return name
        except OSError:
            pass
    return "a"


if "{PROVISIONED}" in os.listdir("/"):
    sys.path.insert(0, "/app/" + folder())
    try:
        import boot
    except Exception as exc:
        sys.print_exception(exc)
else:
    sys.path.insert(0, "/{APP}")
del count, folder
"""
MAIN = f"""\
# Written by keng device flash. A board that has passed its self-test runs the program, and Ctrl-C at the console ends it no more, unless
# the jumper is in.
{CLOSED}if "{PROVISIONED}" in __import__("os").listdir("/"):
    import machine
    if OPENED:
        micropython.kbd_intr(3)
        print("keng: the jumper is in, this console is open")
    try:
        import main
    except Exception as exc:
        import sys, time
        sys.print_exception(exc)
        time.sleep(1)
        machine.reset()
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


def keys(trusted: Iterable[PublicKey]) -> dict[str, bytes]:
    """The files of the keys that updates over the air are checked with: name -> modulus, big-endian."""
    return {str(number): key.n.to_bytes(SIGNATURE_BYTES) for number, key in enumerate(trusted, 1)}


def files(
    package: Package, config: bytes, tls: dict[str, bytes], jumper: Jumper | None = None, trusted: Iterable[PublicKey] = ()
) -> dict[str, bytes]:
    """Everything that lies on a new board: path -> content. `tls`: ca.der, board.der, key.der. `jumper`: of its type. `trusted`: who may
    sign updates over the air.
    """
    found = {"boot.py": BOOT.encode(), "main.py": main(jumper), "config.json": config, USE: b"a kept"}
    found |= {f"{APP}/{path}": content for path, content in package.files.items()}
    found[f"{APP}/{MARKER}"] = f"{package.digest} {package.version}".encode()
    found |= {f"{TRUSTED}/{name}": modulus for name, modulus in keys(trusted).items()}
    return found | {f"tls/{name}": content for name, content in tls.items()}
