"""A connection, opened without standing still and closed whatever comes in between.

asyncio.open_connection leaves its socket open if the connection fails: after a long outage none is left (an ESP32 has about ten). And
asyncio.StreamReader copies what it sends, takes a TLS stream that has nothing yet for one that has ended, and its module takes 2 kB.
"""

import asyncio
import errno
import select
import socket

STEP_MS = 10


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


async def connect(address, tls, clock, within_ms):
    """A Stream, over `tls` (tls.Tls) unless None, within so many ms of `clock`. `address`: of names.Names.

    Raises OSError, or what Tls.wrap does. asyncio.wait_for would be a task more, and 1 kB of code.
    """
    connection = socket.socket()
    try:
        connection.setblocking(False)
        try:
            connection.connect(address)
        except OSError as exc:
            if exc.errno != errno.EINPROGRESS:
                raise
        ready = select.poll()
        ready.register(connection, select.POLLOUT)
        until = clock.now() + within_ms
        while not ready.poll(0):
            if clock.now() >= until:
                raise OSError(errno.ETIMEDOUT)  # noqa: TRY301 - the socket is to be closed here
            await asyncio.sleep(STEP_MS / 1000)
        return Stream(tls.wrap(connection) if tls else connection, connection)
    except BaseException:  # the end of the session cancels us
        connection.close()
        raise
