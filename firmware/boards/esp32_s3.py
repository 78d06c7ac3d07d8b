"""ESP32-S3-WROOM-1 development board (N8 and up): the GPIO of each terminal. A bundle carries one such file, as the module `pins`.

Strapping pins (0, 3, 45, 46), USB (19, 20), flash and octal PSRAM (26 to 37) and the console (43, 44) are left alone: ESP-IDF Programming
Guide 5.3 for the ESP32-S3, "GPIO & RTC GPIO"; but for 3, which chooses a debugger on chips alone whose eFuses ask for that. Every other
GPIO has a pull-up. See esp32_wroom.py for levels.
"""

NAME = "esp32_s3"
HEAP_KB = 160  # of the 512 kB of RAM, with Wi-Fi and one TLS connection up; PSRAM, where there is some, comes on top
NO_PULL = ()
ADC1 = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10)  # ADC1_CH0 to CH9: the same page; ADC2 is Wi-Fi's

# terminal -> (GPIO, level when active)
INPUTS = {
    "button-1": (4, 0),
    "button-2": (5, 0),
    "button-3": (15, 0),
    "button-4": (16, 0),
    "smoke-1": (17, 0),
    "heat-1": (18, 0),
    "gas-1": (8, 0),
    "silence": (11, 0),
    "safe": (12, 0),
    "need-help": (13, 0),
    "coming": (14, 0),
    "sos-1": (4, 0),
    "sos-2": (5, 0),
    "extinguisher-1": (21, 1),
    "extinguisher-2": (11, 1),
    "extinguisher-3": (12, 1),
    "extinguisher-4": (13, 1),
    "extinguisher-5": (14, 1),
    "extinguisher-6": (15, 1),
    "extinguisher-7": (16, 1),
    "extinguisher-8": (17, 1),
    "door": (18, 1),
    "tamper": (38, 1),
    "jumper": (3, 0),  # to ground it opens the console: a strapping pin whose level does not matter at a start
    "mains": (39, 1),
    "bell-sense": (40, 1),
}

# terminal -> (GPIO, level when on)
OUTPUTS = {
    "bell": (41, 1),
    "indicator": (42, 1),
    "strobe": (47, 1),
    "light": (47, 1),
    "lamp": (48, 1),
}

# terminal -> GPIO of an ADC1 channel; the battery comes through a divider of 1:2
ANALOG = {
    "battery": 1,
    "loop-1": 2,
    "loop-2": 6,
    "loop-3": 7,
    "tank": 9,
    "pump": 10,
    "lamp-current": 9,
    "light": 10,
}
