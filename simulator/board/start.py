"""A simulated board's start, as the ESP32 port's own: the clock, the pins, and the file system at "/", made when the flash is blank.

The settings of a start: device, socket, image, blocks, erased (so far), config (text of /config.json for a board that has none), cause,
unique_id (hex), slow (flash takes its time), ticks_bits and ticks_at_ms.
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
    _configure(settings["config"])
    device.slow = settings["slow"]
    os.chdir("/")


def _mount(device):
    try:
        vfs.mount(vfs.VfsLfs2(device), "/")
    except OSError:  # blank or torn beyond repair: what inisetup.py of the ESP32 port does
        print("the flash holds no file system: making one")
        vfs.VfsLfs2.mkfs(device)
        vfs.mount(vfs.VfsLfs2(device), "/")


def _configure(config):
    """What the technician's bench does with a new board."""
    if "config.json" not in os.listdir("/"):
        with open("/config.json", "w") as file:
            file.write(config)
