"""Addresses of hosts. getaddrinfo would stop the whole board, a bell in its pattern too: up to 42 s where nobody answers (lwIP, dns.c:
DNS_MAX_RETRIES 4, after 1, 1, 2 and 3 s, of 3 servers, for IPv4 and IPv6). So the board asks the name server itself (dns.py), over UDP,
and goes on meanwhile.

The last answer is used until a connection to it fails, and then it is asked for again, at most once in five minutes where nobody
answers. A host that is an address already is never asked for.
"""

import asyncio
import errno
import socket

from agent.once import once

AGAIN_MS = (10_000, 300_000)  # after a question: the first, and the longest after questions without an answer
WAITS_MS = (1_000, 2_000, 3_000)  # for an answer, each time that the question is put
STEP_MS = 20
MULTICAST = ("224.0.0.251", 5353)  # RFC 6762, section 3: who has a name that ends in .local answers there
REPLY_MAX = 512  # bytes: RFC 1035, section 4.2.1


class Names:
    """`clock`: clock.Clock. `server()`: (host, port) of the name server. None, or a server() of None, is for a port of MicroPython whose
    operating system asks, as `look_up`, socket.getaddrinfo, does.
    """

    def __init__(self, clock, server=None, look_up=socket.getaddrinfo):
        self._clock = clock
        self._server = server
        self._look_up = look_up
        self._found = {}  # (host, port) -> the socket's address
        self._doubted = False
        self._due = 0
        self._again_ms = AGAIN_MS[0]

    async def address(self, host, port):
        """What socket.connect takes. Raises OSError."""
        if _is_numeric(host):
            return self._numeric(host, port)
        key = (host, port)
        if key not in self._found or self._doubted:
            await self._ask_again(key)
        return self._found[key]

    def doubt(self):
        """A connection has failed: perhaps its host has moved."""
        self._doubted = True

    async def _ask_again(self, key):
        if self._clock.now() < self._due:
            if key in self._found:
                return
            raise OSError("%s: no address, asked too short a while ago" % key[0])
        try:
            self._found[key] = await self._ask(*key)
            self._doubted = False
            self._again_ms = AGAIN_MS[1]
        except OSError:
            if key not in self._found:
                raise
        finally:
            self._due = self._clock.now() + self._again_ms
            self._again_ms = min(2 * self._again_ms, AGAIN_MS[1])

    async def _ask(self, host, port):
        server = MULTICAST if host.endswith(".local") else self._server and self._server()
        if not server:
            return self._numeric(host, port)
        query = once("agent.dns", "query", "agent.dns", host)
        connection = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            connection.setblocking(False)
            for wait_ms in WAITS_MS:
                connection.sendto(query, self._numeric(*server))
                until = self._clock.now() + wait_ms
                while self._clock.now() < until:
                    await asyncio.sleep(STEP_MS / 1000)
                    reply = _received(connection)
                    found = reply and once("agent.dns", "answer", "agent.dns", query, reply)
                    if found:
                        return self._numeric(found, port)
        finally:
            connection.close()
        raise OSError("%s: no answer from the name server %s" % (host, server[0]))

    def _numeric(self, host, port):
        return self._look_up(host, port, 0, socket.SOCK_STREAM)[0][-1]


def _received(connection):
    """A datagram, or None."""
    try:
        return connection.recv(REPLY_MAX)
    except OSError as exc:
        if exc.errno != errno.EAGAIN:
            raise
        return None


def _is_numeric(host):
    """True for an IPv4 address, and for IPv6, where each has a colon and no name has one."""
    return ":" in host or all(letter in "0123456789." for letter in host)
