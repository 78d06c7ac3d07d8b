"""What the technician's bench says to the engine about boards, on topics of its own: bench/<user>/command and bench/<user>/answer.

Own topics, so that the broker's user `bench` can say nothing but this. Unlike a desk's commands these are about no incident. Each may be
said again and is done once: `register` with the same key is the same certificate, and the others change nothing the second time.
"""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, ValidationError, model_validator

from protocol import messages
from protocol.campaigns import BoardUpdate, Bundle, CampaignReport, UpdateDo
from protocol.fields import Channel, Compact, Count, Id, Text, UnixMs
from protocol.topics import LIMITS
from protocol.wire import DecodeError

Mac = Annotated[str, Field(pattern=r"^[0-9a-f]{12}$")]
Base64 = Annotated[str, Field(pattern=r"^[A-Za-z0-9+/]+={0,2}$", max_length=4096)]
PAGE = 100  # boards in one answer

BoardDo = Literal["register", "flashed", "revoke", "self_test", "configure", "boards", "prove"] | UpdateDo
ChangeState = Literal["ordered", "applied", "refused", "rolled_back", "missed"]
_OF_NO_BOARD = ("boards", "prove", *UpdateDo.__args__)  # type: ignore[attr-defined]  # of typing.Literal


class Flashed(Compact):
    """What the bench has put on a board and how its self-test went. `image`: version of MicroPython; `program`: digest of the bundle.

    `tested`: point or output -> pressed, measured, commanded (switched on, nobody has seen it) or skipped.
    """

    board: Id
    image: Text
    program: Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
    version: Text
    port: Text
    tested: dict[Id, Literal["pressed", "measured", "heard", "commanded", "skipped"]] = {}


class BoardCommand(Compact):
    """Bench: do this to that board. `t` as in Command.

    register: `request` is a PKCS #10 request in DER, base64, for the board with this `mac`; `replace` lets it take the place of another.
    flashed: `told` is what may be said of the board's configuration (protocol.config); null if it was left as it was. configure: `config`
    holds the keys to set (docs/board-config.md); answered when the order has gone out, what comes of it is told by boards.
    boards: those after the id `after`, or `device` alone. update_start: of `bundle` to `only` these boards, or all; `downgrade` if an older
    version is meant. update_resume: `retry` asks boards again that have failed. updates: of `campaign`, or the newest, the boards after
    `after`. prove: let `channel` prove now that it works (docs/canary.md).
    """

    id: Id
    t: UnixMs
    do: BoardDo
    device: Id | None = None
    mac: Mac | None = None
    request: Base64 | None = None
    replace: bool = False
    flashed: Flashed | None = None
    told: dict[str, Any] | None = None
    config: dict[str, Any] | None = None
    after: Id | None = None
    bundle: Bundle | None = None
    only: list[Id] = []
    downgrade: bool = False
    retry: bool = False
    campaign: Count | None = None
    channel: Channel | None = None

    @model_validator(mode="after")
    def _names_what_it_is_about(self) -> Self:
        if self.do not in _OF_NO_BOARD and self.device is None:
            raise ValueError(f"expected a device with {self.do}")
        if (self.do == "register") != (self.request is not None) or (self.do == "flashed") != (self.flashed is not None):
            raise ValueError("expected a request with register, and flashed with flashed, and only there")
        if (self.do == "configure") != (self.config is not None) or (self.do != "flashed" and self.told is not None):
            raise ValueError("expected a config with configure, told with flashed, and only there")
        if (self.do == "update_start") != (self.bundle is not None):
            raise ValueError("expected a bundle with update_start, and only there")
        if (self.do == "prove") != (self.channel is not None):
            raise ValueError("expected a channel with prove, and only there")
        if self.mac is None and self.do in ("register", "flashed"):
            raise ValueError(f"expected a mac with {self.do}")
        return self


class BoardChange(Compact):
    """The newest change of a board's configuration by an order with the id `order`, of these `keys`, and what has come of it; `words`: why.

    ordered: no answer yet. applied: the board is online with it. rolled_back: it was not, and runs with what it had. missed: the board
    has not got the order.
    """

    order: Id
    keys: list[str]
    by: str
    at_ms: UnixMs
    state: ChangeState
    ended_ms: UnixMs | None = None
    words: str = ""


class BoardState(Compact):
    """A board as the engine knows it, for the technician. `generation`: of its certificate; `revoked`: that has no rights.

    `state` as in the desk's list of boards; `app`: which bundle it runs, "" if none, `updating`: what its newest update over the air has
    come to; times in Unix ms, rssi in dBm, battery in percent. Of a board that was asked for alone: `config`, the digest of the
    configuration that it uses, "" if it has told none; `told`, what was said of it to bench or engine last, which is of this
    configuration if it has its digest; and its newest `change`.
    """

    id: Id
    kind: str
    place: str
    group: Id | None = None
    state: Literal["online", "lost", "unknown"]
    last_seen_ms: UnixMs | None = None
    firmware: str = ""
    app: str = ""
    updating: str = ""
    rssi: int | None = None
    battery: int | None = None
    mains: bool | None = None
    faults: list[str] = []
    generation: int | None = None
    revoked: bool = False
    mac: str = ""
    flashed: Flashed | None = None
    flashed_ms: UnixMs | None = None
    flashed_by: str = ""
    config: str = ""
    told: dict[str, Any] | None = None
    change: BoardChange | None = None


class BoardAnswer(Compact):
    """Engine to bench: what became of the command with this id. Certificates are DER in base64.

    register: `certificate` of `generation`, `ca` and the `server_name` of the broker. self_test: `event`, the receipted test event.
    boards: a page of them; `more` if there are others after the last. update_*: the campaign, as the first of `campaigns`. updates: the
    newest `campaigns`, and a page of the `updates` of the one that was asked for, which is `campaign`. prove: `proved_ms`, null while
    nothing has arrived yet.
    """

    id: Id
    ok: bool
    error: Text | None = None
    generation: int | None = None
    certificate: Base64 | None = None
    ca: Base64 | None = None
    server_name: str | None = None
    event: str | None = None
    boards: list[BoardState] | None = None
    campaigns: list[CampaignReport] | None = None
    campaign: Count | None = None
    updates: list[BoardUpdate] | None = None
    more: bool = False
    proved_ms: UnixMs | None = None


def decode_command(payload: bytes) -> BoardCommand:
    """A command of the bench. Raises DecodeError."""
    _check_length("bench_command", payload)
    try:
        return BoardCommand.model_validate_json(payload)
    except ValidationError as exc:
        raise messages.decode_error(exc) from None


def decode_answer(payload: bytes) -> BoardAnswer:
    """The engine's answer to a command of the bench. Raises DecodeError."""
    _check_length("bench_answer", payload)
    try:
        return BoardAnswer.model_validate_json(payload)
    except ValidationError as exc:
        raise messages.decode_error(exc) from None


def _check_length(name: str, payload: bytes) -> None:
    if len(payload) > LIMITS[name]:
        raise DecodeError("payload", f"at most {LIMITS[name]} bytes", len(payload))
