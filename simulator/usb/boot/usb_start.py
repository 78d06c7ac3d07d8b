"""A start of a virtual board on a serial port, as the ESP32 port's own: hardware, the file system in the flash, boot.py and main.py.

Settings: flash (path), offset and size of the partition with the file system, pins (socket), unique_id (hex), cause, raw (this start goes
into the raw REPL: no main.py), mark (to print when the REPL is next).
"""

import binascii
import os
import sys

import flashbdev
import machine
import micropython
import utime
import vfs
import wires

CTRL_C = 3


class Start:
    """What a start knows."""

    def __init__(self, flash, settings):
        self._names = ("boot.py",) if settings["raw"] else ("boot.py", "main.py")
        self._mark = settings["mark"]
        wires.connect(settings["pins"], "usb")
        machine.set_start(settings["cause"], binascii.unhexlify(settings["unique_id"]))
        machine.bootloader = lambda *_: wires.stop("l")
        machine.freq = lambda *_: 160_000_000
        machine.soft_reset = _soft_reset
        machine.RTC = Rtc
        blocks = settings["size"] // flashbdev.BLOCK
        _mount(flashbdev.Flash(Part(flash, settings["offset"]), blocks, 0))

    def run(self, space, _):
        """boot.py and main.py in the names of the REPL. As on a board an exception of boot.py leaves main.py out, and Ctrl-C interrupts
        the one and the other, but nothing before, between and after them.
        """
        micropython.kbd_intr(-1)
        wires.tell("p")
        for name in self._names:
            try:
                with open(name) as file:
                    source = file.read()
            except OSError:
                continue
            try:
                code = compile(source, name, "exec")
                micropython.kbd_intr(CTRL_C)
                exec(code, space)
                micropython.kbd_intr(-1)
            except SystemExit:
                raise
            except (KeyboardInterrupt, Exception) as exc:
                micropython.kbd_intr(-1)
                sys.print_exception(exc)
                break
        sys.stdout.write(self._mark)


class Part:
    """A partition as a file of its own."""

    def __init__(self, file, offset):
        self._file = file
        self._offset = offset
        self.readinto, self.write, self.flush = file.readinto, file.write, file.flush

    def seek(self, place):
        self._file.seek(self._offset + place)


class Rtc:
    """The clock, which keeps what it is set to until the board is switched off."""

    _ahead_s = 0

    def datetime(self, fields=None):
        if fields is None:
            year, month, day, hour, minute, second, weekday = utime.gmtime(utime.time() + Rtc._ahead_s)[:7]
            return (year, month, day, weekday, hour, minute, second, 0)
        year, month, day, _, hour, minute, second, _ = fields
        Rtc._ahead_s = utime.mktime((year, month, day, hour, minute, second, 0, 0)) - utime.time()
        return None


def _soft_reset():
    raise SystemExit


def _mount(device):
    flashbdev.bdev = device
    try:
        vfs.mount(vfs.VfsLfs2(device), "/")
    except OSError:
        print("Performing initial setup")  # as inisetup.py of the ESP32 port
        vfs.VfsLfs2.mkfs(device)
        vfs.mount(vfs.VfsLfs2(device), "/")
        with open("/boot.py", "w") as file:
            file.write("# This file is executed on every boot (including wake-boot from deepsleep)\n")
    os.chdir("/")
