"""The engine's half of the technician's bench: certificates, what was flashed, self-tests, the list of boards (protocol/boards.py).

Changes of configurations are in configuring.py, updates in updating.py.

Beside the intake, not in it: a certificate takes the processor for a tenth of a second, and no alarm waits for it.
"""

import asyncio
import base64
import json
import logging
import sqlite3
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from typing import NamedTuple

from gateway import broker as brokers
from gateway.broker import BrokerMissing
from gateway.configuring import Configuring
from gateway.domain import canaries, changes
from gateway.domain.maintenance import Entry, What
from gateway.domain.rows import Change
from gateway.domain.situation import Act, Effects, Situation, Turn
from gateway.identity import register
from gateway.identity.register import Refused
from gateway.plans import canary_plan
from gateway.settings import Settings
from gateway.store import queries
from gateway.store.store import Store
from gateway.updating import Updating
from protocol.boards import PAGE, BoardAnswer, BoardChange, BoardCommand, BoardState, Flashed
from protocol.campaigns import UpdateDo
from protocol.messages import Order
from protocol.site import Site
from protocol.tomlfile import FileMistakes
from protocol.wire import clean

logger = logging.getLogger(__name__)

ROLES = ("technician", "chief")
AGE_MAX_MS = 30_000
SELF_TEST_S = 20.0
PROVE_S, PROVE_LOOK_S = 15.0, 0.1
KEPT = 200  # answers, for whoever asks again
ANSWER_BYTES = 48_000  # of 65,536: a longer message would cost the engine its connection
FAULTS_MAX = 10

Publish = Callable[[str, BoardAnswer], None]

RIGHTS_AGAIN_S = 60.0


class Ties(NamedTuple):
    """What it works with: `put` gives an act to the intake, `settled()` waits until it is decided (True: and on the disk),
    `answer` speaks to a user."""

    store: Store
    situation: Situation
    put: Callable[[Act], None]
    answer: Publish
    clock: Callable[[], float]
    settled: Callable[[], Awaitable[bool]]


class Workbench:
    """`take` gets the commands as they come, `seen` what was stored and receipted; `run` works.

    `data`: the folder of broker and identity.
    """

    def __init__(self, settings: Settings, site: Site, data: Path, ties: Ties) -> None:
        self._settings = settings
        self._site = site
        self._data = data
        self._store = ties.store
        self._situation = ties.situation
        self._ties = ties
        self._updating = Updating(settings.updates, site, ties.store.path, ties.situation, put=ties.put, settled=ties.settled)
        self._configuring = Configuring(settings, site, put=ties.put, settled=ties.settled)
        self._waiting: asyncio.Queue[tuple[str, BoardCommand]] = asyncio.Queue()
        self._answers: OrderedDict[tuple[str, str], BoardAnswer | None] = OrderedDict()
        self._tests: dict[str, list[asyncio.Future[str]]] = {}
        self._moved = asyncio.Event()

    def take(self, user: str, command: BoardCommand) -> None:
        """A command has come. One that was answered is answered again, one that is under way is not begun again."""
        known = self._answers.get((user, command.id), command)
        if known is command:
            self._answers[user, command.id] = None
            while len(self._answers) > KEPT:
                self._answers.popitem(last=False)
            self._waiting.put_nowait((user, command))
        elif isinstance(known, BoardAnswer):
            self._ties.answer(user, known)

    def seen(self, effects: Effects) -> None:
        """A batch is on the disk: test events of boards that have their receipt are what self-tests wait for, and boards that have come
        into another group lose their rights in the one before.
        """
        if effects.moved:
            self._moved.set()
        receipted = {event for _, event in effects.receipts} if self._tests else ()
        for row in effects.events if self._tests else ():
            if row.type == "test" and row.id in receipted:
                for waiting in self._tests.pop(row.device, []):
                    if not waiting.done():
                        waiting.set_result(row.id)

    async def run(self) -> None:
        """Never returns; cancel it."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._follow_moves(), name="rights")
            while True:
                user, command = await self._waiting.get()
                tasks.create_task(self._work(user, command), name=f"bench {command.do}")

    async def _follow_moves(self) -> None:
        while True:
            await self._moved.wait()
            self._moved.clear()
            try:
                await asyncio.to_thread(self._give_rights)
            except (Refused, FileMistakes, BrokerMissing, OSError, ValueError) as exc:
                logger.warning("rights after a change of group: %s; again in %d s", exc, RIGHTS_AGAIN_S)
                self._moved.set()
                await asyncio.sleep(RIGHTS_AGAIN_S)

    async def _work(self, user: str, command: BoardCommand) -> None:
        try:
            answer = self._refusal(user, command) or await self._done(user, command)
        except (Refused, FileMistakes, BrokerMissing, OSError, sqlite3.Error) as exc:
            logger.warning("bench: %s %s: %s", command.do, command.device, exc)
            answer = _no(command, str(exc) or type(exc).__name__)
        except Exception as exc:  # no command of a bench may end the engine
            logger.exception("bench: %s %s", command.do, command.device)
            answer = _no(command, f"engine error: {type(exc).__name__}: {exc}")
        self._answers[user, command.id] = answer
        self._ties.answer(user, answer)

    def _refusal(self, user: str, command: BoardCommand) -> BoardAnswer | None:
        person = self._site.person(user)
        if person is None or person.role not in ROLES:
            return _no(command, f"expected somebody with the role {' or '.join(ROLES)}, got {person.role if person else user}")
        age_ms = abs(int(self._ties.clock() * 1000) - command.t)
        if age_ms > AGE_MAX_MS:
            return _no(
                command, f"expected a command of the last {AGE_MAX_MS // 1000} s, got one {age_ms // 1000} s away: look at both clocks"
            )
        # One that the description no longer has can still be revoked, so that its board may go to another place.
        if command.device is not None and command.do != "revoke" and command.device not in {board.id for board in self._site.boards}:
            return _no(command, f"expected a board of the commune's description, got {command.device}")
        return None

    async def _done(self, user: str, command: BoardCommand) -> BoardAnswer:
        device = command.device or ""
        if command.do == "boards":
            return await asyncio.to_thread(self._boards, command)
        if command.do == "configure" or command.do in UpdateDo.__args__:  # type: ignore[attr-defined]  # of typing.Literal
            return await (self._configuring if command.do == "configure" else self._updating).done(user, command)
        if command.do in ("prove", "self_test"):
            return await (self._prove(command, command.channel or "") if command.do == "prove" else self._self_test(command, device))
        if command.do == "register":
            return await self._register(user, command, device)
        if command.do == "revoke":
            entry = await asyncio.to_thread(self._revoke, device)
            self._log(device, "board_revoked", f"generation {entry.generation}, by {user}")
            return BoardAnswer(id=command.id, ok=True, generation=entry.generation)
        return await self._flashed(user, command, device)

    async def _register(self, user: str, command: BoardCommand, device: str) -> BoardAnswer:
        answer = await asyncio.to_thread(self._issue, command, device)
        self._log(device, "board_registered", f"generation {answer.generation}, board {command.mac}, by {user}")
        return answer

    def _issue(self, command: BoardCommand, device: str) -> BoardAnswer:
        from gateway.identity import issuing  # noqa: PLC0415  # cryptography, 6 MiB, for who registers boards
        from gateway.identity.authority import Authority, NoIdentity  # noqa: PLC0415

        try:
            request = base64.b64decode(command.request or "", validate=True)
            authority = Authority.load(self._data)
            issued = issuing.issue(self._data, device, request, mac=command.mac or "", replace=command.replace, now=register.now())
        except (NoIdentity, ValueError) as exc:
            raise Refused(str(exc)) from None
        self._give_rights()
        return BoardAnswer(
            id=command.id,
            ok=True,
            generation=issued.generation,
            certificate=base64.b64encode(issued.certificate).decode(),
            ca=base64.b64encode(authority.der).decode(),
            server_name=authority.server_name,
        )

    def _revoke(self, device: str) -> register.Entry:
        entry = register.revoke(self._data, device)
        self._give_rights()
        return entry

    def _give_rights(self) -> None:
        choice = brokers.choose(self._settings.broker)
        if choice.kind == "external":
            return
        brokers.write_files(choice, self._settings, self._site, self._data)
        if choice.kind == "mosquitto" and not brokers.reload(self._data):
            raise Refused(f"expected mosquitto to run on {self._data / 'broker'}: the rights are written, its next start reads them")

    async def _flashed(self, user: str, command: BoardCommand, device: str) -> BoardAnswer:
        found = command.flashed
        assert found is not None and command.mac is not None  # noqa: S101, PT018  # of BoardCommand
        row = (device, command.mac, int(self._ties.clock() * 1000), user, found.payload().decode())
        await self._store.write(partial(_keep, row), urgent=False)
        words = f"{found.board}, MicroPython {found.image}, program {found.version} ({found.program}), by {user}"
        self._log(device, "board_flashed", words)
        if command.told is not None:
            self._ties.put(partial(changes.flashed, device=device, by=user, told=command.told))
        return BoardAnswer(id=command.id, ok=True)

    async def _self_test(self, command: BoardCommand, device: str) -> BoardAnswer:
        if self._situation.device(device).state != "online":
            return _no(command, f"expected {device} to be online, got {self._situation.device(device).state}")
        seen: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._tests.setdefault(device, []).append(seen)
        order = Order(id=command.id, do="test", what="self-test", valid_s=int(SELF_TEST_S))
        self._ties.put(lambda turn: turn.effects.errands.append((device, order)))
        try:
            async with asyncio.timeout(SELF_TEST_S):
                event = await seen
        except TimeoutError:
            return _no(command, f"expected a test event of {device} within {SELF_TEST_S:.0f} s, got none")
        finally:
            with suppress(ValueError):
                self._tests.get(device, []).remove(seen)
        return BoardAnswer(id=command.id, ok=True, event=event)

    async def _prove(self, command: BoardCommand, channel: str) -> BoardAnswer:
        """Send the channel's canary, and wait a little for what becomes of it: what comes later is at the desk."""
        plan = canary_plan(self._settings, self._site)
        refusals: list[str] = []

        def prove(turn: Turn) -> None:
            refusals[:] = [canaries.prove(turn, plan, channel)]  # once more where an act beside it has failed

        self._ties.put(prove)
        await self._ties.settled()
        if refusals != [""]:
            return _no(command, next(iter(refusals), "engine error"))
        until_s = asyncio.get_running_loop().time() + PROVE_S
        while asyncio.get_running_loop().time() < until_s:
            canary = self._situation.canaries[channel]
            if canary.failed:
                return _no(command, f"{channel}: {canary.failed}")
            if canary.asked_ms is None:
                return BoardAnswer(id=command.id, ok=True, proved_ms=canary.proved_ms)
            await asyncio.sleep(PROVE_LOOK_S)
        return BoardAnswer(id=command.id, ok=True)

    def _boards(self, command: BoardCommand) -> BoardAnswer:
        """In a thread of its own: a city has thousands of boards. What it was given is told of a single one alone."""
        entries = register.load(self._data)
        with closing(queries.connect(self._store.path)) as db:
            known = [row for row in queries.devices(db) if command.device in (None, row.id) and row.id > (command.after or "")]
            told = db.execute("SELECT at_ms, person, result FROM flashed WHERE device = ?", (command.device,)).fetchone()
        states: list[BoardState] = []
        bytes_left = ANSWER_BYTES
        for row in known[:PAGE]:
            state = _state(row, entries.get(row.id))
            if told:
                state = state.model_copy(
                    update={"flashed_ms": told[0], "flashed_by": told[1], "flashed": Flashed.model_validate_json(told[2])}
                )
            if command.device:
                state = self._with_configuration(state)
            bytes_left -= len(state.payload())
            if states and bytes_left < 0:
                break
            states.append(state)
        return BoardAnswer(id=command.id, ok=True, boards=states, more=len(known) > len(states))

    def _with_configuration(self, state: BoardState) -> BoardState:
        known = self._situation.changes.get(state.id)
        told = json.loads(known.told) if known else {}
        device = self._situation.devices.get(state.id)
        return state.model_copy(
            update={
                "config": device.config if device else "",
                "told": told or None,
                "change": _change(known) if known and known.order else None,
            }
        )

    def _log(self, device: str, what: What, words: str) -> None:
        def note(turn: Turn) -> None:
            turn.effects.note([Entry(turn.now.ms, device, "", what, words)])

        self._ties.put(note)


def _state(row: queries.DeviceRow, entry: register.Entry | None) -> BoardState:
    troubles = (f"{trouble.point}: {trouble.detail or trouble.what}" for trouble in row.troubles)
    return BoardState(
        id=row.id,
        kind=row.kind,
        place=row.place,
        group=row.group,
        state=row.state,
        last_seen_ms=row.last_seen_ms,
        firmware=row.firmware,
        app=row.app,
        updating=row.updating,
        rssi=row.rssi,
        battery=row.battery,
        mains=row.mains,
        faults=[*(fault.words for fault in row.faults), *troubles][:FAULTS_MAX],
        generation=entry.generation if entry else None,
        revoked=entry.revoked if entry else False,
        mac=entry.mac if entry else "",
    )


def _change(known: Change) -> BoardChange:
    return BoardChange(
        order=known.order,
        keys=list(known.keys),
        by=known.by,
        at_ms=known.at_ms,
        state=known.state,
        ended_ms=known.ended_ms,
        words=known.words,
    )


def _keep(row: tuple[str, str, int, str, str], db: sqlite3.Connection) -> None:
    db.execute("INSERT OR REPLACE INTO flashed (device, mac, at_ms, person, result) VALUES (?, ?, ?, ?, ?)", row)


def _no(command: BoardCommand, error: str) -> BoardAnswer:
    return BoardAnswer(id=command.id, ok=False, error=clean(error))
