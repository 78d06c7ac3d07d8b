"""Gives the ptys of virtual boards the modem lines DTR and RTS that ptys lack. Python imports this module at its start wherever this
folder is on PYTHONPATH: changes go to the board's control socket, which is named after the pty, as "lines <DTR> <RTS> <when, monotonic s>".
"""

import fcntl
import os
import socket
import struct
import tempfile
import termios
import time

_real = fcntl.ioctl
_states = {}
_socket = None
_LINES = termios.TIOCM_DTR | termios.TIOCM_RTS
_UP = termios.TIOCM_CTS | termios.TIOCM_DSR | termios.TIOCM_CAR


def _control(device):
    return os.path.join(tempfile.gettempdir(), "keng-usb-%d" % os.getuid(), device.strip("/").replace("/", "-"))


def _board(number):
    try:
        path = _control(os.ttyname(number))
    except OSError:
        return None
    return path if os.path.exists(path) else None


def _ioctl(fd, request, arg=0, mutate_flag=True):
    global _socket
    if request not in (termios.TIOCMGET, termios.TIOCMSET, termios.TIOCMBIS, termios.TIOCMBIC):
        return _real(fd, request, arg, mutate_flag)
    number = fd if isinstance(fd, int) else fd.fileno()
    board = _board(number)
    if board is None:
        return _real(fd, request, arg, mutate_flag)
    before = _states.get(number, 0)
    if request == termios.TIOCMGET:
        return struct.pack("I", before | _UP)
    value = struct.unpack("I", arg)[0]
    after = {termios.TIOCMSET: value, termios.TIOCMBIS: before | value, termios.TIOCMBIC: before & ~value}[request]
    _states[number] = after
    if (before ^ after) & _LINES:
        _socket = _socket or socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        _socket.sendto(b"lines %d %d %f" % (bool(after & termios.TIOCM_DTR), bool(after & termios.TIOCM_RTS), time.monotonic()), board)
    return struct.pack("I", after) if isinstance(arg, bytes) else 0


fcntl.ioctl = _ioctl
