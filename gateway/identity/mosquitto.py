"""mosquitto's files: configuration, rights, hashed passwords. Written whole at each start of `keng broker`."""

import base64
import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from gateway.identity import acl
from gateway.identity.accounts import Accounts
from gateway.identity.acl import Rights
from gateway.identity.private import keep_private
from gateway.settings import Broker
from protocol.site import Site
from protocol.topics import HOST

# mosquitto's own format and count for $7$ (PBKDF2-HMAC-SHA512); the passwords are random, so that a higher count buys nothing and
# makes 229 boards that reconnect at once wait.
ITERATIONS = 101
SALT_BYTES = 12
PACKET_MAX = HOST + 1024  # the longest payload and its topic


class Certified(NamedTuple):
    """Boards come with certificates: `folder` holds the authority's files. `users`: see acl.boards."""

    folder: Path
    users: Mapping[str, str]


def write(
    directory: Path, site: Site, broker: Broker, accounts: Accounts, *, settled: Mapping[str, str], certified: Certified | None
) -> Path:
    """Write all files into `directory`, which mosquitto uses for its own too; `settled`: see acl.boards. Returns the configuration."""
    boards, programs = acl.boards(site, certified.users if certified else None, settled), acl.programs(site)
    for name, rights in (("boards", boards), ("programs", programs)):
        keep_private(directory / f"{name}.acl", acl_file(rights))
    for name, known in (("boards", {} if certified else boards), ("programs", programs)):
        keep_private(directory / f"{name}.passwd", password_file({user: accounts.account(user).password for user in known}))
    path = directory / "mosquitto.conf"
    keep_private(path, configuration(directory, broker, certified.folder if certified else None, as_root=os.geteuid() == 0))
    return path


def configuration(directory: Path, broker: Broker, identity: Path | None, *, as_root: bool) -> str:
    """mosquitto.conf for mosquitto 2.0.11 and newer; see mosquitto.conf(5).

    Two listeners: a board's client id is its user name, else one board could throw another off by taking its id; programs may take
    any, so that several observers can watch. A board's password does not open the programs' listener. `identity`: the folder of the
    authority; then a board's user is its certificate's common name, and who has none of this authority is not let in.
    """
    folder = directory.resolve()
    boards = f"password_file {folder / 'boards.passwd'}" if identity is None else _tls(identity.resolve())
    return f"""\
per_listener_settings true
{"user root" if as_root else ""}
log_dest stderr
log_type error
log_type warning
log_type notice
log_timestamp_format %Y-%m-%dT%H:%M:%S
sys_interval 0

# Without it the first bell of a group waits 40 ms (Nagle and delayed ACK).
set_tcp_nodelay true
max_packet_size {PACKET_MAX}
max_inflight_messages 100
# A start of the engine asks for every retained birth at once: with fewer, mosquitto drops the rest of a large commune's.
max_queued_messages 100000

# Only a convenience: boards and engine tell their state again after each connect. A save stops the broker while the disk writes,
# so it is done twice an hour and at a clean stop, not at each change.
persistence true
persistence_location {folder}/
persistence_file mosquitto.db
autosave_interval 1800

listener {broker.port} {broker.host}
allow_anonymous false
allow_zero_length_clientid false
use_username_as_clientid true
{boards}
acl_file {folder / "boards.acl"}

listener {broker.port_of_programs} {broker.host_of_programs}
allow_anonymous false
allow_zero_length_clientid false
password_file {folder / "programs.passwd"}
acl_file {folder / "programs.acl"}
"""


def _tls(identity: Path) -> str:
    return f"""\
cafile {identity / "ca.pem"}
certfile {identity / "broker.pem"}
keyfile {identity / "broker.key"}
tls_version tlsv1.2
require_certificate true
use_identity_as_username true"""


def acl_file(rights: Mapping[str, Rights]) -> str:
    """The acl_file: what is not listed is forbidden, and mosquitto drops it without a word."""
    lines: list[str] = []
    for user, right in rights.items():
        lines += [
            f"user {user}",
            *(f"topic write {topic}" for topic in right.publish),
            *(f"topic read {topic}" for topic in right.read),
            "",
        ]
    return "\n".join(lines)


def password_file(passwords: Mapping[str, str]) -> str:
    """The password_file, one hashed line for each user."""
    return "".join(f"{user}:{_hashed(password, os.urandom(SALT_BYTES))}\n" for user, password in passwords.items())


def _hashed(password: str, salt: bytes) -> str:
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, ITERATIONS)
    return f"$7${ITERATIONS}${base64.b64encode(salt).decode()}${base64.b64encode(digest).decode()}"
