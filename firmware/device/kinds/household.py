"""A home of a fire group: two buttons, a smoke contact, an extinguisher on a presence switch, a silence key, the bell."""

from agent.points import AT_ONCE, NEVER, VERIFY

# (terminal, which is also the point's name; type; whether it calls the group)
POINTS = (
    ("button-1", "button", AT_ONCE),
    ("button-2", "button", AT_ONCE),
    ("smoke-1", "smoke", VERIFY),
    ("extinguisher-1", "presence", NEVER),
    ("silence", "key", NEVER),
)
BELL = "bell"
BELL_SENSE = "bell-sense"
BATTERY = None
