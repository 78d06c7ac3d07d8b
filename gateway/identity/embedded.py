"""The embedded broker's file: rumqttd as the package iotcore brings it. It knows passwords, but no rights and no disk."""

from collections.abc import Iterable
from pathlib import Path

from gateway.identity.accounts import Accounts
from gateway.identity.mosquitto import PACKET_MAX
from gateway.identity.private import keep_private
from gateway.mqtt import Account
from gateway.settings import Broker
from protocol.site import PROGRAMS

CONNECTIONS_PER_USER = 4  # a board that comes back before its old link is noticed as dead, and tools beside it

LIMITS = (
    "it listens on this machine only: real boards need mosquitto (apt install mosquitto)",
    "it has no rights: every program that knows one password can publish everything, and take another's client id",
    "it has no disk: what is retained is gone when it stops, and engine and boards tell it again",
    "who connects in the instant in which a client of the other port leaves may be kept out until it starts again",
    "a wildcard subscription gets at most 100 retained messages: further boards make themselves known within 20 s",
)


def write(directory: Path, broker: Broker, accounts: Accounts) -> Path:
    """Write the configuration into `directory`. Returns its path."""
    path = directory / "embedded.toml"
    keep_private(path, configuration(broker, accounts))
    return path


def configuration(broker: Broker, accounts: Accounts) -> str:
    """rumqttd's TOML: the same two listeners as mosquitto's, each with its own users."""
    programs = [account for user, account in accounts.users.items() if user in PROGRAMS]
    boards = [account for user, account in accounts.users.items() if user not in PROGRAMS]
    return f"""\
id = 0

[router]
id = 0
max_connections = {CONNECTIONS_PER_USER * len(accounts.users) + 100}
max_outgoing_packet_count = 200
max_segment_size = 10485760
max_segment_count = 10

{_listener(1, "boards", broker.host, broker.port, boards)}
{_listener(2, "programs", broker.host_of_programs, broker.port_of_programs, programs)}"""


def _listener(number: int, name: str, host: str, port: int, accounts: Iterable[Account]) -> str:
    """`dynamic_filters`: subscribe to any topic, not only to those named in the file."""
    users = "\n".join(f'"{account.user}" = "{account.password}"' for account in accounts)
    return f"""\
[v4.{number}]
name = "{name}"
listen = "{f"[{host}]" if ":" in host else host}:{port}"
next_connection_delay_ms = 0
[v4.{number}.connections]
connection_timeout_ms = 10000
max_payload_size = {PACKET_MAX}
max_inflight_count = 100
dynamic_filters = true
[v4.{number}.connections.auth]
{users}
"""
