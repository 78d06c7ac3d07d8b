"""The serial download mode of a chip: its ROM loader and, once esptool has "uploaded" its stub, the stub's commands.

Contract: Espressif, "Serial Protocol" (docs.espressif.com/projects/esptool). Proven with esptool 5.6.
"""

import hashlib
import struct
import zlib
from collections import Counter
from collections.abc import Callable

from simulator.usb.chips import Chip
from simulator.usb.flash import NorFlash

END, ESCAPE = b"\xc0", b"\xdb"
INVALID, FAILED, BAD_CHECKSUM, INFLATE = 5, 6, 7, 0xB
WITH_CHECKSUM = (0x03, 0x07, 0x11)
SPI_USER = 1 << 18
READ_ID, READ_SFDP = 0x9F, 0x5A

Handler = Callable[["Loader", int, bytes], None]


def slip(packet: bytes) -> bytes:
    """A packet between two END (RFC 1055)."""
    return END + packet.replace(ESCAPE, b"\xdb\xdd").replace(END, b"\xdb\xdc") + END


class Loader:
    """Takes what the host sends in `feed`, answers through `send`, calls `run` when the host starts the application.

    `drops(command, count)`: whether the `count`-th command of this number is to stay unanswered.
    """

    def __init__(
        self,
        chip: Chip,
        flash: NorFlash,
        *,
        mac: bytes,
        flash_id: int,
        send: Callable[[bytes], None],
        run: Callable[[], None],
        drops: Callable[[int, int], bool],
    ) -> None:
        self._chip = chip
        self._flash = flash
        self._flash_id = flash_id
        self._send = send
        self._run = run
        self._drops = drops
        self._registers = chip.registers(mac)
        self._stub = False
        self._rest = b""
        self._counts: Counter[int] = Counter()
        self._block = self._offset = self._place = 0
        self._inflate = zlib.decompressobj()

    def feed(self, data: bytes) -> None:
        """Bytes from the host. Between two packets there are two END: what is empty is none."""
        *packets, self._rest = (self._rest + data).split(END)
        for packet in packets:
            if packet:
                self._take(packet.replace(b"\xdb\xdc", END).replace(b"\xdb\xdd", ESCAPE))

    def _take(self, packet: bytes) -> None:
        if len(packet) < 8 or packet[0] != 0:
            return
        _, command, _, checksum = struct.unpack_from("<BBHI", packet)
        data = packet[8:]
        self._counts[command] += 1
        if self._drops(command, self._counts[command]):
            return
        handler = _HANDLERS.get(command)
        if handler is None or (command >= 0xD0 and not self._stub):
            self._reply(command, error=INVALID)
        elif command in WITH_CHECKSUM and _checksum(data[16:]) != checksum:
            self._reply(command, error=BAD_CHECKSUM)
        else:
            handler(self, command, data)

    def _reply(self, command: int, value: int = 0, data: bytes = b"", error: int = 0) -> None:
        data += bytes([1 if error else 0, error]) + (b"" if self._stub else b"\0\0")
        self._send(slip(struct.pack("<BBHI", 1, command, len(data), value) + data))

    # What the ROM knows.

    def _ok(self, command: int, _data: bytes) -> None:
        self._reply(command)

    def _sync(self, command: int, _data: bytes) -> None:
        for _ in range(8):
            self._reply(command, 0 if self._stub else 0x20120707)

    def _read_register(self, command: int, data: bytes) -> None:
        self._reply(command, self._registers.get(struct.unpack_from("<I", data)[0], 0))

    def _write_register(self, command: int, data: bytes) -> None:
        spi = self._chip.spi
        for place in range(0, len(data), 16):
            address, value, mask, _ = struct.unpack_from("<IIII", data, place)
            self._registers[address] = value & mask
            if address == spi and value & SPI_USER:  # a command to the flash chip
                asked = self._registers.get(spi + self._chip.usr2, 0) & 0xFF
                self._registers[spi + self._chip.w0] = {READ_ID: self._flash_id, READ_SFDP: 0x50444653}.get(asked, 0)
                self._registers[spi] = 0
        self._reply(command)

    def _start_stub(self, command: int, data: bytes) -> None:
        self._reply(command)
        if struct.unpack_from("<II", data)[1]:
            self._stub = True
            self._send(slip(b"OHAI"))

    def _begin(self, command: int, data: bytes) -> None:
        size, _, self._block, self._offset = struct.unpack_from("<IIII", data)
        if self._offset + size > self._flash.size:
            self._reply(command, error=FAILED)
            return
        self._flash.erase(self._offset, size)
        self._inflate, self._place = zlib.decompressobj(), self._offset
        self._reply(command)

    def _write(self, command: int, data: bytes) -> None:
        length, number = struct.unpack_from("<II", data)
        self._flash.write(self._offset + number * self._block, data[16 : 16 + length])
        self._reply(command)

    def _write_deflated(self, command: int, data: bytes) -> None:
        try:
            found = self._inflate.decompress(data[16 : 16 + struct.unpack_from("<I", data)[0]])
        except zlib.error:
            self._reply(command, error=INFLATE)
            return
        self._flash.write(self._place, found)
        self._place += len(found)
        self._reply(command)

    def _end(self, command: int, data: bytes) -> None:
        self._reply(command)
        if struct.unpack_from("<I", data)[0] == 0:
            self._run()

    def _hash(self, command: int, data: bytes) -> None:
        found = hashlib.md5(self._flash.read(*struct.unpack_from("<II", data)), usedforsecurity=False)
        self._reply(command, data=found.digest() if self._stub else found.hexdigest().encode())

    def _read_slowly(self, command: int, data: bytes) -> None:
        self._reply(command, data=self._flash.read(*struct.unpack_from("<II", data)).ljust(64, b"\0"))

    def _security(self, command: int, _data: bytes) -> None:
        if self._chip.mac is None:  # an ESP32 does not know this command
            self._reply(command, error=INVALID)
        else:
            self._reply(command, data=struct.pack("<IB7BII", 0, 0, *[0] * 7, self._chip.image_id, 0))

    # What only the stub knows.

    def _erase_all(self, command: int, _data: bytes) -> None:
        self._flash.erase(0, self._flash.size)
        self._reply(command)

    def _erase_region(self, command: int, data: bytes) -> None:
        self._flash.erase(*struct.unpack_from("<II", data))
        self._reply(command)

    def _read(self, command: int, data: bytes) -> None:
        address, count, block, _ = struct.unpack_from("<IIII", data)
        self._reply(command)
        found = self._flash.read(address, count)
        for place in range(0, count, block):  # acknowledgements are not awaited: neither pty nor TCP loses bytes
            self._send(slip(found[place : place + block]))
        self._send(slip(hashlib.md5(found, usedforsecurity=False).digest()))

    def _start(self, _command: int, _data: bytes) -> None:
        self._run()


_HANDLERS: dict[int, Handler] = {
    0x02: Loader._begin,
    0x03: Loader._write,
    0x04: Loader._end,
    0x05: Loader._ok,  # MEM_BEGIN
    0x06: Loader._start_stub,
    0x07: Loader._ok,  # MEM_DATA
    0x08: Loader._sync,
    0x09: Loader._write_register,
    0x0A: Loader._read_register,
    0x0B: Loader._ok,  # SPI_SET_PARAMS
    0x0D: Loader._ok,  # SPI_ATTACH
    0x0E: Loader._read_slowly,
    0x0F: Loader._ok,  # CHANGE_BAUDRATE
    0x10: Loader._begin,
    0x11: Loader._write_deflated,
    0x12: Loader._end,
    0x13: Loader._hash,
    0x14: Loader._security,
    0xD0: Loader._erase_all,
    0xD1: Loader._erase_region,
    0xD2: Loader._read,
    0xD3: Loader._start,
}


def _checksum(data: bytes) -> int:
    found = 0xEF
    for byte in data:
        found ^= byte
    return found
