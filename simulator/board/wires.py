"""The wires between a simulated board and the world: one local stream socket, lines of ASCII, as few as there are changes.

world -> board:  i <gpio> <level> ...    the levels of inputs; the first such line has all of them, and is the last of a start
                 a <gpio> <uv> <peak>    the voltage at an ADC channel, in microvolts, and the peak of a sine of 50 Hz on it
                 t <ms>                  the board's clock jumps ahead
                 k <count>               power is cut at the count-th block operation from now (0: never)
                 w <0|1>                 the access point is out of reach or back
                 m                       tell what probe.py has measured
board -> world:  o <gpio> <level>        an output has changed
                 f <erases> <programs>   flash operations of this start so far, sent at every sync
                 c                       the ordered power cut is reached
                 r                       machine.reset()
                 d <ms>                  the watchdog is fed, and bites after so long
                 u <y> <m> <d> <h> <m> <s>  the clock is set
                 p <...>                 see probe.py

Firmware never sees this module: it stands behind machine, network and time.
"""

import select
import socket
import sys

import utime

POLL_MS = 1  # several pins read in one pass cost one system call

levels = {}
watched = {}  # gpio -> the levels whose coming interrupts
interrupts = set()  # gpios with an interrupt pending: the chip has one bit for each pin, however many edges there were
microvolts = {}
clock_offset_ms = 0
cut_in = 0
wifi_in_reach = True
asked = False  # m was said

_AF_UNIX = 1
_sock = None
_poll = None
_rest = b""
_due = 0


def connect(path, device):
    """Join the world that listens at `path`; returns once the levels of all pins are here."""
    global _sock, _poll
    _sock = socket.socket(_AF_UNIX, socket.SOCK_STREAM)
    # struct sockaddr_un: the family in the machine's byte order, then the path.
    _sock.connect(bytes([_AF_UNIX, 0]) + path.encode() + b"\0")
    _poll = select.poll()
    _poll.register(_sock, select.POLLIN)
    tell("b %s" % device)
    while not levels:
        _take(_sock.recv(256))


def tell(line):
    _sock.sendall(line.encode() + b"\n")


def refresh():
    """Take in what the world has changed; looks at most every POLL_MS."""
    global _due
    now = utime.ticks_ms()
    if utime.ticks_diff(_due, now) > 0:
        return
    _due = utime.ticks_add(now, POLL_MS)
    for _ in _poll.ipoll(0):
        _take(_sock.recv(256))


def stop(why):
    """Tell the world and do nothing any more: it ends this process."""
    tell(why)
    while True:
        utime.sleep(60)


def _take(data):
    global _rest
    if not data:
        sys.exit(0)  # no world, no board
    lines = (_rest + data).split(b"\n")
    _rest = lines.pop()
    for line in lines:
        _do(line.decode().split())


def _do(words):
    global asked, clock_offset_ms, cut_in, wifi_in_reach
    what = words[0]
    if what == "i":
        for at in range(1, len(words), 2):
            gpio, level = int(words[at]), int(words[at + 1])
            if level != levels.get(gpio, level) and level in watched.get(gpio, ()):
                interrupts.add(gpio)
            levels[gpio] = level
    elif what == "a":
        microvolts[int(words[1])] = (int(words[2]), int(words[3]))
    elif what == "t":
        clock_offset_ms += int(words[1])
    elif what == "k":
        cut_in = int(words[1])
    elif what == "w":
        wifi_in_reach = words[1] == "1"
    elif what == "m":
        asked = True
