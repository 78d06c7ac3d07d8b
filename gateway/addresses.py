"""Addresses as a person writes them into a file: of this machine, of others, of the web. A check raises ValueError: what it expected."""

import ipaddress
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field


def is_loopback(host: str) -> bool:
    """True for an IP address that only this machine reaches: 127.0.0.0/8 or ::1."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def loopback(host: str, why: str) -> str:
    """An IP address that only this machine reaches; localhost is one. Raises ValueError, and says `why` no other will do."""
    address = "127.0.0.1" if host == "localhost" else host
    if not is_loopback(address):
        raise ValueError(f"expected an address of this machine alone, such as 127.0.0.1, because {why}")
    return address


def own(host: str) -> str:
    """An IP address of this machine. Raises ValueError for a name."""
    address = "127.0.0.1" if host == "localhost" else host
    try:
        ipaddress.ip_address(address)
    except ValueError:
        raise ValueError("expected an IP address of this machine, such as 0.0.0.0 for all of them") from None
    return address


def _host(host: str) -> str:
    try:
        host.encode("idna")
        is_name = bool(host) and host.isprintable() and not any(letter.isspace() for letter in host)
    except UnicodeError:
        is_name = False
    if not is_name:
        raise ValueError("expected a host name or an IP address")
    return host


def web(url: str) -> str:
    """An address of the web: http or https with a host. Raises ValueError."""
    scheme, _, rest = url.partition("://")
    if scheme not in ("http", "https") or not rest or not url.isprintable() or " " in url:
        raise ValueError("expected an address that starts with http:// or https://")
    try:
        parts = urlsplit(url)
        (parts.hostname or "").encode("idna")
        has_place = bool(parts.hostname) and parts.port != 0
    except ValueError:
        has_place = False
    if not has_place:
        raise ValueError("expected an address with a host and, if any, a port in 1..65535")
    return url


Host = Annotated[str, Field(max_length=253), AfterValidator(_host)]
