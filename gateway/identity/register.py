"""Which certificate of each board is good: DATA/identity/boards.json.

    {"boards": {"H03-07": {"generation": 2, "key": "<sha256>", "mac": "240ac4000001", "issued_ms": 1795300000000, "revoked": false}}}

A board's user at the broker is <device>.<generation>, and only the newest generation has rights, unless it is revoked: what is not in the
list of rights may connect, and then neither say nor hear a word. No list of revoked certificates: one that has run out would lock out
every board.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gateway.identity.private import IDENTITY, locked, write_private
from gateway.identity.validity import holder_end
from protocol.fields import Id
from protocol.tomlfile import FileMistakes

NAME = "boards.json"


class Refused(ValueError):
    """A certificate is not issued; the text says what was expected and what came."""


class Entry(BaseModel):
    """A board's newest certificate. `key`: SHA-256 of its public key (DER of SubjectPublicKeyInfo); `mac`: 12 hex digits, or ""."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    generation: int = Field(ge=1)
    key: str
    mac: str = ""
    issued_ms: int
    revoked: bool = False


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")

    boards: dict[Id, Entry] = {}


def load(data: Path) -> dict[str, Entry]:
    """Device -> its newest certificate; empty before the first. Raises FileMistakes if the file is wrong, OSError."""
    path = data / IDENTITY / NAME
    try:
        return _File.model_validate_json(path.read_bytes()).boards
    except FileNotFoundError:
        return {}
    except ValidationError as exc:
        wrong = [f"{path}: {'.'.join(map(str, error['loc'])) or 'file'}: {error['msg']}" for error in exc.errors(include_url=False)]
        raise FileMistakes(wrong) from None


def users(entries: dict[str, Entry]) -> dict[str, str]:
    """Device -> its user at the broker, of those that have rights."""
    return {device: f"{device}.{entry.generation}" for device, entry in entries.items() if not entry.revoked}


def merged(here: bytes, restored: bytes) -> bytes:
    """Of two registers of one authority the newest generation of each board; revoked in either is revoked. Raises ValidationError."""
    boards = _File.model_validate_json(restored).boards
    for device, entry in _File.model_validate_json(here).boards.items():
        other = boards.get(device, entry)
        newest = max(entry, other, key=lambda known: known.generation)
        gone = newest.revoked or (entry.generation == other.generation and (entry.revoked or other.revoked))
        boards[device] = newest.model_copy(update={"revoked": gone})
    return _File(boards=boards).model_dump_json(indent=1).encode()


def end(entry: Entry, authority_until: datetime) -> datetime:
    """Until when this board's certificate is good."""
    return holder_end(datetime.fromtimestamp(entry.issued_ms / 1000, UTC), authority_until)


def revoke(data: Path, device: str) -> Entry:
    """Take a board's rights. Its next certificate is of another generation. Raises Refused if it has none, FileMistakes, OSError."""
    if device not in load(data):
        raise Refused(f"expected a board with a certificate, got {device}")
    with changed(data) as entries:
        entries[device] = entries[device].model_copy(update={"revoked": True})
        return entries[device]


def now() -> datetime:
    """This moment."""
    return datetime.now(UTC)


@contextmanager
def changed(data: Path) -> Iterator[dict[str, Entry]]:
    """The register, to be changed by one at a time; it is written at the end. Raises as `load` does."""
    path = data / IDENTITY / NAME
    with locked(path.with_suffix(".lock")):
        entries = load(data)
        yield entries
        write_private(path, _File(boards=entries).model_dump_json(indent=1))
