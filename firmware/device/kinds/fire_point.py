"""A public fire point: call button, cabinet door, up to eight extinguishers on presence switches, tamper switch, tank, pump, battery,
bell and strobe.
"""

# Data alone: the bench reads this file too. (terminal, which is also the point's name; type; whether it calls the group; driver)
POINTS = (
    ("button-1", "button", "at_once", "contact"),
    ("door", "door", "never", "contact"),
    ("extinguisher-1", "presence", "never", "contact"),
    ("extinguisher-2", "presence", "never", "contact"),
    ("tamper", "tamper", "never", "contact"),
    ("battery", "battery", "never", "battery"),
)
OPTIONAL = (
    ("extinguisher-3", "presence", "never", "contact"),
    ("extinguisher-4", "presence", "never", "contact"),
    ("extinguisher-5", "presence", "never", "contact"),
    ("extinguisher-6", "presence", "never", "contact"),
    ("extinguisher-7", "presence", "never", "contact"),
    ("extinguisher-8", "presence", "never", "contact"),
    ("tank", "level", "never", "level"),
    ("pump", "pressure", "never", "pressure"),
    ("mains", "mains", "never", "mains"),
)
OUTPUTS = ("bell",)
OPTIONAL_OUTPUTS = ("strobe",)
BELL = "bell"
BELL_SENSE = "bell-sense"
HEAP_KB = 57  # fully fitted, an update over the air under way: half of what the 64-bit port needs, whose words are twice as long
