"""Serial ports on which a board may be. A board is known by its MAC, never by its port."""

from typing import NamedTuple

from serial.tools import list_ports

# USB bridges on ESP32 boards, by vendor: Silicon Labs, WCH, FTDI, Espressif's own, Prolific.
VENDORS = (0x10C4, 0x1A86, 0x0403, 0x303A, 0x067B)


class Port(NamedTuple):
    """`location`: the USB socket, which stays the same for a slot of a jig."""

    device: str
    description: str
    location: str


def found() -> list[Port]:
    """The ports with a known USB bridge, by socket and name."""
    ports = [Port(port.device, port.description or "", port.location or "") for port in list_ports.comports() if port.vid in VENDORS]
    return sorted(ports, key=lambda port: (port.location, port.device))
