"""A public fire point: call button, cabinet door, two extinguishers on presence switches, tamper switch, battery, bell."""

from agent.points import AT_ONCE, NEVER

# (terminal, which is also the point's name; type; whether it calls the group)
POINTS = (
    ("button-1", "button", AT_ONCE),
    ("door", "door", NEVER),
    ("extinguisher-1", "presence", NEVER),
    ("extinguisher-2", "presence", NEVER),
    ("tamper", "tamper", NEVER),
)
BELL = "bell"
BELL_SENSE = "bell-sense"
BATTERY = "battery"
