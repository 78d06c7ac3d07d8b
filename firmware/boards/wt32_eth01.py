"""Wireless-Tag WT32-ETH01 v1.4, an ESP32 with wired Ethernet: the GPIO of each terminal. A bundle carries one such file, as `pins`.

The LAN8720 takes GPIO 0 (its clock, 50 MHz in), 16 (the oscillator's power), 18, 19, 21, 22, 23, 25, 26 and 27 (WT32-ETH01 datasheet
v1.3, section 2.3); the strapping pins (2, 5, 12; not 15), the flash's (6 to 11) and the console's (1, 3) are left alone as on every ESP32.
Eight remain: room for a home with its usual points and a battery, for nothing larger. See esp32_wroom.py for levels.
"""

NAME = "wt32_eth01"
HEAP_KB = 100  # as an ESP32-WROOM-32: the same chip, without Wi-Fi's buffers while a cable is in
NO_PULL = (34, 35, 36, 37, 38, 39)  # inputs without pull-ups: ESP32 datasheet v4.x, section 2.2
ADC1 = (32, 33, 34, 35, 36, 37, 38, 39)  # ADC2 is Wi-Fi's
KINDS = ("household",)  # the kinds that there is room for, with those of their points at choice that have a terminal below

# The arguments of network.LAN, GPIOs as numbers: MicroPython's quick reference for the ESP32, "Wireless-Tag's WT32-ETH01 v1.4".
LAN = {"mdc": 23, "mdio": 18, "power": 16, "phy_type": "PHY_LAN8720", "phy_addr": 1}

# terminal -> (GPIO, level when active)
INPUTS = {
    "button-1": (32, 0),
    "button-2": (33, 0),
    "smoke-1": (17, 0),
    "extinguisher-1": (14, 1),
    "jumper": (15, 0),  # to ground it opens the console: a strapping pin whose level does not matter at a start
    "silence": (35, 0),  # 10 kΩ to 3.3 V: no pull-up inside
    "bell-sense": (39, 1),  # comparator on the bell's current; a push-pull output, so no pull-up is needed
}

# terminal -> (GPIO, level when on)
OUTPUTS = {
    "bell": (4, 1),
}

# terminal -> GPIO of an ADC1 channel; the battery comes through a divider of 1:2. Loops take the places of the buttons.
ANALOG = {
    "battery": 36,
    "loop-1": 32,
    "loop-2": 33,
}
