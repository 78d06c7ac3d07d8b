"""A TCP connection, opened without standing still and closed whatever comes in between.

asyncio.open_connection leaves its socket open if the connection fails: after a long outage none is left (an ESP32 has about ten).
"""

import asyncio
import errno
import socket


async def connect(host, port):
    """(reader, writer). Raises OSError. `host` should be an address: looking up a name stops the board."""
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
    except BaseException:  # a time-out cancels us
        connection.close()
        raise
    stream = asyncio.StreamReader(connection)
    return stream, stream


async def _writable(connection):
    yield asyncio.core._io_queue.queue_write(connection)
