"""Starts the firmware as a board does: the folder FLASH is mounted at "/", code is found in ROM, then boot and main run."""

import os
import sys

import vfs

flash, rom, fakes = os.getenv("FLASH"), os.getenv("ROM"), os.getenv("FAKES")
vfs.umount("/")
vfs.mount(vfs.VfsPosix(fakes), "/fakes")
vfs.mount(vfs.VfsPosix(rom), "/rom")
vfs.mount(vfs.VfsPosix(flash), "/")
os.chdir("/")
sys.path[:] = ["/fakes", "/rom", ".frozen"]
__import__("boot")
__import__("main")
