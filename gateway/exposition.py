"""Numbers for Prometheus: its text format, version 0.0.4, and a small server for it on this machine alone.

https://prometheus.io/docs/instrumenting/exposition_formats/
"""

import asyncio
import logging
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping
from itertools import accumulate
from typing import Any, Literal, NamedTuple

import h11

logger = logging.getLogger(__name__)

TYPE = "text/plain; version=0.0.4; charset=utf-8"
REQUEST_S = 5.0
AT_ONCE = 4  # connections: one Prometheus and somebody who looks
READ_BYTES = 4096

Labels = tuple[tuple[str, str], ...]


class Metric(NamedTuple):
    """One name with its samples: (suffix of the name, labels, value)."""

    name: str
    kind: Literal["gauge", "counter", "histogram"]
    help: str
    samples: list[tuple[str, Labels, float]]


def single(name: str, kind: Literal["gauge", "counter"], help: str, value: float) -> Metric:
    """A metric without labels."""
    return Metric(name, kind, help, [("", (), value)])


def labelled(name: str, kind: Literal["gauge", "counter"], help: str, labels: str | tuple[str, ...], values: Mapping[Any, float]) -> Metric:
    """A metric with a sample for each key of `values`: the value of the label, or a tuple with that of each."""
    names = (labels,) if isinstance(labels, str) else labels
    samples = [("", tuple(zip(names, _texts(key), strict=True)), value) for key, value in values.items()]
    return Metric(name, kind, help, samples)


class Histogram:
    """Durations in seconds, counted by `limits`."""

    def __init__(self, limits: tuple[float, ...]) -> None:
        self._limits = limits
        self._counts = [0] * (len(limits) + 1)
        self._sum = 0.0

    def add(self, seconds: float) -> None:
        """Count one."""
        self._counts[bisect_left(self._limits, seconds)] += 1
        self._sum += seconds

    def metric(self, name: str, help: str) -> Metric:
        """All that was counted."""
        up_to = list(accumulate(self._counts))
        samples: list[tuple[str, Labels, float]] = [
            ("_bucket", (("le", limit),), count) for limit, count in zip([*map(str, self._limits), "+Inf"], up_to, strict=True)
        ]
        return Metric(name, "histogram", help, [*samples, ("_sum", (), self._sum), ("_count", (), up_to[-1])])


def text(metrics: Iterable[Metric]) -> str:
    """All of them in the text format. Values may be any text; names are ours and right."""
    lines = []
    for metric in metrics:
        lines += [f"# HELP {metric.name} {_escaped(metric.help)}", f"# TYPE {metric.name} {metric.kind}"]
        for suffix, labels, value in metric.samples:
            shown = ",".join(f'{name}="{_escaped(label, quote=True)}"' for name, label in labels)
            lines.append(f"{metric.name}{suffix}{{{shown}}} {value}" if shown else f"{metric.name}{suffix} {value}")
    return "\n".join([*lines, ""])


async def serve(host: str, port: int, metrics: Callable[[], Iterable[Metric]]) -> None:
    """Answer GET /metrics until cancelled. Raises OSError if the address is taken."""
    free = asyncio.Semaphore(AT_ONCE)

    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with free, asyncio.timeout(REQUEST_S):
                await _answer(reader, writer, metrics)
        except (OSError, h11.ProtocolError) as exc:
            logger.debug("metrics: %s", exc)
        finally:
            writer.close()

    async with await asyncio.start_server(client, host, port) as server:
        logger.info("metrics at http://%s:%d/metrics", *server.sockets[0].getsockname()[:2])
        await server.serve_forever()


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, metrics: Callable[[], Iterable[Metric]]) -> None:
    connection = h11.Connection(h11.SERVER)
    while (event := connection.next_event()) is h11.NEED_DATA:
        connection.receive_data(await reader.read(READ_BYTES))
    if not isinstance(event, h11.Request):
        return
    status, body = (200, text(metrics())) if (event.method, event.target) == (b"GET", b"/metrics") else (404, "expected GET /metrics\n")
    payload = body.encode()
    headers = [("Content-Type", TYPE), ("Content-Length", str(len(payload))), ("Connection", "close")]
    response = h11.Response(status_code=status, headers=headers)
    for part in (response, h11.Data(data=payload), h11.EndOfMessage()):
        writer.write(connection.send(part) or b"")
    await writer.drain()


def _texts(key: object) -> tuple[str, ...]:
    return tuple(map(str, key)) if isinstance(key, tuple) else (str(key),)


def _escaped(value: str, *, quote: bool = False) -> str:
    value = value.replace("\\", "\\\\").replace("\n", "\\n")
    return value.replace('"', '\\"') if quote else value
