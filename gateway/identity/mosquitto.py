"""mosquitto's files: configuration, rights, hashed passwords. Written whole at each start of `keng broker`."""

import base64
import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

from gateway.identity import acl
from gateway.identity.accounts import Accounts, write_private
from gateway.identity.acl import Rights
from gateway.settings import Broker
from protocol.site import Site
from protocol.topics import HOST

# mosquitto's own format and count for $7$ (PBKDF2-HMAC-SHA512); the passwords are random, so that a higher count buys nothing and
# makes 229 boards that reconnect at once wait.
ITERATIONS = 101
SALT_BYTES = 12
PACKET_MAX = HOST + 1024  # the longest payload and its topic


def write(directory: Path, site: Site, broker: Broker, accounts: Accounts) -> Path:
    """Write all files into `directory`, which mosquitto uses for its own too. Returns the configuration's path."""
    for name, rights in (("boards", acl.boards(site)), ("programs", acl.programs(site))):
        write_private(directory / f"{name}.acl", acl_file(rights))
        write_private(directory / f"{name}.passwd", password_file({user: accounts.account(user).password for user in rights}))
    path = directory / "mosquitto.conf"
    write_private(path, configuration(directory, broker, as_root=os.geteuid() == 0))
    return path


def configuration(directory: Path, broker: Broker, *, as_root: bool) -> str:
    """mosquitto.conf for mosquitto 2.0.11 and newer; see mosquitto.conf(5).

    Two listeners: a board's client id is its user name, else one board could throw another off by taking its id; programs may take
    any, so that several observers can watch. A board's password does not open the programs' listener.
    """
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
persistence_location {directory.resolve()}/
persistence_file mosquitto.db
autosave_interval 1800

listener {broker.port} {broker.host}
allow_anonymous false
allow_zero_length_clientid false
use_username_as_clientid true
password_file {directory.resolve() / "boards.passwd"}
acl_file {directory.resolve() / "boards.acl"}

listener {broker.port_of_programs} {broker.host}
allow_anonymous false
allow_zero_length_clientid false
password_file {directory.resolve() / "programs.passwd"}
acl_file {directory.resolve() / "programs.acl"}
"""


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
