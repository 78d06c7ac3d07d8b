"""ESP32-WROOM-32 development board: the GPIO of each terminal. A bundle carries one such file, as the module `pins`.

Strapping pins (0, 2, 5, 12, 15), flash pins (6 to 11) and the console (1, 3) are left alone: ESP32 datasheet v4.x, section 2.4.
GPIO 34 to 39 are inputs without pull-ups. Contacts switch to ground with the internal pull-up on; the level is the one that means
"active". Switches that report an absence (presence, door, tamper) rest closed, so a cut wire reads as active.
"""

# terminal -> (GPIO, level when active)
INPUTS = {
    "button-1": (32, 0),
    "button-2": (33, 0),
    "smoke-1": (25, 0),
    "silence": (27, 0),
    "extinguisher-1": (26, 1),
    "extinguisher-2": (14, 1),
    "door": (13, 1),
    "tamper": (21, 1),
    "bell-sense": (34, 1),  # comparator on the bell's current; a push-pull output, so no pull-up is needed
}

# terminal -> (GPIO, level when on)
OUTPUTS = {
    "bell": (4, 1),
}

# terminal -> GPIO of an ADC1 channel (ADC2 is Wi-Fi's); the battery comes through a divider of 1:2
ANALOG = {
    "battery": 36,
}
