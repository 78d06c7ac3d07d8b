"""The bench's own file, bench.toml: where the gateway is, what every board must know, and what single boards have besides."""

from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from protocol import tomlfile
from protocol.config import LONGEST, Address, BoardConfig, Network, Point
from protocol.fields import Id
from protocol.site import Site
from protocol.tomlfile import FileMistakes


def _address(text: str) -> str:
    host, colon, port = text.rpartition(":")
    if not colon or not host or not port.isdigit() or not 1 <= int(port) <= 65535:
        raise ValueError("expected an address and a port, such as 192.168.10.2:8883")
    return text


def _point(value: Any) -> Any:
    """TOML has no null: `true` is a point that is fitted and as usual, `false` one that is not there."""
    return (Point() if value else None) if isinstance(value, bool) else value


class OfBoard(BaseModel):
    """What one board has besides what every board of its kind has: see docs/board-config.md."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    bell_sense: bool = True
    points: dict[Id, Annotated[Point | None, BeforeValidator(_point)]] = {}


class Bench(BaseModel):
    """The whole file. Paths are relative to it.

    `gateway`: the answer of `keng broker accounts --user bench --json`. `user`: the technician at work. `brokers`: where boards find the
    broker. `trusted`: public keys of whoever signs bundles. `verify_s`: that of keng.toml.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    gateway: Path
    user: Id
    brokers: Annotated[list[Annotated[str, AfterValidator(_address)]], Field(min_length=1, max_length=8)]
    trusted: Annotated[list[Path], Field(max_length=2)] = []
    wifi: Annotated[list[Network], Field(max_length=8)] = []
    verify_s: Annotated[int, Field(ge=0, le=90)] = 60
    boards: dict[Id, OfBoard] = {}

    @property
    def addresses(self) -> list[Address]:
        """`brokers`, taken apart."""
        return [Address(host=host, port=int(port)) for host, _, port in (text.rpartition(":") for text in self.brokers)]


def load(path: Path) -> Bench:
    """The file, its paths made absolute. Raises FileMistakes, OSError."""
    found = tomlfile.load(path, Bench)
    base = path.absolute().parent
    return found.model_copy(update={"gateway": base / found.gateway, "trusted": [base / key for key in found.trusted]})


def config(bench: Bench, site: Site, device: str, server_name: str) -> BoardConfig:
    """The configuration of a board of the site. Raises FileMistakes."""
    board = next((board for board in site.boards if board.id == device), None)
    if board is None:
        known = ", ".join(board.id for board in site.boards[:5])
        raise FileMistakes([f"expected a board of the site file ({known}...), got {device!r}"])
    boards = {board.id for board in site.boards}
    if strays := [name for name in bench.boards if name not in boards]:  # else its points would be missing on the board that is meant
        raise FileMistakes([f"bench: boards.{name}: expected a board of the site file, got {name!r}" for name in strays])
    own = bench.boards.get(device, OfBoard())
    try:
        found = BoardConfig(
            site=site.id,
            device=device,
            kind=board.kind,
            group=site.group_of(device) or "",
            brokers=bench.addresses,
            server_name=server_name,
            wifi=bench.wifi,
            bell_sense=own.bell_sense,
            verify_s=bench.verify_s,
            points=own.points,
        )
    except ValidationError as exc:
        raise FileMistakes([f"bench: boards.{device}: {error['msg']}" for error in exc.errors(include_url=False)]) from None
    if len(found.model_dump_json(exclude_defaults=True).encode()) > LONGEST:
        raise FileMistakes([f"bench: boards.{device}: expected a configuration of at most {LONGEST} bytes"])
    return found
