"""The chips that a virtual board can be: where each keeps what esptool asks for (esptool/targets, ESP-IDF register headers)."""

import struct
from typing import NamedTuple


class Chip(NamedTuple):
    """`image_id`: in the header of its images; `boot`: where its ROM looks for the bootloader; `spi`, `usr2`, `w0`: registers of the SPI
    controller of the flash; `mac`: register of the first half of the MAC, None for the ESP32, which has it elsewhere.
    """

    name: str
    image_id: int
    boot: int
    spi: int
    usr2: int
    w0: int
    mac: int | None

    def registers(self, mac: bytes) -> dict[int, int]:
        """What registers hold at the start: address -> value."""
        high, low = struct.unpack(">HI", mac)
        if self.mac is not None:
            return {self.mac: low, self.mac + 4: high}
        efuse = 0x3FF5A000
        return {
            0x40001000: 0x00F01D83,  # the magic number of an ESP32
            efuse + 4: low,
            efuse + 8: high,
            efuse + 12: 1 << 15 | 1 << 9,  # package D0WD, revision bit 0
            efuse + 16: 0x80,  # CK8M_FREQ
            efuse + 20: 1 << 20,  # revision bit 1
            0x3FF66000 + 0x7C: 1 << 31,  # APB_CTRL_DATE: revision bit 2, so v3.0
            0x3FF5F06C: 800 << 7,  # RTCCALICFG1: a crystal of 40 MHz
            0x3FF40014: 347,  # UART_CLKDIV at 115200
        }


CHIPS = {
    chip.name: chip
    for chip in (
        Chip("esp32", 0, 0x1000, 0x3FF42000, 0x24, 0x80, None),
        Chip("esp32s3", 9, 0, 0x60002000, 0x20, 0x58, 0x60007044),
        Chip("esp32c3", 5, 0, 0x60002000, 0x20, 0x58, 0x60008844),
        Chip("esp32c6", 13, 0, 0x60003000, 0x20, 0x58, 0x600B0844),
    )
}
