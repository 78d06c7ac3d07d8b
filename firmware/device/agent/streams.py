"""A connection, opened without standing still and closed whatever comes in between.

asyncio.open_connection leaves its socket open if the connection fails: after a long outage none is left (an ESP32 has about ten). And
asyncio.StreamReader copies what it sends, takes a TLS stream that has nothing yet for one that has ended, and its module takes 2 kB.
"""

import asyncio
import errno
import socket


class Stream:
    """Reader and writer in one. `connection`: the socket below `stream`, or `stream` itself."""

    def __init__(self, stream, connection):
        self._stream = stream
        self._connection = connection
        self._data = b""

    def readinto(self, buffer):
        """Await it: the number of bytes read, 0 at the end of the stream."""
        length = None
        while length is None:  # what came was for TLS
            yield asyncio.core._io_queue.queue_read(self._stream)
            length = self._stream.readinto(buffer)
        return length

    def write(self, data):
        """What drain() shall send; it must stay as it is until then."""
        self._data = memoryview(data)

    def drain(self):
        """Await it: everything is sent."""
        while True:
            self._data = self._data[self._stream.write(self._data) or 0 :]
            if not len(self._data):  # a memoryview of nothing counts as true
                return
            yield asyncio.core._io_queue.queue_write(self._stream)

    def close(self):
        """Free the socket at once; a TLS stream whose handshake has failed would leave it open."""
        self._stream.close()
        self._connection.close()


async def connect(address, tls=None):
    """A Stream, over `tls` (tls.Tls) if given. `address`: of names.Names. Raises OSError, or what Tls.wrap does."""
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
