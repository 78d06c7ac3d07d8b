"""The users of the broker and their passwords: DATA/broker/accounts.json, readable by its owner alone.

    {"users": {"H03-07": {"host": "127.0.0.1", "port": 1883, "password": "..."}, "engine": {...}, ...}}

Every board has a user of its own name, every program (protocol.site.PROGRAMS) one of its own. A password once made stays: it lies in
the board's flash too. A board that leaves the site keeps its password here, so that it can come back, but no longer any right.
"""

import json
import secrets
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gateway.identity.private import folder, has_identity, keep_private, locked
from gateway.mqtt import Account
from gateway.settings import Broker
from protocol.site import PROGRAMS, Site
from protocol.tomlfile import FileMistakes

PASSWORD_BYTES = 18  # 144 random bits, 24 letters: no dictionary finds them, whatever the hash costs


@dataclass(frozen=True)
class Accounts:
    """Who may connect where, with which password."""

    users: dict[str, Account]

    def account(self, user: str) -> Account:
        """The account of a user. Raises FileMistakes if there is none."""
        if user not in self.users:
            raise FileMistakes([f"accounts: expected the user {user!r}, got {', '.join(sorted(self.users)) or 'none'}"])
        return self.users[user]

    def json(self) -> str:
        """The text of an accounts file with these users."""
        users = {name: {"host": known.host, "port": known.port, "password": known.password} for name, known in self.users.items()}
        return json.dumps({"users": users}, indent=1)


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    host: str | None = None
    port: int | None = Field(None, ge=1, le=65535)
    password: str = Field(min_length=1)


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    users: dict[str, _Entry]


def directory(data: Path) -> Path:
    """Where everything of the broker lies; made if it is not there, closed to other users."""
    return folder(data / "broker")


def load(data: Path) -> Accounts:
    """The accounts that `ensure` made. Raises FileMistakes if the file is wrong, OSError if it cannot be read."""
    return read(data / "broker" / "accounts.json", Broker())


def read(path: Path, broker: Broker) -> Accounts:
    """The accounts in a file; where an entry has no host or port, the broker's. Raises as `load` does."""
    entries = _entries(path)
    return Accounts(
        {
            name: Account(entry.host or _host(name, broker), entry.port or _port(name, broker), name, entry.password)
            for name, entry in entries.items()
        }
    )


def ensure(data: Path, site: Site, broker: Broker) -> Accounts:
    """The accounts of the site's users; makes the passwords that are missing and leaves the others as they are.

    With an external broker the owner writes the file, and nothing is made. Raises as `load` does.
    """
    path = data / "broker" / "accounts.json"
    if broker.kind == "external":
        return read(path, broker)
    # Boards with certificates have no passwords that somebody could find.
    names = [*PROGRAMS, *(board.id for board in site.boards if not has_identity(data))]
    directory(data)
    with locked(path.with_suffix(".lock")):
        before = _entries(path) if path.exists() else {}
        passwords = {name: entry.password for name, entry in before.items()}
        passwords |= {name: secrets.token_urlsafe(PASSWORD_BYTES) for name in names if name not in passwords}
        every = Accounts({name: Account(_host(name, broker), _port(name, broker), name, word) for name, word in passwords.items()})
        keep_private(path, every.json())
    return Accounts({name: every.users[name] for name in names})


def _host(user: str, broker: Broker) -> str:
    return broker.host_of_programs if user in PROGRAMS else broker.host


def _port(user: str, broker: Broker) -> int:
    return broker.port_of_programs if user in PROGRAMS else broker.port


def _entries(path: Path) -> dict[str, _Entry]:
    try:
        return _File.model_validate_json(path.read_bytes()).users
    except ValidationError as exc:
        wrong = [f"{path}: {'.'.join(map(str, error['loc'])) or 'file'}: {error['msg']}" for error in exc.errors(include_url=False)]
        raise FileMistakes(wrong) from None
