"""Alarms while an update is served over the air, beside the same alarms of the same minutes without one.

Each alarm is pressed right after a piece was sent, while others are asked for; from then on the engine sends none until its incident is
resolved.
"""

import asyncio
import hashlib
import itertools
import json
import secrets
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from protocol import messages, topics, updates, wire
from protocol.messages import Answer, Chunk, Order
from protocol.package import KEY_BITS, Package
from simulator.bench.book import Book
from simulator.bench.clients import Fleet
from simulator.bench.communes import GROUP_SIZE, SITE, TECHNICIAN, board_id, group_id
from simulator.bench.figures import NotMeasured, of_samples
from simulator.bench.loads import Timing, alarms, greeted
from simulator.bench.rig import Rig
from simulator.mqtt import Account, Client, Message

NAMES = ("alarm_during_update_ms",)
BOARDS = 229
GROUPS = 6  # where it burns in turn
FETCHING = 4  # boards, each of a group of its own
OF_ALARMS = 4  # a part of the alarms of other figures: each waits until pieces are sent again
FILE_BYTES = 300_000
SERVED_S = 30.0
PIECES = 8  # have to come before the next press


async def measure(book: Book) -> None:
    """The figure of this family."""
    with book.measuring(*NAMES):
        async with Rig(book.directory / "update", boards=BOARDS) as rig, rig.fleet(range(GROUPS * GROUP_SIZE)) as fleet:
            file = _bundle(rig.directory)
            engine = rig.engine()
            await rig.online(engine)
            await greeted(fleet)
            count = book.scale.alarms // OF_ALARMS
            book.tell(f"{count} alarms, one after the other")
            before = await alarms(rig, fleet, groups=GROUPS, enough=_count(count), resolve=True)
            book.tell(f"{count} alarms while {FETCHING} boards fetch an update")
            during, pieces = await _during(rig, fleet, file, count)
            book.add(of_samples("alarm_during_update_ms", during.bells_ms, floor=before.bells_ms, pieces=pieces))


async def _during(rig: Rig, fleet: Fleet, file: Path, count: int) -> tuple[Timing, int]:
    """The timing, and how many pieces were served."""
    numbers = [GROUP_SIZE * (GROUPS + 1 + index) for index in range(FETCHING)]
    async with AsyncExitStack() as stack:
        boards = [_Fetching(board_id(number), group_id(number)) for number in numbers]
        for board in boards:
            await board.connect(rig.accounts[board.device])
            stack.callback(board.client.close)
        await rig.keng("update", "add", str(file), site=False)
        only = itertools.chain.from_iterable(("--only", board.device) for board in boards)
        await rig.keng("update", "start", "2.0.0", "--by", TECHNICIAN, *only)
        timing = await alarms(rig, fleet, groups=GROUPS, enough=_count(count), resolve=True, ready=partial(_served, boards))
        return timing, sum(board.pieces for board in boards)


def _count(wanted: int) -> Callable[[Timing], bool]:
    return lambda timing: len(timing.bells_ms) >= wanted


async def _served(boards: "list[_Fetching]", count: int = PIECES) -> None:
    """Return right after so many more pieces have come. Raises NotMeasured."""
    before = sum(board.pieces for board in boards)
    deadline = time.monotonic() + SERVED_S
    while (got := sum(board.pieces for board in boards) - before) < count:
        if time.monotonic() > deadline:
            said = next((board.error for board in boards if board.error), "none")
            raise NotMeasured(f"expected {count} pieces within {SERVED_S:.0f} s, got {got}; error: {said}")
        await asyncio.sleep(0.001)


class _Fetching:
    """A board that takes an update up and fetches it again and again, but never its end."""

    def __init__(self, device: str, group: str) -> None:
        self.device = device
        self.pieces = 0
        self.error = ""
        self.client = Client(self._receive, keep_alive_s=600)
        self._group = group
        self._life = secrets.token_hex(4)
        self._order: Order | None = None
        self._fetches = 0
        self._offset = 0

    async def connect(self, account: Account) -> None:
        """Subscribe, then the birth."""
        state = topics.device(SITE, self.device, "state")
        await self.client.connect(account, will=Message(state, wire.encode_will(life=self._life, boot=1), True))
        await self.client.subscribe(*(topics.device(SITE, self.device, leaf) for leaf in ("hello", "order", "chunk")))
        birth = wire.encode_birth(life=self._life, boot=1, kind="household", fw="1.0.0", group=self._group, reset="power", active={})
        await self.client.publish(state, birth, retain=True)

    def _receive(self, message: Message) -> None:
        if message.topic.endswith("/order"):
            order = messages.decode(Order, message.payload)
            self._send("answer", Answer(id=order.id, ok=True).payload())
            if self._order is None:
                self._order = order
                self._fetch()
        elif message.topic.endswith("/chunk"):
            chunk = messages.decode(Chunk, message.payload)
            self.error = chunk.error or ""
            self.pieces += chunk.data is not None
            self._fetch()

    def _fetch(self) -> None:
        order = self._order
        assert order is not None and order.bundle and order.size  # noqa: S101, PT018  # of Order
        size = 2048
        self._offset = self._offset + size if self._offset + 3 * size < order.size else 0
        self._fetches += 1
        self._send("fetch", updates.encode_fetch(id=f"f-{self._fetches}", bundle=order.bundle, offset=self._offset, size=size))

    def _send(self, leaf: str, payload: bytes) -> None:
        self.client.send(topics.device(SITE, self.device, leaf), payload, qos=1)


def _bundle(folder: Path) -> Path:
    """A signed bundle of the usual size, which holds no program; the settings of the rig trust its key."""
    key = rsa.generate_private_key(65537, KEY_BITS)
    release = Package("2.0.0", "esp32_wroom", 1_795_305_600, {"main.mpy": hashlib.shake_256(b"bench").digest(FILE_BYTES)})
    signature = key.sign(release.header, padding.PKCS1v15(), hashes.SHA256())
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    (folder / "release.pub").write_bytes(public)
    with (folder / "keng.toml").open("a", encoding="utf-8") as settings:
        settings.write(f"\n[updates]\ntrusted = {json.dumps([str(folder / 'release.pub')])}\nwaves = []\nsoak_min = 0\n")
    file = folder / "release.bundle"
    file.write_bytes(release.header + signature + b"".join(release.files.values()))
    return file
