"""The engine, killed as by kill -9 at one point of the path of an alarm: `python mortal.py POINT LOG TOPIC python -c SCRIPT ARGUMENTS...`.

A point is the moment before each statement and each commit of the database, before each message to the broker and each write to a modem,
receiver, web server or the process for Apprise, and after each thing that one of them has answered, before the engine knows of it. They
are counted from the first message on a topic that ends with TOPIC (event, command) on; what the path does not consist of (ticks, pings)
is not counted. LOG gets each point as it is met: its name, and how often there was one of this name ("sql COMMIT#3").
"""

import asyncio
import os
import signal
import sqlite3
import sys
import threading
from collections import Counter
from functools import partial
from types import SimpleNamespace
from typing import Any, ClassVar

from gateway import mqtt
from gateway.delivery.sms import port

fatal, log, begin, _, _, script, *arguments = sys.argv[1:]
_said = bytearray()  # by the modem
_LOG = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
_lock = threading.Lock()
_WRITES = ("BEGIN", "INSERT", "UPDATE", "DELETE", "COMMIT")
_UNPATHED = ("tick", "gateway")  # topics that are said by the clock


class Met:
    points: ClassVar[Counter[str]] = Counter()
    begun = False


def point(name: str) -> None:
    if not Met.begun:
        return
    with _lock:
        Met.points[name] += 1
        met = f"{name}#{Met.points[name]}"
        os.write(_LOG, met.encode() + b"\n")
        if met == fatal:
            os.kill(os.getpid(), signal.SIGKILL)
            signal.pause()


class MortalConnection(sqlite3.Connection):
    """Dies before a statement that writes."""

    def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
        words = sql.split()
        if words[0] in _WRITES:
            point("sql " + " ".join(words[: 1 if len(words) < 3 else 5 if words[1:2] == ["OR"] else 3]))
        return super().execute(sql, *values)

    def executemany(self, sql: str, *values: Any) -> sqlite3.Cursor:
        point("sql " + " ".join(sql.split()[:3]))
        return super().executemany(sql, *values)


def mortal_publish(link: mqtt.Link, topic: str, payload: bytes, **how: Any) -> bool:
    name = topic.rpartition("/")[2] if "/incident/" not in topic else "incident"
    if name not in _UNPATHED:
        point(f"publish {name}")
    return publish(link, topic, payload, **how)


def mortal_message(link: mqtt.Link, client: Any, userdata: object, message: Any) -> None:
    Met.begun = Met.begun or message.topic.endswith("/" + begin)
    message_came(link, client, userdata, message)


def mortal_write(writer: asyncio.StreamWriter, data: bytes) -> None:
    point("write " + ("webhook" if data.startswith(b"POST") else "police" if data.startswith(b"\n") else "Apprise"))
    write(writer, data)


async def mortal_read(reader: asyncio.StreamReader, n: int = -1) -> bytes:
    data = await read(reader, n)
    point("answer of a server")
    return data


async def mortal_readline(reader: asyncio.StreamReader) -> bytes:
    line = await readline(reader)
    point("answer of Apprise")
    return line


def modem_write(file: int, data: bytes) -> int:
    point("write modem")
    return os.write(file, data)


def modem_read(file: int, size: int) -> bytes:
    data = os.read(file, size)
    ends = _ends(bytes(_said) + data) - _ends(bytes(_said))
    _said.extend(data)
    for _ in range(ends):  # and not for each piece that is read: into how many an answer falls is the kernel's to say
        point("answer of the modem")
    return data


def _ends(said: bytes) -> int:
    """How many answers, prompts and reports have come to their end."""
    return sum(said.count(end) for end in (b"OK\r\n", b"ERROR", b"> ", b"+CDS:", b"+CMT", b"+CDSI:"))


publish, mqtt.Link.publish = mqtt.Link.publish, mortal_publish  # type: ignore[method-assign]
message_came, mqtt.Link._message = mqtt.Link._message, mortal_message  # type: ignore[method-assign]
write, asyncio.StreamWriter.write = asyncio.StreamWriter.write, mortal_write  # type: ignore[method-assign]
read, asyncio.StreamReader.read = asyncio.StreamReader.read, mortal_read  # type: ignore[method-assign]
readline, asyncio.StreamReader.readline = asyncio.StreamReader.readline, mortal_readline  # type: ignore[method-assign]
sqlite3.connect = partial(sqlite3.connect, factory=MortalConnection)  # type: ignore[assignment]
port.os = SimpleNamespace(read=modem_read, write=modem_write, fspath=os.fspath, access=os.access, R_OK=os.R_OK, W_OK=os.W_OK)  # type: ignore[assignment]
sys.argv = ["-c", *arguments]
exec(script)
