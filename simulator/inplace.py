"""MicroPython with ROMFS images in its memory, which it runs in place, as a board runs them from its flash:

    python -m simulator.inplace IMAGE... -- OPTIONS AND SCRIPT OF MICROPYTHON

The script finds the images by the environment variable ROMFS: "address size" of each, in their order.

INTERRUPT is Ctrl-C as on a board, where it takes effect between two steps of the program. SIGINT ends the unix port's step wherever it
is: amid a collection it leaves the heap locked for good.
"""

import ctypes
import mmap
import os
import signal
import sys
from pathlib import Path

import micropython_run  # type: ignore[import-not-found]  # not on every machine

VARIABLE = "ROMFS"
INTERRUPT = signal.SIGUSR1
_mapped: list[mmap.mmap] = []  # they stay as long as this process


def map_images(images: list[str]) -> None:
    """Map the image files, outside the interpreter's heap, and say where in the environment. Raises OSError."""
    places = []
    for image in images:
        with Path(image).open("rb") as file:
            # Private and writable, since ctypes takes no address of what is read-only.
            memory = mmap.mmap(file.fileno(), 0, flags=mmap.MAP_PRIVATE)
        _mapped.append(memory)
        places.append(f"{ctypes.addressof(ctypes.c_char.from_buffer(memory))} {len(memory)}")
    os.environ[VARIABLE] = " ".join(places)


def take_interrupts() -> None:
    """Let INTERRUPT do what a board's serial driver does at Ctrl-C."""
    interrupt = ctypes.cast(ctypes.CDLL(micropython_run.__file__).mp_sched_keyboard_interrupt, ctypes.c_void_p)
    libc = ctypes.CDLL(None)
    libc.signal(INTERRUPT, interrupt)
    libc.siginterrupt(INTERRUPT, 1)  # a read that waits ends too


def main() -> int:
    """The command line: MicroPython's exit code."""
    take_interrupts()
    end = sys.argv.index("--")
    map_images(sys.argv[1:end])
    status: int = micropython_run.run_main(["micropython", *sys.argv[end + 1 :]])
    return status


if __name__ == "__main__":
    sys.exit(main())
