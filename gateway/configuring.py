"""Changes of boards' configurations, as the technician's bench orders them: the engine's half of `keng device configure`."""

from collections.abc import Awaitable, Callable
from functools import partial

from pydantic import ValidationError

from gateway.domain import changes
from gateway.domain.changes import Wish
from gateway.domain.situation import Act
from gateway.identity.register import Refused
from gateway.settings import Settings
from gateway.updating import decided
from protocol import config
from protocol.boards import BoardAnswer, BoardCommand
from protocol.messages import Order
from protocol.site import Site


class Configuring:
    """`put` gives an act to the intake; `settled()` returns once it is decided, True if it is on the disk."""

    def __init__(self, settings: Settings, site: Site, *, put: Callable[[Act], None], settled: Callable[[], Awaitable[bool]]) -> None:
        self._settings = settings
        self._site = site
        self._put = put
        self._settled = settled

    async def done(self, user: str, command: BoardCommand) -> BoardAnswer:
        """The order has gone out, once. Raises Refused."""
        device = command.device or ""
        order = self._order(device, command)
        await decided(self._put, self._settled, partial(changes.order, wish=Wish(device, user, order)))
        return BoardAnswer(id=command.id, ok=True)

    def _order(self, device: str, command: BoardCommand) -> Order:
        """In words that name no secret."""
        fields = command.config or {}
        try:
            order = config.change(command.id, fields)
        except ValidationError as exc:
            told = [f"{'.'.join(map(str, error['loc']))}: {error['msg']}" for error in exc.errors(include_url=False, include_input=False)]
            raise Refused("; ".join(told)) from None
        except ValueError as exc:
            raise Refused(str(exc)) from None
        board = next(board for board in self._site.boards if board.id == device)
        ours = {"kind": board.kind, "group": self._site.group_of(device), "verify_s": self._settings.engine.verify_s}
        for key, here in ours.items():
            if key in fields and fields[key] != here:
                where = "keng.toml" if key == "verify_s" else "the site file"
                raise Refused(
                    f"{key}: expected {here!r}, as {where} of the gateway says, got {fields[key]!r}: change it there, then restart it"
                )
        return order
