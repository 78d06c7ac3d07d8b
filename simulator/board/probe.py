"""What a bench wants to know of a board from inside: how far its heap was filled, and how long its event loop stood still.

The free heap is painted, and what is no longer painted was used, if only for a moment: no reading at intervals sees that. Loaded only
where the settings ask for it.
"""

import asyncio
import gc

import flashbdev
import uctypes
import utime
import wires

PAINT = 0xA5
TURN_MS = 10  # as the firmware's own polls

_first = _end = 0  # addresses of what is painted
_total = 0  # bytes of the whole heap
_taken = 0  # by what is no firmware: these stand-ins


def paint():
    """Paint the longest free block: the last thing before the firmware."""
    global _first, _end, _total, _taken
    gc.collect()
    size = gc.mem_free()
    block = None
    while block is None:
        try:
            block = bytearray(size)
        except MemoryError:
            size -= 256
    chunk = bytes([PAINT]) * 64
    for place in range(0, size - 64, 64):
        block[place : place + 64] = chunk
    _first = uctypes.addressof(block)
    _end = _first + (size - 1) // 64 * 64
    del block, chunk
    gc.collect()
    _taken = gc.mem_alloc()
    _total = _taken + gc.mem_free()
    asyncio.create_task(_watch())


def _used():
    """Bytes of the heap up to the highest that was ever used. Allocates nothing that would count."""
    heap = uctypes.bytearray_at(_first, _end - _first)
    place = len(heap)
    while place and heap[place - 1] == PAINT:
        place -= 1
    return _total - (len(heap) - place)


async def _watch():
    """p <peak> <now> <taken> <stall> <flash>: on demand. Bytes of heap at most, now, and by the stand-ins; us of the longest stall since
    the demand before, and how much of it the flash took."""
    worst = of_flash = 0
    while True:
        waited = flashbdev.bdev.waited_ms
        before = utime.ticks_us()
        await asyncio.sleep_ms(TURN_MS)
        late = utime.ticks_diff(utime.ticks_us(), before) - TURN_MS * 1000
        if late > worst:
            worst = late
            of_flash = min(late, (flashbdev.bdev.waited_ms - waited) * 1000)
        wires.refresh()
        if wires.asked:
            wires.asked = False
            peak = _used()
            gc.collect()
            wires.tell("p %d %d %d %d %d" % (peak, gc.mem_alloc(), _taken, worst, of_flash))
            worst = of_flash = 0
