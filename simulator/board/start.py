"""A simulated board's start, as the ESP32 port's own: the clock, the pins, and the file system at "/", made when the flash is blank.

The settings of a start: device, socket, image, blocks, erased (so far), files (path -> hex, for a board that has no /config.json), cause,
unique_id (hex), slow (flash takes its time), ticks_bits, ticks_at_ms and probe (see probe.py).
"""

import binascii
import os
import sys
import time

import flashbdev
import machine
import vfs
import wires

OWN_TICKS_BITS = 62  # the interpreter's


def prepare(image, settings):
    """Everything before the firmware's first line. `image`: the flash's open file."""
    if settings["ticks_bits"] < OWN_TICKS_BITS:
        sys.modules["_asyncio"] = __import__("tasks")
        time.set_ticks(settings["ticks_bits"], settings["ticks_at_ms"])
    machine.set_start(settings["cause"], binascii.unhexlify(settings["unique_id"]))
    wires.connect(settings["socket"], settings["device"])
    device = flashbdev.bdev = flashbdev.Flash(image, settings["blocks"], settings["erased"])
    _mount(device)
    _configure(settings["files"])
    device.slow = settings["slow"]
    os.chdir("/")
    if settings["probe"]:
        settings.clear()
        __import__("probe").paint()


def _mount(device):
    try:
        vfs.mount(vfs.VfsLfs2(device), "/")
    except OSError:  # blank or torn beyond repair: what inisetup.py of the ESP32 port does
        print("the flash holds no file system: making one")
        vfs.VfsLfs2.mkfs(device)
        vfs.mount(vfs.VfsLfs2(device), "/")


def _configure(files):
    """What the technician's bench does with a new board. Files are at most one folder deep."""
    if "config.json" in os.listdir("/"):
        return
    for path, content in files.items():
        folder = path.rpartition("/")[0].strip("/")
        if folder and folder not in os.listdir("/"):
            os.mkdir("/" + folder)
        with open(path, "wb") as file:
            file.write(binascii.unhexlify(content))
