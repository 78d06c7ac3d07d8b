"""Addresses of hosts. A look-up of a name stops the whole board, a bell in its pattern too: up to 42 s where nobody answers.

So a name is asked for as seldom as can be: its last answer is used until a connection to it fails, and then it is asked for at most
once in five minutes. A host that is an address already is never asked for.
"""

import socket

AGAIN_MS = (10_000, 300_000)  # after a look-up: the first, and the longest after look-ups without an answer


class Names:
    """`look_up` is socket.getaddrinfo. `clock`: clock.Clock."""

    def __init__(self, clock, look_up=socket.getaddrinfo):
        self._clock = clock
        self._look_up = look_up
        self._found = {}  # (host, port) -> the socket's address
        self._doubted = False
        self._due = 0
        self._again_ms = AGAIN_MS[0]

    def address(self, host, port):
        """What socket.connect takes. Raises OSError."""
        if _is_numeric(host):
            return self._ask(host, port)
        key = (host, port)
        if key not in self._found or self._doubted:
            self._ask_again(key)
        return self._found[key]

    def doubt(self):
        """A connection has failed: perhaps its host has moved."""
        self._doubted = True

    def _ask_again(self, key):
        if self._clock.now() < self._due:
            if key in self._found:
                return
            raise OSError("%s: no address, asked too short a while ago" % key[0])
        try:
            self._found[key] = self._ask(*key)
            self._doubted = False
            self._again_ms = AGAIN_MS[1]
        except OSError:
            if key not in self._found:
                raise
        finally:
            self._due = self._clock.now() + self._again_ms
            self._again_ms = min(2 * self._again_ms, AGAIN_MS[1])

    def _ask(self, host, port):
        return self._look_up(host, port, 0, socket.SOCK_STREAM)[0][-1]


def _is_numeric(host):
    """True for an IPv4 address, and for IPv6, where each has a colon and no name has one."""
    return ":" in host or all(letter in "0123456789." for letter in host)
