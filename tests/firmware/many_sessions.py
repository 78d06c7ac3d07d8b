# The sessions of some boards in one MicroPython, on a broker that comes and goes. MicroPython only.
# argv: port, first number, how many. Prints "<Unix ms> try|up|down <number>" for each connect and each change.
import asyncio
import random
import sys
import time

from agent.clock import Clock
from agent.link import Account
from agent.session import Listener, Session

PORT, FIRST, COUNT = [int(word) for word in sys.argv[1:]]


def say(what, number):
    print(time.time_ns() // 1000000, what, number)


class Board(Listener):
    def __init__(self, number):
        self.number = number

    def link_up(self, refused):
        say("up", self.number)

    def link_down(self, why, turned_away):
        say("down", self.number)

    def message(self, topic, payload, retained):
        pass

    def delivered(self, token):
        pass

    def alive(self, within_s):
        pass

    def stumbled(self, exc):
        raise exc

    async def ready(self):
        say("try", self.number)


async def main():
    clock = Clock(time.ticks_ms)
    tasks = []
    for number in range(FIRST, FIRST + COUNT):
        board = Board(number)
        account = Account(f"B{number}", "", "w", b"gone")
        session = Session(account, [("127.0.0.1", PORT)], lambda: [("t", 1)], board, clock=clock, random=random.random, ready=board.ready)
        tasks.append(asyncio.create_task(session.run()))
    await asyncio.gather(*tasks)


random.seed(time.ticks_us())
asyncio.run(main())
