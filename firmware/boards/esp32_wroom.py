"""ESP32-WROOM-32 development board: the GPIO of each terminal. A bundle carries one such file, as the module `pins`.

Strapping pins (0, 2, 5, 12, 15), flash pins (6 to 11) and the console (1, 3) are left alone: ESP-IDF Programming Guide 5.2, "GPIO & RTC
GPIO"; but for 15, whose low level at a start only silences the ROM. 16 and 17 are free on a WROOM; a WROVER has its PSRAM there. No input
whose edges are latched is on 36 or 39, which glitch while Wi-Fi sleeps (the same page).
Contacts switch to ground with the internal pull-up on; the level is the one that means "active". Switches that report an absence
(presence, door, tamper) rest closed, so a cut wire reads as active. One GPIO may be a terminal of several kinds, never two of one kind.
"""

NAME = "esp32_wroom"
HEAP_KB = 100  # of the 520 kB of RAM, what MicroPython 1.29 leaves with Wi-Fi and one TLS connection up
NO_PULL = (34, 35, 36, 37, 38, 39)  # inputs without pull-ups: the same page
ADC1 = (32, 33, 34, 35, 36, 37, 38, 39)  # ADC2 is Wi-Fi's: the same page

# terminal -> (GPIO, level when active)
INPUTS = {
    "button-1": (32, 0),
    "button-2": (33, 0),
    "button-3": (16, 0),
    "button-4": (17, 0),
    "smoke-1": (25, 0),
    "heat-1": (18, 0),
    "gas-1": (19, 0),
    "silence": (27, 0),
    "safe": (22, 0),
    "need-help": (23, 0),
    "coming": (14, 0),
    "sos-1": (32, 0),
    "sos-2": (25, 0),
    "extinguisher-1": (26, 1),
    "extinguisher-2": (14, 1),
    "extinguisher-3": (16, 1),
    "extinguisher-4": (17, 1),
    "extinguisher-5": (18, 1),
    "extinguisher-6": (19, 1),
    "extinguisher-7": (22, 1),
    "extinguisher-8": (23, 1),
    "door": (13, 1),
    "tamper": (21, 1),
    "jumper": (15, 0),  # to ground it opens the console: a strapping pin whose level does not matter at a start
    "mains": (35, 1),  # an optocoupler that conducts while there is mains, with 10 kΩ to 3.3 V
    "bell-sense": (34, 1),  # comparator on the bell's current; a push-pull output, so no pull-up is needed
}

# terminal -> (GPIO, level when on)
OUTPUTS = {
    "bell": (4, 1),
    "indicator": (13, 1),
    "strobe": (27, 1),
    "light": (27, 1),
    "lamp": (26, 1),
}

# terminal -> GPIO of an ADC1 channel; the battery comes through a divider of 1:2. Loops 1 and 2 take the places of buttons 1 and 2.
ANALOG = {
    "battery": 36,
    "loop-1": 32,
    "loop-2": 33,
    "loop-3": 39,
    "tank": 39,
    "pump": 33,
    "lamp-current": 39,
    "light": 33,
}
