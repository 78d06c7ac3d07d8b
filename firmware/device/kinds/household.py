"""A home of a fire group: one to four buttons, smoke, heat and gas contacts, an extinguisher on a presence switch, the bell, an indicator
lamp, the silence key and the keys of the roll call. Which of them a home has is a matter of its configuration.
"""

# Data alone: the bench reads this file too. (terminal, which is also the point's name; type; whether it calls the group; driver)
POINTS = (
    ("button-1", "button", "at_once", "contact"),
    ("button-2", "button", "at_once", "contact"),
    ("smoke-1", "smoke", "verify", "contact"),
    ("extinguisher-1", "presence", "never", "contact"),
    ("silence", "key", "never", "contact"),
)
OPTIONAL = (
    ("button-3", "button", "at_once", "contact"),
    ("button-4", "button", "at_once", "contact"),
    ("heat-1", "heat", "at_once", "contact"),
    ("gas-1", "gas", "at_once", "contact"),
    ("safe", "key", "never", "contact"),
    ("need-help", "key", "never", "contact"),
    ("coming", "key", "never", "contact"),
    ("tamper", "tamper", "never", "contact"),
    ("mains", "mains", "never", "mains"),
    ("battery", "battery", "never", "battery"),
)
OUTPUTS = ("bell",)
OPTIONAL_OUTPUTS = ("indicator",)
BELL = "bell"
BELL_SENSE = "bell-sense"
HEAP_KB = 57  # fully fitted, an update over the air under way: half of what the 64-bit port needs, whose words are twice as long
