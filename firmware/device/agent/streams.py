"""A connection, opened without standing still and closed whatever comes in between.

asyncio.open_connection leaves its socket open if the connection fails: after a long outage none is left (an ESP32 has about ten).
"""

import asyncio
import errno
import socket


class Stream(asyncio.StreamReader):
    """Reader and writer in one. `connection`: the socket below `stream`, or `stream` itself."""

    def __init__(self, stream, connection):
        super().__init__(stream)
        self._connection = connection

    def close(self):
        """Free the socket at once; a TLS stream whose handshake has failed would leave it open."""
        self.s.close()
        self._connection.close()


async def connect(host, port, tls=None):
    """A Stream, over `tls` (tls.Tls) if given. Raises OSError, or what Tls.wrap does.

    `host` should be an address: looking up a name stops the board.
    """
    address = socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM)[0][-1]
    connection = socket.socket()
    try:
        connection.setblocking(False)
        try:
            connection.connect(address)
        except OSError as exc:
            if exc.errno != errno.EINPROGRESS:
                raise
        await _writable(connection)
        return Stream(tls.wrap(connection) if tls else connection, connection)
    except BaseException:  # a time-out cancels us
        connection.close()
        raise


async def _writable(connection):
    yield asyncio.core._io_queue.queue_write(connection)
