"""The bench's line to the engine: board commands over MQTT, and the births of boards (protocol/boards.py)."""

import codecs
import secrets
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from paho.mqtt.client import Client, MQTTMessage, MQTTv311
from paho.mqtt.enums import CallbackAPIVersion
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from firmware.bench.tools import Interrupted
from protocol import messages, topics
from protocol.boards import BoardAnswer, BoardCommand, decode_answer
from protocol.messages import Birth, Gateway, Tick
from protocol.tomlfile import FileMistakes, no_text
from protocol.wire import DecodeError

USER = "bench"  # of the broker
CONNECT_S = 10.0
TICK_S = 25.0  # without one for so long nobody listens: docs/wire.md
ANSWER_S = 40.0
AGAIN_S = 5.0
LOOK_S = 0.2  # so often it is looked whether somebody has stopped the work
CLOCKS = "look at both clocks"  # the engine's words where a command's time is not its own


class DeskFailed(Exception):
    """The gateway cannot be reached, does not answer, or refuses; the text says which and why."""


class NoAnswer(DeskFailed):
    """The engine has not answered in time: whether it has done what it was asked for, nobody knows."""


class Access(BaseModel):
    """Where the broker is: an entry of `keng broker accounts --user bench --json`."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    host: str
    port: int = Field(ge=1, le=65535)
    password: str = Field(min_length=1)


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    users: dict[str, Access]


def load_access(path: Path) -> Access:
    """The bench's access in a file. Raises FileMistakes, OSError."""
    raw = path.read_bytes().removeprefix(codecs.BOM_UTF8)  # as Windows saves it
    if odd := no_text(raw):
        raise FileMistakes([f"{path}: {odd}"])
    try:
        users = _File.model_validate_json(raw).users
    except ValidationError as exc:
        said = [(error["loc"], error["msg"].replace("Invalid JSON: ", "expected JSON, got: ")) for error in exc.errors(include_url=False)]
        raise FileMistakes([f"{path}: {'.'.join(map(str, where)) or 'file'}: {words}" for where, words in said]) from None
    if USER not in users:
        raise FileMistakes([f"{path}: expected the user {USER!r}: keng broker accounts --user {USER} --json"])
    return users[USER]


class Desk:
    """A connection, as long as `with` lasts. `user`: the person of the commune who is at work. Safe from several threads.

    Whatever waits raises Interrupted soon after `stopped()`.
    """

    def __init__(self, access: Access, site: str, user: str, *, stopped: Callable[[], bool] = lambda: False) -> None:
        self._access = access
        self._stopped = stopped
        self._site = site
        self._user = user
        self._changed = threading.Condition()
        self._granted = False
        self._failure = ""
        self._tick: tuple[int, float] | None = None
        self._online = False
        self._answers: dict[str, BoardAnswer] = {}
        self._births: dict[str, list[tuple[float, Birth]]] = {}
        self._client = Client(CallbackAPIVersion.VERSION2, f"{USER}-{secrets.token_hex(4)}", clean_session=True, protocol=MQTTv311)
        self._client.username_pw_set(USER, access.password)
        self._client.on_connect = self._connected
        self._client.on_subscribe = lambda *_: self._note(granted=True)
        self._client.on_message = self._message

    def __enter__(self) -> Self:
        where = f"{self._access.host}:{self._access.port}"
        try:
            self._client.connect(self._access.host, self._access.port, keepalive=20)
        except OSError as exc:
            remedy = "does keng broker run? from a laptop take its port along: ssh -L"
            raise DeskFailed(f"gateway {where}: expected a broker, got: {exc.strerror or exc}; {remedy}") from None
        self._client.loop_start()
        try:
            why = self._missing()
        except BaseException:
            self._close()
            raise
        if why:
            self._close()
            raise DeskFailed(f"gateway {where}: {why}")
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def ask(self, do: str, **fields: Any) -> BoardAnswer:
        """The engine's answer to a command, which is sent again while none comes. Raises DeskFailed, also when the engine refuses;
        Interrupted.

        Until a tick has come the time is this machine's; if the engine finds that wrong, the tick is awaited.
        """
        try:
            return self._ask(do, fields)
        except DeskFailed as exc:
            if CLOCKS not in str(exc) or self._tick is not None or not self._until(lambda: self._tick, TICK_S):
                raise
            return self._ask(do, fields)

    def _ask(self, do: str, fields: dict[str, Any]) -> BoardAnswer:
        ident = f"b-{secrets.token_hex(6)}"
        deadline = time.monotonic() + ANSWER_S
        while time.monotonic() < deadline:
            self._send(BoardCommand.model_validate({"id": ident, "t": self._now_ms(), "do": do, **fields}))
            if self._until(lambda: ident in self._answers, min(AGAIN_S, deadline - time.monotonic())):
                answer = self._answers.pop(ident)
                if not answer.ok:
                    raise DeskFailed(f"engine: {answer.error}")
                return answer
        raise NoAnswer(f"engine: expected an answer to {do} within {ANSWER_S:.0f} s, got none")

    def rest(self, seconds: float) -> None:
        """Let time pass. Raises Interrupted."""
        self._until(lambda: False, seconds)

    def wait_birth(self, device: str, *, since: float, within_s: float) -> Birth | None:
        """The first birth of a board after `since` (monotonic s); None if there is none in time."""

        def found() -> Birth | None:
            return next((birth for at, birth in self._births.get(device, []) if at >= since), None)

        self._until(found, within_s)
        return found()

    def _missing(self) -> str:
        """Why there is no engine at the other end, "" once there is."""
        if not self._until(lambda: self._granted or self._failure, CONNECT_S):
            return f"expected an answer within {CONNECT_S:.0f} s, got none"
        if self._failure or self._until(lambda: self._online or self._tick, TICK_S):
            return self._failure
        return f"expected the engine to be online within {TICK_S:.0f} s, got no sign of it: does it run?"

    def _send(self, command: BoardCommand) -> None:
        self._client.publish(topics.bench(self._site, self._user, "command"), command.payload(), qos=1)

    def _now_ms(self) -> int:
        if self._tick is None:
            return int(time.time() * 1000)
        engine_ms, at = self._tick
        return engine_ms + int((time.monotonic() - at) * 1000)

    def _until(self, condition: Callable[[], object], within_s: float) -> bool:
        end = time.monotonic() + within_s
        with self._changed:
            while not condition():
                if self._stopped():
                    raise Interrupted
                if (left := end - time.monotonic()) <= 0:
                    return False
                self._changed.wait(min(left, LOOK_S))
            return True

    def _note(self, *, granted: bool = False, failure: str = "") -> None:
        with self._changed:
            self._granted, self._failure = granted or self._granted, failure
            self._changed.notify_all()

    def _connected(self, client: Client, _userdata: object, _flags: object, reason: Any, _properties: object) -> None:
        if reason.is_failure:
            self._note(failure=f"expected to be let in as {USER}, got: {reason}")
            return
        filters = [topics.bench(self._site, self._user, "answer"), topics.tick(self._site), topics.gateway(self._site)]
        filters.append(topics.device(self._site, "+", "state"))
        client.subscribe([(topic, 1) for topic in filters])

    def _message(self, _client: Client, _userdata: object, message: MQTTMessage) -> None:
        try:
            name, owner, _ = topics.parse(self._site, message.topic) or ("", "", "")
            with self._changed:
                self._take(name, owner, bytes(message.payload), message.retain)
                self._changed.notify_all()
        except (DecodeError, UnicodeDecodeError):
            return  # what cannot be read is the engine's to tell

    def _take(self, name: str, owner: str, payload: bytes, retained: bool) -> None:
        if name == "tick":
            self._tick = (messages.decode(Tick, payload).t, time.monotonic())
        elif name == "gateway":
            self._online = messages.decode(Gateway, payload).online
        elif name == "bench_answer":
            answer = decode_answer(payload)
            self._answers[answer.id] = answer
        elif name == "state" and not retained:
            state = messages.decode_state(payload)
            if isinstance(state, Birth):
                self._births.setdefault(owner, []).append((time.monotonic(), state))

    def _close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()
