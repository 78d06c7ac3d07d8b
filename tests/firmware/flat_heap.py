# 100,000 messages through the link's reader, the decoders, the alarms and the outbox; prints what is allocated at
# every tenth part. MicroPython only, the firmware in place: see simulator/inplace.py.
import gc
import os
import sys

import uctypes
import vfs

places = [int(word) for word in os.getenv("ROMFS").split()]
for place, point in ((0, "/rom"), (2, "/fakes")):
    vfs.mount(vfs.VfsRom(uctypes.bytearray_at(places[place], places[place + 1])), point)
sys.path[:] = ["/fakes", "/rom", ".frozen"]
import resident as firmware  # noqa: E402 - found only now

MESSAGES = int(sys.argv[1])
ENGINE = b'"v":1,"engine":"5be07711-3",'


class Clock:
    ms = 0

    def now(self):
        return self.ms


class Board:
    """What of the agent takes messages in."""

    def __init__(self):
        self.alarms = firmware.Alarms("B1", 60_000)
        self.presence = firmware.Presence("9c41f2aa-1", lambda: 0)
        self.outbox = firmware.Outbox()
        self.clock = Clock()
        self.taken = 0

    def message(self, topic, payload, retained):
        name, sender, message = firmware.decode("test", topic, payload)
        now = self.clock.ms
        if name == "tick":
            self.presence.tick(message.engine, now)
        elif name == "receipt":
            self.taken += self.outbox.receipt(message.id) is not None
        elif name == "ring":
            self.alarms.ring_heard(message, now)
        else:
            self.alarms.call_heard(sender, message, now, ticking=True)
        self.alarms.expire(now, [])
        self.alarms.causes(now)

    def delivered(self, token):
        pass

    def stumbled(self, exc):
        raise exc


def packet(number):
    """One message of each sort in turn, none like another."""
    sort = number % 4
    if sort == 0:
        return b"keng/1/test/tick", b'{%s"t":%d}' % (ENGINE, number)
    if sort == 1:
        return b"keng/1/test/dev/B1/receipt", b'{%s"id":"9c41f2aa-1-%d"}' % (ENGINE, number // 4 + 1)
    if sort == 2:
        cover = b'"covers":{"H%02d":"0badcafe-1-%d"},"mute":[]' % (number % 15, number)
        return b"keng/1/test/group/G1/ring", b'{%s"rev":%d,"incident":"2026-1","pattern":null,"n":1,"for_s":60,%s}' % (
            ENGINE,
            number,
            cover,
        )
    return b"keng/1/test/group/G1/call/H%02d" % (
        number % 15
    ), b'{"v":1,"id":"0badcafe-1-%d","k":1,"type":"button","pattern":"fire"}' % number


def run():
    board = Board()
    buffers = firmware.Buffers()
    link = firmware.Link((None, None), None, [], board, buffers=buffers, clock=board.clock, urgent_ms=2_000)
    reader = firmware.Reader(buffers.packets)
    for number in range(MESSAGES):
        board.clock.ms += 100
        if number % 4 == 0:
            event = firmware.Event(f"9c41f2aa-1-{number // 4 + 1}", "button-1", "button", "active", at=board.clock.ms)
            board.outbox.add(event, board.clock.ms)
            board.outbox.take(board.clock.ms)
        topic, payload = packet(number)
        data = firmware.publish(str(topic, "utf-8"), payload, qos=1, packet_id=number % 65_535 + 1)
        reader.space()[: len(data)] = data
        for each in reader.received(len(data)):
            link._take(each)
        while link._queue:
            link._next_write()
        if number % (MESSAGES // 10) == MESSAGES // 10 - 1:
            gc.collect()
            print(gc.mem_alloc())
    print("taken", board.taken)


run()
